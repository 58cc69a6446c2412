"""When a worker that says nothing of its job is taken for one that hangs. Knows no processes: who owns one asks.

Nobody can tell a step that takes long from one that never ends, so this is a last resort for jobs that nobody watches:
it takes an hour, and far longer than the job was ever silent before.
"""

from __future__ import annotations

from dataclasses import dataclass

SECONDS = 3600.0
"""Of silence that any job may keep: a first step on a slow processor, weights from a slow disk."""
TIMES = 30.0
"""How much longer than ever before a job may be silent: the next size has more pixels."""
LOOK = 100.0
"""Seconds that count at most between two looks; the daemon looks once a minute. Was it asleep, so was the worker."""


@dataclass
class Silence:
    """Of one job's worker, in seconds: how long it `lasts` by now, and the `longest` before. `looked`: when that was
    last looked at, or the job's start (monotonic seconds)."""

    looked: float
    lasts: float = 0.0
    longest: float = 0.0

    def broken(self) -> None:
        """The worker has said something."""
        self.longest, self.lasts = max(self.longest, self.lasts), 0.0

    def too_long(self, now: float) -> bool:
        """Whether the worker hangs, for all that can be told at this time."""
        self.lasts += min(now - self.looked, LOOK)
        self.looked = now
        return self.lasts >= max(SECONDS, TIMES * self.longest)
