"""The dialog's presets: a button whose menu has those there are, opens one from a file, and saves what is chosen.

Knows GTK and the filter's config. Which there are, `preset_list` knows; what is in the files, and where styles come
from, is `preset_file`'s.
"""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import gi
import preset_file
import preset_list
import preset_styles
import record
import styles

gi.require_version("Gtk", "3.0")
from gi.repository import Gdk, Gio, Gtk, Pango  # noqa: E402
from impasto_protocol.errors import ImpastoError, bad_request  # noqa: E402
from impasto_protocol.preset import SIDE, Preset  # noqa: E402
from language import _, listed  # noqa: E402
from order import LIMITS  # noqa: E402
from preset_list import Named  # noqa: E402
from styles import Chosen  # noqa: E402


class Presets:
    """The button and its menu, and a line that says what was done.

    recipes: the names of those that can be chosen; chosen: gives the styles by their numbers, or raises ImpastoError.
    """

    def __init__(
        self, dialog: Any, config: Any, recipes: Collection[str], chosen: Callable[[], dict[int, Chosen]]
    ) -> None:
        self._dialog, self._config, self._recipes, self._chosen = dialog, config, recipes, chosen
        self._menu, self._own = Gtk.Menu(), list[Any]()
        files = _files(self._open, self._save, dialog)
        for item in (*map(self._item, preset_list.ready_made()), Gtk.SeparatorMenuItem(), *files):
            self._menu.append(item)
        self._list_own()
        arrow = Gtk.Image.new_from_icon_name("go-down", Gtk.IconSize.MENU)  # as on GIMP's Reset
        self.button = Gtk.MenuButton(label=_("Presets"), popup=self._menu, image=arrow)
        self.button.set_always_show_image(True)
        self.button.set_image_position(Gtk.PositionType.RIGHT)
        self.button.set_tooltip_text(_("Ways to paint: ready-made ones, and your own in files that can be shared"))
        self.button.show()
        self.said = Gtk.Label(xalign=1, ellipsize=Pango.EllipsizeMode.MIDDLE, visible=True)
        changed = config.connect("notify", lambda *_: self.said.set_text(""))  # what is said is not so any more
        self.said.connect("destroy", lambda _: config.disconnect(changed))

    def place(self) -> None:
        """Beside GIMP's own buttons for settings and apart from them, or where those would be."""
        content = self._dialog.get_content_area()
        rows = [row for row in content.get_children() if isinstance(row, Gtk.ButtonBox)]
        (rows[0] if rows else content).pack_start(self.button, False, False, 0)
        for row in rows[:1]:
            row.set_child_secondary(self.button, True)
        content.pack_start(self.said, False, False, 0)

    def open(self, preset: Named) -> None:
        """Set the arguments to what is in its file, and tell what the artist should know."""
        try:
            notes = self.fill(preset_file.load(preset.path))
        except ImpastoError as error:
            self._tell([str(error)])
            return
        self._say(_("Preset opened: {name}").format(name=preset.name))
        self._tell(notes)

    def fill(self, preset: Preset) -> list[str]:
        """Set the arguments to what the preset says; what the artist should know. Raises ImpastoError before that."""
        recipe = preset.values.get("recipe")
        if recipe is not None and recipe not in self._recipes:
            raise bad_request(
                _("The preset asks for the recipe {recipe}, which this version does not have. Nothing was changed.")
                .format(recipe=recipe)
            )  # fmt: skip
        files = [preset_file.picture_file(style, LIMITS) for style in preset.styles[: len(styles.NUMBERS)]]
        there = {name: value for name, value in preset.values.items() if self._config.find_property(name) is not None}
        for name, value in there.items():
            self._config.set_property(name, value)
        if files:
            self._set_styles(preset, files)
        left_out = [*preset.ignored, *(preset.values.keys() - there.keys())]
        return [*_missing(preset, files), *_copies(files), *_too_many(preset), *_passed_over(left_out)]

    def _set_styles(self, preset: Preset, files: list[Path | None]) -> None:
        """All of them: one whose file is missing stays what it was, one that the preset has not is left out."""
        heaviest = max(style.weight for style in preset.styles) or 1.0
        for number, style, path in itertools.zip_longest(styles.NUMBERS, preset.styles[: len(files)], files):
            if path is not None or style is None:
                for kind in styles.KINDS:
                    self._config.set_property(styles.argument(kind, number), None)
            if path is not None:
                file = Gio.File.new_for_path(str(path))
                self._config.set_property(styles.argument("style-file", number), file)
            weight = 100 * style.weight / heaviest if style is not None else 0.0
            self._config.set_property(styles.argument(styles.WEIGHT, number), weight)

    def _open(self, _item: Any) -> None:
        chooser = self._chooser(_("Open Preset File"), Gtk.FileChooserAction.OPEN, _("_Open"))
        path = _answer(chooser)
        if path is not None:
            self.open(preset_list.named(path))

    def _save(self, _item: Any) -> None:
        chosen = self._styles()
        style = next(iter(chosen.values()), None)
        chooser = self._chooser(_("Save Preset File"), Gtk.FileChooserAction.SAVE, _("_Save"))
        name = Path(record.printable(style.name)).stem if style is not None else self._config.get_property("recipe")
        chooser.set_current_name(f"{name}{preset_list.ENDING}")
        with_copy = Gtk.CheckButton.new_with_mnemonic(_("Include small copies of the st_yles"))
        with_copy.set_active(True)
        if style is not None:
            chooser.set_extra_widget(with_copy)
        path = _place(chooser)
        chooser.destroy()
        if path is not None:
            try:
                preset_file.save(preset_file.made(self._config, chosen, with_copy.get_active()), path, chosen)
            except ImpastoError as error:
                self._tell([str(error)])
                return
            self._list_own()
            self._say(_("Preset saved: {name}").format(name=preset_list.named(path).name))

    def _item(self, preset: Named) -> Any:
        item = Gtk.MenuItem(label=preset.name)
        item.connect("activate", lambda _item: self.open(preset))
        return item

    def _list_own(self) -> None:
        """Those that the artist saved, below those that come with Impasto."""
        for item in self._own:
            item.destroy()
        own = [self._item(each) for each in preset_list.own()]
        self._own = [*own, Gtk.SeparatorMenuItem()] if own else []
        for place, item in enumerate(self._own, len(preset_list.NAMES) + 1):
            self._menu.insert(item, place)
        self._menu.show_all()

    def _say(self, sentence: str) -> None:
        """Quietly, below the button, where there is room for it from the beginning."""
        self.said.set_text(sentence)

    def _styles(self) -> dict[int, Chosen]:
        try:
            return self._chosen()
        except ImpastoError:
            return {}

    def _chooser(self, title: str, action: Any, yes: str) -> Any:
        chooser = Gtk.FileChooserDialog(title=title, action=action, transient_for=self._dialog, modal=True)
        chooser.add_button(_("_Cancel"), Gtk.ResponseType.CANCEL)
        chooser.add_button(yes, Gtk.ResponseType.ACCEPT)
        chooser.set_default_response(Gtk.ResponseType.ACCEPT)
        presets = Gtk.FileFilter()
        presets.set_name(_("Presets"))
        presets.add_pattern(f"*{preset_list.ENDING}")
        chooser.add_filter(presets)
        folder = preset_list.folder()
        with contextlib.suppress(OSError):  # it is a suggestion
            folder.mkdir(exist_ok=True)
        chooser.set_current_folder(str(folder))
        return chooser

    def _tell(self, notes: list[str]) -> None:
        if notes:
            text = record.printable("\n".join(notes))
            box = Gtk.MessageDialog(
                transient_for=self._dialog, modal=True, message_type=Gtk.MessageType.WARNING,
                buttons=Gtk.ButtonsType.OK, text=text,
            )  # fmt: skip
            box.run()
            box.destroy()


