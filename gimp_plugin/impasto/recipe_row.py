"""The dialog's row for the recipe: which there are, and of the one that is chosen, what a painter gets.

Knows GTK and one argument.
"""

from __future__ import annotations

from typing import Any

import gi
import style_row
from language import _

gi.require_version("GimpUi", "3.0")
gi.require_version("Gtk", "3.0")
from accessible import described  # noqa: E402
from gi.repository import GimpUi, GObject, Gtk  # noqa: E402
from recipe_names import RECIPES  # noqa: E402


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
