"""The dialog's row that says what a batch paints, and how many paintings that makes. Knows GTK and one argument."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gi
import style_row
from language import _, plural

gi.require_version("GimpUi", "3.0")
gi.require_version("Gtk", "3.0")
from gi.repository import GimpUi, Gtk  # noqa: E402

WHAT = {
    "selected-layers": _("The selected layers"),
    "visible-layers": _("All visible layers"),
    "all-images": _("The selected layers of every open image"),
    "frames": _("The frames of an animation, into a new image"),
}
"""Values of the argument `paint`, as the dialog calls them. A test holds that they are those there are."""


def made(config: Any, labels: Any, count: Callable[[str], int]) -> Any:
    """The row. labels: as `style_row.labelled` has it. count: how many paintings a value of `paint` makes."""
    store = Gtk.ListStore(str, str)
    for each in WHAT.items():
        store.append(each[::-1])  # a screen reader reads the first column
    if config.get_property("paint") not in WHAT:
        config.set_property("paint", next(iter(WHAT)))
    paintings = Gtk.Label(xalign=1)

    def follow(*_about: object) -> None:
        number = count(config.get_property("paint"))
        paintings.set_text(plural("{n} painting", "{n} paintings", number).format(n=number))

    config.connect("notify::paint", follow)
    follow()
    row = style_row.labelled(
        labels, _("What t_o paint"), GimpUi.prop_string_combo_box_new(config, "paint", store, 1, 0)
    )
    row.pack_start(paintings, False, False, 0)
    row.show_all()
    return row
