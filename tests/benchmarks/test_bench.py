"""The measures run, at tiny sizes, and what they compare is the same thing on both sides."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from impasto_daemon.engine import recipes
from impasto_daemon.engine.canvas import Region, View
from impasto_daemon.engine.objective import RecipeObjective

from benchmarks import bench, convergence, memory, plain, step
from benchmarks.convergence import PLAIN, WAYS, Case, Course, Look
from benchmarks.measure import Curve, Findings, Ratio, Table
from benchmarks.memory import Configuration
from benchmarks.setting import STARTS, Setting, network

SETTING = Setting(sizes=(32,), evaluations=3)
CASE = Case(32, "content")


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """What has a process of its own is done in this one: starting them takes seconds."""

    def at_once(run: Callable[..., Any], *arguments: Any) -> Any:
        return run(*arguments)

    for module in (convergence, memory):
        monkeypatch.setattr(module, "alone", at_once)
        monkeypatch.setattr(module, "as_the_worker_does", lambda: None)
    monkeypatch.setattr(step, "as_the_worker_does", lambda: None)


def test_the_plain_objective_is_the_engines() -> None:
    state, content, style = SETTING.state(), SETTING.content(48), SETTING.style(48)
    recipe = recipes.override(recipes.find("impasto"), plain.SETTINGS)
    region = Region(None, 1.0, [(View(style), 1.0)])
    ours = RecipeObjective(recipe, network(state, recipe), View(content), [region])
    theirs = plain.Objective(plain.network(state), content, style)
    picture = torch.rand(1, 3, 48, 48, generator=torch.Generator().manual_seed(1)) * 1.2 - 0.1
    for each in (content, style, picture):
        torch.testing.assert_close(ours(each)["total"].detach(), theirs(each), rtol=1e-4, atol=1e-7)
    slopes = []
    for objective in (lambda x: ours(x)["total"], theirs):
        x = picture.clone().requires_grad_()
        objective(x).backward()
        slopes.append(x.grad)
    torch.testing.assert_close(slopes[0], slopes[1], rtol=1e-3, atol=1e-7)


def test_the_plain_method_makes_its_evaluations_and_goes_downhill() -> None:
    looks = convergence.run_plain(SETTING, CASE).looks
    assert [look.evaluations for look in looks] == [1, 2, 3]
    assert looks[-1].loss < looks[0].loss


def test_every_way_is_run_beside_the_plain_method(here: None) -> None:
    courses = convergence.run(SETTING, CASE)
    assert courses.keys() == {PLAIN, *WAYS}
    (table,) = convergence.of_cases(CASE.title, [courses]).tables
    assert len(table.rows) == len(courses)


def test_large_pictures_are_painted_in_the_ways_that_join_the_others(
    here: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(convergence, "EACH_ALONE", CASE.side - 1)
    assert list(convergence.run(SETTING, CASE)) == [PLAIN, "all", "all + pyramid"]


@pytest.mark.parametrize("start", STARTS)
def test_both_sides_begin_with_the_same_picture(here: None, start: str) -> None:
    case = Case(32, start)
    ours = convergence.run_way(SETTING, case, WAYS["engine"], 0.0).looks[0]
    assert ours.loss == pytest.approx(convergence.run_plain(SETTING, case).looks[0].loss, rel=1e-4)


def test_coming_near_is_the_first_look_within_five_per_cent() -> None:
    looks = [Look(n, float(n), float(n), loss) for n, loss in [(1, 9.0), (2, 1.2), (3, 1.04), (4, 1.0)]]
    assert Course(tuple(looks)).near(1.0) == looks[2]
    assert Course(tuple(looks)).near(0.5) is None
    slow = {PLAIN: Course(tuple(looks)), "fast": Course((looks[0], Look(2, 1.0, 2.0, 1.0)))}
    (plain_itself, fast) = convergence.of_cases("here", [slow]).ratios
    assert plain_itself.median == pytest.approx(4 / 3)
    assert fast.median == 4.0


def test_a_way_that_does_not_come_near_has_no_ratio() -> None:
    courses = {PLAIN: Course((Look(1, 1.0, 1.0, 1.0),)), "lost": Course((Look(1, 1.0, 1.0, 2.0),))}
    found = convergence.of_cases("here", [courses])
    assert len(found.ratios) == 1
    assert found.tables[0].rows[1][:2] == ("lost", "0 of 1")


def test_the_floor_makes_exactly_the_steps_convolutions() -> None:
    recipe = recipes.find("impasto")
    content, style = SETTING.content(64), SETTING.style(64)
    evaluate = step.evaluation(recipe, network(SETTING.state(), recipe), content, style)
    calls = step.recorded(evaluate)
    # Eight convolutions to conv3_4 at the whole size, seven to conv3_3 at the half and the quarter: there and back.
    assert len(calls) == 2 * (8 + 7 + 7)
    assert len(step.recorded(step.floor(calls))) == len(calls)
    once = step.operations([call for call in calls if call.operator is step.FORWARD])
    assert step.operations(calls) == 2 * once


def test_steps_have_a_ratio_each(here: None) -> None:
    found = step.measure(SETTING, rounds=1)
    assert len(found.ratios) == len(found.tables[0].rows) == 4
    assert {row[2] for row in found.tables[0].rows} == {"fp32", "bf16"}


@pytest.mark.skipif(not memory.STATUS.exists(), reason="Linux alone tells a process's peak")
def test_memory_is_measured_beside_what_was_predicted(here: None) -> None:
    found = memory.measure(SETTING, [Configuration(64), Configuration(64, tile=32)])
    whole, tiled = found.tables[0].rows
    assert (whole[1], tiled[1]) == ("whole", "32")
    assert whole[6]
    assert {curve.plot for curve in found.curves} == {"Peak memory", "Time"}


def test_a_ratio_says_its_spread() -> None:
    found = Ratio.of("a", "b", [(2.0, 1.0), (3.0, 1.0), (8.0, 2.0)], "s")
    assert (found.median, found.low, found.high) == (3.0, 2.0, 4.0)
    assert str(found) == "a: 3.00× b (from 2.00 to 4.00; 3 s against 1 s)"


def test_what_was_found_is_printed_stored_and_drawn(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = Findings(
        (Ratio.of("one", "another", [(1.0, 2.0)]),),
        (Table("Title", ("a",), (("1",),)),),
        (Curve("plot", "x", "y", "line", ((1.0, 2.0), (2.0, 3.0))),),
    )
    monkeypatch.setattr(bench, "MEASURES", {"some": lambda setting: found})
    target, plot = tmp_path / "new" / "bench.json", tmp_path / "bench.png"
    bench.main(["--only", "some", "--json", str(target), "--plot", str(plot)])
    said = capsys.readouterr().out
    assert "RANDOM weights" in said
    assert "- one: 0.50× another" in said
    assert "| a |" in said
    assert json.loads(target.read_text())["some"]["ratios"][0]["median"] == 0.5
    assert plot.stat().st_size > 1000


def test_an_unknown_measure_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        bench.main(["--only", "speed"])
    assert "there is no measure “speed”" in capsys.readouterr().err
