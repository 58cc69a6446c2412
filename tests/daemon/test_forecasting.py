"""What a job will take, before it starts: what is remembered of the device, and what is made of it."""

from __future__ import annotations

import json
import stat
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from impasto_daemon import forecasting, planning
from impasto_daemon.engine import host_memory
from impasto_daemon.engine.plan import Means, Plan, Task, plans
from impasto_daemon.engine.recipes import find
from impasto_daemon.forecasting import Forecaster, forecast
from impasto_protocol.forecast import Forecast
from impasto_protocol.picture import Picture
from impasto_protocol.request import Request, Style

GPU: dict[str, Any] = {
    "device": "cuda (a large one)",
    "memory": 40_000_000_000,
    "host": 9_000_000_000,
    "flops": 1e13,
    "half": 2e13,
}
CPU: dict[str, Any] = {"device": "cpu", "memory": 7_000_000_000, "host": 7_000_000_000, "flops": 1e11, "half": 0.0}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where what is learnt is kept."""
    return tmp_path / "state" / "impasto" / "devices.json"


def flat(width: int, height: int) -> Picture:
    return Picture(width, height, 3, "u8", bytes(3 * width * height))


def asked(width: int = 400, height: int = 300, **more: Any) -> Request:
    return Request(content=flat(width, height), styles=(Style(flat(3, 2)),), **more)


def on(request: Request, **facts: Any) -> Forecast | None:
    """The forecast for a large card, these facts of it changed."""
    return forecast(request.outline, Means(**{**GPU, **facts}))


def ways(request: Request, **facts: Any) -> Sequence[Plan]:
    """The plans for it on such a device."""
    return plans(planning.task_of(request.outline), find(request.recipe), Means(**{**GPU, **facts}))


def taught(path: Path, about: Mapping[str, Any] = GPU, device: str = "auto") -> Forecaster:
    """A forecaster whose worker has said this."""
    found = Forecaster(device, path)
    found.learn(about)
    return found


def told(forecaster: Forecaster, request: Request | None = None) -> Forecast:
    found = Forecast.of(forecaster.forecast((request or asked()).outline))
    assert found is not None
    return found


# A forecast -----------------------------------------------------------------------------------------------


def test_a_forecast_is_the_plan_that_fits_the_device() -> None:
    found, first = on(asked(recipe="gatys")), ways(asked(recipe="gatys"))[0]
    assert found is not None
    assert (found.width, found.height, found.tiles, found.device) == (400, 300, 1, "cuda (a large one)")
    assert (found.bytes, found.seconds, found.evaluations) == (first.bytes, first.seconds, 300)


def test_it_is_of_the_size_that_is_painted_at() -> None:
    found = on(asked(max_size=200))
    assert found is not None and (found.width, found.height) == (200, 150)


def test_settings_count() -> None:
    found = on(asked(settings={"steps": 7}))
    assert found is not None and found.evaluations == 7


def test_where_memory_is_scarce_it_is_of_more_pieces() -> None:
    found = on(asked(1000, 1000), memory=1_000_000_000)
    assert found is not None and found.tiles > 1 and found.bytes < 1_000_000_000


def test_where_memory_never_suffices_it_is_what_would_be_needed_at_least() -> None:
    found, least = on(asked(1000, 1000), memory=1), ways(asked(1000, 1000))[-1]
    assert found is not None and (found.tiles, found.bytes) == (least.tiles, least.bytes)
    assert found.free == 1 and "too much for the 1 MB that are free" in found.sentence()


def test_memory_that_suffices_or_is_unknown_is_not_spoken_of() -> None:
    for memory in (1_000_000_000, None):
        found = on(asked(1000, 1000), memory=memory)
        assert found is not None and found.free is None


def test_an_unknown_speed_is_an_unknown_time() -> None:
    found = on(asked(), flops=0.0, half=0.0)
    assert found is not None and found.seconds is None


def test_of_what_is_left_as_it_is_there_is_no_forecast() -> None:
    assert on(asked(strength=0)) is None


def test_the_plans_hear_of_pictures_and_masks() -> None:
    content = Picture(4, 3, 4, "u16", bytes(96))
    mask = Picture(4, 3, 1, "u8", bytes(12))
    styles = (Style(flat(8, 5), mask=mask), Style(flat(2, 9)))
    plain = Task(3, 4, channels=4, sample=2, styles=((5, 8), (9, 2)), masks=1, regions=2, max_size=77)
    assert planning.task_of(Request(content, styles, max_size=77).outline) == plain
    masked = planning.task_of(Request(content, styles, max_size=77, content_mask=mask, resume="earlier").outline)
    assert masked == replace(plain, masks=2, regions=8, resumed=True), "a grey mask makes four bands"
    begun = planning.task_of(Request(content, styles, max_size=77, start=content).outline)
    assert begun == replace(plain, start=True)


# What is remembered ---------------------------------------------------------------------------------------


def test_before_any_worker_has_said_a_word_there_is_no_forecast(path: Path) -> None:
    forecaster = Forecaster("auto", path)
    assert forecaster.forecast(asked().outline) == {} and forecaster.facts() == {}
    assert not path.exists()


def test_the_next_daemon_knows_what_this_one_learnt(path: Path) -> None:
    before = told(taught(path))
    assert told(Forecaster("auto", path)) == before
    assert Forecaster("cpu", path).forecast(asked().outline) == {}, "which was never used"


def test_every_device_that_a_daemon_was_told_to_take_has_its_own_facts(path: Path) -> None:
    taught(path, GPU, "auto")
    taught(path, CPU, "cpu")
    assert [told(Forecaster(name, path)).device for name in ("auto", "cpu")] == ["cuda (a large one)", "cpu"]


def test_the_file_is_for_this_user_alone_and_there_whole(path: Path) -> None:
    taught(path)
    assert [each.name for each in path.parent.iterdir()] == ["devices.json"]
    assert [stat.S_IMODE(each.stat().st_mode) for each in (path, path.parent)] == [0o600, 0o700]


@pytest.mark.parametrize(
    "damaged",
    [
        *["", "{", "[]", "7", '"x"', "[" * 100_000, '{"devices": 3}', '{"devices": {"auto": [1]}}'],
        *['{"devices": {"auto": {}}, "stand_ins": [1]}', '{"stand_ins": {"gatys": ["wavelets"], "x": "y"}}'],
        json.dumps({"devices": {"auto": {**GPU, "memory": "much"}}}),
        json.dumps({"devices": {"auto": {**GPU, "flops": float("nan")}}}),
    ],
)
def test_a_damaged_file_is_ignored_and_written_anew(path: Path, damaged: str) -> None:
    path.parent.mkdir(parents=True)
    path.write_text(damaged)
    assert Forecaster("auto", path).forecast(asked().outline) == {}
    taught(path)
    assert told(Forecaster("auto", path))


def test_bytes_that_are_no_text_are_ignored(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.write_bytes(b"\xff\xfe\x00")
    assert Forecaster("auto", path).forecast(asked().outline) == {}


def test_where_nothing_can_be_written_it_is_remembered_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert told(taught(tmp_path / "file" / "devices.json")).tiles == 1


@pytest.mark.parametrize("missing", GPU)
def test_a_worker_that_says_less_teaches_nothing(path: Path, missing: str) -> None:
    forecaster = taught(path)
    forecaster.learn({name: value for name, value in CPU.items() if name != missing})
    assert told(forecaster).device == "cuda (a large one)"


def test_small_changes_are_known_but_not_written(path: Path) -> None:
    forecaster = taught(path)
    before = path.read_text()
    forecaster.learn({**GPU, "memory": 39_000_000_000})
    assert forecaster.facts()["memory"] == 39_000_000_000 and path.read_text() == before
    forecaster.learn({**GPU, "memory": 20_000_000_000})
    assert path.read_text() != before


def test_the_cpus_memory_is_looked_at_when_it_is_asked_for(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_memory, "free", lambda: 1234)
    means = taught(path, CPU).facts()
    assert (means["memory"], means["host"]) == (1234, 1234)


def test_a_cards_memory_is_what_the_worker_said_of_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_memory, "free", lambda: 1234)
    means = taught(path).facts()
    assert (means["memory"], means["host"]) == (GPU["memory"], 1234)


def test_where_the_system_says_nothing_the_workers_word_counts(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_memory, "free", lambda: None)
    assert taught(path, CPU).facts() == CPU


@pytest.mark.parametrize(
    ("text", "free"),
    [
        ("MemTotal: 9 kB\nMemAvailable:    4000 kB\nSwapFree: 1 kB\n", 4_096_000),
        *[("MemTotal: 9 kB\n", None), ("MemAvailable:\n", None), ("MemAvailable: much kB\n", None)],
    ],
)
def test_free_memory_is_what_the_kernel_holds_available(tmp_path: Path, text: str, free: int | None) -> None:
    (tmp_path / "meminfo").write_text(text)
    assert host_memory.available(tmp_path / "meminfo") == free
    assert host_memory.available(tmp_path / "nowhere") is None


# Stand-ins ------------------------------------------------------------------------------------------------


def record(recipe: str, stand_in: str = "", features: str = "wavelets") -> dict[str, Any]:
    return {"request": {"recipe": recipe}, "stand_in": stand_in, "features": features}


def test_where_another_recipe_had_to_stand_in_the_forecast_is_of_that_one_from_then_on(path: Path) -> None:
    forecaster = taught(path)
    settings = {"content_layers": "conv4_2", "steps": 5}
    asked_for, other = asked(recipe="gatys"), asked(recipe="wavelets")
    assert told(forecaster, asked_for) != told(forecaster, other)
    forecaster.learn_of_painting(record("gatys", "wavelets"))
    assert told(forecaster, asked_for) == told(forecaster, other) == told(Forecaster("auto", path), asked_for)
    assert told(forecaster, asked(recipe="gatys", settings=settings)).evaluations == 5
    forecaster.learn_of_painting(record("gatys", features="vgg19"))
    assert told(forecaster, asked_for) != told(forecaster, other)


@pytest.mark.parametrize(
    "foreign",
    [
        *[{}, {"request": 7, "features": "x"}, {"request": {"recipe": ["gatys"]}, "features": "x"}],
        *[record("unheard of", "wavelets"), record("gatys", "wavelets", features="")],
    ],
)
def test_a_record_that_says_nothing_of_it_changes_nothing(path: Path, foreign: dict[str, Any]) -> None:
    forecaster = taught(path)
    before = told(forecaster, asked(recipe="gatys"))
    forecaster.learn_of_painting(foreign)
    assert told(forecaster, asked(recipe="gatys")) == before


# A courtesy -----------------------------------------------------------------------------------------------


def test_settings_of_another_painter_have_no_forecast(path: Path) -> None:
    assert taught(path).forecast(asked(settings={"delay": 3}).outline) == {}


def test_a_forecast_that_fails_costs_nobody_a_job(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(forecasting, "plans", broken)
    assert taught(path).forecast(asked().outline) == {}
