"""What a painter is to the worker: a request goes in, events come out. Data only; no torch, no sockets.

The worker finds its painter by name (`module:attribute`), so that tests can put a quick one in its place. The
real one is `impasto_daemon.painter:open_painter`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Protocol, Union

from impasto_protocol.errors import ImpastoError
from impasto_protocol.picture import Picture
from impasto_protocol.request import Request

KEEP_SECONDS = 10.0
"""How long a finished job's state may take to be kept where somebody waits for it: a worker whose supervisor is gone
leaves after that, and a worker that is to leave is not ended before."""


@dataclass(frozen=True)
class Preparing:
    """Something beside optimisation takes time (a download, loading a network), or is to be known before it begins (a
    stand-in); `note` is a sentence about it, and with `warning` one that should not be missed. stand_in: the recipe
    that is painted with from here on in place of the one asked for, if any."""

    note: str
    warning: bool = False
    stand_in: str = ""


@dataclass(frozen=True)
class Iterate:
    """One evaluation of the losses is done: number `step` of `steps` over all scales.

    done: the share of the whole work that is behind us, 0 to 1 (steps at fine scales take longer than at coarse ones).
    preview: the picture as it stands, its longest side at most the given number of pixels. Valid until the next
    event is asked for. Raises MemoryError where there is too little for it.
    whole: the result that it would be, of the content's size and sample type; valid and raises as `preview`.
    enough: called before the next event is asked for, ends the painting with this iterate: Painted comes next.
    """

    step: int
    steps: int
    done: float
    losses: Mapping[str, float]
    preview: Callable[[int], Picture]
    whole: Callable[[], Picture]
    enough: Callable[[], None]


def forget(job: str) -> None:
    """Keep nothing: of this painting there is nothing to go on from."""


@dataclass(frozen=True)
class Painted:
    """The result, of the content's size and sample type, and the record of how it was made (JSON-able).

    keep: called with the job's name when the result is on its way, so that nobody waits for it: keeps what a later job
    needs to go on from this one. It may fail; the result is good all the same.
    """

    picture: Picture
    record: Mapping[str, object]
    keep: Callable[[str], None] = forget


class ProcessSpent(ImpastoError):
    """This process can paint no more, or not as it should: the device has failed it, or it has memory that it cannot
    give back. The job has failed for this reason; another process may do the next one."""


PaintEvent = Union[Preparing, Iterate, Painted]


class Painter(Protocol):
    """Owns the device. Made once per worker process."""

    def about(self) -> Mapping[str, object]:
        """Device, features, weights and what is being painted, as plain data, for `status`."""

    def paint(self, request: Request) -> Generator[PaintEvent, None, None]:
        """Any number of Preparing and Iterate, then one Painted. To cancel, close the generator: between two of its
        events lies one optimisation step at most. Raises ImpastoError; ProcessSpent ends the process."""

    def rest(self) -> None:
        """There has been nothing to do for a while: give back memory that the next job can do without at first."""
