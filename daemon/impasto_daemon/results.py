"""Finished pictures, kept until they are not needed any more, within a number of bytes.

How long is the protocol core's to say (it tells when to forget); how much is said here. Knows neither jobs' states
nor sockets.
"""

from __future__ import annotations

from impasto_protocol.messages import Result

KEEP_BYTES = 2 * 1024**3


class Results:
    """Results by job, the oldest first. The newest one is kept whatever its size: it has not been seen yet."""

    def __init__(self, budget: int = KEEP_BYTES) -> None:
        self._budget = budget
        self._kept: dict[str, Result] = {}

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def nbytes(self) -> int:
        """Bytes of pixels that are kept."""
        return sum(picture.nbytes for result in self._kept.values() for picture in result.pictures)

    def get(self, job: str) -> Result | None:
        return self._kept.get(job)

    def keep(self, job: str, result: Result) -> tuple[str, ...]:
        """Keep one more. Returns the jobs whose results had to go for it, the oldest first."""
        self.forget(job)
        self._kept[job] = result
        gone = []
        while self.nbytes > self._budget and len(self._kept) > 1:
            gone.append(next(iter(self._kept)))
            self.forget(gone[-1])
        return tuple(gone)

    def forget(self, job: str) -> None:
        """No longer keep this job's result, if it is kept at all."""
        self._kept.pop(job, None)
