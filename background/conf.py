"""The settings of `background`, each with its default; set as those of `transports`."""

from __future__ import annotations

from transports.conf import Conf


class TaskConf(Conf):
    """Settings: the project's, or else the default below."""

    DEMO: bool = False  # whether clients on this machine may start tasks, as staff may
    TASK_LEASE: float = 15  # seconds until a silent worker counts as dead
    TASK_SWEEP: float = 5  # seconds between checks without a wake-up
    TASK_CONCURRENCY: int = 4  # tasks at a time in a worker
    TASK_EXPIRY: float = 7 * 24 * 3_600  # seconds a finished task is kept; 0: for ever


conf = TaskConf()
