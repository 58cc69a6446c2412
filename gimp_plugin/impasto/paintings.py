"""The window of paintings under way and of those that outlived their GIMP, and what can be done about each.

Knows GTK, the slips and the daemon; what becomes an image goes through `pixels` and `record`.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import daemon_start
import gi
import headlines
import lacking
import manual
import pixels
import progress
import record
import slips
import style_memory

gi.require_version("GimpUi", "3.0")
gi.require_version("Gtk", "3.0")
from accessible import described  # noqa: E402
from gi.repository import Gimp, GimpUi, GLib, Gtk  # noqa: E402
from impasto_protocol.errors import Code, ImpastoError  # noqa: E402
from impasto_protocol.interrupt import Interrupt  # noqa: E402
from impasto_protocol.jobstate import State  # noqa: E402
from impasto_protocol.messages import Progress, Result  # noqa: E402
from impasto_protocol.zmq_client import Client  # noqa: E402
from language import _  # noqa: E402

TITLE = _("Neural Style Paintings")
EVERY = 1.0
"""Seconds from one look at the daemon to the next."""
ALONE = 30.0
"""Seconds for which a daemon that did not answer is not asked again: that takes long, or tries to start one."""
NONE = _("No painting is under way, and none is waiting for you.")


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

    def sentence(self) -> str:
        """What it is and how far."""
        slip, row = self.found.slip, self.row
        news = Progress(
            job=slip.job, state=self.state, step=row.get("step", 0), steps=row.get("steps", 0), eta=row.get("eta")
        )
        return _("{painting}, {layer} of {image}: {state}").format(
            painting=record.layer_name(*slip.styles),
            layer=slip.layer,
            image=slip.image,
            state=_("finished") if self.state is State.SUCCEEDED else progress.state(news),
        )


class Paintings:
    """All that the slips and the daemons they name tell; a slip whose painting is nowhere is thrown away.

    `look` and `close` belong to one thread; what is done about a painting has a conversation of its own.
    """

    def __init__(self, profile: Path) -> None:
        self._profile = profile
        self._clients: dict[str, Client] = {}
        self._failed: dict[str, float] = {}

    def close(self) -> None:
        for client in self._clients.values():
            client.close()
        self._clients = {}

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

    def open(self, painting: Painting) -> None:
        """As an image of its own; from then on it is GIMP's. What its painter lacked, the artist is told.

        Raises ImpastoError.
        """
        with _asked(painting) as client:
            result = client.fetch(painting.found.slip.job)
            names = painting.found.slip.styles
            image, layer = pixels.new_image(result.pictures[0], record.layer_name(*names))
            about = slips.about(painting.found.path)
            record.keep(layer, _kept(about, names, result))
            _remember(about, result)
            Gimp.Display.new(image)
            client.acknowledge(result.job)
        slips.drop(painting.found.path)
        _tell(result, painting.found.slip.endpoint)

    def throw_away(self, painting: Painting) -> None:
        """What is finished is forgotten, what is not is cancelled. Raises ImpastoError."""
        with _asked(painting) as client:
            if painting.state is State.SUCCEEDED:
                client.acknowledge(painting.found.slip.job)
                slips.drop(painting.found.path)
            else:
                client.cancel(painting.found.slip.job)

    def finish(self, painting: Painting) -> None:
        """End it with the picture as it is. Raises ImpastoError."""
        with _asked(painting) as client:
            client.finish(painting.found.slip.job)

    def _client(self, endpoint: str) -> Client:
        if endpoint not in self._clients:
            self._clients[endpoint] = _connected(endpoint)
        return self._clients[endpoint]

    def _is_left_alone(self, endpoint: str) -> bool:
        return time.monotonic() - self._failed.get(endpoint, -ALONE) < ALONE

    def _leave_alone(self, endpoint: str) -> None:
        self._failed[endpoint] = time.monotonic()
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


def _connected(endpoint: str) -> Client:
    """A conversation with this daemon; a user's own one is started where it does not run: it has the results."""
    return daemon_start.connect(lambda _: None, Interrupt(), endpoint)


def _asked(painting: Painting) -> contextlib.closing[Client]:
    """A conversation about one painting."""
    return contextlib.closing(_connected(painting.found.slip.endpoint))


