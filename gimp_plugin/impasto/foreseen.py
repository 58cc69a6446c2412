"""The dialog's line on what painting the whole layer, or all of a row, will take: the daemon is asked whenever a value
changes.

Knows GTK, and the daemon's client, which lives in a thread of its own. Starts no daemon: where none runs, where it
cannot say yet or is too old to be asked, there is nothing to read.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import gi
import progress as words
import sandbox
import styles

gi.require_version("Gtk", "3.0")
from daemon_start import AGENT  # noqa: E402
from gi.repository import GLib, Gtk  # noqa: E402
from impasto_protocol.errors import ImpastoError  # noqa: E402
from impasto_protocol.forecast import Forecast  # noqa: E402
from impasto_protocol.request import Outline  # noqa: E402
from impasto_protocol.zmq_client import Client  # noqa: E402
from language import _, plural  # noqa: E402

VALUES = (
    *("recipe", "strength", "stroke-size", "max-size", "continue", "source-layer", "paint"),
    *(*styles.ARGUMENTS, *styles.WEIGHTS),
)
"""The filters' arguments that a forecast depends on."""
PATIENCE = 400
"""Milliseconds without a change after which the daemon is asked."""
MOST = 12
"""Different outlines of a row that it is asked about at most; of more, one painting has to do."""
Counted = tuple[int, Outline]
"""So many paintings with this outline."""


class Foreseen:
    """The line, for the values in the dialog's `config`.

    source: gives the layer; of None nothing is said. outlines: gives what would be painted, or raises ImpastoError.
    """

    def __init__(self, source: Callable[[], Any], config: Any, outlines: Callable[[], Sequence[Counted]]) -> None:
        self._source, self._config, self._outlines = source, config, outlines
        self._timer = 0
        self._asking = self._stale = self._closed = False
        self.line = Gtk.Label(xalign=0, yalign=0, wrap=True, max_width_chars=30, no_show_all=True)
        self._handlers = [config.connect(f"notify::{name}", self._changed) for name in VALUES]
        self._changed()

    def close(self) -> None:
        """Ask no more, and show nothing that comes late."""
        self._closed = True
        for handler in self._handlers:
            self._config.disconnect(handler)
        self._wait_no_longer()

    def again(self) -> None:
        """Ask now: the daemon may know more. While it is being asked, as soon as it has answered."""
        if self._closed:
            return
        self._wait_no_longer()
        if self._asking:
            self._stale = True
            return
        if self._source() is None:
            self._show("")
            return
        try:
            outlines = self._outlines()
        except ImpastoError:  # no style is chosen, or it cannot be read: the preview says so
            self._show("")
            return
        self._asking = True
        threading.Thread(target=self._ask, args=(outlines,), name="impasto forecast", daemon=True).start()

    def _changed(self, *_values: object) -> None:
        self._wait_no_longer()
        self._timer = GLib.timeout_add(PATIENCE, self._settled)

    def _settled(self) -> bool:
        self._timer = 0
        self.again()
        return False

    def _wait_no_longer(self) -> None:
        if self._timer:
            GLib.source_remove(self._timer)
            self._timer = 0

    def _ask(self, outlines: Sequence[Counted]) -> None:
        """In the client's thread."""
        found: list[Forecast] = []
        try:
            with Client(sandbox.endpoint(), agent=AGENT) as client:
                for _number, outline in outlines if len(outlines) <= MOST else outlines[:1]:
                    forecast = client.foresee(outline)
                    if forecast is None:
                        break
                    found.append(forecast)
        except ImpastoError:  # a courtesy: what is wrong with the daemon is said where it is needed
            pass
        finally:
            GLib.idle_add(self._answered, sentence([number for number, _outline in outlines], found))

    def _answered(self, told: str) -> bool:
        self._asking = False
        if self._closed:
            return False
        if self._stale:
            self._stale = False
            self.again()
        else:
            self._show(told)
        return False

    def _show(self, told: str) -> None:
        self.line.set_text(told)
        self.line.set_visible(bool(told))


def sentence(numbers: Sequence[int], found: Sequence[Forecast]) -> str:
    """What so many paintings of each kind will take, as far as that was found; nothing where nothing was."""
    if not found:
        return ""
    count = sum(numbers)
    if count == 1:
        return _("The whole: {forecast}").format(forecast=words.foreseen(found[0]))
    if len(found) < len(numbers):
        one = plural("One of {n} painting: {forecast}", "One of {n} paintings: {forecast}", count)
        return one.format(n=count, forecast=words.foreseen(found[0]))
    together = plural("{n} painting: {forecast}", "All {n} paintings: {forecast}", count)
    return together.format(n=count, forecast=words.foreseen_together(numbers, found))
