"""The preview's part of a layer: within the layer, of one size as painted, with the strokes of the whole."""

from __future__ import annotations

import importlib
import math
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from impasto_daemon import plugin_install
from impasto_daemon.engine import canvas, recipes

SIZES = st.integers(1, 32_768)


@pytest.fixture(scope="module")
def part() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(plugin_install.source_folder()))
        yield importlib.import_module("part")


@given(SIZES, SIZES, st.integers(0, 32_768), st.floats(-1e5, 1e5), st.floats(-1e5, 1e5))
def test_a_part_lies_within_its_layer_wherever_it_was_dragged(
    part: Any, width: int, height: int, max_size: int, x: float, y: float
) -> None:
    found = part.around((x, y), width, height, max_size)
    assert 0 <= found.left <= width - found.width and 0 <= found.top <= height - found.height
    assert found.width >= 1 and found.height >= 1
    assert max(found.width, found.height) * part.scale(width, height, max_size) <= part.SIDE + 1


def test_a_part_is_as_large_as_fits_into_the_preview_at_the_size_painted_at(part: Any) -> None:
    assert part.around((2000, 1500), 4000, 3000, 1000).box == (2000 - 448, 1500 - 448, 896, 896)
    assert part.around((2000, 1500), 4000, 3000, 0).box == (2000 - 112, 1500 - 112, 224, 224)
    assert part.around((0, 0), 4000, 100, 1000).box == (0, 0, 896, 100)
    assert part.around((50, 50), 100, 90, 1000).box == (0, 0, 100, 90)


def sizes(content: tuple[int, int], factor: float, settings: Mapping[str, float]) -> list[tuple[int, ...]]:
    """As how large the daemon sees a small style and a large one, for a content of this width and height, where it is
    painted at its size times factor."""
    recipe = recipes.override(recipes.RECIPES["impasto"], settings)
    manners = [canvas.Manner(torch.full((1, 3, *size), 0.5)) for size in ((90, 120), (500, 700))]
    width, height = content
    whole = canvas.canvas(canvas.Commission(torch.full((1, 3, height, width), 0.5), manners), recipe)
    (region,) = canvas.at(whole, round(height * factor), round(width * factor), recipe, 1, "cpu").regions
    return [tuple(view.rgb.shape[-2:]) for view, _ in region.styles]


@pytest.mark.parametrize("factor", [1.0, 1 / 1.5, 1 / 2.25])
@pytest.mark.parametrize("percent", [50.0, 100.0, 200.0])
def test_the_strokes_of_each_style_are_those_of_the_whole_at_every_size_that_is_painted(
    part: Any, percent: float, factor: float
) -> None:
    whole, seen = (512, 384), (224, 224)
    asked = {} if percent == 100 else {"style_size": percent / 100 * math.sqrt(whole[0] * whole[1])}
    told = part.strokes(whole, seen, [(120, 90), (700, 500)], percent)
    for one, other in zip(sizes(seen, factor, told), sizes(whole, factor, asked), strict=True):
        assert one == pytest.approx(other, abs=2)


def test_where_the_whole_is_too_large_for_a_part_the_largest_style_says_how_large_strokes_are(part: Any) -> None:
    def strokes(*styles: tuple[int, int]) -> Any:
        return part.strokes((4000, 3000), (224, 224), styles, 100)

    assert strokes((300, 300), (2000, 2000)) == {"style_size": 2000}
    assert strokes((9000, 9000)) == {"style_size": pytest.approx(math.sqrt(4000 * 3000))}
