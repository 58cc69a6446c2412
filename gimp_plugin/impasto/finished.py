"""The one life of a painting, alone or in a row: handed in, waited for, kept by the daemon until it is in its place.

A slip tells of it until then, so that it is found again if GIMP ends. Knows jobs and slips; nothing of layers: its
order has what puts the painting where it belongs.
"""

from __future__ import annotations

import contextlib
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lacking
import record
import sandbox
import styles
from gi.repository import Gimp
from impasto_protocol.errors import Code, ImpastoError
from impasto_protocol.messages import Result
from impasto_protocol.request import Request
from job import Job, Watcher
from language import _
from slips import Held, Slip
from styles import Chosen


@dataclass(frozen=True)
class Order:
    """What is to be painted, and what puts the painting in its place; the names of the layer and of its image.

    styles: as many as the request's; about: what the painting keeps of all this (`record.about`).
    """

    request: Request
    styles: Sequence[Chosen]
    about: Mapping[str, Any]
    layer: str
    image: str
    place: Callable[[Result], None]


@dataclass(frozen=True)
class Finished:
    """A painting that is there, and not in its place yet. layer: its order's. unseen: what its painter lacked, where
    there was no window that said so."""

    layer: str
    unseen: lacking.Lack | None
    _result: Result
    _place: Callable[[Result], None]
    _job: Job
    _held: Held

    def place(self) -> list[str]:
        """Put it in its place: the daemon may forget it then. What the artist should know.

        Raises ImpastoError where that cannot be: the daemon keeps it, and so does its slip.
        """
        try:
            self._place(self._result)
        except Exception as error:
            self._held.leave()
            raise _not_placed(self._result.job, error) from error
        self._job.acknowledge()
        self._job.settle()
        return [note for note in record.notes(self._result.record) if note not in self._job.warnings]


@contextlib.contextmanager
def painting(plug_in: Any, order: Order, watcher: Watcher) -> Iterator[Finished]:
    """Have the daemon paint it, and keep it until the end of the block. Raises ImpastoError and GivenUp before that."""
    job = Job(order.request)
    slip = Slip(job.name, sandbox.endpoint(), order.layer, order.image, record.names(order.styles))
    files = [str(style.path or "") for style in order.styles]
    with Held(slip, Path(Gimp.directory()), {**order.about, "files": files}) as held, job:
        result = job.wait(plug_in, watcher)
        unseen = None if watcher.is_seen else lacking.of_record(result.record, job.recipe)
        finished = Finished(order.layer, unseen, result, order.place, job, held)
        del order  # it has all the pixels, and many may wait for their places
        yield finished


def placed(plug_in: Any, order: Order, watcher: Watcher) -> list[str]:
    """Have the daemon paint it, and put it in its place at once; what the artist should know. Raises as `painting`."""
    with painting(plug_in, order, watcher) as finished:
        notes = finished.place()
    if finished.unseen:
        Gimp.message(finished.unseen.sentence)
    styles.remember(order.styles)
    return notes


def _not_placed(job: str, error: Exception) -> ImpastoError:
    """The sentence for a painting that the daemon still has, with the reason's code. Its detail `unplaced`: the reason
    alone, without a full stop."""
    code = error.code if isinstance(error, ImpastoError) else Code.INTERNAL
    if not isinstance(error, ImpastoError):
        traceback.print_exception(error, file=sys.stderr)
    reason = str(error).rstrip(".。") or repr(error)
    return ImpastoError(
        code,
        _(
            "The painting could not be put into the image: {reason}. It is not lost: Impasto keeps it for a "
            "day. Choose Filters ▸ Artistic ▸ Neural Style Paintings…, or type in a terminal: impasto fetch "
            "{job} -o FILE.png"
        ).format(reason=reason, job=job[:8]),
        unplaced=reason,
    )
