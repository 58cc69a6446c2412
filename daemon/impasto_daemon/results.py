"""Finished pictures, kept until they are not needed any more, within a number of bytes: on disk where there is room,
else in memory.

How long is the protocol core's to say (it tells when to forget); how much is said here. Whoever keeps a result does not
wait for the disk: two threads do. One writes files, which the kernel has from then on: the result is stored, and who
waits may be told. The other finishes them, which takes as long as the disk takes, and removes those that are not needed
any more; until then the picture stays in memory. Knows neither jobs' states nor sockets.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from impasto_protocol.messages import Result
from impasto_protocol.server_events import Finished, Found

from .course import left_out
from .iterates import Iterates
from .records import noted
from .spool import Spool

KEEP_BYTES = 2 * 1024**3
KEEP_NUMBER = 1000
"""Results of any size: each is a file, and a job that the core remembers."""
PATIENCE = 5.0
"""Seconds that a result may take to be written until it is taken for stored in memory: nobody is to wait for ever for a
disk that does not answer."""

logger = logging.getLogger("impasto.results")


@dataclass
class _Kept:
    """One result of so many bytes; `result` is None where it is on disk alone. written: so far as it ever will be. due:
    when its patience ends, in monotonic seconds."""

    finished: Finished
    nbytes: int
    result: Result | None = None
    written: bool = False
    due: float = 0.0


class Results:
    """Results by job, the oldest first. The newest one is kept whatever its size: it has not been seen yet."""

    def __init__(self, spool: Spool, budget: int = KEEP_BYTES) -> None:
        self._spool = spool
        self._budget = budget
        self._kept: dict[str, _Kept] = {}
        self._untold: dict[str, _Kept] = {}
        self._lost: list[str] = []
        self._writing = ThreadPoolExecutor(1, thread_name_prefix="results")
        self._finishing = ThreadPoolExecutor(1, thread_name_prefix="disk")
        self._iterates = Iterates(spool, self._writing)
        self._heard, self._bell = socket.socketpair()
        for end in (self._heard, self._bell):
            end.setblocking(False)

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def nbytes(self) -> int:
        """Bytes of pixels that are kept, iterates among them."""
        return sum(kept.nbytes for kept in self._kept.values()) + self._iterates.nbytes

    @property
    def in_memory(self) -> int:
        """Results that a power failure would end: those that are not on disk, or not yet."""
        return sum(kept.result is not None for kept in self._kept.values())

    def take_over(self) -> tuple[Found, ...]:
        """What earlier daemons left on disk, the oldest first, as far as it is within the budget. Asked once."""
        found = {each.finished.job: each for each in self._spool.found()}
        for job, each in found.items():
            self._kept[job] = _Kept(each.finished, each.nbytes)
            self._iterates.take_over(job, each.iterates)
        for job in self._make_room():
            del found[job]
        return tuple(found.values())

    def get(self, job: str, step: int = 0) -> Result | None:
        """The result, which names its iterates, or the iterate of this step. None where it is not kept, or not any
        more: a result is among the `lost` then. Raises OSError where the disk cannot read it now."""
        found = self._iterates.read(job, step) if step else self._result(job)
        return found and replace(found, iterates=self.steps(job))

    def steps(self, job: str) -> tuple[int, ...]:
        """Those of this job's iterates that are kept."""
        return self._iterates.steps(job)

    def keep_iterate(self, finished: Finished, iterate: Result) -> None:
        """Keep one of a job under way, where there is room for it without any result's going."""
        self._iterates.keep(finished, iterate, self._budget - self.nbytes)

    def _result(self, job: str) -> Result | None:
        kept = self._kept.get(job)
        if kept is None:
            return None
        # The other thread may let go of it meanwhile, but only once it can be read.
        result = kept.result
        result = self._spool.read(job) if result is None else result
        if result is None:
            logger.warning("the result of job %s is not on disk any more, or damaged there", job)
            self.forget(job)
            self._lost.append(job)
            self._ring()
        return result

    def keep(self, finished: Finished, result: Result) -> tuple[str, ...]:
        """Keep one more, which `stored` will name. The jobs whose results had to go for it, the oldest first."""
        self._kept.pop(finished.job, None)
        nbytes = sum(picture.nbytes for picture in result.pictures)
        kept = _Kept(finished, nbytes, result, due=time.monotonic() + PATIENCE)
        self._kept[finished.job] = self._untold[finished.job] = kept
        gone = self._make_room()
        self._writing.submit(self._write, kept)
        return gone

    def watched(self) -> list[int]:
        """A descriptor; when it is readable, ask for what is `stored`, and for what is `lost`."""
        return [self._heard.fileno()]

    def deadline(self) -> float | None:
        """When to ask for what is `stored` at the latest."""
        return next((kept.due for kept in self._untold.values()), None)

    def stored(self, now: float) -> list[str]:
        """Jobs whose results the end of this daemon does not reach any more, or always will; each is named once."""
        with contextlib.suppress(BlockingIOError):
            self._heard.recv(4096)
        late = [job for job, kept in self._untold.items() if not kept.written and now >= kept.due]
        for job in late:
            logger.warning("the disk is slow: the result of job %s is given out before it is written", job)
        jobs = [job for job, kept in self._untold.items() if kept.written or job in late]
        for job in jobs:
            del self._untold[job]
        return jobs

    def lost(self) -> list[str]:
        """Jobs whose results are not kept any more though nobody said so; each is named once."""
        lost, self._lost = self._lost, []
        return lost

    def forget(self, job: str) -> None:
        """No longer keep this job's result and its iterates, if they are kept at all."""
        self._untold.pop(job, None)
        self._iterates.forget(job)
        if self._kept.pop(job, None):
            self._writing.submit(self._finishing.submit, self._remove, job)  # after all else that concerns it

    def settle(self) -> None:
        """Wait until everything is written; it may not be on the disk itself yet."""
        self._writing.submit(lambda: None).result()

    def close(self) -> None:
        """Wait for what is not on disk yet, and try once more what could not be written. The results there stay."""
        self._writing.shutdown()
        self._finishing.shutdown()
        for job, kept in self._kept.items():
            if kept.result:
                with _surviving(job):
                    self._spool.finish(self._spool.write(kept.finished, kept.result), job)
                    kept.result = None
        self._spool.close()
        self._bell.close()
        self._heard.close()

    def _make_room(self) -> tuple[str, ...]:
        gone = []
        while self.nbytes > self._budget and self._iterates.give_up_oldest():
            pass
        while len(self._kept) > KEEP_NUMBER or (self.nbytes > self._budget and len(self._kept) > 1):
            gone.append(next(iter(self._kept)))
            self.forget(gone[-1])
        return tuple(gone)

    # In the other threads -------------------------------------------------------------------------------------

    def _write(self, kept: _Kept) -> None:
        job, result = kept.finished.job, kept.result
        if result is None or self._kept.get(job) is not kept:
            return  # nobody wants it any more
        if missed := self._iterates.missed(job):
            kept.result = result = replace(result, record=noted(result.record, left_out(missed, "room")))
        with _surviving(job):
            self._finishing.submit(self._finish, self._written(kept.finished, result), kept)
        kept.written = True
        self._ring()

    def _written(self, finished: Finished, result: Result) -> Path:
        try:
            return self._spool.write(finished, result)
        except OSError:
            if not self._iterates.give_up(finished.job):
                raise
        return self._spool.write(finished, result)

    def _ring(self) -> None:
        with contextlib.suppress(BlockingIOError):  # it rings already
            self._bell.send(b"!")

    def _finish(self, unfinished: Path, kept: _Kept) -> None:
        job = kept.finished.job
        if self._kept.get(job) is not kept:
            unfinished.unlink(missing_ok=True)  # it was acknowledged more quickly than the disk is
            return
        with _surviving(job):
            self._spool.finish(unfinished, job)
            kept.result = None

    def _remove(self, job: str) -> None:
        try:
            self._spool.remove(job)
        except OSError as error:
            logger.warning("the result of job %s cannot be removed from disk: %s", job, error.strerror)


@contextlib.contextmanager
def _surviving(job: str) -> Iterator[None]:
    """What fails in here costs no result."""
    try:
        yield
    except Exception as error:
        sentence = "the result of job %s is kept in memory alone and ends with this daemon: %s"
        logger.warning(sentence, job, getattr(error, "strerror", None) or error)
