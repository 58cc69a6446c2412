"""Where presets are saved: a file that is there is replaced only where the artist says so."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest

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
