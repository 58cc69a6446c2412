"""Where the artist chooses a style: a picture file, a layer of an open image, or a pattern.

Knows GTK and the filter's arguments for a style, of which one at most is set at a time; knows nothing of pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import gi
import pixbufs
import recent_styles

gi.require_version("GimpUi", "3.0")
gi.require_version("Gtk", "3.0")
from accessible import described, named  # noqa: E402
from gi.repository import GObject, Gtk, Pango  # noqa: E402
from language import _  # noqa: E402
from styles import argument, given  # noqa: E402

LABELS = {
    "style-file": _("A picture file"),
    "style-layer": _("A layer of an open image"),
    "style-pattern": _("A pattern"),
}
"""The filter's arguments for the first style, as the dialog calls them."""

OWN = "own"
"""Beside them, where a layer is painted again: its own style. None of the arguments is set then."""

THUMBNAIL = 160
"""Longest side in pixels of the first style's picture in the dialog."""
SMALL = 32
"""The same of the others'."""


class OwnStyle(Protocol):
    """The style that a layer keeps: its name and a small picture of it, a GdkPixbuf."""

    @property
    def name(self) -> str: ...

    @property
    def picture(self) -> Any: ...


class Row:
    """One style: `box`, with what there is to choose it with.

    number: of the style. kept: what a layer that is painted again keeps of it. changed: is called whenever a style is
    chosen, or none any more. beside: a button for the end of its first line. labels: as `labelled` has it.
    """

    def __init__(
        self,
        dialog: Any,
        config: Any,
        number: int,
        kept: OwnStyle | None,
        changed: Callable[[], None],
        beside: Any,
        labels: Any,
    ) -> None:
        self._dialog, self._config, self._number, self._changed = dialog, config, number, changed
        self._left: dict[str, Any] = {}
        self._combo, self._stack = Gtk.ComboBoxText(), Gtk.Stack(vhomogeneous=False)
        self._stack.add_named(file_page(config, number, labels), "style-file")
        if kept is not None:
            self._stack.add_named(own_page(kept, number), OWN)
            self._combo.append(OWN, _("The one it was painted with"))
        for name, label in LABELS.items():
            self._combo.append(name, label)
        label = _("St_yle from") if number == 1 else _("Style {number} from").format(number=number)
        line = labelled(labels, label, self._combo)
        line.pack_start(beside, False, False, 0)
        self.box = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=6)
        self.box.pack_start(line, False, False, 0)
        self.box.pack_start(self._stack, False, False, 0)
        self.box.show_all()
        self._combo.set_active(0)
        self._follow()
        self._combo.connect("changed", self._turn)
        self._turn()
        for name in LABELS:
            config.connect(f"notify::{argument(name, number)}", self._follow)

    def is_chosen(self) -> bool:
        """Whether there is a style to paint with."""
        return bool(self.given()) or self._combo.get_active_id() == OWN

    def given(self) -> list[str]:
        """The kinds, by their arguments for the first style, of which one is named now; one at most is right."""
        return given(self._config, self._number)

    def clear(self) -> None:
        """No style is chosen, as far as the arguments go."""
        self._left = {}
        for name in self.given():
            self._config.set_property(argument(name, self._number), None)

    def _turn(self, *_: object) -> None:
        """One source at a time: another one's choice is set aside, and back when it is turned to again."""
        chosen = self._combo.get_active_id()
        if self._stack.get_child_by_name(chosen) is None:
            # Not before: GIMP's widget for a pattern chooses one by itself.
            self._stack.add_named(gimps_page(self._dialog, argument(chosen, self._number)), chosen)
        for name in set(self.given()) - {chosen}:
            self._left[name] = self._config.get_property(argument(name, self._number))
            self._config.set_property(argument(name, self._number), None)
        if chosen in self._left and chosen not in self.given():
            self._config.set_property(argument(chosen, self._number), self._left[chosen])
        self._stack.set_visible_child_name(chosen)
        self._follow()

    def _follow(self, *_: object) -> None:
        names = self.given()
        if names and names[0] != self._combo.get_active_id():
            self._combo.set_active_id(names[0])
        self._changed()


def gimps_page(dialog: Any, name: str) -> Any:
    """GIMP's own widget for an argument."""
    page = dialog.get_widget(name, GObject.TYPE_NONE)
    page.set_valign(Gtk.Align.START)
    page.show_all()
    return page


def file_page(config: Any, number: int, labels: Any) -> Any:
    """A file and a small picture of it: below it of the first style, beside it of another.

    GIMP's own row for a file wants one that exists; then a script that names a missing one gets no sentence.
    """
    name, side = argument("style-file", number), THUMBNAIL if number == 1 else SMALL
    chooser = Gtk.FileChooserButton(title=_("Choose a style picture"), action=Gtk.FileChooserAction.OPEN)
    chooser.add_filter(_pictures())
    chooser.set_preview_widget(Gtk.Image())
    chooser.connect("update-preview", _preview)
    chooser.connect("file-set", lambda it: config.set_property(name, it.get_file()))
    # Room is kept for it: a dialog that grows does not shrink again.
    thumbnail = named(Gtk.Image(height_request=side, width_request=side), _("Style picture"))

    def refresh(*_: object) -> None:
        file = config.get_property(name)
        path = file.get_path() if file is not None else None
        if path is not None and Path(path).is_file():
            chooser.set_filename(path)
        else:
            chooser.unselect_all()
        thumbnail.set_from_pixbuf(pixbufs.of_file(Path(path), side) if path else None)

    row = labelled(labels, _("Style _file") if number == 1 else _("File"), chooser)
    chooser.forall(lambda button: described(button, row.get_children()[0]))  # it has the keys, and a file's name alone
    row.pack_start(recent_styles.button(lambda file: config.set_property(name, file)), False, False, 0)
    column = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=6)
    column.pack_start(row, False, False, 0)
    (column if number == 1 else row).pack_start(thumbnail, False, False, 0)
    column.show_all()
    config.connect(f"notify::{name}", refresh)
    refresh()
    return column


def own_page(kept: OwnStyle, number: int) -> Any:
    """The style that the layer was painted with: its name and a small picture of it, laid out as in `file_page`."""
    small = pixbufs.fitted(kept.picture, THUMBNAIL if number == 1 else SMALL)
    lie = Gtk.Orientation.VERTICAL if number == 1 else Gtk.Orientation.HORIZONTAL
    column = Gtk.Box(orientation=lie, spacing=6)
    column.pack_start(Gtk.Label(label=kept.name, ellipsize=Pango.EllipsizeMode.MIDDLE), number > 1, number > 1, 0)
    column.pack_start(named(Gtk.Image.new_from_pixbuf(small), kept.name), False, False, 0)
    column.show_all()
    return column


def labelled(labels: Any, text: str, widget: Any) -> Any:
    """A widget behind its label, whose mnemonic goes to it. labels: the dialog's Gtk.SizeGroup of such labels, which
    makes the widgets begin below each other."""
    label = Gtk.Label(label=text, use_underline=True, xalign=0, mnemonic_widget=widget)
    labels.add_widget(label)
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
