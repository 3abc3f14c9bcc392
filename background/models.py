"""Table of tasks: durable rows, each claimed by one worker at a time.

The channel layer only wakes workers: with several of them it delivers some messages twice and
loses others. Atomic updates of the database decide which worker runs a task.
"""

from __future__ import annotations

import datetime
import uuid
from typing import Any

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

MOST_ATTEMPTS = 5
BACK_OFF = 2.0  # seconds before the second attempt; twice as long before each further one
LONGEST_PAUSE = BACK_OFF * 2.0 ** (MOST_ATTEMPTS - 2)  # seconds before the last attempt
AHEAD = 60.0  # seconds by which another machine's clock may be ahead


class TaskQuerySet(models.QuerySet["Task"]):
    def claimable(self, lease: float) -> TaskQuerySet:
        """Return the waiting tasks that are due, and the running ones whose lease has expired.

        Also return rows whose `claimable_at` is implausibly far ahead: the clock was set back.
        """
        now = timezone.now()
        furthest = _in(max(lease, LONGEST_PAUSE) + AHEAD)
        return self.filter(
            Q(claimable_at__lte=now) | Q(claimable_at__gt=furthest),
            Q(run_after=None) | Q(run_after__lte=now),
            status__in=(Task.Status.WAITING, Task.Status.RUNNING),
        )

    def is_unattended(self, seconds: float) -> bool:
        """Return whether a task has been due for `seconds`, and no worker holds a task."""
        due = self.filter(
            Q(run_after=None) | Q(run_after__lt=_in(-seconds)),
            status=Task.Status.WAITING,
            claimable_at__lt=_in(-seconds),
        )
        held = self.filter(status=Task.Status.RUNNING, claimable_at__gt=timezone.now())
        return due.exists() and not held.exists()

    def retry(self) -> int:
        """Return failed tasks to the queue, with new attempts; return how many."""
        return self.filter(status=Task.Status.FAILED).update(
            status=Task.Status.WAITING,
            attempts=0,
            error="",
            result=None,
            finished_at=None,
            claimable_at=timezone.now(),
        )

    def cancel(self) -> int:
        """End unfinished tasks, as failed; return how many. A worker stops at its next step."""
        return self.filter(status__in=(Task.Status.WAITING, Task.Status.RUNNING)).update(
            status=Task.Status.FAILED, error="Cancelled.", finished_at=timezone.now()
        )

    def delete_expired(self, seconds: float) -> int:
        """Delete the tasks that ended more than `seconds` ago; return how many."""
        ended = self.filter(
            status__in=(Task.Status.DONE, Task.Status.FAILED), finished_at__lt=_in(-seconds)
        )
        return ended.delete()[0]

    def claim(self, worker: str, lease: float) -> Task | None:
        """Claim a task for `lease` seconds; return None if none is claimable.

        The highest priority is first, and then the oldest.

        Two workers may read the same candidates: only one of their updates matches the row.
        """
        for candidate in self.claimable(lease).order_by("-priority", "created_at")[:20]:
            row = self.claimable(lease).filter(pk=candidate.pk)
            if candidate.attempts >= MOST_ATTEMPTS:
                row.update(
                    status=Task.Status.FAILED,
                    finished_at=timezone.now(),
                    error=candidate.error or "Every worker stopped before the task was finished.",
                )
            elif row.update(
                status=Task.Status.RUNNING,
                worker=worker,
                attempts=F("attempts") + 1,
                started_at=timezone.now(),
                claimable_at=_in(lease),
            ):
                return self.get(pk=candidate.pk)
        return None


class Task(models.Model):
    """A task; `background.work` defines the `arguments` and `result` of each kind."""

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
    # Earliest time of a claim; of a running task, the expiry of its worker's lease.
    claimable_at = models.DateTimeField(default=timezone.now)
    priority = models.SmallIntegerField(default=0)  # tasks of a higher priority are claimed first
    run_after = models.DateTimeField(null=True)  # time before which the task is not claimed
    progress = models.PositiveIntegerField(default=0)  # completed steps
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

    # Each method updates the row only if this worker still holds it, and returns whether it did.

    def renew(self, lease: float) -> bool:
        """Extend the lease to `lease` seconds from now."""
        return self._update(claimable_at=_in(lease))

    def advance(self, progress: int) -> bool:
        """Save `progress`, from which the next attempt continues."""
        self.progress = progress
        return self._update(progress=progress)

    def finish(self, result: Any) -> bool:
        return self._end(self.Status.DONE, result=result, error="")

    def fail(self, error: str, result: Any) -> bool:
        """End the task without another attempt."""
        return self._end(self.Status.FAILED, result=result, error=error)

    def retry_or_fail(self, error: str) -> bool:
        """Save the error, and schedule another attempt, up to `MOST_ATTEMPTS` in all."""
        if self.attempts >= MOST_ATTEMPTS:
            return self._end(self.Status.FAILED, error=error)
        next_attempt_at = _in(BACK_OFF * 2.0 ** (self.attempts - 1))
        return self._update(status=self.Status.WAITING, error=error, claimable_at=next_attempt_at)

    def give_back(self, seconds: float = 0) -> bool:
        """Return the task to the queue for an external cause, without counting the attempt."""
        return self._update(
            status=self.Status.WAITING, attempts=F("attempts") - 1, claimable_at=_in(seconds)
        )

    def _end(self, status: Status, **values: Any) -> bool:
        return self._update(status=status, finished_at=timezone.now(), **values)

    def _update(self, **values: Any) -> bool:
        row = Task.objects.filter(
            pk=self.pk,
            status=self.Status.RUNNING,
            worker=self.worker,
            attempts=self.attempts,
        )
        return row.update(**values) == 1

    @property
    def document(self) -> dict[str, Any]:
        """The task as a JSON object."""
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
