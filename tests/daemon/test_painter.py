"""The real painter: every kind of picture in and out, honest records, and a loud stand-in where weights are missing."""

from __future__ import annotations

import json
import logging
import math
import subprocess
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from impasto_daemon import painter as painting_room
from impasto_daemon import weights
from impasto_daemon.engine import stylize
from impasto_daemon.engine.objective import RecipeObjective
from impasto_daemon.painter import Painter, open_painter
from impasto_daemon.painting import Iterate, Painted, PaintEvent, Preparing
from impasto_protocol import codec, messages
from impasto_protocol.errors import Code, ImpastoError
from impasto_protocol.limits import Limits
from impasto_protocol.picture import Picture
from impasto_protocol.request import Request, Style
from impasto_protocol.schema import plain
from numpy.typing import NDArray

from tests.engine.networks import random_vgg19

TYPES = {"u8": ("u1", 255), "u16": ("<u2", 65535), "f32": ("<f4", 1)}
QUICK = {"steps": "3,2"}


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Empty caches, one thread, and no network."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def three_blocks(tmp_path: Path) -> str:
    """A weights file as far as conv3_4."""
    torch.save(random_vgg19(8), tmp_path / "three-blocks.pth")
    return str(tmp_path / "three-blocks.pth")


def picture(width: int, height: int, channels: int = 3, dtype: str = "u8", seed: int = 0) -> Picture:
    kind, most = TYPES[dtype]
    samples = (np.random.default_rng(seed).random((height, width, channels)) * most).astype(kind)
    return Picture(width, height, channels, dtype, samples.tobytes())


def samples(found: Picture) -> NDArray[Any]:
    kind, _ = TYPES[found.dtype]
    return np.frombuffer(found.data, kind).reshape(found.height, found.width, found.channels)


def request(content: Picture | None = None, **fields: object) -> Request:
    values = {"recipe": "wavelets", "settings": QUICK, **fields}
    return Request(content or picture(24, 20), (Style(picture(30, 16, seed=1)),), **values)  # type: ignore[arg-type]


def painted(painter: Painter, asked: Request) -> tuple[Painted, list[PaintEvent]]:
    *before, last = painter.paint(asked)
    assert isinstance(last, Painted)
    return last, before


@pytest.mark.parametrize("dtype", ["u8", "u16", "f32"])
@pytest.mark.parametrize("channels", [3, 4])
def test_the_result_has_the_content_s_size_and_samples_and_its_alpha_bit_for_bit(dtype: str, channels: int) -> None:
    content = picture(33, 21, channels, dtype)
    result, _ = painted(open_painter("cpu"), request(content))
    found = result.picture
    assert (found.width, found.height, found.channels, found.dtype) == (33, 21, channels, dtype)
    assert not np.array_equal(samples(found)[..., :3], samples(content)[..., :3])
    if channels == 4:
        assert np.array_equal(samples(found)[..., 3], samples(content)[..., 3])


@pytest.mark.parametrize("dtype", ["u8", "u16", "f32"])
def test_strength_0_gives_back_the_content_bit_for_bit_and_says_so(dtype: str) -> None:
    content = picture(9, 7, 4, dtype)
    result, before = painted(open_painter("cpu"), request(content, strength=0.0))
    assert bytes(result.picture.data) == bytes(content.data) and before == []
    assert any("Strength 0" in note for note in result.record["notes"])  # type: ignore[attr-defined]


@pytest.mark.parametrize("spoilt", [np.nan, np.inf])
def test_samples_that_are_no_numbers_are_refused(spoilt: float) -> None:
    values = np.full((4, 4, 3), 0.5, "<f4")
    values[2, 1, 0] = spoilt
    broken = Picture(4, 4, 3, "f32", values.tobytes())
    for asked in (request(broken), Request(picture(4, 4), (Style(broken),), recipe="wavelets", settings=QUICK)):
        with pytest.raises(ImpastoError, match="not numbers") as caught:
            painted(open_painter("cpu"), asked)
        assert caught.value.code is Code.BAD_REQUEST


def test_floats_beyond_the_range_are_clamped() -> None:
    values = np.linspace(-1, 2, 4 * 4 * 3, dtype="<f4").reshape(4, 4, 3)
    result, _ = painted(open_painter("cpu"), request(Picture(4, 4, 3, "f32", values.tobytes())))
    assert samples(result.picture).min() >= 0 and samples(result.picture).max() <= 1


