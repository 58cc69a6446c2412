"""The window before the painting: style, recipe, strength and stroke size at first sight, the rest on demand.

Knows GTK and the filter's arguments; nothing of jobs or pixels. What there is to choose a style with is `style_row`'s.
"""

from __future__ import annotations

from typing import Any

import gi
import style_row

gi.require_version("GimpUi", "3.0")
gi.require_version("Gtk", "3.0")
from gi.repository import GimpUi, Gtk  # noqa: E402

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

SLIDERS = ("strength", "stroke-size", "max-size")
MORE = ("max-size", "seed")
"""What an artist need not see at first."""


def ask(procedure: Any, config: Any) -> bool:
    """Show the dialog; True where the artist pressed Paint. The answers are in `config`."""
    GimpUi.init("impasto")
    dialog = GimpUi.ProcedureDialog.new(procedure, config, TITLE)
    dialog.set_ok_label("_Paint")
    for name in SLIDERS:
        dialog.get_spin_scale(name, 1.0)
    content = dialog.get_content_area()
    content.pack_start(style_row.made(dialog, config), False, False, 0)
    content.pack_start(recipe_row(config), False, False, 0)
    dialog.get_label("more-title", "_More", False, True)
    dialog.fill_box("more", MORE)
    dialog.fill_expander("more-expander", "more-title", False, "more")
    dialog.fill(["strength", "stroke-size", "more-expander"])
    try:
        return bool(dialog.run())
    finally:
        dialog.destroy()


def recipe_row(config: Any) -> Any:
    """The recipe as a combo box: `recipe` is a text, so that a script's wrong name is an error and no default."""
    store = Gtk.ListStore(str, str)
    for name, label in RECIPES.items():
        store.append([name, label])
    if config.get_property("recipe") not in RECIPES:
        config.set_property("recipe", next(iter(RECIPES)))
    row = style_row.labelled("Rec_ipe", GimpUi.prop_string_combo_box_new(config, "recipe", store, 0, 1))
    row.show_all()
    return row
