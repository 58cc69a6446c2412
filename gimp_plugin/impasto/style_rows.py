"""The styles in the dialog: the first one, and as many others as the artist adds, each with a weight.

Knows GTK and the filter's arguments for styles; one style is `style_row`'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gi

gi.require_version("Gtk", "3.0")
from accessible import named  # noqa: E402
from gi.repository import GLib, Gtk  # noqa: E402
from language import _  # noqa: E402
from style_row import OwnStyle, Row  # noqa: E402
from styles import NUMBERS, WEIGHT, argument  # noqa: E402

FULL = 100.0
"""The weight of a style that is added."""
HIGHEST = 250
"""Pixels beyond which the styles that are added are scrolled."""


def made(dialog: Any, config: Any, kept: Mapping[int, OwnStyle | None], labels: Any) -> Any:
    """All of them in a box. Paint cannot be pressed before a style is chosen. kept: as `dialog.ask` has it;
    labels: as `style_row.labelled` has it."""
    return _Rows(dialog, config, kept, labels).box


class _Rows:
    """The first row is always there; another one comes with the button beside it, or because its style is given."""

    def __init__(self, dialog: Any, config: Any, kept: Mapping[int, OwnStyle | None], labels: Any) -> None:
        self._dialog, self._config, self._kept, self._labels = dialog, config, kept, labels
        self._add = Gtk.Button(label=_("A_dd"), use_underline=True, tooltip_text=_("Add another style"))
        self._add.connect("clicked", self._one_more)
        self._weights = {number: self._slider(number) for number in NUMBERS}
        self._rows: dict[int, Row] = {}
        for number in NUMBERS:
            self._rows[number] = self._row(number)
        self._others = _column(*(self._rows[number].box for number in NUMBERS[1:]))
        self._scrolled = Gtk.ScrolledWindow(hscrollbar_policy=Gtk.PolicyType.NEVER, max_content_height=HIGHEST)
        self._scrolled.add(self._others)
        self.box = _column(self._rows[1].box, self._scrolled)
        for number in NUMBERS:
            config.connect(f"notify::{argument(WEIGHT, number)}", self._refresh)
        self._refresh()

    def _row(self, number: int) -> Row:
        button = self._add if number == 1 else self._remover(number)
        row = Row(self._dialog, self._config, number, self._kept.get(number), self._refresh, button, self._labels)
        self._weights[number].show()
        row.box.pack_start(self._weights[number], False, False, 0)
        row.box.set_no_show_all(True)
        row.box.set_visible(number == 1)
        return row

    def _slider(self, number: int) -> Any:
        slider = self._dialog.get_spin_scale(argument(WEIGHT, number), 1.0)
        named(slider, slider.get_label()).set_range(0.0, FULL)
        return slider

    def _remover(self, number: int) -> Any:
        button = Gtk.Button.new_from_icon_name("list-remove-symbolic", Gtk.IconSize.BUTTON)
        button.set_tooltip_text(_("Remove this style"))
        named(button, _("Remove this style")).connect("clicked", self._one_less, number)
        return button

    def _one_more(self, _button: Any) -> None:
        number = next(number for number, row in self._rows.items() if not row.box.get_visible())
        if not self._counts(number):
            self._config.set_property(argument(WEIGHT, number), FULL)
        self._rows[number].box.show()
        self._refresh()
        self._rows[number].box.child_focus(Gtk.DirectionType.TAB_FORWARD)

    def _one_less(self, _button: Any, number: int) -> None:
        """With the weight 0 neither the layer's own style comes back."""
        self._rows[number].clear()
        self._config.set_property(argument(WEIGHT, number), 0.0)
        self._rows[number].box.hide()
        self._refresh()
        self._dialog.resize(1, 1)  # as small as it can be

    def _weigh_the_only_one(self) -> bool:
        """Its weight is not to be seen, and with 0 it would not be painted with."""
        if not any(row.box.get_visible() for number, row in self._rows.items() if number > 1):
            self._config.set_property(argument(WEIGHT, 1), FULL)
        return False  # once is enough

    def _counts(self, number: int) -> bool:
        return bool(self._config.get_property(argument(WEIGHT, number)) != 0)

    def _refresh(self, *_values: object) -> None:
        """Show the rows whose styles are given, weights where there are several, and whether it can be painted."""
        if len(self._rows) < len(NUMBERS):  # they are being made
            return
        for number, row in self._rows.items():
            if self._counts(number) and (row.given() or number in self._kept):
                row.box.show()
            elif number > 1 and not self._counts(number) and not row.is_chosen():
                row.box.hide()
        several = [row for row in self._rows.values() if row.box.get_visible()]
        self._weights[1].set_visible(len(several) > 1)
        self._scrolled.set_visible(len(several) > 1)
        self._scrolled.set_min_content_height(min(self._others.get_preferred_height()[1], HIGHEST))
        self._add.set_sensitive(len(several) < len(NUMBERS))
        if len(several) == 1 and not self._counts(1):  # later: a preset, or Reset, may be setting one after another
            GLib.idle_add(self._weigh_the_only_one)
        chosen = {number: row.is_chosen() for number, row in self._rows.items() if self._counts(number)}
        # The layer's own style would be taken, unseen, where another one was to be.
        undecided = any(number in self._kept and not is_chosen for number, is_chosen in chosen.items())
        self._dialog.set_response_sensitive(Gtk.ResponseType.OK, any(chosen.values()) and not undecided)


def _column(*widgets: Any) -> Any:
    box = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=6, visible=True)
    for widget in widgets:
        box.pack_start(widget, False, False, 0)
    return box
