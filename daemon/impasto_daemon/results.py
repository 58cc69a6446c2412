"""Finished pictures, kept until they are not needed any more, within a number of bytes: on disk where there is room,
else in memory.

How long is the protocol core's to say (it tells when to forget); how much is said here. Whoever keeps a result does not
wait for the disk: one thread writes and removes files, in the order in which it was asked, and until a file is written
its picture stays in memory. Knows neither jobs' states nor sockets.
"""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from impasto_protocol.messages import Result
from impasto_protocol.server_events import Finished, Found

from .spool import Spool

KEEP_BYTES = 2 * 1024**3

logger = logging.getLogger("impasto.results")


@dataclass
class _Kept:
    """One result of so many bytes; `result` is None where it is on disk alone."""

    nbytes: int
    result: Result | None = None


class Results:
    """Results by job, the oldest first. The newest one is kept whatever its size: it has not been seen yet."""

    def __init__(self, spool: Spool, budget: int = KEEP_BYTES) -> None:
        self._spool = spool
        self._budget = budget
        self._kept: dict[str, _Kept] = {}
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="results")

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def nbytes(self) -> int:
        """Bytes of pixels that are kept."""
        return sum(kept.nbytes for kept in self._kept.values())

    @property
    def in_memory(self) -> int:
        """Results that would end with this daemon: those that are not on disk, or not yet."""
        return sum(kept.result is not None for kept in self._kept.values())

    def take_over(self) -> tuple[Found, ...]:
        """What earlier daemons left on disk, the oldest first, as far as it is within the budget. Asked once."""
        found = {each.finished.job: each for each in self._spool.found()}
        for job, each in found.items():
            self._kept[job] = _Kept(each.nbytes)
        for job in self._make_room():
            del found[job]
        return tuple(found.values())

    def get(self, job: str) -> Result | None:
        kept = self._kept.get(job)
        if kept is None:
            return None
        # The other thread may let go of it meanwhile, but only once it can be read.
        result = kept.result
        return self._spool.read(job) if result is None else result

    def keep(self, finished: Finished, result: Result) -> tuple[str, ...]:
        """Keep one more. Returns the jobs whose results had to go for it, the oldest first."""
        self.forget(finished.job)
        kept = self._kept[finished.job] = _Kept(sum(picture.nbytes for picture in result.pictures), result)
        gone = self._make_room()
        self._disk.submit(self._write, finished, kept)
        return gone

    def forget(self, job: str) -> None:
        """No longer keep this job's result, if it is kept at all."""
        if self._kept.pop(job, None):
            self._disk.submit(self._remove, job)

    def close(self) -> None:
        """Wait for what is not on disk yet. The results there stay."""
        self._disk.shutdown()
        self._spool.close()

    def _make_room(self) -> tuple[str, ...]:
        gone = []
        while self.nbytes > self._budget and len(self._kept) > 1:
            gone.append(next(iter(self._kept)))
            self.forget(gone[-1])
        return tuple(gone)

    # In the other thread --------------------------------------------------------------------------------------

    def _write(self, finished: Finished, kept: _Kept) -> None:
        if kept.result is None or self._kept.get(finished.job) is not kept:
            return  # it was acknowledged more quickly than the disk is
        try:
            self._spool.write(finished, kept.result)
            kept.result = None
        except Exception as error:
            sentence = "the result of job %s is kept in memory alone and ends with this daemon: %s"
            logger.warning(sentence, finished.job, getattr(error, "strerror", None) or error)

    def _remove(self, job: str) -> None:
        try:
            self._spool.remove(job)
        except OSError as error:
            logger.warning("the result of job %s cannot be removed from disk: %s", job, error.strerror)
