"""The window before the painting: style picture, recipe, strength, size. Knows GTK; nothing of jobs or pixels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gi

gi.require_version("GimpUi", "3.0")
gi.require_version("Gtk", "3.0")
from gi.repository import GdkPixbuf, GimpUi, GLib, Gtk  # noqa: E402

TITLE = "Neural Style Transfer"

RECIPES = {
    "impasto": "Impasto: painterly, coarse to fine",
    "gatys": "Gatys 2016: the original paper, from noise",
    "gatys-hires": "Gatys' notebook: two passes, from the layer",
    "neural-style": "neural-style: the Torch program, from noise",
    "pytorch": "PyTorch's tutorial: shallow layers, before ReLU",
    "tensorflow": "TensorFlow's tutorial: Adam, keeps the motif loosely",
    "peixeiro": "Peixeiro: noisy start, 200 steps",
    "vgg16": "VGG16: the smaller network, from noise",
    "wasserstein": "Crowson: Wasserstein distance, many sizes",
    "wavelets": "Wavelets: needs no network weights",
}
"""The daemon's recipes in its order, as the dialog calls them. A test holds that they are the daemon's own."""

THUMBNAIL = 160
"""Longest side in pixels of the style picture in the dialog."""

LARGEST = 50_000_000
"""Pixels of a picture that is unpacked for this; a larger one is painted with, but not shown."""


def ask(procedure: Any, config: Any) -> bool:
    """Show the dialog; True where the artist pressed Paint. The answers are in `config`."""
    GimpUi.init("impasto")
    dialog = GimpUi.ProcedureDialog.new(procedure, config, TITLE)
    dialog.set_ok_label("_Paint")
    dialog.get_spin_scale("strength", 1.0)
    dialog.get_spin_scale("max-size", 1.0)
    content = dialog.get_content_area()
    content.pack_start(style_row(dialog, config), False, False, 0)
    content.pack_start(recipe_row(config), False, False, 0)
    dialog.fill(["strength", "max-size", "seed"])
    try:
        return bool(dialog.run())
    finally:
        dialog.destroy()


def style_row(dialog: Any, config: Any) -> Any:
    """The style file and a small picture of it. Paint cannot be pressed before one is chosen.

    GIMP's own row for a file wants one that exists; then a script that names a missing one gets no sentence.
    """
    chooser = Gtk.FileChooserButton(title="Choose a style picture", action=Gtk.FileChooserAction.OPEN)
    chooser.add_filter(_pictures())
    chooser.set_preview_widget(Gtk.Image())
    chooser.connect("update-preview", lambda it: it.set_preview_widget_active(
        _show(it.get_preview_widget(), it.get_preview_filename())
    ))  # fmt: skip
    chooser.connect("file-set", lambda it: config.set_property("style-file", it.get_file()))
    thumbnail = Gtk.Image()

    def refresh(*_: object) -> None:
        file = config.get_property("style-file")
        path = file.get_path() if file is not None else None
        if path is not None and Path(path).is_file():
            chooser.set_filename(path)
        else:
            chooser.unselect_all()
        thumbnail.set_visible(_show(thumbnail, path))
        dialog.set_response_sensitive(Gtk.ResponseType.OK, path is not None)

    column = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=6)
    column.pack_start(_labelled("St_yle picture", chooser), False, False, 0)
    column.pack_start(thumbnail, False, False, 0)
    column.show_all()
    config.connect("notify::style-file", refresh)
    refresh()
    return column


def recipe_row(config: Any) -> Any:
    """The recipe as a combo box: `recipe` is a text, so that a script's wrong name is an error and no default."""
    store = Gtk.ListStore(str, str)
    for name, label in RECIPES.items():
        store.append([name, label])
    if config.get_property("recipe") not in RECIPES:
        config.set_property("recipe", next(iter(RECIPES)))
    row = _labelled("Rec_ipe", GimpUi.prop_string_combo_box_new(config, "recipe", store, 0, 1))
    row.show_all()
    return row


def _pictures() -> Any:
    images = Gtk.FileFilter()
    images.set_name("Pictures")
    images.add_mime_type("image/*")
    return images


def _show(image: Any, path: str | None) -> bool:
    """Show a picture file small; whether it could be shown (what cannot may still be one that GIMP opens)."""
    if path is None or not Path(path).is_file():
        return False
    kind, width, height = GdkPixbuf.Pixbuf.get_file_info(path)
    if kind is None or width * height > LARGEST:
        return False
    try:
        image.set_from_pixbuf(GdkPixbuf.Pixbuf.new_from_file_at_size(path, THUMBNAIL, THUMBNAIL))
    except GLib.Error:
        return False
    return True


def _labelled(text: str, widget: Any) -> Any:
    label = Gtk.Label.new_with_mnemonic(text)
    label.set_mnemonic_widget(widget)
    row = Gtk.Box(orientation=Gtk.Orientation.HORIZONTAL, spacing=12)
    row.pack_start(label, False, False, 0)
    row.pack_start(widget, True, True, 0)
    return row
