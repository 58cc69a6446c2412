"""The window before the painting: style, recipe, strength and stroke size at first sight, the rest on demand.

Knows GTK and the filter's arguments; nothing of jobs or pixels. What there is to choose a style with is `style_row`'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import batch_row
import gi
import low_display
import manual
import recipe_row
import style_rows

gi.require_version("GimpUi", "3.0")
gi.require_version("Gtk", "3.0")
from accessible import named  # noqa: E402
from foreseen import Foreseen  # noqa: E402
from gi.repository import GimpUi, Gtk  # noqa: E402
from language import _  # noqa: E402
from presets import Presets  # noqa: E402
from preview import Preview  # noqa: E402
from recipe_names import RECIPES  # noqa: E402
from subject import Subject  # noqa: E402

TITLE, AGAIN, BATCH = _("Neural Style Transfer"), _("Restyle Layer"), _("Neural Style Batch")

SLIDERS = ("strength", "stroke-size", "max-size")
MORE = ("max-size", "seed", "keep-colours")
"""What an artist need not see at first."""
LOWEST = {"strength": 0.0, "stroke-size": 10.0, "max-size": 0.0, "seed": 0.0}
"""Where the sliders begin. The arguments of Restyle Layer may be lower: they were left out then."""


def ask(procedure: Any, config: Any, subject: Subject) -> bool:
    """Show the dialog; True where the artist pressed Paint. The answers are in `config`."""
    GimpUi.init("impasto")
    labels = Gtk.SizeGroup(mode=Gtk.SizeGroupMode.HORIZONTAL)
    recipe = recipe_row.made(config, labels)
    again, several = subject.made_with, subject.count
    if again:
        stay_given(config, {**again, "recipe": config.get_property("recipe")})
    dialog = GimpUi.ProcedureDialog.new(procedure, config, AGAIN if again else BATCH if several else TITLE)
    dialog.set_ok_label(_("_Paint"))
    manual.at_f1(dialog, procedure.get_name())  # GIMP 3.2 has Help's button alone
    preview = Preview(subject.source, config, subject.chosen, subject.settings)
    foreseen = Foreseen(subject.source, config, lambda: subject.outlines(preview.chosen()))
    preview.learnt = foreseen.again
    top = [batch_row.made(config, labels, several)] if several else []
    chosen = column(*top, style_rows.made(dialog, config, subject.own, labels), recipe, values(dialog, config, subject))
    both = Gtk.Box(orientation=Gtk.Orientation.HORIZONTAL)
    both.pack_start(beside(preview.box, foreseen.line), False, False, 0)
    both.pack_start(chosen, True, True, 0)
    both.show()
    dialog.get_content_area().pack_start(low_display.scrolled(both), True, True, 0)
    Presets(dialog, config, RECIPES, preview.chosen).place()
    try:
        return bool(dialog.run())
    finally:
        foreseen.close()
        preview.close()
        dialog.destroy()


def values(dialog: Any, config: Any, subject: Subject) -> Any:
    """The arguments below style and recipe: those of the first look, and behind *More* the others."""
    for name in SLIDERS:
        slider = dialog.get_spin_scale(name, 1.0)
        named(slider, slider.get_label()).set_range(LOWEST[name], slider.get_range()[1])
    again = subject.made_with
    if again and config.get_property("keep-colours"):  # they are kept: there is a layer of them
        dialog.set_sensitive("keep-colours", False, None, None, False)
    dialog.get_label("more-title", _("_More"), False, True)
    dialog.fill_box("more", [*MORE, *([] if subject.count else ["choose"]), *(["source-layer"] if again else [])])
    reveal(dialog.fill_expander("more-expander", "more-title", False, "more"), config, "keep-colours")
    first = ["strength", "stroke-size", *(["continue"] if again else []), "more-expander", "preview"]
    return dialog.fill_box("values", first)


def reveal(expander: Any, config: Any, name: str) -> None:
    """Open it where this argument in it is set: what changes the picture is not to be hidden."""

    def follow(*_changed: object) -> None:
        if config.get_property(name):
            expander.set_expanded(True)

    handler = config.connect(f"notify::{name}", follow)
    expander.connect("destroy", lambda _: config.disconnect(handler))
    follow()


def stay_given(config: Any, values: Mapping[str, Any]) -> None:
    """Reset brings back what the layer was painted with: an argument that is left out becomes that again."""

    def back(_config: Any, about: Any) -> None:
        if config.get_property(about.name) == about.default_value != values[about.name]:
            config.set_property(about.name, values[about.name])

    for name in values:
        config.connect(f"notify::{name}", back)


def beside(*widgets: Any) -> Any:
    """One below the other, each seen when there is something to see, and away from what comes to the right."""
    box = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=6)
    for widget in widgets:
        widget.set_margin_end(18)
        box.pack_start(widget, False, False, 0)
    box.show()
    return box


def column(*widgets: Any) -> Any:
    """One below the other."""
    box = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=6)
    for widget in widgets:
        widget.show()
        box.pack_start(widget, False, False, 0)
    box.show()
    return box
