"""The style files painted with last, as small pictures to click, behind a button.

Knows GTK and `style_memory`; what becomes of a file that is chosen is the caller's.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gi
import pixbufs
import style_memory

gi.require_version("Gtk", "3.0")
from gi.repository import Gio, GLib, Gtk  # noqa: E402
from language import _  # noqa: E402
from record import printable  # noqa: E402

MOST, A_ROW = 12, 4
SIDE = 88
"""Longest side of each in pixels."""


def button(choose: Callable[[Any], object]) -> Any:
    """What opens them: it cannot be pressed where there is none. choose: is told which, as a Gio.File."""
    opener = Gtk.MenuButton(label=_("Recent"), tooltip_text=_("Style pictures painted with last"))
    popover = Gtk.Popover(relative_to=opener, border_width=6)
    opener.set_popover(popover)
    opener.set_sensitive(bool(style_memory.recent(1)))  # after the popover, which makes it so by itself
    popover.connect("show", _fill, choose)
    return opener


def _fill(popover: Any, choose: Callable[[Any], object]) -> None:
    """With those that there are now. Each file is unpacked when GTK has nothing else to do."""
    for old in popover.get_children():
        old.destroy()
    paths = style_memory.recent(MOST)
    pictures = [Gtk.Image(width_request=SIDE, height_request=SIDE) for _path in paths]
    box = Gtk.FlowBox(
        min_children_per_line=min(A_ROW, len(paths)),
        max_children_per_line=A_ROW,
        selection_mode=Gtk.SelectionMode.NONE,
        homogeneous=True,
    )

    def chosen(_box: Any, child: Any) -> None:
        popover.popdown()
        choose(Gio.File.new_for_path(str(paths[child.get_index()])))

    box.connect("child-activated", chosen)
    children = [_child(*each) for each in zip(paths, pictures)]
    for child in children:
        box.add(child)
    popover.add(box)
    box.show_all()
    for child in children[:1]:
        child.grab_focus()
    waiting = list(zip(paths, pictures))

    def unpack() -> bool:
        if waiting:
            _show(*waiting.pop(0))
        return bool(waiting)

    for end in ("unmap", "destroy"):  # the source itself would outlive them
        box.connect(end, lambda _box: waiting.clear())
    GLib.idle_add(unpack)


def _child(path: Path, picture: Any) -> Any:
    """One of them, under its file's name."""
    child = Gtk.FlowBoxChild(tooltip_text=printable(str(path)))
    child.get_accessible().set_name(printable(path.name))
    child.add(picture)
    return child


def _show(path: Path, picture: Any) -> None:
    """What is no picture for GTK, but may be one for GIMP, gets a sign."""
    small = pixbufs.of_file(path, SIDE)
    if small is None:
        picture.set_from_icon_name("image-x-generic", Gtk.IconSize.DIALOG)
    else:
        picture.set_from_pixbuf(small)