def _state(row: Mapping[str, Any]) -> State:
    """A newer daemon may know states that are not known here: such a painting is under way."""
    try:
        return State(row.get("state"))
    except ValueError:
        return State.LOADING


def _is_worth_showing(found: slips.Found, row: Mapping[str, Any]) -> bool:
    state = _state(row)
    return not state.terminal or (state is State.SUCCEEDED and bool(row.get("kept")) and not found.held)


def offer(profile: Path) -> None:
    """At GIMP's start: the window, where a painting was finished while no GIMP was there for it."""
    with contextlib.closing(Paintings(profile)) as paintings:
        waits = any(painting.waits for painting in paintings.look())
    if waits:
        show(profile)


def show(profile: Path) -> None:
    """The window, whatever there is to show."""
    Window(Paintings(profile)).run()


class Window:
    """A row for each painting, looked at again every second, in a thread: GTK does not wait for a daemon."""

    def __init__(self, paintings: Paintings) -> None:
        GimpUi.init("impasto")
        self._paintings = paintings
        self._shown: list[object] | None = None
        self._sentences: list[Any] = []
        self._again = threading.Event()
        self._closed = False
        self._dialog = GimpUi.Dialog(title=TITLE, role="impasto-paintings")
        manual.at_f1(self._dialog, "plug-in-impasto-paintings")
        self._dialog.add_button(_("_Close"), Gtk.ResponseType.CLOSE)
        self._list = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=6, border_width=12)
        self._dialog.get_content_area().pack_start(self._list, True, True, 0)

    def run(self) -> None:
        """Until it is closed."""
        self._list.pack_start(Gtk.Label(label=_("Getting ready")), False, False, 0)
        self._list.show_all()
        threading.Thread(target=self._watch, name="impasto paintings", daemon=True).start()
        try:
            self._dialog.run()
        finally:
            self._closed = True
            self._again.set()
            self._dialog.destroy()

    def _watch(self) -> None:
        """In the thread, which alone has the conversations with the daemons."""
        with contextlib.closing(self._paintings):
            while not self._closed:
                self._again.clear()
                GLib.idle_add(self._refresh, self._paintings.look())
                self._again.wait(EVERY)

    def _refresh(self, now: list[Painting]) -> bool:
        """Say how far each is. Rows stay while what can be done stays: a button that is being pressed must not go."""
        if self._closed:
            return False
        shown: list[object] = [(painting.found.path, painting.state, painting.waits) for painting in now]
        if shown != self._shown:
            self._shown = shown
            self._show(now)
        for label, painting in zip(self._sentences, now):
            label.set_text(record.printable(painting.sentence()))
        return False

    def _show(self, paintings: list[Painting]) -> None:
        for row in self._list.get_children():
            row.destroy()
        self._labels: set[str] = set()
        self._sentences = [Gtk.Label(xalign=0) for _ in paintings]
        rows = [self._row(*of) for of in zip(paintings, self._sentences)]
        for row in rows or [Gtk.Label(label=NONE)]:
            self._list.pack_start(row, False, False, 0)
        self._list.show_all()

    def _row(self, painting: Painting, sentence: Any) -> Any:
        row = Gtk.Box(orientation=Gtk.Orientation.HORIZONTAL, spacing=12)
        row.pack_start(sentence, True, True, 0)
        for label, act in self._acts(painting):
            button = Gtk.Button.new_with_mnemonic(label if label not in self._labels else label.replace("_", ""))
            self._labels.add(label)  # a mnemonic is one button's: the first's
            described(button, sentence)
            button.connect("clicked", self._pressed, act, painting)
            row.pack_start(button, False, False, 0)
        return row

    def _acts(self, painting: Painting) -> Iterator[tuple[str, Callable[[Painting], None]]]:
        if painting.waits:
            yield _("_Open as Image"), self._paintings.open
            yield _("_Throw Away"), self._paintings.throw_away
        else:
            if painting.state is State.RUNNING:
                yield _("_Stop and Keep"), self._paintings.finish
            yield _("C_ancel"), self._paintings.throw_away

    def _pressed(self, _button: Any, act: Callable[[Painting], None], painting: Painting) -> None:
        try:
            act(painting)
        except ImpastoError as error:
            if error.code is not Code.UNKNOWN_JOB:  # it is over by now: the list will say so
                Gimp.message(record.printable(headlines.told(error)))
        self._again.set()
