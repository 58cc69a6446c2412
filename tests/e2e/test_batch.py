"""Layers, images and an animation's frames painted in a row, through a real GIMP: what batch_in_gimp.py wrote down.

The painter turns colours round, so that each pixel's right value is known.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from . import styles
from .conftest import Facts, running_daemon
from .studio import Studio

pytestmark = pytest.mark.gimp

NAME = "Starry night (style transfer)"
RED, GREEN, BLUE, GREY = [200, 0, 0, 255], [0, 200, 0, 255], [0, 0, 200, 255], [90, 90, 90, 255]


@pytest.fixture(scope="module")
def batch(studio: Studio) -> Iterator[dict[str, Facts]]:
    """The facts of every case of batch_in_gimp.py, by its name: one start of GIMP serves all tests."""
    styles.picture().save(studio.folder / "starry_night.png")
    script = Path(__file__).with_name("batch_in_gimp.py").read_text(encoding="utf-8")
    with running_daemon(studio):
        said, _ = studio.batch(script, IMPASTO_TEST_FOLDER=str(studio.folder)).communicate(timeout=120)
    told = studio.folder / "batch.json"
    assert told.exists(), said
    yield {**json.loads(told.read_text()), "said": {"text": said}}


def turned(colour: list[int]) -> list[int]:
    return [*(255 - sample for sample in colour[:3]), colour[3]]


def pairs(facts: Facts) -> dict[str, list[int]]:
    """Of each layer that lies right below a painting, the painting's colour, by the layer's name."""
    rows = facts["layers"]
    return {below[0]: above[1] for above, below in itertools.pairwise(rows) if above[0].startswith(NAME)}


def test_of_several_selected_layers_each_is_painted_and_those_that_cannot_be_are_left_out(
    batch: dict[str, Facts],
) -> None:
    facts = batch["selected"]
    assert facts["status"] == "success"
    assert pairs(facts) == {"red": turned(RED), "green": turned(GREEN), "blue": turned(BLUE)}
    assert facts["selected"] == ["red", "green", "empty", "outside", "blue"]


def test_what_is_left_out_is_told_once_with_the_reason(batch: dict[str, Facts]) -> None:
    said = batch["said"]["text"]
    assert "3 of 5 are painted." in said
    assert "Not painted: empty. This layer is fully transparent" in said
    assert "Not painted: outside. The selection lies outside this layer" in said


def test_visible_layers_are_those_that_are_seen_and_that_impasto_has_not_painted(batch: dict[str, Facts]) -> None:
    assert pairs(batch["visible"]) == {"red": turned(RED)}


def test_where_nothing_can_be_painted_that_is_an_error_with_every_reason(batch: dict[str, Facts]) -> None:
    facts = batch["nothing"]
    assert facts["status"] == "execution-error" and len(facts["layers"]) == 2
    assert "Not painted: empty, void. This layer is fully transparent" in facts["message"]


def test_all_images_are_painted_each_in_its_own_place(batch: dict[str, Facts]) -> None:
    painted = [layers[0] for layers in batch["images"]["layers"]]
    assert painted == [[NAME, turned(RED)], [NAME, turned(BLUE)]]


def test_frames_become_an_image_of_their_own_with_their_times_and_as_they_are_seen(batch: dict[str, Facts]) -> None:
    facts = batch["frames"]
    assert facts["untouched"] and facts["unsaved"] and facts["kind"] == "rgb" and facts["sizes"] == [[32, 24]] * 4
    assert [name for name, _ in reversed(facts["layers"])] == [
        "Frame 1 (100ms) (replace)",
        "Frame 2 (200ms) (replace)",
        "Frame 3 (50ms) (replace)",
        "Frame 4 (replace)",
    ]
    first, second, empty, last = reversed(facts["corners"])
    assert first == [turned(GREY)] * 2
    assert second == [turned(GREY), turned(RED)], "what is laid over another frame is painted with it"
    assert [corner[3] for corner in empty] == [0, 0], "a frame that cannot be painted stays as it is"
    assert last == [turned(BLUE)] * 2


def test_a_frame_begins_with_the_painting_before_but_for_what_has_changed(batch: dict[str, Facts]) -> None:
    first, second, empty, last = reversed(batch["frames"]["records"])
    assert first["start_corners"] == [] and empty is None
    assert second["start_corners"] == [turned(GREY)] * 2 and second["request"]["seed"] == 0
    assert 0.7 < second["start_shown"] < 1 - 8 * 8 / (32 * 24), "all but the red square, and a little around it"
    assert last["start_corners"] == [] and last["request"]["seed"] == 7, "after a cut it is painted afresh"


def test_no_image_is_left_behind(batch: dict[str, Facts]) -> None:
    assert batch["frames of nothing"]["status"] == "execution-error"
    assert [facts["images_left"] for name, facts in batch.items() if name != "said"] == [0] * 6
