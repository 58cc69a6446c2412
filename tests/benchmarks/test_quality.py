"""The comparison of recipes is one command that runs what can be run here, and says what cannot."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from impasto_daemon.engine.architectures import ARCHITECTURES
from impasto_daemon.engine.levels import levels
from impasto_daemon.engine.recipes import RECIPES, override
from impasto_daemon.engine.wavelets import Wavelets
from PIL import Image

from benchmarks.quality import report, sheet
from benchmarks.quality.__main__ import main
from benchmarks.quality.report import EQUAL, MATCHED, Report, Row
from benchmarks.quality.runs import Pair, probe, published, timed


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def command(monkeypatch: pytest.MonkeyPatch, folder: Path, *arguments: str) -> int:
    fixed = ["quality", "--size", "48", "--seconds", "0.2", "-o", str(folder)]
    monkeypatch.setattr(sys, "argv", [*fixed, *arguments])
    return main()


@pytest.fixture
def pair() -> Pair:
    generator = torch.Generator().manual_seed(0)
    content, style = torch.rand(2, 1, 3, 40, 56, generator=generator)
    return Pair("content", "style", content, style)


def test_without_weights_it_compares_what_needs_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(monkeypatch, tmp_path) == 0
    said = capsys.readouterr().out
    assert "There is no weights file" in said
    assert "Left out: gatys, which needs weights of vgg19." in said
    found = report.load(tmp_path)
    assert {row.recipe for row in found.rows} == {"wavelets"}
    assert all(row.scores["held_out"] is None and row.scores["patches"] for row in found.rows)
    assert (tmp_path / "sheet-equal-seconds.png").is_file()
    assert all((tmp_path / row.picture).is_file() for row in found.rows)


def test_with_a_part_of_vgg19_it_stars_what_it_adapted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = {}
    for each in ARCHITECTURES["vgg19"].down_to(["conv3_1"]):
        weight = torch.randn(each.outputs, each.inputs, 3, 3) * (2 / (9 * each.inputs)) ** 0.5
        state[f"features.{each.number}.weight"] = weight
        state[f"features.{each.number}.bias"] = torch.zeros(each.outputs)
    torch.save(state, tmp_path / "blocks.pth")
    arguments = ["--weights", str(tmp_path / "blocks.pth"), "--recipes", "gatys,pytorch,vgg16", "--match"]
    assert command(monkeypatch, tmp_path / "out", *arguments) == 0
    said = capsys.readouterr().out
    assert "* gatys: adapted to blocks.pth: content conv4_2 → conv3_1; style without conv4_1, conv5_1" in said
    assert "Left out: vgg16" in said
    found = report.load(tmp_path / "out")
    assert [(row.recipe, row.mode) for row in found.rows] == [
        ("gatys", EQUAL), ("gatys", MATCHED), ("pytorch", EQUAL), ("pytorch", MATCHED),
    ]  # fmt: skip
    assert found.footnotes.keys() == {"gatys"}


def test_what_cannot_be_done_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(monkeypatch, tmp_path, "--recipes", "wavelet") == 1
    assert "Did you mean “wavelets”?" in capsys.readouterr().err
    assert command(monkeypatch, tmp_path, "--recipes", "gatys") == 1
    assert "None of these recipes can be run here." in capsys.readouterr().out
    assert command(monkeypatch, tmp_path, "--variant", "mine") == 1
    assert "NAME=RECIPE" in capsys.readouterr().err


def test_a_variant_is_a_column_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert command(monkeypatch, tmp_path, "--recipes", "wavelets", "--variant", "bold=wavelets content_weight=0") == 0
    assert [row.recipe for row in report.load(tmp_path).rows] == ["wavelets", "bold"]


def test_a_run_ends_when_its_time_is_over_and_reaches_the_last_size(pair: Pair) -> None:
    recipe, features = override(RECIPES["wavelets"], {"coarsest": 20, "steps": "100000"}), Wavelets()
    costs = probe(pair, features, recipe)
    assert len(costs) == len(levels(40, 56, recipe)) == 2
    run = timed(pair, features, recipe, 0.5, costs)
    assert run.picture.shape == pair.content.shape
    assert run.seconds >= 0.5
    assert 2 < run.evaluations < 100_000


def test_the_published_budget_is_the_recipes_own(pair: Pair) -> None:
    recipe = override(RECIPES["wavelets"], {"coarsest": 20, "steps": "3,2"})
    assert published(pair, Wavelets(), recipe).evaluations == 5


def test_means_are_taken_of_what_every_pair_has() -> None:
    rows = [
        Row("a", "x", "gatys", EQUAL, "", 1.0, 10, {"held_out": 0.2, "ssim": None}),
        Row("b", "x", "gatys", EQUAL, "", 3.0, 20, {"held_out": 0.4, "ssim": 0.5}),
    ]
    (mean,) = report.means(rows)
    assert mean.scores == {"held_out": pytest.approx(0.3), "ssim": None}
    assert (mean.seconds, mean.evaluations) == (2.0, 15)


def test_a_recipe_that_lacks_a_pair_has_no_mean_to_be_compared() -> None:
    rows = [Row(content, "x", "gatys", EQUAL, "", 1.0, 5, {"held_out": 0.1}) for content in ("a", "b")]
    rows.append(Row("a", "x", "pytorch", EQUAL, "", 1.0, 5, {"held_out": 0.05}))
    assert report.markdown(rows, {"pytorch": "…"}).splitlines()[2:] == [
        "| `gatys` | 0.100 | 0.100 | 0.100 |",
        "| `pytorch`* | 0.050 | – | – |",
    ]


def test_a_mode_that_nobody_ran_has_no_sheet(tmp_path: Path) -> None:
    Report({}).save(tmp_path)
    assert sheet.save([tmp_path], tmp_path / "sheet.png", MATCHED) == ""
    assert not (tmp_path / "sheet.png").exists()


def test_a_sheet_has_a_row_a_pair_and_a_column_a_recipe(tmp_path: Path) -> None:
    folders = []
    for content in ("a", "b"):
        folder = tmp_path / content
        folder.mkdir()
        for name in (f"content-{content}", "style-x", "one", "two"):
            Image.new("RGB", (40, 20), "red").save(folder / f"{name}.png")
        scores = {"held_out": 0.1, "correlation": 0.5}
        rows = [Row(content, "x", name, EQUAL, f"{name}.png", 1.0, 5, scores) for name in ("one", "two")]
        Report({}, {}, rows).save(folder)
        folders.append(folder)
    table = sheet.save(folders, tmp_path / "sheet.png", EQUAL, height=20).splitlines()
    assert table[0] == "| recipe | a, x | b, x | mean held-out | mean conv3_4 |"
    assert table[2:] == ["| `one` | 0.100 | 0.100 | 0.100 | 0.50 |", "| `two` | 0.100 | 0.100 | 0.100 | 0.50 |"]
    with Image.open(tmp_path / "sheet.png") as image:
        red = [image.getpixel((x, y)) == (255, 0, 0) for y in range(image.height) for x in range(image.width)]
        assert sum(red) == 2 * 4 * 40 * 20
