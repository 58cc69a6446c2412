"""Iterates that are kept beside results, on disk alone, within what results leave of the budget.

They are written in the thread that writes the results, so that a result comes after its iterates; until then each is in
memory, and few at a time. What cannot be kept is missed, and costs no result. Knows neither jobs' states nor sockets.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass

from impasto_protocol.messages import Result
from impasto_protocol.server_events import Finished

from .spool import Spool

WAITING = 256 * 1024**2
"""Bytes of iterates that may wait in memory for the disk; one may, whatever its size."""

logger = logging.getLogger("impasto.results")


@dataclass
class _Iterate:
    """One of so many bytes. message: until it is written. missed: it is not kept, for want of room."""

    nbytes: int
    message: Result | None = None
    missed: bool = False

    @property
    def kept(self) -> bool:
        """Whether it is on disk."""
        return self.message is None and not self.missed


class Iterates:
    """Iterates by job and step, the oldest jobs first. writing: the thread that writes. Belongs to another thread, but
    for `missed` and `give_up`."""

    def __init__(self, spool: Spool, writing: Executor) -> None:
        self._spool = spool
        self._writing = writing
        self._jobs: dict[str, dict[int, _Iterate]] = {}

    @property
    def nbytes(self) -> int:
        """Bytes of pixels that are kept, or are to be."""
        return sum(each.nbytes for each in self._all() if not each.missed)

    def take_over(self, job: str, steps: Mapping[int, int]) -> None:
        """What an earlier daemon kept of this job: the bytes of each iterate by its step."""
        self._jobs[job] = {step: _Iterate(nbytes) for step, nbytes in steps.items()}

    def keep(self, finished: Finished, iterate: Result, room: int) -> None:
        """Keep one more, where it takes no more than this many bytes, and the disk keeps up."""
        nbytes = sum(picture.nbytes for picture in iterate.pictures)
        each = _Iterate(nbytes, iterate)
        waiting = sum(other.nbytes for other in self._all() if other.message)
        self._jobs.setdefault(finished.job, {})[iterate.step] = each
        if nbytes > room or (waiting and waiting + nbytes > WAITING):
            _miss(each, finished.job, "there is no room for it")
        else:
            self._writing.submit(self._write, finished, iterate.step, each)

    def steps(self, job: str) -> tuple[int, ...]:
        """Those of which there is an iterate, in their order."""
        return tuple(sorted(step for step, each in self._jobs.get(job, {}).items() if each.kept))

    def read(self, job: str, step: int) -> Result | None:
        """None where it is not kept, or not any more. Raises OSError where the disk cannot read it now."""
        if step not in self.steps(job):
            return None
        found = self._spool.read(job, step)
        self._jobs[job][step].missed = found is None
        return found

    def forget(self, job: str) -> None:
        """No longer keep any of this job's."""
        for step in self._jobs.pop(job, {}):
            self._writing.submit(self._remove, job, step)  # after it was written

    def give_up_oldest(self) -> bool:
        """No longer keep those of the job that was first, to make room. False where there are none."""
        for job, steps in self._jobs.items():
            found = [step for step, each in steps.items() if not each.missed]
            for step in found:
                steps[step].missed, steps[step].message = True, None
                self._writing.submit(self._remove, job, step)
            if found:
                return True
        return False

    # Where the results are written ----------------------------------------------------------------------------

    def missed(self, job: str) -> int:
        """How many of this job's could not be kept."""
        return sum(each.missed for each in self._jobs.get(job, {}).values())

    def give_up(self, job: str) -> bool:
        """Remove what is on disk of this job's, for its result is worth more. False where that is nothing."""
        found = {step: each for step, each in self._jobs.get(job, {}).items() if each.kept}
        for step, each in found.items():
            each.missed = True
            self._remove(job, step)
        return bool(found)

    def _write(self, finished: Finished, step: int, each: _Iterate) -> None:
        message, job = each.message, finished.job
        if message is None or self._jobs.get(job, {}).get(step) is not each:
            return  # nobody wants it any more
        try:
            self._spool.write_iterate(finished, message)
            each.message = None
        except Exception as error:
            _miss(each, job, getattr(error, "strerror", None) or error)

    def _remove(self, job: str, step: int) -> None:
        try:
            self._spool.remove(job, step)
        except OSError as error:
            logger.warning("the iterate of step %d of job %s cannot be removed from disk: %s", step, job, error)

    def _all(self) -> list[_Iterate]:
        return [each for steps in self._jobs.values() for each in steps.values()]


def _miss(each: _Iterate, job: str, why: object) -> None:
    step = each.message.step if each.message else 0
    each.missed, each.message = True, None
    logger.warning("the iterate of step %d of job %s is not kept: %s", step, job, why)
