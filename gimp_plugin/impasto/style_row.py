"""Where the artist chooses the style: a picture file, a layer of an open image, or a pattern.

Knows GTK and the filter's arguments for styles, of which one at most is set at a time; knows nothing of pixels.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import gi
import pixbufs
import recent_styles

gi.require_version("GimpUi", "3.0")
gi.require_version("Gtk", "3.0")
from gi.repository import GdkPixbuf, GObject, Gtk, Pango  # noqa: E402
from language import _  # noqa: E402

SOURCES = {
    "style-file": _("A picture file"),
    "style-layer": _("A layer of an open image"),
    "style-pattern": _("A pattern"),
}
"""The filter's arguments for styles, as the dialog calls them."""

OWN = "own"
"""Beside them, where a layer is painted again: its own style. None of the arguments is set then."""

THUMBNAIL = 160
"""Longest side in pixels of the style picture in the dialog."""


class Kept(Protocol):
    """The style that a layer keeps: its name and a small picture of it, a GdkPixbuf."""

    @property
    def name(self) -> str: ...

    @property
    def picture(self) -> Any: ...


def made(dialog: Any, config: Any, kept: Kept | None = None) -> Any:
    """The row. Paint cannot be pressed before a style is chosen."""
    combo, stack = Gtk.ComboBoxText(), Gtk.Stack()
    stack.add_named(file_page(config), "style-file")
    if kept is not None:
        stack.add_named(own_page(kept), OWN)
        combo.append(OWN, _("The one it was painted with"))
    for name, label in SOURCES.items():
        combo.append(name, label)
    left: dict[str, Any] = {}

    def turn(_combo: Any) -> None:
        """One source at a time: another one's choice is set aside, and back when it is turned to again."""
        chosen = combo.get_active_id()
        if stack.get_child_by_name(chosen) is None:  # not before: GIMP's widget for a pattern chooses one by itself
            stack.add_named(gimps_page(dialog, chosen), chosen)
        for name in set(given(config)) - {chosen}:
            left[name] = config.get_property(name)
            config.set_property(name, None)
        if chosen in left and config.get_property(chosen) is None:
            config.set_property(chosen, left[chosen])
        stack.set_visible_child_name(chosen)
        follow()

    def follow(*_: object) -> None:
        names = given(config)
        dialog.set_response_sensitive(Gtk.ResponseType.OK, bool(names) or combo.get_active_id() == OWN)
        if names and names[0] != combo.get_active_id():
            combo.set_active_id(names[0])

    column = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=6)
    column.pack_start(labelled(_("St_yle from"), combo), False, False, 0)
    column.pack_start(stack, False, False, 0)
    column.show_all()
    combo.set_active_id("style-file" if kept is None else OWN)
    follow()
    combo.connect("changed", turn)
    turn(combo)
    for name in SOURCES:
        config.connect(f"notify::{name}", follow)
    return column


def given(config: Any) -> list[str]:
    """The arguments that name a style now."""
    return [name for name in SOURCES if config.get_property(name) is not None]


def gimps_page(dialog: Any, name: str) -> Any:
    """GIMP's own widget for an argument."""
    page = dialog.get_widget(name, GObject.TYPE_NONE)
    page.set_valign(Gtk.Align.START)
    page.show_all()
    return page


def file_page(config: Any) -> Any:
    """A file and a small picture of it.

    GIMP's own row for a file wants one that exists; then a script that names a missing one gets no sentence.
    """
    chooser = Gtk.FileChooserButton(title=_("Choose a style picture"), action=Gtk.FileChooserAction.OPEN)
    chooser.add_filter(_pictures())
    chooser.set_preview_widget(Gtk.Image())
    chooser.connect("update-preview", _preview)
    chooser.connect("file-set", lambda it: config.set_property("style-file", it.get_file()))
    thumbnail = Gtk.Image(height_request=THUMBNAIL)  # room is kept for it: a dialog that grows does not shrink again

    def refresh(*_: object) -> None:
        file = config.get_property("style-file")
        path = file.get_path() if file is not None else None
        if path is not None and Path(path).is_file():
            chooser.set_filename(path)
        else:
            chooser.unselect_all()
        thumbnail.set_from_pixbuf(pixbufs.of_file(Path(path), THUMBNAIL) if path else None)

    row = labelled(_("Style _file"), chooser)
    row.pack_start(recent_styles.button(lambda file: config.set_property("style-file", file)), False, False, 0)
    column = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=6)
    column.pack_start(row, False, False, 0)
    column.pack_start(thumbnail, False, False, 0)
    column.show_all()
    config.connect("notify::style-file", refresh)
    refresh()
    return column


def own_page(kept: Kept) -> Any:
    """The style that the layer was painted with: its name and a small picture of it."""
    shrink = min(1.0, THUMBNAIL / max(kept.picture.get_width(), kept.picture.get_height()))
    size = (max(1, round(shrink * side)) for side in (kept.picture.get_width(), kept.picture.get_height()))
    small = kept.picture.scale_simple(*size, GdkPixbuf.InterpType.BILINEAR)
    column = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=6)
    column.pack_start(Gtk.Label(label=kept.name, ellipsize=Pango.EllipsizeMode.MIDDLE), False, False, 0)
    column.pack_start(Gtk.Image.new_from_pixbuf(small), False, False, 0)
    column.show_all()
    return column


def labelled(text: str, widget: Any) -> Any:
    """A widget behind its label, whose mnemonic goes to it."""
    label = Gtk.Label.new_with_mnemonic(text)
    label.set_mnemonic_widget(widget)
    row = Gtk.Box(orientation=Gtk.Orientation.HORIZONTAL, spacing=12)
    row.pack_start(label, False, False, 0)
    row.pack_start(widget, True, True, 0)
    return row


def _pictures() -> Any:
    images = Gtk.FileFilter()
    images.set_name(_("Pictures"))
    images.add_mime_type("image/*")
    return images


def _preview(chooser: Any) -> None:
    """In the window of files, a small picture of the one that is pointed at."""
    path = chooser.get_preview_filename()
    picture = pixbufs.of_file(Path(path), THUMBNAIL) if path else None
    chooser.get_preview_widget().set_from_pixbuf(picture)
    chooser.set_preview_widget_active(picture is not None)
