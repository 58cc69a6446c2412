"""The window of paintings under way and of those that outlived their GIMP, with what can be done about each.

Knows GTK and a thread; what the daemons say, and what is asked of them, is `paintings`.
"""

from __future__ import annotations

import contextlib
import queue
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gi
import headlines
import manual
import record

gi.require_version("GimpUi", "3.0")
gi.require_version("Gtk", "3.0")
from accessible import described  # noqa: E402
from gi.repository import Gdk, Gimp, GimpUi, GLib, Gtk  # noqa: E402
from impasto_protocol.errors import Code, ImpastoError  # noqa: E402
from impasto_protocol.jobstate import State  # noqa: E402
from language import _  # noqa: E402
from paintings import Fetched, Painting, Paintings  # noqa: E402

TITLE = _("Neural Style Paintings")
EVERY = 1.0
"""Seconds from one look at the daemons to the next."""
FAREWELL = 2.0
"""Seconds that what was pressed may take when the window is closed already."""
NONE = _("No painting is under way, and none is waiting for you.")


def offer(profile: Path) -> None:
    """At GIMP's start: the window, where a painting was finished while no GIMP was there for it."""
    with contextlib.closing(Paintings(profile)) as paintings:
        waits = any(painting.waits for painting in paintings.look())
    if waits:
        show(profile)


def show(profile: Path) -> None:
    """The window, whatever there is to show."""
    Window(Paintings(profile)).run()


@dataclass(frozen=True)
class Errand:
    """What is asked of a daemon in the thread, what the artist reads meanwhile, and what then is done with the answer
    on GTK's thread."""

    doing: str
    ask: Callable[[Painting], Any]
    then: Callable[[Painting, Any], None] | None = None


