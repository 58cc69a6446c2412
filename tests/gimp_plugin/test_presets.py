"""Where presets are saved, which replaces a file only where the artist says so, and where the styles in them go."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest
from impasto_daemon.engine.recipes import RECIPES
from impasto_protocol import preset
from impasto_protocol.preset import PresetStyle

pytestmark = pytest.mark.usefixtures("without_gimp")


@pytest.fixture
def presets() -> Any:
    return importlib.import_module("presets")


@pytest.fixture
def chooser(presets: Any, tmp_path: Path) -> MagicMock:
    """In which the artist types a name, and gives up if the window comes back."""
    chooser = MagicMock()
    chooser.run.side_effect = [presets.Gtk.ResponseType.ACCEPT, presets.Gtk.ResponseType.CANCEL]
    chooser.get_filename.return_value = str(tmp_path / "night")
    return chooser


@pytest.mark.parametrize("name", ["night", "night.json", "Dr. Night"])
def test_a_preset_has_its_ending_and_a_new_one_is_not_asked_about(
    presets: Any, chooser: MagicMock, tmp_path: Path, name: str
) -> None:
    chooser.get_filename.return_value = str(tmp_path / name)
    assert presets._place(chooser) == tmp_path / f"{name.removesuffix('.json')}.json"
    presets.Gtk.MessageDialog.assert_not_called()


def test_a_preset_that_is_there_is_asked_about_though_its_ending_was_not_typed(
    presets: Any, chooser: MagicMock, tmp_path: Path
) -> None:
    (tmp_path / "night.json").touch()
    question = presets.Gtk.MessageDialog.return_value
    question.run.return_value = presets.Gtk.ResponseType.CANCEL
    assert presets._place(chooser) is None
    assert "night.json" in presets.Gtk.MessageDialog.call_args.kwargs["text"]
    question.run.return_value = presets.Gtk.ResponseType.ACCEPT
    chooser.run.side_effect = None
    chooser.run.return_value = presets.Gtk.ResponseType.ACCEPT
    assert presets._place(chooser) == tmp_path / "night.json"


def test_of_more_styles_than_can_be_painted_with_those_left_out_are_named(presets: Any) -> None:
    styles = tuple(PresetStyle(f"{number}.jpg", (9, 9), "ab", b"") for number in range(1, 7))
    notes = presets.Presets.fill(MagicMock(_recipes=()), preset.Preset({}, styles))
    assert notes[-1] == "A painting has no more than 4 styles. Left out: 5.jpg, 6.jpg"
    assert not any("does not know" in note for note in notes)


def test_each_preset_that_comes_with_impasto_has_a_name_and_all_that_says_how_to_paint_and_no_style() -> None:
    listed = importlib.import_module("preset_list")
    paths = [path for _, path in listed.ready_made()]
    assert sorted(paths) == sorted(listed.READY_MADE.iterdir())
    found = [preset.parsed(path.read_bytes()) for path in paths]
    for each in found:
        assert set(each.values) == {"recipe", "strength", "stroke-size", "keep-colours"}
        assert each.values["recipe"] in RECIPES and not each.styles and not each.ignored
    assert len({tuple(each.values.items()) for each in found}) == len(found)


def test_of_the_artist_s_own_presets_those_saved_last_are_listed_by_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    listed = importlib.import_module("preset_list")
    monkeypatch.setattr(listed, "MOST", 2)
    listed.Gimp.directory.return_value = str(tmp_path)
    assert listed.own() == [], "there is no folder yet"
    listed.folder().mkdir()
    for age, name in enumerate(("Rain.json", "dusk.json", "old.json", "note.txt")):
        (listed.folder() / name).touch()
        os.utime(listed.folder() / name, (1000 - age, 1000 - age))
    assert [name for name, _ in listed.own()] == ["dusk", "Rain"]
    (listed.folder() / "gone.json").symlink_to(tmp_path / "nowhere")
    assert [name for name, _ in listed.own()] == ["dusk", "Rain"], "a link to nothing takes nobody's place"


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    found = importlib.import_module("preset_styles")
    found.Gimp.directory.return_value = str(tmp_path)
    monkeypatch.setattr(found.style_copy, "file", lambda *_: ("png", b"a picture"))
    monkeypatch.setattr(found, "MOST", 3)
    return found


def test_of_a_style_that_came_with_a_preset_it_is_known_what_it_is_a_copy_of(kept: Any, tmp_path: Path) -> None:
    style = PresetStyle('../ni"ght.png', (900, 600), "../../ab", b"copy")
    path = kept.placed(style)
    assert (path.name, path.read_bytes(), path.parents[1]) == ("night.png", b"a picture", tmp_path / "impasto-styles")
    assert kept.known(path) == style
    assert kept.known(tmp_path / "elsewhere.png") is None
    (path.parent / kept.ABOUT).write_bytes(b"{")
    assert kept.known(path) is None


def test_no_more_of_them_are_kept_than_are_opened_in_a_while_the_oldest_go(kept: Any) -> None:
    paths = [kept.placed(PresetStyle(f"{number}", (9, 9), "ab", b"copy")) for number in range(3)]
    for age, path in enumerate(reversed(paths)):
        os.utime(path.parent, (1000 - age, 1000 - age))
    assert kept.placed(PresetStyle("0", (9, 9), "ab", b"copy")) == paths[0], "opened again: it is the latest"
    kept.placed(PresetStyle("new", (9, 9), "ab", b"copy"))
    assert [path.is_file() for path in paths] == [True, False, True]
