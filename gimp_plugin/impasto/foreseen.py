"""The dialog's line on what painting the whole layer will take, asked of the daemon anew whenever a value changes.

Knows GTK, and the daemon's client, which lives in a thread of its own. Starts no daemon: where none runs, where it
cannot say yet or is too old to be asked, there is nothing to read.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
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
from language import _  # noqa: E402

VALUES = (
    *("recipe", "strength", "stroke-size", "max-size", "continue", "source-layer"),
    *(*styles.ARGUMENTS, *styles.WEIGHTS),
)
"""The filters' arguments that a forecast depends on."""
PATIENCE = 400
"""Milliseconds without a change after which the daemon is asked."""


class Foreseen:
    """The line, for the values in the dialog's `config`.

    source: gives the layer; of None nothing is said. outline: gives what would be painted, or raises ImpastoError.
    """

    def __init__(self, source: Callable[[], Any], config: Any, outline: Callable[[], Outline]) -> None:
        self._source, self._config, self._outline = source, config, outline
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
            self._show(None)
            return
        try:
            outline = self._outline()
        except ImpastoError:  # no style is chosen, or it cannot be read: the preview says so
            self._show(None)
            return
        self._asking = True
        threading.Thread(target=self._ask, args=(outline,), name="impasto forecast", daemon=True).start()

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

    def _ask(self, outline: Outline) -> None:
        """In the client's thread."""
        found = None
        try:
            with Client(sandbox.endpoint(), agent=AGENT) as client:
                found = client.foresee(outline)
        except ImpastoError:  # a courtesy: what is wrong with the daemon is said where it is needed
            pass
        finally:
            GLib.idle_add(self._answered, found)

    def _answered(self, found: Forecast | None) -> bool:
        self._asking = False
        if self._closed:
            return False
        if self._stale:
            self._stale = False
            self.again()
        else:
            self._show(found)
        return False

    def _show(self, found: Forecast | None) -> None:
        self.line.set_text(_("The whole: {forecast}").format(forecast=words.foreseen(found)) if found else "")
        self.line.set_visible(found is not None)
