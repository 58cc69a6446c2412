"""A warning that stays in sight: what the painter has to do without. Knows GTK; what is lacking, the daemon says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gi

gi.require_version("Gtk", "3.0")
from gi.repository import Gtk, Pango  # noqa: E402

LINES = 3
"""Of the sentence that are shown; all of it is in the tooltip."""


class Lacking:
    """A sign and the sentence, in a `box` that is seen while there is one."""

    def __init__(self) -> None:
        self._label = Gtk.Label(
            xalign=0, wrap=True, width_chars=24, max_width_chars=24, lines=LINES, ellipsize=Pango.EllipsizeMode.END
        )
        self.box = Gtk.Box(orientation=Gtk.Orientation.HORIZONTAL, spacing=6, no_show_all=True)
        sign = Gtk.Image.new_from_icon_name("dialog-warning", Gtk.IconSize.BUTTON)
        sign.set_valign(Gtk.Align.START)
        for widget in (sign, self._label):
            widget.show()
            self.box.pack_start(widget, False, False, 0)

    def say(self, sentence: str) -> None:
        """An empty one: nothing is lacking."""
        self._label.set_text(sentence)
        self.box.set_tooltip_text(sentence)
        self.box.set_visible(bool(sentence))


def of(record: Mapping[str, Any]) -> str:
    """What a painting's record says of what its painter lacked: that another recipe stood in comes first."""
    notes = record.get("notes")
    return str(notes[0]) if record.get("stand_in") and isinstance(notes, (list, tuple)) and notes else ""
