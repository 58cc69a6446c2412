"""The window before the painting: style, recipe, strength and stroke size at first sight, the rest on demand.

Knows GTK and the filter's arguments; nothing of jobs or pixels. What there is to choose a style with is `style_row`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import gi
import low_display
import manual
import recipe_row
import style_row
import style_rows

gi.require_version("GimpUi", "3.0")
gi.require_version("Gtk", "3.0")
from accessible import named  # noqa: E402
from foreseen import Foreseen  # noqa: E402
from gi.repository import GimpUi, Gtk  # noqa: E402
from impasto_protocol.request import Outline  # noqa: E402
from language import _  # noqa: E402
from presets import Presets  # noqa: E402
from preview import Preview  # noqa: E402
from recipe_names import RECIPES  # noqa: E402
from styles import Chosen  # noqa: E402

TITLE, AGAIN, BATCH = _("Neural Style Transfer"), _("Restyle Layer"), _("Neural Style Batch")

SLIDERS = ("strength", "stroke-size", "max-size")
MORE = ("max-size", "seed", "keep-colours")
"""What an artist need not see at first."""
LOWEST = {"strength": 0.0, "stroke-size": 10.0, "max-size": 0.0, "seed": 0.0}
"""Where the sliders begin. The arguments of Restyle Layer may be lower: they were left out then."""


def ask(
    procedure: Any,
    config: Any,
    source: Callable[[], Any],
    chosen: Callable[[], dict[int, Chosen]],
    outlines: Callable[[Mapping[int, Chosen]], Sequence[tuple[int, Outline]]],
    made_with: Mapping[str, Any] | None = None,
    kept: Mapping[int, style_row.OwnStyle | None] = MappingProxyType({}),
    what: Callable[[Any, Any], Any] | None = None,
) -> bool:
    """Show the dialog; True where the artist pressed Paint. The answers are in `config`.

    source: gives the layer to paint, None where it is not known; chosen: gives the styles by their numbers, or raises
    ImpastoError: both for the preview. outlines: what would be painted in those styles, and how often, for the
    forecast. made_with: of a layer that is painted again, the arguments that it was painted with; kept: its own styles,
    None for one that cannot be shown.
    what: of a batch, makes the row for what is painted, of the config and the labels.
    """
    GimpUi.init("impasto")
    labels = Gtk.SizeGroup(mode=Gtk.SizeGroupMode.HORIZONTAL)
    recipe = recipe_row.made(config, labels)
    if made_with:
        stay_given(config, {**made_with, "recipe": config.get_property("recipe")})
    dialog = GimpUi.ProcedureDialog.new(procedure, config, AGAIN if made_with else BATCH if what else TITLE)
    dialog.set_ok_label(_("_Paint"))
    manual.at_f1(dialog, procedure.get_name())  # GIMP 3.2 has Help's button alone
    for name in SLIDERS:
        slider = dialog.get_spin_scale(name, 1.0)
        named(slider, slider.get_label()).set_range(LOWEST[name], slider.get_range()[1])
    if made_with and config.get_property("keep-colours"):  # they are kept: there is a layer of them
        dialog.set_sensitive("keep-colours", False, None, None, False)
    dialog.get_label("more-title", _("_More"), False, True)
    dialog.fill_box("more", [*MORE, *([] if what else ["choose"]), *(["source-layer"] if made_with else [])])
    dialog.fill_expander("more-expander", "more-title", False, "more")
    values = dialog.fill_box(
        "values", ["strength", "stroke-size", *(["continue"] if made_with else []), "more-expander", "preview"]
    )
    preview = Preview(source, config, chosen)
    foreseen = Foreseen(source, config, lambda: outlines(preview.chosen()))
    preview.learnt = foreseen.again
    row = Gtk.Box(orientation=Gtk.Orientation.HORIZONTAL)
    row.pack_start(beside(preview.box, foreseen.line), False, False, 0)
    top = [what(config, labels)] if what else []
    row.pack_start(column(*top, style_rows.made(dialog, config, kept, labels), recipe, values), True, True, 0)
    row.show()
    dialog.get_content_area().pack_start(low_display.scrolled(row), True, True, 0)
    Presets(dialog, config, RECIPES, preview.chosen).place()
    try:
        return bool(dialog.run())
    finally:
        foreseen.close()
        preview.close()
        dialog.destroy()


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
