"""Several styles: which count, with which weights, and what is told where none is left."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import pytest
from impasto_daemon import plugin_install
from impasto_protocol.errors import ImpastoError
from impasto_protocol.limits import Limits
from impasto_protocol.picture import Picture

pytestmark = pytest.mark.usefixtures("without_gimp")

PICTURE = Picture(1, 1, 3, "u8", b"abc")


class Config:
    """The filter's arguments for styles, none given and each weight 100, but for these."""

    def __init__(self, given: Mapping[str, object]) -> None:
        self._given = given

    def get_property(self, name: str) -> object:
        return self._given.get(name, 100.0 if "weight" in name else None)


def config(**given: object) -> Config:
    return Config({name.replace("_", "-"): value for name, value in given.items()})


@pytest.fixture
def styles(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module, to which a style is whatever stands in its argument."""
    found = importlib.import_module("styles")
    for kind in found.KINDS:
        monkeypatch.setitem(found.KINDS, kind, lambda value, *_: found.Chosen(value, PICTURE))
    return found


def names(styles: Any, given: Config, **more: Any) -> dict[int, str]:
    return {number: style.name for number, style in styles.chosen(given, None, Limits(), **more).items()}


def test_styles_come_in_the_order_of_their_numbers_each_from_a_source_of_its_own(styles: Any) -> None:
    given = config(style_file_4="d", style_pattern_2="b", style_layer="a")
    assert names(styles, given) == {1: "a", 2: "b", 4: "d"}


def test_weights_count_against_each_other(styles: Any) -> None:
    given = config(style_file="a", style_file_3="c", style_weight=20.0, style_weight_3=50.0, style_weight_2=90.0)
    weighed = styles.weighed(given, styles.chosen(given, None, Limits()))
    assert [style.weight for style in weighed] == [0.4, 1.0]


def test_a_style_without_weight_is_left_out_and_not_even_read(styles: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(styles.KINDS, "style-pattern", None)
    assert names(styles, config(style_pattern="a", style_weight=0.0, style_file_2="b")) == {2: "b"}


@pytest.mark.parametrize("given", [{}, {"style_file": "a", "style_weight": 0.0}])
def test_no_style_at_all_is_told_in_a_sentence(styles: Any, given: dict[str, object]) -> None:
    with pytest.raises(ImpastoError, match="Choose a style picture first"):
        styles.chosen(config(**given), None, Limits())


def test_a_style_given_twice_is_told_with_its_arguments(styles: Any) -> None:
    with pytest.raises(ImpastoError, match="style-file-2, style-pattern-2"):
        styles.chosen(config(style_file="a", style_file_2="b", style_pattern_2="c"), None, Limits())


def test_what_is_not_given_is_as_it_was_painted_unless_its_weight_is_taken(styles: Any) -> None:
    kept = {number: styles.Chosen(f"own {number}", PICTURE) for number in (1, 2, 3)}
    given = config(style_file_2="b", style_weight_3=0.0)
    assert names(styles, given, own=kept.get) == {1: "own 1", 2: "b"}


def test_gimp_is_told_of_as_many_styles_as_the_filter_reads(styles: Any) -> None:
    text = (plugin_install.source_folder() / "impasto.py").read_text(encoding="utf-8")
    assert f"\nSTYLES = {len(styles.NUMBERS)}\n" in text
