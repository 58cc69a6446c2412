"""Where the painter lacks VGG19's weights the artist is told in the plug-in's own words: which recipe stands in, why,
and what to type; once, where it is seen."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest
from impasto_daemon.engine.recipes import RECIPES
from impasto_protocol.jobstate import State
from impasto_protocol.messages import Progress, Result
from impasto_protocol.picture import Picture

from .test_modules import module

pytestmark = pytest.mark.usefixtures("without_gimp")

WHY = "NOT painted with VGG19: its weights cannot be had (…) The recipe “wavelets” stands in."
HERE = (
    "Painted with Wavelets instead of Impasto: VGG19's weights are missing on this machine. Type in a terminal: "
    "impasto weights fetch (548 MB)"
)
RECORD = {"stand_in": "wavelets", "notes": [WHY]}
PIXEL = Picture(1, 1, 3, "u8", b"abc")


def news(**facts: Any) -> Progress:
    return Progress(job="j", state=State.LOADING, **facts)


def test_it_is_vgg19_that_is_stood_in_for() -> None:
    assert {recipe.features for recipe in RECIPES.values() if recipe.stand_in} == {"vgg19"}


@pytest.mark.parametrize(
    ("progress", "lacks"),
    [
        (news(note=WHY, warning=True, stand_in="wavelets"), (HERE, WHY)),
        (news(step=3, stand_in="wavelets"), (HERE, "")),
        (news(note="Loading", stand_in="wavelets"), (HERE, "")),
        (news(note=WHY, warning=True), (WHY, WHY)),
        (news(note="Loading"), None),
    ],
    ids=["named", "still", "still loading", "by an older daemon", "nothing"],
)
def test_progress_says_what_is_lacking(progress: Progress, lacks: tuple[str, str] | None) -> None:
    lacking = module("lacking")
    assert lacking.of_progress(progress, "impasto") == (lacks and lacking.Lack(*lacks))


@pytest.mark.parametrize(
    ("record", "lacks"),
    [
        (RECORD, (HERE, WHY)),
        ({"stand_in": "wavelets", "notes": ["the frame is small", WHY]}, (HERE, f"the frame is small\n{WHY}")),
        ({"stand_in": "wavelets", "notes": "of the future"}, (HERE, "")),
        ({"stand_in": "wavelets"}, (HERE, "")),
        ({"stand_in": "", "notes": ["Strength 0 leaves the picture as it is."]}, None),
        ({"stand_in": 7}, None),
        ({}, None),
    ],
)
def test_a_record_says_what_was_lacking_wherever_its_note_stands(
    record: dict[str, Any], lacks: tuple[str, str] | None
) -> None:
    lacking = module("lacking")
    assert lacking.of_record(record, "impasto") == (lacks and lacking.Lack(*lacks))


def test_of_a_daemon_on_the_network_it_is_that_machine_that_lacks_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module("sandbox"), "endpoint", lambda: "tcp://gpubox:7766")
    sentence = module("lacking").of_record(RECORD, "impasto").sentence
    assert "on the machine that paints. Type in a terminal there: impasto weights fetch" in sentence


def test_a_recipe_that_this_version_does_not_know_has_the_name_that_the_daemon_gives_it() -> None:
    assert module("lacking").of_record({"stand_in": "mosaics"}, "impasto").sentence.startswith("Painted with mosaics ")


@pytest.mark.parametrize("seen", [True, False])
def test_the_end_says_only_what_no_window_has_said_and_the_daemons_paragraph_never(
    monkeypatch: pytest.MonkeyPatch, seen: bool
) -> None:
    finished, job = module("finished"), MagicMock(recipe="impasto", warnings={WHY})
    job.__enter__.return_value = job
    job.wait.return_value = Result(job="j", record={**RECORD, "notes": [WHY, "more"]}, pictures=(PIXEL,))
    monkeypatch.setattr(finished, "Job", lambda _request: job)
    monkeypatch.setattr(finished, "Held", MagicMock())
    asked = finished.Order(MagicMock(), [], {}, "layer", "image", lambda _result: None)
    assert finished.placed(MagicMock(), asked, SimpleNamespace(is_seen=seen)) == ["more"]
    assert [each.args for each in finished.Gimp.message.call_args_list] == ([] if seen else [(HERE,)])


def test_the_window_has_the_warning_and_what_is_foreseen_and_the_warning_stays() -> None:
    window, forecast = module("window"), module("impasto_protocol.forecast").Forecast
    foreseen = forecast(1000, 700, 4, 40, 1_200_000_000, None, "cpu")
    opened = window.Steered("title", "role", "procedure")
    opened._notice, opened._job = MagicMock(), MagicMock(recipe="impasto")
    opened.show(news(note=WHY, warning=True, stand_in="wavelets"), foreseen)
    opened.show(news(step=1, steps=9), foreseen)
    lack = module("lacking").Lack(HERE, WHY)
    assert [each.args for each in opened._notice.say.call_args_list] == [(lack,), (lack,)]
    assert [each.args for each in opened._about.set_text.call_args_list] == [("1000×700, 4 tiles, 1.2 GB",)] * 2
