"""The device: what it is called, how fast it is, and with which precision that is worth the while."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from impasto_daemon import device as devices
from impasto_daemon.painter import open_painter
from impasto_daemon.painting import Painted
from impasto_protocol.errors import Code, ImpastoError
from impasto_protocol.picture import Picture
from impasto_protocol.request import Request, Style

from tests.engine.networks import random_vgg19

Allowed = Callable[[], tuple[bool, bool]]
"""Whether convolutions and matrix products may use TF32."""


def test_without_a_gpu_auto_is_the_cpu() -> None:
    assert devices.chosen("auto") == ("cuda" if torch.cuda.is_available() else "cpu")


def test_a_device_that_is_not_here_is_named_with_a_remedy() -> None:
    with pytest.raises(ImpastoError, match="Use cpu, or auto") as refused:
        devices.chosen("cuda:77")
    assert refused.value.code is Code.BAD_REQUEST and "cuda:77" in str(refused.value)


def test_a_device_has_a_speed_in_each_precision_that_it_knows() -> None:
    assert devices.speed("cpu") > 1e8
    assert devices.speed("cpu", torch.bfloat16) > 0


def test_a_processor_s_speed_is_what_it_works_and_not_what_it_waits_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a busy machine at a worker's start would make all its paintings slow."""
    monkeypatch.setattr("impasto_daemon.device.time.perf_counter", lambda: pytest.fail("time on the wall says little"))
    assert devices.speed("cpu") > 1e8


def test_a_precision_that_a_device_does_not_know_has_no_speed() -> None:
    assert devices.speed("cpu", torch.int8) == 0


@pytest.mark.parametrize("words", ["CUDA error: out of memory", "CUDA error: unspecified launch failure"])
def test_a_trial_that_has_no_memory_or_no_device_says_nothing_of_its_speed(
    monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    def failing(device: str, precision: torch.dtype) -> float:
        raise torch.AcceleratorError(words)

    monkeypatch.setattr(devices, "_speed", failing)
    with pytest.raises(torch.AcceleratorError):
        devices.speed("cpu")


@pytest.mark.parametrize(("half", "found"), [(3e9, 3e9), (1.2e9, 0.0), (0.0, 0.0)])
def test_half_precision_is_used_only_where_it_pays(monkeypatch: pytest.MonkeyPatch, half: float, found: float) -> None:
    monkeypatch.setattr(devices, "speed", lambda device, precision: half)
    assert devices.half_speed("cpu", 1e9) == found


@pytest.fixture
def tf32() -> Iterator[Allowed]:
    def allowed() -> tuple[bool, bool]:
        return torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32

    before = allowed()
    yield allowed
    torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = before


@pytest.mark.parametrize(("precision", "allowed"), [("full", False), ("fast", False), ("tf32", True)])
def test_convolutions_may_use_tf32_for_those_who_ask_and_sums_never(
    tmp_path: Path, tf32: Allowed, precision: str, allowed: bool
) -> None:
    painter = open_painter("cpu", weights(tmp_path))
    assert tf32() == (False, False)
    list(painter.paint(request(precision)))
    assert tf32() == (allowed, False)


@pytest.mark.parametrize(
    ("precision", "half", "used"),
    [("fast", 1e12, "bfloat16"), ("fast", 0.0, "float32"), ("full", 1e12, "float32"), ("tf32", 1e12, "float32")],
)
def test_the_record_says_in_which_precision_it_was_painted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, precision: str, half: float, used: str
) -> None:
    monkeypatch.setattr(devices, "half_speed", lambda device, full: half)
    *_, last = open_painter("cpu", weights(tmp_path)).paint(request(precision))
    assert isinstance(last, Painted) and last.record["precision"] == used


def test_half_precision_changes_the_painting_by_a_fraction_of_what_painting_does(tmp_path: Path) -> None:
    painter = open_painter("cpu", weights(tmp_path))
    found = []
    for half in (0.0, 1e12):
        painter._means = replace(painter._means, half=half)
        *_, last = painter.paint(request("fast"))
        assert isinstance(last, Painted)
        found.append(torch.frombuffer(bytearray(last.picture.data), dtype=torch.uint8).float())
    full, fast, content = *found, torch.frombuffer(bytearray(picture(0).data), dtype=torch.uint8).float()
    assert 0 < (fast - full).abs().mean() < 0.25 * (full - content).abs().mean()


def weights(folder: Path) -> str:
    """A file of random weights as far as conv3_4."""
    torch.save(random_vgg19(8), folder / "three-blocks.pth")
    return str(folder / "three-blocks.pth")


def request(precision: str) -> Request:
    content, style = (picture(seed) for seed in (0, 1))
    settings: dict[str, str | float] = {
        "precision": precision,
        "steps": "8",
        "coarsest": 0,
        "optimiser": "adam",
        "learning_rate": 0.02,
    }
    return Request(content, (Style(style),), recipe="impasto", settings=settings)


def picture(seed: int) -> Picture:
    """Soft blots."""
    coarse = torch.from_numpy(np.random.default_rng(seed).random((1, 3, 5, 6), np.float32))
    samples = torch.nn.functional.interpolate(coarse, (40, 48), mode="bilinear")[0].permute(1, 2, 0).mul(255).byte()
    return Picture(48, 40, 3, "u8", samples.numpy().tobytes())