def test_each_evaluation_is_an_iterate_with_losses_and_a_small_preview() -> None:
    _, before = painted(open_painter("cpu"), request(picture(60, 30)))
    iterates = [event for event in before if isinstance(event, Iterate)]
    assert [i.step for i in iterates] == list(range(1, iterates[0].steps + 1))
    assert set(iterates[0].losses) == {"total", "content", "style"}
    for event in open_painter("cpu").paint(request(picture(60, 30))):
        if isinstance(event, Iterate):
            small = event.preview(20)
            assert (small.width, small.height, small.channels, small.dtype) == (20, 10, 3, "u8")


def test_closing_the_iterator_ends_the_job_and_the_painter_paints_on() -> None:
    painter = open_painter("cpu")
    walk = painter.paint(request())
    next(walk)
    walk.close()
    assert painted(painter, request())[0].picture.width == 24


def test_the_same_request_twice_gives_the_same_pixels() -> None:
    asked = request(settings={**QUICK, "noise": 0.2}, seed=3)
    first, again = (painted(open_painter("cpu"), asked)[0] for _ in range(2))
    assert bytes(first.picture.data) == bytes(again.picture.data)


def test_the_record_says_how_it_was_made_in_plain_data(three_blocks: str) -> None:
    painter = open_painter("cpu", three_blocks)
    asked = request(recipe="impasto", seed=9)
    result, before = painted(painter, asked)
    record = json.loads(json.dumps(result.record))
    assert json.dumps(record).isascii() and plain(record, "record") == record
    assert record["request"] == asked.describe() and record["recipe"]["steps"] == [3, 2]
    assert record["features"] == "vgg19" and record["stand_in"] == "" and record["notes"] == []
    assert record["weights"] == {"file": "three-blocks.pth", "sha256": weights.sha256(Path(three_blocks))}
    assert record["device"] == "cpu" and record["torch"] == torch.__version__ and record["seconds"] > 0
    assert record["steps"] == len(record["losses"]) == sum(isinstance(event, Iterate) for event in before)
    assert painter.about()["weights"] == "three-blocks.pth"


def test_the_losses_in_a_record_are_thinned_and_end_with_the_last() -> None:
    result, _ = painted(open_painter("cpu"), request(picture(4, 4), settings={"steps": 450}))
    course = result.record["losses"]
    assert isinstance(course, list) and len(course) == 200
    assert course[0]["step"] == 1 and course[-1]["step"] == 450
    assert len(json.dumps(result.record)) < 48_000  # it must fit into a message's header


def test_the_network_stays_between_jobs(three_blocks: str) -> None:
    painter = open_painter("cpu", three_blocks)
    _, first = painted(painter, request(recipe="impasto"))
    Path(three_blocks).unlink()
    _, second = painted(painter, request(recipe="impasto"))
    assert sum(isinstance(event, Preparing) for event in first) == 1
    assert not any(isinstance(event, Preparing) for event in second)


def test_a_layer_that_the_file_lacks_is_named_with_the_file_and_nothing_stands_in(three_blocks: str) -> None:
    with pytest.raises(ImpastoError) as caught:
        painted(open_painter("cpu", three_blocks), request(recipe="gatys"))
    assert caught.value.code is Code.MISSING_LAYER
    assert caught.value.problem.details["file"] == "three-blocks.pth"


