"""The real painter: every kind of picture in and out, honest records, and a loud stand-in where weights are missing."""

from __future__ import annotations

import json
import logging
import math
import subprocess
import sys
import threading
import weakref
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from impasto_daemon import checkpoints, networks, resuming, states, weights
from impasto_daemon.checkpoints import Checkpoint
from impasto_daemon.engine import recipes, stylize
from impasto_daemon.engine.canvas import Commission
from impasto_daemon.engine.objective import RecipeObjective
from impasto_daemon.engine.optimise import State
from impasto_daemon.painter import Painter, open_painter
from impasto_daemon.painting import Iterate, Painted, PaintEvent, Preparing, ProcessSpent
from impasto_protocol import codec, messages
from impasto_protocol.errors import Code, ImpastoError
from impasto_protocol.limits import Limits
from impasto_protocol.picture import Picture
from impasto_protocol.request import Request, Style
from impasto_protocol.schema import plain
from numpy.typing import NDArray

from tests.engine.networks import random_vgg, random_vgg19

TYPES = {"u8": ("u1", 255), "u16": ("<u2", 65535), "f32": ("<f4", 1)}
QUICK = {"steps": "3,2"}


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Empty caches, no states, one thread, and no network."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
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


def test_a_painting_that_is_enough_ends_with_what_was_shown_and_may_be_gone_on_from() -> None:
    painter, asked = open_painter("cpu"), request(settings={"coarsest": 0, "steps": 30})
    for event in painter.paint(asked):
        if isinstance(event, Iterate) and event.step == 4:
            shown = event.preview(100)
            event.enough()
    assert isinstance(event, Painted)
    assert (event.record["stopped"], event.record["steps"]) == (True, 4)
    assert bytes(event.picture.data) == bytes(shown.data)
    event.keep("stopped")
    rest, _ = painted(painter, request(settings={"coarsest": 0, "steps": 5}, resume="stopped"))
    assert rest.record["resumed"] == {"job": "stopped", "exactly": False}
    assert "was stopped before its end" in str(rest.record["notes"])


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
    assert before[0] == Preparing(note, warning=True, stand_in="wavelets") and note in caplog.text
    assert record["request"]["recipe"] == "impasto" and record["recipe"]["name"] == "wavelets"  # type: ignore[index]


def test_settings_that_name_the_network_s_layers_are_not_handed_to_the_stand_in() -> None:
    asked = request(recipe="impasto", settings={**QUICK, "style_layers": "conv1_1", "content_weight": 0.5})
    recipe = painted(open_painter("cpu", offline=True), asked)[0].record["recipe"]
    assert recipe["style_layers"][0] == "first1" and recipe["content_weight"] == 0.5  # type: ignore[index]


def test_the_stand_in_has_no_numbers_that_are_the_network_s_and_says_which_were_left_out() -> None:
    asked = request(recipe="impasto", settings={**QUICK, "pixel_deviation": 57.6, "activation_mean": 9, "noise": 0.2})
    record: Any = painted(open_painter("cpu", offline=True), asked)[0].record
    facts = [record["recipe"][name] for name in ("pixel_deviation", "activation_mean", "noise")]
    assert facts == [1.0, 0.0, 0.2] and "left out: pixel_deviation, activation_mean." in record["notes"][0]