def _files(opens: Callable[[Any], None], saves: Callable[[Any], None], dialog: Any) -> list[Any]:
    """The menu's items for files, and their keys in the dialog."""
    keys, items = Gtk.AccelGroup(), []
    dialog.add_accel_group(keys)
    for label, key, act in (
        (_("_Open Preset File…"), Gdk.KEY_o, opens),
        (_("_Save Preset File…"), Gdk.KEY_s, saves),
    ):
        item = Gtk.MenuItem.new_with_mnemonic(label)
        item.connect("activate", act)
        item.add_accelerator("activate", keys, key, Gdk.ModifierType.CONTROL_MASK, Gtk.AccelFlags.VISIBLE)
        items.append(item)
    return items


def _answer(chooser: Any) -> Path | None:
    """The path that was chosen. The chooser is gone then."""
    chosen = chooser.get_filename() if chooser.run() == Gtk.ResponseType.ACCEPT else None
    chooser.destroy()
    return Path(chosen) if chosen else None


def _place(chooser: Any) -> Path | None:
    """The file to save into, with a preset's ending; None where the artist gives up.

    GTK by itself would ask about the name without the ending.
    """
    while chooser.run() == Gtk.ResponseType.ACCEPT:
        chosen = chooser.get_filename() or ""
        path = Path(chosen if chosen.endswith(preset_list.ENDING) else f"{chosen}{preset_list.ENDING}")
        if chosen and (not os.path.lexists(path) or _may_be_replaced(chooser, path)):
            return path
    return None


def _may_be_replaced(chooser: Any, path: Path) -> bool:
    text = _("There is a preset {name} already. Do you want to replace it?")
    box = Gtk.MessageDialog(
        transient_for=chooser, modal=True, message_type=Gtk.MessageType.QUESTION,
        text=text.format(name=record.printable(path.name)),
    )  # fmt: skip
    box.add_button(_("_Cancel"), Gtk.ResponseType.CANCEL)
    box.add_button(_("_Replace"), Gtk.ResponseType.ACCEPT)
    answer = box.run()
    box.destroy()
    return bool(answer == Gtk.ResponseType.ACCEPT)


def _missing(preset: Preset, files: list[Path | None]) -> list[str]:
    return [
        _("The style {name} is not in the preset and not on this machine: choose a style picture.").format(
            name=style.name
        )
        for style, path in zip(preset.styles, files)
        if path is None
    ]


def _copies(files: list[Path | None]) -> list[str]:
    """Of those that are less than their originals."""
    known = (preset_styles.known(path) for path in files if path is not None)
    return [
        _(
            "The style {name} is not on this machine: it will be painted with the small copy of it that came with the "
            "preset, and small strokes may look different."
        ).format(name=style.name)
        for style in known
        if style is not None and max(style.size) > SIDE
    ]


def _too_many(preset: Preset) -> list[str]:
    names = [style.name for style in preset.styles[len(styles.NUMBERS) :]]
    if not names:
        return []
    sentence = _("A painting has no more than {count} styles. Left out: {names}")
    return [sentence.format(count=len(styles.NUMBERS), names=listed(names))]


def _passed_over(names: list[str]) -> list[str]:
    if not names:
        return []
    return [_("This version does not know {names}: that was left out.").format(names=listed(sorted(names)))]