@pytest.mark.parametrize("content", [None, b"", b"no weights"], ids=["absent", "empty", "text"])
def test_a_weights_file_that_was_given_and_is_unusable_fails_each_job(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "given.pth"
    if content is not None:
        path.write_bytes(content)
    painter = open_painter("cpu", str(path))
    for _ in range(2):
        with pytest.raises(ImpastoError) as caught:
            painted(painter, request(recipe="impasto"))
        assert caught.value.code is Code.BAD_WEIGHTS and str(path) in str(caught.value)


def test_without_weights_the_default_is_painted_by_its_stand_in_which_is_said_loudly(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING):
        result, before = painted(open_painter("cpu", offline=True), request(recipe="impasto"))
    record = result.record
    assert record["stand_in"] == "wavelets" and record["features"] == "wavelets" and record["weights"] == {}
    note = str(record["notes"][0])  # type: ignore[index]
    assert "NOT painted with VGG19" in note and "--offline" in note
    assert before[0] == Preparing(note) and note in caplog.text
    assert record["request"]["recipe"] == "impasto" and record["recipe"]["name"] == "wavelets"  # type: ignore[index]


def test_settings_that_name_the_network_s_layers_are_not_handed_to_the_stand_in() -> None:
    asked = request(recipe="impasto", settings={**QUICK, "style_layers": "conv1_1", "content_weight": 0.5})
    recipe = painted(open_painter("cpu", offline=True), asked)[0].record["recipe"]
    assert recipe["style_layers"][0] == "first1" and recipe["content_weight"] == 0.5  # type: ignore[index]


def test_without_weights_gatys_is_refused_and_nothing_stands_in() -> None:
    with pytest.raises(ImpastoError) as caught:
        painted(open_painter("cpu", offline=True), request(recipe="gatys"))
    assert caught.value.code is Code.MISSING_WEIGHTS


def test_a_failed_download_is_remembered_for_some_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    tries, clock = [], [1000.0]

    def failing(item: weights.Known) -> Iterator[weights.Progress]:
        tries.append(item)
        yield weights.Progress(0, 100)
        raise ImpastoError(Code.MISSING_WEIGHTS, "the server cannot be reached")

    monkeypatch.setattr(weights, "fetch", failing)
    monkeypatch.setattr("impasto_daemon.painter.time.monotonic", lambda: clock[0])
    painter = open_painter("cpu")
    for _ in range(3):
        assert painted(painter, request(recipe="impasto"))[0].record["stand_in"] == "wavelets"
    assert len(tries) == 1
    clock[0] += painting_room.RETRY_SECONDS
    painted(painter, request(recipe="impasto"))
    assert len(tries) == 2


def test_a_download_tells_its_progress_and_its_file_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fetching(item: weights.Known) -> Generator[weights.Progress, None, Path]:
        for done in range(0, 101, 2):
            yield weights.Progress(done << 20, 100 << 20)
        torch.save(random_vgg19(8), tmp_path / item.file)
        return tmp_path / item.file

    monkeypatch.setattr(weights, "fetch", fetching)
    result, before = painted(open_painter("cpu"), request(recipe="impasto"))
    notes = [event.note for event in before if isinstance(event, Preparing)]
    assert notes[0] == "Fetching VGG19's weights: 0 of 100 MB" and notes[-1].startswith("Loading VGG19")
    assert len(notes) == 22 and result.record["features"] == "vgg19"


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), Code.OUT_OF_MEMORY),
        (
            RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory: you tried to allocate"),
            Code.OUT_OF_MEMORY,
        ),
        (RuntimeError("could not create a primitive"), Code.OUT_OF_MEMORY),
        (MemoryError(), Code.OUT_OF_MEMORY),
    ],
)
def test_too_little_memory_is_a_sentence_with_a_smaller_size(
    monkeypatch: pytest.MonkeyPatch, failure: Exception, code: Code
) -> None:
    def failing(*_: object) -> Iterator[object]:
        raise failure
        yield

    monkeypatch.setattr("impasto_daemon.painter.stylize.paint", failing)
    with pytest.raises(ImpastoError, match="smaller max-size") as caught:
        painted(open_painter("cpu"), request(picture(300, 20), max_size=200))
    assert caught.value.code is code and caught.value.problem.details == {"max_size": 200}


def test_a_bug_is_not_dressed_up_as_lack_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object) -> Iterator[object]:
        raise RuntimeError("sizes do not match")
        yield

    monkeypatch.setattr("impasto_daemon.painter.stylize.paint", failing)
    with pytest.raises(RuntimeError, match="sizes do not match"):
        painted(open_painter("cpu"), request())


def test_a_device_that_is_not_here_is_refused() -> None:
    with pytest.raises(ImpastoError, match="no device “abacus”") as caught:
        open_painter("abacus")
    assert caught.value.code is Code.BAD_REQUEST


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"recipe": "Impaste"}, Code.UNKNOWN_RECIPE),
        ({"settings": {"stepz": 3}}, Code.UNKNOWN_SETTING),
        ({"settings": {"noise": float("nan")}}, Code.BAD_REQUEST),
        ({"settings": {"style_layers": "conv9_1"}}, Code.BAD_REQUEST),
    ],
)
def test_a_wrong_request_is_refused_before_anything_is_loaded(fields: dict[str, object], code: Code) -> None:
    with pytest.raises(ImpastoError) as caught:
        next(open_painter("cpu").paint(request(None, **fields)))
    assert caught.value.code is code