class Window:
    """A row for each painting, looked at again every second.

    GTK waits for no daemon: a thread has the conversations, with what is pressed as errands, and hands over to GTK's.
    """

    def __init__(self, paintings: Paintings) -> None:
        GimpUi.init("impasto")
        self._paintings = paintings
        self._now: list[Painting] = []
        self._shown: list[object] | None = None
        self._rows: list[tuple[Any, Any]] = []
        self._errands: queue.SimpleQueue[tuple[Painting, Errand] | None] = queue.SimpleQueue()
        self._doing: dict[Path, str] = {}
        self._closed = False
        self._dialog = GimpUi.Dialog(title=TITLE, role="impasto-paintings")
        manual.at_f1(self._dialog, "plug-in-impasto-paintings")
        self._dialog.add_button(_("_Close"), Gtk.ResponseType.CLOSE)
        self._list = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=6, border_width=12)
        self._dialog.get_content_area().pack_start(self._list, True, True, 0)

    def run(self) -> None:
        """Until it is closed."""
        self._fill([Gtk.Label(label=_("Getting ready"))])
        thread = threading.Thread(target=self._watch, name="impasto paintings", daemon=True)
        thread.start()
        try:
            self._dialog.run()
        finally:
            self._closed = True
            self._paintings.leave()
            self._errands.put(None)
            self._dialog.destroy()
            if self._doing:  # what was pressed is still asked for
                Gdk.Display.get_default().flush()  # nothing is seen of the window meanwhile
                thread.join(FAREWELL)

    # In the thread, which alone has the conversations with the daemons.

    def _watch(self) -> None:
        with contextlib.closing(self._paintings):
            self._look()
            while True:
                try:
                    task = self._errands.get(timeout=EVERY)
                except queue.Empty:
                    self._look()
                    continue
                if task is None:
                    return
                painting, errand = task
                try:
                    answer = errand.ask(painting)
                except Exception as error:
                    answer = error
                self._look()  # first: its row is as it is by now when it can be pressed again
                self._tell(self._over, painting, errand, answer)

    def _look(self) -> None:
        if self._closed:
            return
        try:
            self._tell(self._refresh, self._paintings.look())
        except Exception as error:
            self._tell(self._lose_sight, error)

    def _tell(self, call: Callable[..., None], *of: object) -> None:
        """Have it done on GTK's thread, while the window is there."""

        def once() -> bool:
            if not self._closed:
                try:
                    call(*of)
                except Exception as error:
                    self._lose_sight(error)
            return False

        GLib.idle_add(once)

    # On GTK's thread.

    def _refresh(self, now: list[Painting]) -> None:
        """Say how far each is. Rows stay while what can be done stays: a button that is being pressed must not go."""
        sentences = [record.printable(each.sentence(self._doing.get(each.found.path, ""))) for each in now]
        shown: list[object] = [(painting.found.path, painting.state, painting.waits) for painting in now]
        if shown != self._shown:
            self._show(now)
        self._now, self._shown = now, shown
        for painting, sentence, (label, buttons) in zip(now, sentences, self._rows):
            label.set_text(sentence)
            buttons.set_sensitive(painting.found.path not in self._doing)

    def _lose_sight(self, error: Exception) -> None:
        """Say why there is no list. It is logged once, however often it is tried again."""
        sentence = _unforeseen(error)
        if self._shown != [sentence]:
            self._shown = [sentence]
            traceback.print_exception(error, file=sys.stderr)
            self._fill([Gtk.Label(label=sentence, wrap=True, max_width_chars=60, selectable=True)])

    def _show(self, paintings: list[Painting]) -> None:
        self._labels: set[str] = set()
        self._rows = []
        self._fill([self._row(painting) for painting in paintings] or [Gtk.Label(label=NONE)])

    def _fill(self, rows: list[Any]) -> None:
        for row in self._list.get_children():
            row.destroy()
        for row in rows:
            self._list.pack_start(row, False, False, 0)
        self._list.show_all()

    def _row(self, painting: Painting) -> Any:
        row = Gtk.Box(orientation=Gtk.Orientation.HORIZONTAL, spacing=12)
        sentence = Gtk.Label(xalign=0)
        buttons = Gtk.Box(orientation=Gtk.Orientation.HORIZONTAL, spacing=12)
        row.pack_start(sentence, True, True, 0)
        row.pack_start(buttons, False, False, 0)
        for label, errand in self._acts(painting):
            button = Gtk.Button.new_with_mnemonic(label if label not in self._labels else label.replace("_", ""))
            self._labels.add(label)  # a mnemonic is one button's: the first's
            described(button, sentence)
            button.connect("clicked", lambda _, errand: self._ask(painting, errand), errand)
            buttons.pack_start(button, False, False, 0)
        self._rows.append((sentence, buttons))
        return row

    def _acts(self, painting: Painting) -> Iterator[tuple[str, Errand]]:
        if painting.waits:
            yield _("_Open as Image"), Errand(_("Opening"), self._paintings.fetch, self._open)
            yield _("_Throw Away"), Errand(_("Throwing away"), self._paintings.throw_away)
        else:
            if painting.state is State.RUNNING:
                yield _("_Stop and Keep"), Errand(_("Stopping"), self._paintings.finish)
            yield _("C_ancel"), Errand(_("Cancelling"), self._paintings.throw_away)

    def _open(self, painting: Painting, fetched: Fetched) -> None:
        fetched.open()
        self._ask(painting, Errand(_("Opening"), self._paintings.taken))

    def _ask(self, painting: Painting, errand: Errand) -> None:
        self._doing[painting.found.path] = errand.doing
        self._errands.put((painting, errand))
        self._refresh(self._now)

    def _over(self, painting: Painting, errand: Errand, answer: Any) -> None:
        del self._doing[painting.found.path]
        try:
            if isinstance(answer, Exception):
                raise answer
            if errand.then is not None:
                errand.then(painting, answer)
        except ImpastoError as error:
            if error.code is not Code.UNKNOWN_JOB:  # it is over by now: the list says so
                Gimp.message(record.printable(headlines.told(error)))
        except Exception as error:
            traceback.print_exception(error, file=sys.stderr)
            Gimp.message(_unforeseen(error))
        self._refresh(self._now)


def _unforeseen(error: Exception) -> str:
    sentence = _("Something unforeseen happened in Impasto's plug-in: {error!r}.")
    return record.printable(sentence.format(error=error))
