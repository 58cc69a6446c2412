"""Stroke size, there and back: what people give in per cent is in pixels of the content with the recipes."""

from __future__ import annotations

import pytest
from impasto_protocol import strokes
from impasto_protocol.errors import ProtocolError


@pytest.mark.parametrize("percent", [10, 50, 100, 137.5, 400])
def test_per_cent_come_back_from_the_settings(percent: float) -> None:
    assert strokes.percent(strokes.settings(percent, 900, 400), 900, 400) == pytest.approx(percent)


def test_at_a_hundred_the_recipe_s_own_counts_and_at_fifty_they_are_half_as_large() -> None:
    assert strokes.settings(100, 900, 400) == {}
    assert strokes.settings(50, 900, 400) == {"style_size": 300}


@pytest.mark.parametrize("told", ["3", None, -1, float("nan"), 10**400])
def test_what_is_no_size_is_refused(told: object) -> None:
    with pytest.raises(ProtocolError):
        strokes.percent({"style_size": told}, 900, 400)