def test_a_record_with_a_rescue_is_made_of_numbers_and_can_be_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """One evaluation in the middle has no number for a loss."""
    honest, evaluations = RecipeObjective.__call__, []

    def spoilt(self: RecipeObjective, rgb: torch.Tensor) -> dict[str, torch.Tensor]:
        evaluations.append(1)
        found = honest(self, rgb)
        return {name: value * float("nan") for name, value in found.items()} if len(evaluations) == 3 else found

    monkeypatch.setattr(RecipeObjective, "__call__", spoilt)
    result, before = painted(open_painter("cpu"), request(settings={"steps": 5}))
    assert "went back to the best iterate" in str(result.record["notes"])
    assert all(math.isfinite(x) for event in before if isinstance(event, Iterate) for x in event.losses.values())
    sent = messages.Result(job="job", record=result.record, pictures=(result.picture,))
    received = codec.decode(codec.encode(sent), Limits())
    assert isinstance(received, messages.Result) and len(received.record["losses"]) == 5


def test_losses_that_are_no_numbers_stay_out_of_the_record(monkeypatch: pytest.MonkeyPatch) -> None:
    def painting(*_: object) -> Generator[stylize.Step, None, torch.Tensor]:
        yield stylize.Step(1, 1, 1.0, {"total": 2.0, "content": float("inf")}, "", lambda: torch.zeros(1, 3, 20, 24))
        return torch.zeros(1, 3, 20, 24)

    monkeypatch.setattr("impasto_daemon.painter.stylize.paint", painting)
    result, before = painted(open_painter("cpu"), request())
    assert result.record["losses"] == [{"step": 1, "total": 2.0}]
    assert isinstance(before[0], Iterate) and before[0].losses == {"total": 2.0}


def cached(content: bytes) -> Path:
    """A file of this content where the cache has VGG19's."""
    path = weights.cache_folder() / weights.known()["vgg19"].file
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    return path


def test_a_damaged_file_in_the_cache_is_stood_in_for_and_told_with_its_remedy() -> None:
    path = cached(b"half a download")
    result, _ = painted(open_painter("cpu", offline=True), request(recipe="impasto"))
    note = result.record["notes"][0]  # type: ignore[index]
    assert result.record["stand_in"] == "wavelets"
    assert f"{path} is damaged" in note and "`impasto weights fetch` repairs it" in note and "--weights" not in note


def test_a_damaged_file_in_the_cache_is_fetched_again_and_without_a_network_stood_in_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path, fetched = cached(b"half a download"), []

    def failing(item: weights.Known) -> Iterator[weights.Progress]:
        fetched.append(item)
        raise ImpastoError(Code.MISSING_WEIGHTS, "The server cannot be reached.")
        yield

    monkeypatch.setattr(weights, "fetch", failing)
    result, _ = painted(open_painter("cpu"), request(recipe="impasto"))
    assert result.record["stand_in"] == "wavelets" and len(fetched) == 1 and path.exists()
    assert "cannot be reached" in str(result.record["notes"])


def test_a_failure_of_weights_that_were_given_says_to_leave_them_out(tmp_path: Path) -> None:
    (tmp_path / "given.pth").write_bytes(b"no weights")
    with pytest.raises(ImpastoError, match="leave --weights out"):
        painted(open_painter("cpu", str(tmp_path / "given.pth")), request(recipe="impasto"))


TOO_LARGE_THEN_SMALLER = """
import resource, sys
import torch
torch.set_num_threads(1)
from impasto_daemon.painter import open_painter
from impasto_protocol.errors import ImpastoError
from impasto_protocol.picture import Picture
from impasto_protocol.request import Request, Style

def request(size):
    content = Picture(900, 900, 3, "u8", bytes(range(250)) * (900 * 900 * 3 // 250))
    return Request(content, (Style(content),), recipe="wavelets", settings={"steps": 2, "coarsest": 0}, max_size=size)

painter = open_painter("cpu")
list(painter.paint(request(64)))  # all libraries are loaded
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 500_000_000,) * 2)
try:
    list(painter.paint(request(0)))
except ImpastoError as error:
    print(error.code.value)
print(list(painter.paint(request(128)))[-1].picture.width)
"""


def test_after_too_little_memory_a_smaller_size_is_painted_in_the_same_process() -> None:
    """The process may take half a gigabyte: too little for 900 pixels, and enough for 128."""
    done = subprocess.run(
        [sys.executable, "-c", TOO_LARGE_THEN_SMALLER], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.stdout.split() == ["out_of_memory", "900"], done.stderr
