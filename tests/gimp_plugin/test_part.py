"""The preview's part of a layer: within the layer, of one size as painted, with the strokes of the whole."""

from __future__ import annotations

import importlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from impasto_daemon import plugin_install

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


@pytest.mark.parametrize("stroke_size", [50.0, 99.0, 200.0])
def test_strokes_are_those_of_the_whole_layer_in_pixels_of_the_painting(part: Any, stroke_size: float) -> None:
    whole = 4000 * 3000
    assert part.stroke_side(4000, 3000, 1000, (9, 9), stroke_size) == pytest.approx(whole**0.5 / 4 * stroke_size / 100)


def test_a_style_that_is_smaller_than_the_painting_keeps_its_size_unless_strokes_are_asked_for(part: Any) -> None:
    assert part.stroke_side(4000, 3000, 1000, (300, 300), 100) == 300
    assert part.stroke_side(4000, 3000, 1000, (3000, 3000), 100) == pytest.approx((4000 * 3000) ** 0.5 / 4)