@pytest.mark.parametrize("fields", [{"strength": 100.0}, {"settings": {**QUICK, "content_weight": 0}}], ids=str)
def test_a_layer_that_nothing_looks_at_need_not_be_in_the_file(three_blocks: str, fields: dict[str, Any]) -> None:
    asked = {"settings": QUICK, **fields}
    asked["settings"] = {"content_layers": "conv4_2", **asked["settings"]}
    result, _ = painted(open_painter("cpu", three_blocks), request(recipe="impasto", **asked))
    assert result.record["features"] == "vgg19"
    with pytest.raises(ImpastoError, match="conv4_2"):
        painted(
            open_painter("cpu", three_blocks),
            request(recipe="impasto", settings=asked["settings"] | {"content_weight": 1}),
        )


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
    monkeypatch.setattr("impasto_daemon.networks.time.monotonic", lambda: clock[0])
    painter = open_painter("cpu")
    for _ in range(3):
        assert painted(painter, request(recipe="impasto"))[0].record["stand_in"] == "wavelets"
    assert len(tries) == 1
    clock[0] += networks.RETRY_SECONDS
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
        (torch.AcceleratorError("CUDA error: out of memory"), Code.OUT_OF_MEMORY),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(h)`"), Code.OUT_OF_MEMORY),
        (MemoryError(), Code.OUT_OF_MEMORY),
    ],
)
def test_too_little_memory_is_a_sentence_with_a_smaller_size(
    monkeypatch: pytest.MonkeyPatch, failure: Exception, code: Code
) -> None:
    def failing(*_: object, **__: object) -> Iterator[object]:
        raise failure
        yield

    monkeypatch.setattr("impasto_daemon.painter.stylize.paint", failing)
    with pytest.raises(ImpastoError, match="smaller max-size") as caught:
        painted(open_painter("cpu"), request(picture(300, 20), max_size=200))
    assert caught.value.code is code and caught.value.problem.details == {"max_size": 133}


def test_a_bug_is_not_dressed_up_as_lack_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object, **__: object) -> Iterator[object]:
        raise RuntimeError("sizes do not match")
        yield

    monkeypatch.setattr("impasto_daemon.painter.stylize.paint", failing)
    with pytest.raises(RuntimeError, match="sizes do not match"):
        painted(open_painter("cpu"), request())


DEVICE_FAILURES = [
    torch.AcceleratorError("CUDA error: unspecified launch failure\nCUDA kernel errors might be reported later"),
    RuntimeError("CUDA error: device-side assert triggered"),
    RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"),
]


@pytest.mark.parametrize("failure", DEVICE_FAILURES, ids=str)
def test_a_device_that_fails_is_a_sentence_with_a_remedy_and_the_end_of_the_process(
    monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    def failing(*_: object, **__: object) -> Iterator[object]:
        raise failure
        yield

    monkeypatch.setattr("impasto_daemon.painter.stylize.paint", failing)
    with pytest.raises(ProcessSpent, match=r"cpu has failed .*Try again.*--device cpu") as caught:
        painted(open_painter("cpu"), request())
    assert caught.value.problem.retryable and str(failure).splitlines()[0] in str(caught.value)
    assert "reported later" not in str(caught.value)


def steps_with_picture(failure: Exception) -> Any:
    """An engine whose iterates cannot be shown."""

    def shown() -> torch.Tensor:
        raise failure

    def painting(*_: object, **__: object) -> Generator[stylize.Step, None, stylize.Painting]:
        yield stylize.Step(1, 1, 1.0, {"total": 1.0}, "", "", shown, shown, lambda: None)
        return stylize.Painting(torch.zeros(1, 3, 20, 24), None)

    return painting


@pytest.mark.parametrize(
    ("failure", "becomes"),
    [(torch.OutOfMemoryError("CUDA out of memory"), MemoryError), (DEVICE_FAILURES[0], ProcessSpent)],
)
def test_what_goes_wrong_with_a_preview_is_told_apart(
    monkeypatch: pytest.MonkeyPatch, failure: Exception, becomes: type[Exception]
) -> None:
    monkeypatch.setattr("impasto_daemon.painter.stylize.paint", steps_with_picture(failure))
    (iterate, *_) = open_painter("cpu").paint(request())
    assert isinstance(iterate, Iterate)
    with pytest.raises(becomes):
        iterate.preview(10)


def test_a_device_that_others_have_filled_is_a_sentence_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(device: str) -> int:
        raise torch.AcceleratorError("CUDA error: out of memory")

    monkeypatch.setattr("impasto_daemon.painter.memory.free", full)
    with pytest.raises(ImpastoError, match="other programs have filled it") as caught:
        open_painter("cpu")
    assert caught.value.code is Code.OUT_OF_MEMORY


def test_a_painter_at_rest_has_given_memory_back_but_not_its_networks(
    monkeypatch: pytest.MonkeyPatch, three_blocks: str
) -> None:
    painter, released = open_painter("cpu", three_blocks), []
    painted(painter, request(recipe="impasto"))
    monkeypatch.setattr("impasto_daemon.painter.memory.release_memory", lambda: released.append(1))
    monkeypatch.setattr("impasto_daemon.painter.memory.free", lambda device: 10**12)
    painter.rest()
    assert released == [1] and painter.about()["memory"] == 10**12
    assert not any(isinstance(event, Preparing) for event in painted(painter, request(recipe="impasto"))[1])


def test_where_memory_lacks_the_last_job_s_state_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes what this job needs, until it is on the disk."""
    painter = open_painter("cpu")
    first, _ = painted(painter, request())
    free = {"now": 10**6}
    monkeypatch.setattr("impasto_daemon.painter.memory.free", lambda device: free["now"])
    save = painter._checkpoints.save

    def saved(job: str, checkpoint: Checkpoint | None) -> None:
        save(job, checkpoint)
        free["now"] = 10**12

    monkeypatch.setattr(painter._checkpoints, "save", saved)
    threading.Timer(0.2, first.keep, ["first"]).start()
    assert painted(painter, request())[0].picture


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
    assert "went on from its best iterate" in str(result.record["remarks"])
    assert result.record["notes"] == [], "the painting is as good: the artist is not told"
    assert all(math.isfinite(x) for event in before if isinstance(event, Iterate) for x in event.losses.values())
    sent = messages.Result(job="job", record=result.record, pictures=(result.picture,))
    received = codec.decode(codec.encode(sent), Limits())
    assert isinstance(received, messages.Result) and len(received.record["losses"]) == 5


def test_losses_that_are_no_numbers_stay_out_of_the_record(monkeypatch: pytest.MonkeyPatch) -> None:
    def painting(*_: object, **__: object) -> Generator[stylize.Step, None, stylize.Painting]:
        def black() -> torch.Tensor:
            return torch.zeros(1, 3, 20, 24)

        yield stylize.Step(1, 1, 1.0, {"total": 2.0, "content": float("inf")}, "", "", black, black, lambda: None)
        return stylize.Painting(black(), None)

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


# Two networks


@pytest.fixture
def vgg16(tmp_path: Path) -> str:
    """A weights file of VGG16 as far as conv4_3."""
    torch.save(random_vgg("vgg16", 10), tmp_path / "vgg16.pth")
    return str(tmp_path / "vgg16.pth")


def test_a_recipe_for_vgg16_is_painted_with_vgg16(vgg16: str) -> None:
    painter = open_painter("cpu", vgg16)
    result, before = painted(painter, request(recipe="vgg16"))
    assert isinstance(before[0], Preparing) and before[0].note.startswith("Loading VGG16 from vgg16.pth")
    assert result.record["features"] == painter.about()["features"] == "vgg16"
    assert result.record["weights"] == {"file": "vgg16.pth", "sha256": weights.sha256(Path(vgg16))}


def test_both_networks_stay_between_jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, state in {"vgg19": random_vgg19(8), "vgg16": random_vgg("vgg16", 10)}.items():
        torch.save(state, tmp_path / f"{name}.pth")
    monkeypatch.setattr(weights, "find_sound", lambda item: tmp_path / f"{item.network}.pth")
    painter = open_painter("cpu")
    asked = [request(recipe=name) for name in ("impasto", "vgg16", "impasto", "vgg16")]
    loaded = [sum(isinstance(event, Preparing) for event in painted(painter, each)[1]) for each in asked]
    assert loaded == [1, 1, 0, 0] and painter.about()["features"] == "vgg19, vgg16"


@pytest.mark.parametrize("recipe", ["vgg16", "impasto"])
def test_a_weights_file_of_the_other_network_is_a_sentence(recipe: str, three_blocks: str, vgg16: str) -> None:
    given = three_blocks if recipe == "vgg16" else vgg16
    with pytest.raises(ImpastoError, match="it is another network's") as caught:
        painted(open_painter("cpu", given), request(recipe=recipe))
    assert caught.value.code is Code.BAD_WEIGHTS and given in str(caught.value)


def test_weights_that_cannot_be_had_for_one_network_are_no_verdict_on_the_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tried = []

    def failing(item: weights.Known) -> Iterator[weights.Progress]:
        tried.append(item.network)
        raise ImpastoError(Code.MISSING_WEIGHTS, "The server cannot be reached.")
        yield

    monkeypatch.setattr(weights, "fetch", failing)
    painter = open_painter("cpu")
    for name in ("gatys", "vgg16", "gatys", "vgg16"):
        with pytest.raises(ImpastoError, match="cannot be reached"):
            painted(painter, request(recipe=name))
    assert tried == ["vgg19", "vgg16"]


def test_a_painter_says_which_recipe_really_paints() -> None:
    painter, said = open_painter("cpu", offline=True), []
    for event in painter.paint(request(recipe="impasto")):
        said.append(painter.about()["painting"])
        assert isinstance(event, (Preparing, Iterate, Painted))
    assert set(said[:-1]) == {"wavelets, which stands in for impasto"} and said[-1] == ""


# Masks


def half(width: int, height: int, dtype: str = "u8") -> Picture:
    """White on the left, black on the right."""
    kind, most = TYPES[dtype]
    mask = np.zeros((height, width, 1), kind)
    mask[:, : width // 2] = most
    return Picture(width, height, 1, dtype, mask.tobytes())


@pytest.mark.parametrize("dtype", ["u8", "u16", "f32"])
def test_where_the_content_mask_is_black_every_sample_is_the_content_s_own(dtype: str) -> None:
    content = picture(40, 32, 3, dtype)
    found = samples(painted(open_painter("cpu"), request(content, content_mask=half(40, 32, dtype)))[0].picture)
    assert np.array_equal(found[:, 20:], samples(content)[:, 20:])
    assert not np.array_equal(found[:, :20], samples(content)[:, :20])


def test_each_mask_goes_to_the_engine_with_its_style(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Commission] = []

    def painting(commission: Commission, *_: object, **__: object) -> Generator[stylize.Step, None, stylize.Painting]:
        asked.append(commission)
        content = commission.content
        yield stylize.Step(1, 1, 1.0, {"total": 1.0}, "", "", lambda: content, lambda: content, lambda: None)
        return stylize.Painting(commission.content, None)

    monkeypatch.setattr("impasto_daemon.painter.stylize.paint", painting)
    styles = (Style(picture(9, 9), 2.0), Style(picture(8, 8), mask=half(48, 40, "f32")))
    grey = Picture(12, 10, 1, "u8", bytes([51]) * 120)
    painted(open_painter("cpu"), Request(picture(48, 40), styles, recipe="wavelets", content_mask=grey))
    plain, masked = asked[0].manners
    assert (plain.weight, plain.mask) == (2.0, None) and masked.mask is not None
    assert masked.mask.shape == (1, 1, 40, 48) and masked.mask[..., :24].min() == 1 and masked.mask[..., 24:].max() == 0
    assert asked[0].content_mask is not None and asked[0].content_mask.shape == (1, 1, 10, 12)
    assert asked[0].content_mask.mean().item() == pytest.approx(0.2)


# Going on from an earlier job


def kept(painter: Painter, asked: Request, job: str) -> Painted:
    """Paint, and keep what there is to go on from."""
    result, _ = painted(painter, asked)
    result.keep(job)
    return result


@pytest.mark.parametrize("settings", [{}, {"optimiser": "adam", "learning_rate": 0.02, "average": 0.9}])
def test_a_painting_goes_on_exactly_as_if_it_had_not_stopped(settings: dict[str, Any]) -> None:
    content, settings = picture(40, 36, 4, "u16"), {"coarsest": 0, **settings}
    whole, _ = painted(open_painter("cpu"), request(content, settings={**settings, "steps": 9}))
    kept(open_painter("cpu"), request(content, settings={**settings, "steps": 5}), "first")
    rest, _ = painted(open_painter("cpu"), request(content, settings={**settings, "steps": 4}, resume="first"))
    assert bytes(rest.picture.data) == bytes(whole.picture.data)
    assert rest.record["resumed"] == {"job": "first", "exactly": True}
    assert whole.record["losses"][5:] == [  # type: ignore[index]
        {**losses, "step": losses["step"] + 5}
        for losses in rest.record["losses"]  # type: ignore[attr-defined]
    ]


def test_a_resumed_painting_may_be_resumed_in_turn() -> None:
    painter, once = open_painter("cpu"), {"coarsest": 0, "steps": 3}
    whole, _ = painted(painter, request(settings={**once, "steps": 9}))
    kept(painter, request(settings=once), "a")
    kept(painter, request(settings=once, resume="a"), "b")
    assert bytes(painted(painter, request(settings=once, resume="b"))[0].picture.data) == bytes(whole.picture.data)


@pytest.mark.parametrize(
    "change",
    [{"strength": 80.0}, {"settings": {"style_weight": 3.0}}, {"max_size": 30}, {"content_mask": half(60, 50)}],
    ids=lambda change: "".join(change),
)
def test_with_something_changed_it_goes_on_from_the_picture_and_says_so(change: dict[str, Any]) -> None:
    painter, content = open_painter("cpu"), picture(60, 50)
    kept(painter, request(content, settings={"coarsest": 0, "steps": 60}), "far")
    change["settings"] = {**QUICK, "coarsest": 24, **change.get("settings", {})}
    result, before = painted(painter, request(content, resume="far", **change))
    fresh, _ = painted(painter, request(content, **change))
    assert result.record["resumed"] == {"job": "far", "exactly": False}
    assert "goes on from what that one painted" in str(result.record["notes"])
    assert len(before) == (3 if "max_size" in change else 2), "the last size alone"
    assert first_losses(result)["style"] < 0.8 * first_losses(fresh)["style"]


def first_losses(result: Painted) -> dict[str, float]:
    """The losses of a painting's first step."""
    course: Any = result.record["losses"]
    return dict(course[0])


def test_a_setting_that_does_nothing_is_noted() -> None:
    result, _ = painted(open_painter("cpu"), request(settings={**QUICK, "blend": 0.5, "noise": 0.1}))
    assert result.record["notes"] == ["The setting blend does nothing here: init is not blend."]


def test_what_only_matters_at_the_start_is_noted_as_idle_by_whoever_goes_on() -> None:
    painter = open_painter("cpu")
    kept(painter, request(), "job")
    result, _ = painted(painter, request(resume="job", seed=4, settings={**QUICK, "noise": 0.3}))
    idle = [str(note).split()[2] for note in result.record["notes"]]  # type: ignore[attr-defined]
    assert idle == ["noise", "seed"]


def test_a_picture_to_start_with_is_painted_on_at_the_last_size_and_what_it_spares_is_noted() -> None:
    start, settings = picture(24, 20, seed=5), {"steps": "5,2", "coarsest": 8, "noise": 0.3}
    events = open_painter("cpu").paint(request(start=start, seed=4, settings=settings))
    first = next(events)
    assert isinstance(first, Iterate) and first.steps == 2
    assert np.array_equal(samples(first.preview(64)), samples(start))
    *_, result = events
    assert isinstance(result, Painted)
    idle = [str(note).split()[2] for note in result.record["notes"]]  # type: ignore[attr-defined]
    assert idle == ["coarsest", "noise", "seed"]


@pytest.mark.parametrize("change", [{"seed": 4}, {"settings": {"steps": 7, "noise": 0.3, "coarsest": 0}}])
def test_what_only_matters_at_the_start_may_change(change: dict[str, Any]) -> None:
    painter = open_painter("cpu")
    kept(painter, request(), "job")
    result, _ = painted(painter, request(resume="job", **change))
    assert result.record["resumed"] == {"job": "job", "exactly": True}


@pytest.mark.parametrize("strength", [50.0, 0.0])
def test_a_job_of_which_nothing_is_kept_cannot_be_resumed_and_nothing_is_painted_instead(strength: float) -> None:
    with pytest.raises(ImpastoError, match="Nothing is kept of a job gone") as caught:
        painted(open_painter("cpu"), request(resume="gone", strength=strength))
    assert caught.value.code is Code.UNKNOWN_JOB and caught.value.problem.details == {"resume": "gone"}


def test_a_picture_of_other_proportions_cannot_be_gone_on_from() -> None:
    painter = open_painter("cpu")
    kept(painter, request(picture(40, 36)), "job")
    with pytest.raises(ImpastoError, match="other proportions") as caught:
        painted(painter, request(picture(36, 40), resume="job"))
    assert caught.value.code is Code.BAD_REQUEST and caught.value.problem.details == {"field": "resume"}


def test_nothing_is_kept_where_nothing_was_painted_and_before_the_result_is_out() -> None:
    painter = open_painter("cpu")
    result, _ = painted(painter, request())
    kept(painter, request(strength=0.0), "job")
    assert not states.folder().exists()
    result.keep("job")
    assert len(list(states.folder().iterdir())) == 1


def test_a_state_that_is_gone_on_from_is_held_by_the_walk_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which lets its oldest pairs go one by one: to hold on to them would be to have them twice."""
    painter, settings = open_painter("cpu"), {"coarsest": 0, "steps": 5, "history": 3}
    kept(painter, request(settings=settings), "job")
    states: list[weakref.ref[State]] = []
    pairs: list[weakref.ref[torch.Tensor]] = []
    honest = painter._checkpoints.load

    def loading(job: str, device: str) -> checkpoints.Checkpoint | None:
        found = honest(job, device)
        assert found is not None and found.state is not None
        states.append(weakref.ref(found.state))
        pairs.extend(weakref.ref(pair) for pair in found.state.memory["s"])
        return found

    monkeypatch.setattr(painter._checkpoints, "load", loading)
    left = []
    for event in painter.paint(request(settings=settings, resume="job")):
        if isinstance(event, Iterate):
            left.append(sum(pair() is not None for pair in pairs))
            assert states[0]() is None
    assert left == [3, 2, 1, 0, 0]


def test_a_second_painting_in_the_same_manner_is_the_same_as_if_it_were_the_first() -> None:
    asked = request(picture(70, 60), settings={**QUICK, "coarsest": 32})
    fresh, _ = painted(open_painter("cpu"), asked)
    painter = open_painter("cpu")
    painted(painter, request(picture(70, 60, seed=5), settings=asked.settings))
    again, _ = painted(painter, asked)
    assert bytes(again.picture.data) == bytes(fresh.picture.data)
    assert again.record["losses"] == fresh.record["losses"]
    known = painter._summaries.count
    painted(painter, asked)
    assert painter._summaries.count == known > 0


def test_where_the_optimiser_was_too_large_to_keep_it_goes_on_from_the_picture_and_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    painter = open_painter("cpu")
    monkeypatch.setattr(painter._checkpoints, "_quota", 6 * 24 * 20 * 3 * 4)
    kept(painter, request(), "job")
    result, _ = painted(painter, request(resume="job"))
    assert result.record["resumed"] == {"job": "job", "exactly": False}
    assert "memory was too large to keep" in str(result.record["notes"])


def test_a_walk_goes_on_only_with_the_same_weights_device_and_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, recipe = request().describe(), recipes.find("impasto")
    facts = {"file": "a.pth", "sha256": "1"}
    mark = resuming.fingerprint(asked, recipe, facts, "cpu")
    assert mark == resuming.fingerprint(asked, recipe, {"file": "b.pth", "sha256": "1"}, "cpu")
    others = {
        resuming.fingerprint(asked, recipe, {**facts, "sha256": "2"}, "cpu"),
        resuming.fingerprint(asked, recipe, facts, "meta"),
    }
    monkeypatch.setattr(torch, "get_num_threads", lambda: 7)
    others.add(resuming.fingerprint(asked, recipe, facts, "cpu"))
    assert len(others) == 3 and mark not in others


# Memory


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
