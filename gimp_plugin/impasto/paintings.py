"""Paintings under way and those that outlived their GIMP: what their daemons say, and what can be done about each.

Knows the slips and the daemon; what becomes an image goes through `pixels` and `record`. Knows nothing of GTK.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import daemon_start
import lacking
import pixels
import progress
import record
import slips
import style_memory
from gi.repository import Gimp
from impasto_protocol.errors import ImpastoError
from impasto_protocol.interrupt import Interrupt
from impasto_protocol.jobstate import State
from impasto_protocol.messages import Progress, Result
from impasto_protocol.zmq_client import Client
from language import _

ALONE = 30.0
"""Seconds for which a daemon that did not answer is not asked again: that takes long, or tries to start one."""


@dataclass(frozen=True)
class Painting:
    """A slip, and what the daemon says of its job: a row of its `jobs`."""

    found: slips.Found
    row: Mapping[str, Any]

    @property
    def state(self) -> State:
        return _state(self.row)

    @property
    def waits(self) -> bool:
        """Whether it is finished and nobody has it."""
        return self.state is State.SUCCEEDED and bool(self.row.get("kept")) and not self.found.held

    def sentence(self, doing: str = "") -> str:
        """What it is and how far. doing: what is being done about it."""
        slip, row = self.found.slip, self.row
        news = Progress(
            job=slip.job, state=self.state, step=row.get("step", 0), steps=row.get("steps", 0), eta=row.get("eta")
        )
        return _("{painting}, {layer} of {image}: {state}").format(
            painting=record.layer_name(*slip.styles),
            layer=slip.layer,
            image=slip.image,
            state=doing or (_("finished") if self.state is State.SUCCEEDED else progress.state(news)),
        )


@dataclass(frozen=True)
class Fetched:
    """A finished painting, and what its slip says beyond."""

    slip: slips.Slip
    about: Mapping[str, Any]
    result: Result

    def open(self) -> None:
        """As an image of its own; from then on it is GIMP's. What its painter lacked, the artist is told. On GIMP's
        thread."""
        image, layer = pixels.new_image(self.result.pictures[0], record.layer_name(*self.slip.styles))
        record.keep(layer, _kept(self.about, self.slip.styles, self.result))
        _remember(self.about, self.result)
        Gimp.Display.new(image)
        _tell(self.result, self.slip.endpoint)


class Paintings:
    """All that the slips and the daemons they name tell; a slip whose painting is nowhere is thrown away.

    Belongs to one thread, which may wait long, and never touches GIMP; `leave` is for any other one.
    """

    def __init__(self, profile: Path) -> None:
        self._profile = profile
        self._clients: dict[str, Client] = {}
        self._failed: dict[str, float] = {}
        self._interrupt = Interrupt()

    def leave(self) -> None:
        """No daemon is waited for any more that would have to start first."""
        self._interrupt.set()

    def close(self) -> None:
        for endpoint in [*self._clients]:
            self._hang_up(endpoint)

    def look(self) -> list[Painting]:
        """Those there are now. A daemon that does not answer keeps its secrets for the time being."""
        seen: list[Painting] = []
        jobs: dict[str, dict[str, Mapping[str, Any]]] = {}
        for found in slips.found(self._profile):
            endpoint = found.slip.endpoint
            if endpoint not in jobs and not self._is_left_alone(endpoint):
                try:
                    jobs[endpoint] = {row["job"]: row for row in self._client(endpoint).jobs()}
                except ImpastoError:
                    self._leave_alone(endpoint)
            if endpoint in jobs:
                row = jobs[endpoint].get(found.slip.job)
                if row is not None and _is_worth_showing(found, row):
                    seen.append(Painting(found, row))
                elif not found.held:
                    slips.drop(found.path)
        return seen

    def fetch(self, painting: Painting) -> Fetched:
        """The daemon keeps it until it is `taken`. Raises ImpastoError."""
        slip = painting.found.slip
        with self._asked(painting) as client:
            return Fetched(slip, slips.about(painting.found.path), client.fetch(slip.job))

    def taken(self, painting: Painting) -> None:
        """It is GIMP's: the daemon may forget it, and need not be there to hear that."""
        with contextlib.suppress(ImpastoError), self._asked(painting) as client:
            client.acknowledge(painting.found.slip.job)
        slips.drop(painting.found.path)

    def throw_away(self, painting: Painting) -> None:
        """What is finished is forgotten, what is not is cancelled. Raises ImpastoError."""
        with self._asked(painting) as client:
            if painting.state is State.SUCCEEDED:
                client.acknowledge(painting.found.slip.job)
                slips.drop(painting.found.path)
            else:
                client.cancel(painting.found.slip.job)

    def finish(self, painting: Painting) -> None:
        """End it with the picture as it is. Raises ImpastoError."""
        with self._asked(painting) as client:
            client.finish(painting.found.slip.job)

    @contextlib.contextmanager
    def _asked(self, painting: Painting) -> Iterator[Client]:
        """The conversation with its daemon; where that fails, the next question begins a new one."""
        endpoint = painting.found.slip.endpoint
        try:
            yield self._client(endpoint)
        except ImpastoError:
            self._hang_up(endpoint)
            raise

    def _client(self, endpoint: str) -> Client:
        """A user's own daemon is started where it does not run: it has the results."""
        if endpoint not in self._clients:
            self._clients[endpoint] = daemon_start.connect(lambda _: None, self._interrupt, endpoint)
        return self._clients[endpoint]

    def _is_left_alone(self, endpoint: str) -> bool:
        return time.monotonic() - self._failed.get(endpoint, -ALONE) < ALONE

    def _leave_alone(self, endpoint: str) -> None:
        self._failed[endpoint] = time.monotonic()
        self._hang_up(endpoint)

    def _hang_up(self, endpoint: str) -> None:
        if endpoint in self._clients:
            self._clients.pop(endpoint).close()


def _kept(about: Mapping[str, Any], names: Sequence[str], result: Result) -> dict[str, bytes]:
    """What its layer keeps, as that of any painting; where the slip says no more (it is an older one, or damaged), the
    styles' names."""
    try:
        # Its source is in another image: here the tattoo is any layer's.
        return record.made({**about, "source": {**about["source"], "tattoo": 0}}, result)
    except record.DAMAGE:
        return record.made(record.about_named(names), result)


def _remember(about: Mapping[str, Any], result: Result) -> None:
    """Where the styles' files lie, as after any painting."""
    with contextlib.suppress(*record.DAMAGE):
        asked = result.record["request"]["styles"]
        for style, file in [*zip(asked, about.get("files", ()))][::-1]:  # the first one is the latest
            if file:
                style_memory.remember(style["sha256"], Path(file))


def _tell(result: Result, endpoint: str) -> None:
    """What the painter had to do without: there need have been no window that said so."""
    with contextlib.suppress(*record.DAMAGE):
        lack = lacking.of_record(result.record, str(result.record["request"]["recipe"]), endpoint)
        if lack is not None:
            Gimp.message(lack.sentence)


def _state(row: Mapping[str, Any]) -> State:
    """A newer daemon may know states that are not known here: such a painting is under way."""
    try:
        return State(row.get("state"))
    except ValueError:
        return State.LOADING


def _is_worth_showing(found: slips.Found, row: Mapping[str, Any]) -> bool:
    state = _state(row)
    return not state.terminal or (state is State.SUCCEEDED and bool(row.get("kept")) and not found.held)
