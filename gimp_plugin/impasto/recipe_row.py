"""The dialog's row for the recipe: which there are, and of the one that is chosen, what a painter gets.

Knows GTK and one argument. What is said here is what docs/recipes.md and docs/quality.md have measured or counted, in a
painter's words.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import gi
import style_row
from language import _

gi.require_version("GimpUi", "3.0")
gi.require_version("Gtk", "3.0")
from accessible import described  # noqa: E402
from gi.repository import GimpUi, GObject, Gtk  # noqa: E402


class Recipe(NamedTuple):
    """What it is called in the list, and what the line below says of it."""

    name: str
    about: str


RECIPES = {
    "impasto": Recipe(
        _("Impasto: best for most pictures"), _("Strokes of all sizes that follow the motif; closest to the style.")
    ),
    "gatys": Recipe(
        _("Gatys 2016: as in the first paper"), _("The motif grows out of noise and may stay loose. Slow.")
    ),
    "gatys-hires": Recipe(
        _("Gatys' notebook: clear outlines"), _("Begins with the layer and keeps its outlines. Slow.")
    ),
    "neural-style": Recipe(
        _("neural-style: the classic program"), _("The motif grows out of noise, in a thousand steps. Very slow.")
    ),
    "pytorch": Recipe(
        _("PyTorch's tutorial: crisp and grainy"), _("Small strokes and strong colours; no large shapes of the style.")
    ),
    "tensorflow": Recipe(
        _("TensorFlow's tutorial: step by step"), _("Begins with the layer and changes it little by little. Very slow.")
    ),
    "peixeiro": Recipe(
        _("Peixeiro's article: a rough surface"), _("Begins with the layer under noise; some stays as grain. Slow.")
    ),
    "vgg16": Recipe(
        _("VGG16: the smaller network"), _("The motif grows out of noise. Slow; needs weights of its own.")
    ),
    "wasserstein": Recipe(
        _("Crowson: calm and smooth"), _("Stays close to the motif, from small to full size. Very slow.")
    ),
    "wavelets": Recipe(
        _("Wavelets: colours and strokes"), _("The style's palette and strokes without its shapes. Needs no weights.")
    ),
}
"""The daemon's recipes in its order. A test holds that they are the daemon's own."""


def made(config: Any, labels: Any) -> Any:
    """The row: `recipe` is a text, so that a script's wrong name is an error and no default. labels: as
    `style_row.labelled` has it.

    Where one was asked for that is not known here, another one is chosen, and a line says so.
    """
    store = Gtk.ListStore(str, str)
    for name, recipe in RECIPES.items():
        store.append((recipe.name, name))  # a screen reader reads the first column
    wanted = config.get_property("recipe")
    if wanted not in RECIPES:
        config.set_property("recipe", next(iter(RECIPES)))
    combo = GimpUi.prop_string_combo_box_new(config, "recipe", store, 1, 0)
    about = _line("")
    about.set_size_request(-1, about.create_pango_layout("\n").get_pixel_size()[1])  # nothing below it moves
    config.bind_property("recipe", about, "label", GObject.BindingFlags.SYNC_CREATE, lambda _, name: _about(name))
    described(combo, about)
    box = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=6)
    box.pack_start(style_row.labelled(labels, _("Rec_ipe"), combo), False, False, 0)
    box.pack_start(style_row.labelled(labels, "", about), False, False, 0)
    if wanted and wanted not in RECIPES:
        unknown = _("This version does not have the recipe {recipe}: this one is taken instead.").format(recipe=wanted)
        box.pack_start(_line(unknown), False, False, 0)
    box.show_all()
    return box


def _about(name: str | None) -> str:
    """A config may have no recipe for a moment."""
    return RECIPES[name].about if name in RECIPES else ""


def _line(text: str) -> Any:
    return Gtk.Label(label=text, wrap=True, max_width_chars=40, xalign=0, yalign=0)
