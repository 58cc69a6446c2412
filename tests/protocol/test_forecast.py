"""What a job will take: as a map on the wire, and as a sentence for people."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from impasto_protocol.codec import decode, encode
from impasto_protocol.forecast import Forecast, duration, memory
from impasto_protocol.jobstate import State
from impasto_protocol.limits import Limits
from impasto_protocol.messages import Accepted, Foresee
from impasto_protocol.picture import COLOUR, SAMPLE_BYTES, Shape
from impasto_protocol.request import Outline

LARGE = Forecast(4000, 3000, 6, 40, 5_100_000_000, 170.0, "cuda (a large one)")

FORECASTS = st.builds(
    Forecast,
    width=st.integers(1, 2**31),
    height=st.integers(1, 2**31),
    tiles=st.integers(1, 10**6),
    evaluations=st.integers(0, 10**6),
    bytes=st.integers(0, 2**53 - 1),
    seconds=st.none() | st.floats(0, 1e9),
    device=st.text(st.characters(exclude_categories=["Cs"]), max_size=64),
    free=st.none() | st.integers(0, 2**53 - 1),
)

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


@given(FORECASTS)
def test_a_forecast_survives_the_wire(foreseen: Forecast) -> None:
    message = decode(encode(Accepted(re=1, job="j", state=State.QUEUED, forecast=foreseen.as_map())), Limits())
    assert isinstance(message, Accepted)
    assert Forecast.of(message.forecast) == foreseen


SHAPES = st.builds(
    Shape, st.integers(1, 2**31), st.integers(1, 2**31), st.sampled_from(COLOUR), st.sampled_from(sorted(SAMPLE_BYTES))
)
OUTLINES = st.builds(
    Outline,
    content=SHAPES,
    styles=st.lists(SHAPES, min_size=1, max_size=8).map(tuple),
    recipe=st.sampled_from(["impasto", "gatys"]),
    strength=st.floats(0, 100),
    max_size=st.integers(0, 2**31 - 1),
    settings=st.dictionaries(st.sampled_from(["steps", "colour"]), st.integers(0, 9) | st.text(max_size=9)),
    style_masks=st.integers(0, 1),
    content_mask=st.booleans(),
    resume=st.sampled_from(["", "9e27"]),
    start=st.booleans(),
)


@given(OUTLINES)
def test_what_is_asked_about_survives_the_wire(outline: Outline) -> None:
    message = decode(encode(Foresee.of(outline, id=1)), Limits())
    assert isinstance(message, Foresee)
    assert message.outline() == outline


def test_what_is_unknown_is_not_sent() -> None:
    assert "seconds" not in replace(LARGE, seconds=None).as_map()


def test_an_empty_map_is_no_forecast() -> None:
    assert Forecast.of({}) is None


@given(st.dictionaries(st.text().filter(lambda key: key not in vars(LARGE)), PLAIN), PLAIN)
def test_keys_of_the_future_change_nothing(more: dict[str, Any], foreign: Any) -> None:
    assert Forecast.of({**more, **LARGE.as_map()}) == LARGE
    assert Forecast.of(foreign) is None


@given(st.sampled_from(sorted(LARGE.as_map())), PLAIN)
def test_a_value_of_the_future_is_no_forecast_or_one_with_a_sentence(key: str, value: Any) -> None:
    found = Forecast.of({**LARGE.as_map(), key: value})
    assert found is None or found.sentence()


@pytest.mark.parametrize("key", [key for key in LARGE.as_map() if key != "seconds"])
def test_a_forecast_that_lacks_something_is_none(key: str) -> None:
    assert Forecast.of({name: value for name, value in LARGE.as_map().items() if name != key}) is None


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({}, "4000×3000, 6 tiles, about 3 min, 5.1 GB"),
        ({"tiles": 1}, "4000×3000, about 3 min, 5.1 GB"),
        ({"seconds": None}, "4000×3000, 6 tiles, 5.1 GB"),
        ({"width": 640, "tiles": 1, "seconds": 41.2, "bytes": 820_400_000}, "640×3000, about 40 s, 820 MB"),
        ({"free": 3_200_000_000}, "4000×3000, 6 tiles, about 3 min, 5.1 GB, too much for the 3.2 GB that are free"),
        ({"seconds": 4740}, "4000×3000, 6 tiles, about 1 h 20 min, 5.1 GB"),
    ],
)  # fmt: skip
def test_a_forecast_in_a_sentence(change: dict[str, Any], sentence: str) -> None:
    assert replace(LARGE, **change).sentence() == sentence


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        *[(0, "1 s"), (0.2, "1 s"), (7.4, "7 s"), (43, "45 s"), (97, "95 s"), (99, "2 min"), (170, "3 min")],
        *[(1190, "20 min"), (1300, "20 min"), (1400, "25 min"), (3599, "1 h"), (3700, "1 h"), (7900, "2 h 10 min")],
    ],
)
def test_a_foreseen_time_is_no_finer_than_it_can_be_known(seconds: float, said: str) -> None:
    assert f"about {said}," in replace(LARGE, seconds=seconds).sentence()


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.1, "1 s"), (40.2, "40 s"), (200, "3 min"), (7170, "2 h"), (7800, "2 h 10 min")]
)
def test_time_as_people_say_it(seconds: float, said: str) -> None:
    assert duration(seconds) == said


@pytest.mark.parametrize(
    ("number", "said"),
    [
        *[
            (0, "1 MB"),
            (1_400_000, "1 MB"),
            (999_400_000, "999 MB"),
            (999_600_000, "1.0 GB"),
            (5_140_000_000, "5.1 GB"),
        ],
        *[(9_940_000_000, "9.9 GB"), (9_960_000_000, "10 GB"), (23_600_000_000, "24 GB")],
    ],
)
def test_memory_as_people_say_it(number: int, said: str) -> None:
    assert memory(number) == said
