"""A task: one durable row, claimed by one worker at a time.

The channel layer only wakes workers: with several of them it delivers some messages twice and
loses others. Which task runs, and where, is decided here, by updates that the database makes
atomic.
"""

from __future__ import annotations

import datetime
import uuid
from typing import Any

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

MOST_ATTEMPTS = 5
BACK_OFF = 2.0  # seconds before the second attempt; doubled for each one after
LONGEST_PAUSE = BACK_OFF * 2.0 ** (MOST_ATTEMPTS - 2)  # seconds, before the last one
AHEAD = 60.0  # seconds that another machine's clock may be ahead of ours


class TaskQuerySet(models.QuerySet["Task"]):
    def claimable(self, lease: float) -> TaskQuerySet:
        """What waits for its turn, and what was claimed by a worker that is not heard of.

        A turn that is further ahead than anybody puts it was given by a clock that has been put
        back since: nobody waits until it is there again.
        """
        furthest = _in(max(lease, LONGEST_PAUSE) + AHEAD)
        return self.filter(
            Q(claimable_at__lte=timezone.now()) | Q(claimable_at__gt=furthest),
            status__in=(Task.Status.WAITING, Task.Status.RUNNING),
        )

    def claim(self, worker: str, lease: float) -> Task | None:
        """The oldest task that can be had, for `lease` seconds; None where there is none.

        Two workers may read the same candidates: the update of only one finds it claimable.
        """
        for candidate in self.claimable(lease).order_by("created_at")[:20]:
            mine = self.claimable(lease).filter(pk=candidate.pk)
            if candidate.attempts >= MOST_ATTEMPTS:
                mine.update(
                    status=Task.Status.FAILED,
                    finished_at=timezone.now(),
                    error=candidate.error or "No worker lived to finish it.",
                )
            elif mine.update(
                status=Task.Status.RUNNING,
                worker=worker,
                attempts=F("attempts") + 1,
                started_at=timezone.now(),
                claimable_at=_in(lease),
            ):
                return self.get(pk=candidate.pk)
        return None


class Task(models.Model):
    """`arguments` and `result` are as the kind of work has them (`background.work`)."""

    class Status(models.TextChoices):
        WAITING = "waiting"
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=40)
    arguments = models.JSONField(default=dict)
    status = models.CharField(max_length=10, choices=Status, default=Status.WAITING)
    attempts = models.PositiveSmallIntegerField(default=0)
    worker = models.CharField(max_length=100, blank=True)
    # Not before; of a running task: when its worker is taken for dead (the lease).
    claimable_at = models.DateTimeField(default=timezone.now)
    progress = models.PositiveIntegerField(default=0)  # steps that need not be done again
    result = models.JSONField(null=True)
    error = models.TextField(blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    objects = TaskQuerySet.as_manager()

    class Meta:
        indexes = (models.Index(fields=["status", "claimable_at"]),)

    def __str__(self) -> str:
        return f"{self.kind} {self.id} ({self.status})"

    # Each of these changes the row only while it is still this worker's: False, it is not.

    def renew(self, lease: float) -> bool:
        """Hold it for `lease` more seconds."""
        return self._update(claimable_at=_in(lease))

    def advance(self, progress: int) -> bool:
        """Whoever runs it again goes on from `progress`."""
        self.progress = progress
        return self._update(progress=progress)

    def finish(self, result: Any) -> bool:
        return self._update(
            status=self.Status.DONE, result=result, error="", finished_at=timezone.now()
        )

    def retry_or_fail(self, error: str) -> bool:
        """It went wrong: again later, `MOST_ATTEMPTS` times in all."""
        if self.attempts >= MOST_ATTEMPTS:
            return self._update(status=self.Status.FAILED, error=error, finished_at=timezone.now())
        later = _in(BACK_OFF * 2.0 ** (self.attempts - 1))
        return self._update(status=self.Status.WAITING, error=error, claimable_at=later)

    def give_back(self, seconds: float = 0) -> bool:
        """It could not be done now, through no fault of its own: not an attempt."""
        return self._update(
            status=self.Status.WAITING, attempts=F("attempts") - 1, claimable_at=_in(seconds)
        )

    def _update(self, **values: Any) -> bool:
        mine = Task.objects.filter(
            pk=self.pk,
            status=self.Status.RUNNING,
            worker=self.worker,
            attempts=self.attempts,
        )
        return mine.update(**values) == 1

    @property
    def document(self) -> dict[str, Any]:
        """The task as JSON says it."""
        times = {
            name: value.timestamp() if (value := getattr(self, name)) else None
            for name in ("created_at", "started_at", "finished_at")
        }
        return {
            "id": str(self.id),
            "kind": self.kind,
            "arguments": self.arguments,
            "status": self.status,
            "worker": self.worker,
            "attempts": self.attempts,
            "progress": self.progress,
            "result": self.result,
            "error": self.error,
            **times,
        }


def _in(seconds: float) -> datetime.datetime:
    return timezone.now() + datetime.timedelta(seconds=seconds)
