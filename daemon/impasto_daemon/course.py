"""Which iterates of a painting are kept whole, so that somebody may choose among them in the end.

Knows what a painter says, and nothing of where the iterates go.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping

from impasto_protocol.messages import Result

from .painting import Iterate
from .records import noted

logger = logging.getLogger("impasto.worker")


class Course:
    """So many iterates of one painting, spread from its beginning to its end, which is the result itself.

    How far a painting is, is the mean of the steps' share and of the work's: by steps alone most of them would be of
    coarse sizes, by work alone nearly all of the last one.
    """

    def __init__(self, wanted: int) -> None:
        self._wanted = wanted
        self._passed = 0
        self._missed = 0

    def keeps(self, event: Iterate) -> bool:
        """Whether this one is kept. To be asked of each, in turn."""
        way = (event.step / event.steps + event.done) / 2
        passed = min(self._wanted, int(way * (self._wanted + 1)))
        keeps, self._passed = passed > self._passed and event.step < event.steps, max(passed, self._passed)
        return keeps

    def kept(self, job: str, event: Iterate) -> Iterator[Result]:
        """The message that has it kept; none where there is no memory for it, which costs the painting nothing."""
        try:
            whole = event.whole()
        except MemoryError:
            self._missed += 1
            logger.warning("no memory to keep the iterate of step %d of job %s", event.step, job)
        else:
            yield Result(job=job, step=event.step, pictures=(whole,))

    def told(self, record: Mapping[str, object]) -> Mapping[str, object]:
        """The painting's record, which says where something was left out."""
        return noted(record, left_out(self._missed, "memory")) if self._missed else record


def left_out(number: int, what: str) -> str:
    """The sentence for so many iterates that are not kept for want of memory, or of what else."""
    iterates = "One iterate was" if number == 1 else f"{number} iterates were"
    return f"{iterates} not kept: the daemon had too little {what}."
