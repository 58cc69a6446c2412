"""The losses' line: pixels that go where the numbers go."""

from __future__ import annotations

import importlib
from collections.abc import Sequence

import pytest

INK = (10, 20, 30)


@pytest.fixture(autouse=True)
def plug_in(without_gimp: None) -> None: ...


def rows(values: Sequence[float], width: int = 9, height: int = 5) -> list[list[int]]:
    """For each column, from left to right, the rows that have ink; 0 is the top."""
    data = importlib.import_module("sparkline").drawn(values, width, height, INK)
    assert len(data) == width * height * 4
    pixels = [data[at : at + 4] for at in range(0, len(data), 4)]
    assert set(pixels) <= {bytes(4), bytes((*INK, 255))}
    return [[y for y in range(height) if any(pixels[y * width + x])] for x in range(width)]


def test_the_line_falls_from_the_first_to_the_last_by_orders_of_magnitude() -> None:
    drawn = rows([10_000, 1000, 100, 10, 1], width=5)
    assert [column[-1] for column in drawn] == [0, 1, 2, 3, 4]


def test_the_line_has_no_gaps_however_steep() -> None:
    first, second = rows([1000, 1], width=2, height=30)
    assert first == [0] and second == list(range(30))


def test_many_numbers_fit_into_few_columns() -> None:
    assert all(rows([1 / step for step in range(1, 500)]))


@pytest.mark.parametrize("values", [[], [3.0], [0.0, -1.0, float("nan"), float("inf")]])
def test_there_is_no_line_where_there_is_no_course(values: list[float]) -> None:
    assert not any(rows(values))


def test_losses_that_do_not_change_lie_in_the_middle() -> None:
    assert all(column == [2] for column in rows([7.0, 7.0, 7.0]))
