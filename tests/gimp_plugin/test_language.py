"""The artist's language: which catalogue is taken, and that every text can be in one."""

from __future__ import annotations

import ast
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from babel.messages import Catalog
from babel.messages.mofile import write_mo
from impasto_protocol.errors import Code, ImpastoError
from impasto_protocol.forecast import Forecast
from impasto_protocol.jobstate import State
from impasto_protocol.messages import Progress

from tests.gimp_plugin.test_modules import SOURCES, module

pytestmark = pytest.mark.usefixtures("without_gimp")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Catalogues in German and in Simplified Chinese."""
    for language, cancel in (("de", "Abbrechen"), ("zh_CN", "取消")):
        catalogue = Catalog(locale=language)
        catalogue.add("Cancel", cancel)
        place = tmp_path / language / "LC_MESSAGES" / "impasto.mo"
        place.parent.mkdir(parents=True)
        with place.open("wb") as file:
            write_mo(file, catalogue)
    return tmp_path


@pytest.mark.parametrize(
    ("languages", "text"),
    [
        (["de_AT.UTF-8", "de_AT", "de.UTF-8", "de", "C"], "Abbrechen"),
        (["zh_CN.UTF-8", "zh_CN", "zh", "C"], "取消"),
        (["pt_BR", "pt", "de", "C"], "Abbrechen"),  # the artist's second language
        (["en_GB.UTF-8", "en_GB", "en", "de", "C"], "Cancel"),  # English comes first: German is not asked
        (["pt", "C"], "Cancel"),
        ([], "Cancel"),
    ],
)
def test_the_first_language_that_there_is_wins(folder: Path, languages: list[str], text: str) -> None:
    assert module("language").catalogue(languages, folder).gettext("Cancel") == text


@pytest.mark.parametrize("damage", [b"", b"\xde\x12", b"no catalogue at all, but long enough to be one"])
def test_a_damaged_catalogue_leaves_the_texts_english(folder: Path, damage: bytes) -> None:
    (folder / "de" / "LC_MESSAGES" / "impasto.mo").write_bytes(damage)
    assert module("language").catalogue(["de"], folder).gettext("Cancel") == "Cancel"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_every_text_is_one_that_a_catalogue_can_hold(path: Path) -> None:
    """A text that is put together before it is translated is in no catalogue."""
    calls = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    for call in calls:
        if isinstance(call.func, ast.Name) and call.func.id in ("_", "plural"):
            texts = call.args[:2] if call.func.id == "plural" else call.args
            assert all(isinstance(text, ast.Constant) for text in texts), f"line {call.lineno}"


def test_every_sentence_goes_through_the_language() -> None:
    """Of the errors that an artist sees, each."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "bad_request":
                assert not isinstance(node.args[0], (ast.Constant, ast.JoinedStr)), f"{path.name} line {node.lineno}"


def test_the_daemons_sentence_stands_below_a_headline_in_the_artists_language(monkeypatch: pytest.MonkeyPatch) -> None:
    headlines, error = module("headlines"), ImpastoError(Code.OUT_OF_MEMORY, "It takes 9 GB.")
    assert headlines.told(error) == "It takes 9 GB."
    monkeypatch.setattr(headlines, "is_english", False)
    assert headlines.told(error) == f"{headlines.HEADLINES[Code.OUT_OF_MEMORY]}\nIt takes 9 GB."


def test_every_error_that_the_daemon_alone_tells_has_a_headline() -> None:
    """The others the plug-in says itself, in the artist's language."""
    own = {Code.BAD_REQUEST, Code.TOO_LARGE, Code.CANCELLED, Code.UNREACHABLE}
    assert set(Code) - set(module("headlines").HEADLINES) == own


def test_beside_a_time_that_is_measured_stands_none_that_was_foreseen() -> None:
    progress, running = module("progress"), Progress(job="j", state=State.RUNNING, step=1, steps=9)
    forecast = replace(LARGE, free=None)
    assert "1 h 20 min" in progress.beside(running, forecast)
    assert progress.beside(replace(running, eta=60.0), forecast) == "4000×3000, 6 tiles, 5.1 GB"
    assert progress.beside(running, None) == ""


LARGE = Forecast(4000, 3000, 6, 40, 5_100_000_000, 4740.0, "cuda", free=820_000_000)


@pytest.mark.parametrize(
    ("language", "sentence"),
    [
        ("en", "4000×3000, 6 tiles, about 1 h 20 min, 5.1 GB, too much for the 820 MB that are free"),
        ("de", "4000×3000, 6 Kacheln, etwa 1 h 20 min, 5,1 GB, zu viel für die freien 820 MB"),
        ("fr", "4000×3000, 6 tuiles, environ 1 h 20 min, 5,1 Go, trop pour les 820 Mo libres"),
        ("zh_CN", "4000×3000，6 块，约 1 小时 20 分钟，5.1 GB，超过可用的 820 MB"),
    ],
    ids=("en", "de", "fr", "zh_CN"),
)
def test_what_is_foreseen_is_said_as_the_language_says_it(language: str, sentence: str) -> None:
    module("language").GLib.get_language_names.return_value = [language]
    for name in ("language", "amounts", "progress"):
        sys.modules.pop(name, None)
    assert module("progress").foreseen(LARGE) == sentence


@pytest.mark.parametrize(
    ("language", "pixels", "wait"),
    [("en", "12,000,000", "40 s"), ("de", "12.000.000", "40 s"), ("ru", "12\xa0000\xa0000", "40 с")],
    ids=("en", "de", "ru"),
)
def test_a_large_number_and_a_short_time_too(language: str, pixels: str, wait: str) -> None:
    module("language").GLib.get_language_names.return_value = [language]
    for name in ("language", "amounts"):
        sys.modules.pop(name, None)
    assert (module("language").numeral(12_000_000), module("amounts").duration(40.2)) == (pixels, wait)
