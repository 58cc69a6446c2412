"""`impasto stylize --preset`: a preset from GIMP stands in for what no option says."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from impasto_daemon.cli.app import impasto
from impasto_daemon.cli.preset import load, note
from impasto_daemon.cli.report import Report
from impasto_protocol import preset
from impasto_protocol.preset import Preset, PresetStyle
from impasto_protocol.request import Request
from PIL import Image

VALUES = {"recipe": "gatys", "strength": 70.0, "stroke-size": 50.0, "max-size": 512, "seed": 7}
Stylize = Callable[..., "Request | str"]


class Noted(Report):
    """What is noted, instead of shown."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def note(self, sentence: str) -> None:
        self.said.append(sentence)


def style(colour: str = "red", side: int = 16) -> PresetStyle:
    copy = io.BytesIO()
    Image.new("RGB", (side, side), colour).save(copy, "PNG")
    return PresetStyle("red.png", (40, 40), "ab" * 32, copy.getvalue())


@pytest.fixture
def stylized(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stylize:
    """`impasto stylize` of a picture of 400×100 with these words: what it asks the daemon for, or what it says."""
    asked: list[Request] = []
    monkeypatch.setattr("impasto_daemon.cli.stylize.paint", lambda request, *_: asked.append(request))
    Image.new("RGB", (400, 100)).save(tmp_path / "content.png")
    Image.new("RGB", (8, 8), "blue").save(tmp_path / "blue.png")

    def run(*words: object) -> Request | str:
        argv = ["stylize", tmp_path / "content.png", "-o", tmp_path / "out.png", *words]
        done = CliRunner().invoke(impasto, [str(word) for word in argv])
        assert done.exit_code == (0 if asked else done.exit_code) and not isinstance(done.exception, AssertionError)
        return asked.pop() if asked else done.stderr

    return run


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "red.json"
    path.write_bytes(preset.written(Preset(VALUES, (style(),))))
    return path


def test_it_says_how_and_in_whose_manner(stylized: Stylize, file: Path) -> None:
    asked = stylized("--preset", file)
    assert isinstance(asked, Request)
    assert (asked.recipe, asked.strength, asked.max_size, asked.seed) == ("gatys", 70.0, 512, 7)
    assert asked.settings == {"style_size": 100.0}, "half of the side of a square of the content's area"
    picture = asked.styles[0].picture
    assert picture.size == (40, 40), "as large as the style was, so that its strokes are"
    assert bytes(picture.data[:3]) == b"\xff\0\0"


def test_several_styles_come_with_their_weights(stylized: Stylize, file: Path) -> None:
    file.write_bytes(preset.written(Preset({}, (style(), replace(style("blue"), weight=0.5)))))
    asked = stylized("--preset", file)
    assert isinstance(asked, Request)
    assert [each.weight for each in asked.styles] == [1.0, 0.5]
    assert bytes(asked.styles[1].picture.data[:3]) == b"\0\0\xff"


def test_what_an_option_says_goes_first(stylized: Stylize, file: Path, tmp_path: Path) -> None:
    words = ("--strength", 10, "--style-size", 300, "--style", tmp_path / "blue.png", "--preset", file)
    asked = stylized(*words)
    assert isinstance(asked, Request)
    assert (asked.recipe, asked.strength, asked.settings) == ("gatys", 10.0, {"style_size": 300.0})
    assert asked.styles[0].picture.size == (8, 8)


def test_strokes_have_an_option_of_their_own(stylized: Stylize, tmp_path: Path) -> None:
    asked = stylized("--style", tmp_path / "blue.png", "--stroke-size", 200)
    assert isinstance(asked, Request) and asked.settings == {"style_size": 400.0}
    said = stylized("--style", tmp_path / "blue.png", "--stroke-size", 200, "--style-size", 3)
    assert isinstance(said, str) and "say the same" in said


def test_what_is_newer_is_said_and_left_out(stylized: Stylize, file: Path) -> None:
    newer = '"sparkle": true,\n "keep-colours": true,\n "seed"'
    file.write_text(file.read_text().replace('"seed"', newer))
    assert isinstance(stylized("--preset", file), Request)
    noted = Noted()
    note(load(file), noted)
    newer, colours = noted.said
    assert newer == "this version does not know sparkle of the preset: that is left out"
    assert "--colour luminance" in colours


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"{", "it is no preset, or a damaged one"),
        (b'{"impasto-preset": 1, "strength": 900}', "strength must be a number from 0 to 100, not 900"),
        (b'{"impasto-preset": 1, "strength": %d}' % 10**400, "strength must be a number from 0 to 100, not 1000"),
        (b" " * (preset.LARGEST + 1), "no preset has more than"),
        (b'{"impasto-preset": 1}', "name a picture with --style"),
        (preset.written(Preset({}, (PresetStyle("x", (9, 9), "", b"GIF89a no picture"),))), "the copy of the style x"),
        (preset.written(Preset({}, (style(side=600),))), "the copy of the style red.png"),
    ],
    ids=["damaged", "out of range", "many digits", "large", "no style", "no picture", "larger than a copy"],
)
def test_one_that_cannot_be_used_is_one_sentence(stylized: Stylize, file: Path, content: bytes, sentence: str) -> None:
    file.write_bytes(content)
    said = stylized("--preset", file)
    assert isinstance(said, str) and sentence in said and len(said.splitlines()) == 1


def test_without_style_and_preset_a_style_is_missing(stylized: Stylize, tmp_path: Path) -> None:
    said = stylized()
    assert isinstance(said, str) and "Missing option '--style'" in said
    said = stylized("--preset", tmp_path / "nowhere.json")
    assert isinstance(said, str) and "No such file" in said
