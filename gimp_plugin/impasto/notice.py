"""A warning that stays in sight: a sign and a sentence. Knows GTK; what is warned of, `lacking` says."""

from __future__ import annotations

import gi

gi.require_version("Gtk", "3.0")
from gi.repository import Gtk, Pango  # noqa: E402
from lacking import Lack  # noqa: E402

LINES = 8
"""Of the sentence that are shown: more than one of ours has; of a daemon's own, all of it is in the tooltip."""


class Notice:
    """A sign and the sentence, in a `box` that is seen while there is one."""

    def __init__(self) -> None:
        self._label = Gtk.Label(
            xalign=0,
            wrap=True,
            width_chars=24,
            max_width_chars=24,
            lines=LINES,
            ellipsize=Pango.EllipsizeMode.END,
            selectable=True,  # there may be something to type in it
        )
        self.box = Gtk.Box(orientation=Gtk.Orientation.HORIZONTAL, spacing=6, no_show_all=True)
        sign = Gtk.Image.new_from_icon_name("dialog-warning", Gtk.IconSize.BUTTON)
        sign.set_valign(Gtk.Align.START)
        for widget, takes_room in ((sign, False), (self._label, True)):
            widget.show()
            self.box.pack_start(widget, takes_room, takes_room, 0)

    def say(self, lack: Lack | None) -> None:
        """None: nothing is lacking. The daemon's own words stay while the sentence does."""
        sentence = lack.sentence if lack else ""
        if sentence != self._label.get_text():
            self._label.set_text(sentence)
            self.box.set_tooltip_text("")
            self.box.set_visible(bool(sentence))
        if lack and lack.why:
            self.box.set_tooltip_text(lack.why)
