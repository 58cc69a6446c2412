"""Pictures become tensors and tensors pictures, sample by sample as the plain formula says, without a second copy."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from impasto_daemon import tensors
from impasto_daemon.tensors import NUMPY_TYPES, to_picture, to_preview, to_tensor
from impasto_protocol.errors import Code, ImpastoError
from impasto_protocol.picture import CHANNELS, Picture

WHOLE = {"u8": 255, "u16": 65535}

sides = st.integers(1, 40)
colours = st.sampled_from((3, 4))
dtypes = st.sampled_from(tuple(NUMPY_TYPES))


def random_picture(width: int, height: int, channels: int, dtype: str, seed: int = 0) -> Picture:
    """Whole numbers of the whole range; floats from -1 to 2, with zeros of both signs."""
    source = numpy.random.default_rng(seed)
    shape = (height, width, channels)
    if dtype == "f32":
        samples = source.uniform(-1, 2, shape).astype("<f4")
        samples.flat[::5], samples.flat[::7] = -0.0, 0.0
    else:
        samples = source.integers(0, WHOLE[dtype], shape, NUMPY_TYPES[dtype], endpoint=True)
    return Picture(width, height, channels, dtype, samples.tobytes())


def plain_tensor(picture: Picture) -> Any:
    """The formula, without any care for memory."""
    samples = numpy.frombuffer(picture.data, NUMPY_TYPES[picture.dtype])
    samples = samples.reshape(picture.height, picture.width, picture.channels).transpose(2, 0, 1)
    if picture.dtype == "f32":
        return numpy.clip(samples, 0, 1)
    return samples.astype(numpy.float32) / numpy.float32(WHOLE[picture.dtype])


def plain_samples(painting: torch.Tensor, dtype: str) -> Any:
    samples = painting[0, :3].permute(1, 2, 0).numpy()
    return samples if dtype == "f32" else numpy.rint(samples * WHOLE[dtype]).astype(NUMPY_TYPES[dtype])


@pytest.fixture(autouse=True)
def small_bands(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that small pictures have several."""
    monkeypatch.setattr(tensors, "BAND", 200)


@given(sides, sides, st.sampled_from(tuple(CHANNELS)), dtypes, st.integers(0, 2**32 - 1))
def test_every_sample_is_what_the_formula_says_bit_for_bit(
    w: int, h: int, channels: int, dtype: str, seed: int
) -> None:
    picture = random_picture(w, h, channels, dtype, seed)
    tensor = to_tensor(picture, "The layer")
    assert tensor.shape == (1, channels, h, w) and tensor.dtype == torch.float32 and tensor.is_contiguous()
    assert tensor[0].numpy().tobytes() == plain_tensor(picture).tobytes()


@given(sides, sides, colours, colours, dtypes, st.integers(0, 2**32 - 1))
def test_every_painted_sample_is_rounded_to_the_nearest(
    w: int, h: int, painted: int, channels: int, dtype: str, seed: int
) -> None:
    content = random_picture(w, h, channels, dtype, seed)
    painting = torch.rand(1, painted, h, w, generator=torch.Generator().manual_seed(seed))
    result = to_picture(painting, content)
    samples = numpy.frombuffer(result.data, NUMPY_TYPES[dtype]).reshape(h, w, channels)
    before = numpy.frombuffer(content.data, NUMPY_TYPES[dtype]).reshape(h, w, channels)
    assert (result.width, result.height, result.channels, result.dtype) == (w, h, channels, dtype)
    assert samples[..., :3].tobytes() == plain_samples(painting, dtype).tobytes()
    assert samples[..., 3:].tobytes() == before[..., 3:].tobytes()


@pytest.mark.parametrize("dtype", WHOLE)
def test_whole_numbers_come_back_as_they_went(dtype: str) -> None:
    white = WHOLE[dtype]
    every = numpy.arange(3 * (white + 1)).astype(NUMPY_TYPES[dtype])  # each value in each channel
    picture = Picture(256, (white + 1) // 256, 3, dtype, every.tobytes())
    assert bytes(to_picture(to_tensor(picture, "The layer"), picture).data) == picture.data


@pytest.mark.parametrize("bad", [numpy.nan, numpy.inf, -numpy.inf])
@pytest.mark.parametrize("place", [0, -1])
def test_a_sample_that_is_no_number_is_refused_wherever_it_is(bad: float, place: int) -> None:
    samples = numpy.zeros((30, 20, 3), "<f4")
    samples.flat[place] = bad
    with pytest.raises(ImpastoError, match="The layer holds samples that are not numbers") as refused:
        to_tensor(Picture(20, 30, 3, "f32", samples.tobytes()), "The layer")
    assert refused.value.code is Code.BAD_REQUEST


def test_nobody_can_change_a_result_that_is_on_its_way() -> None:
    content = random_picture(3, 2, 4, "u16")
    assert memoryview(to_picture(torch.rand(1, 3, 2, 3), content).data).readonly


@pytest.mark.parametrize("dtype", NUMPY_TYPES)
def test_a_conversion_needs_no_memory_beside_its_result(monkeypatch: pytest.MonkeyPatch, dtype: str) -> None:
    monkeypatch.setattr(tensors, "BAND", 3000)
    picture, painting = random_picture(300, 300, 4, dtype), torch.rand(1, 3, 300, 300)
    tracemalloc.start()
    try:
        to_tensor(picture, "The layer")  # the tensor itself is torch's, which is not traced
        beside = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        result = to_picture(painting, picture)
        whole = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert beside < picture.nbytes / 4 and whole < 1.25 * result.nbytes


def test_a_preview_is_no_longer_than_asked_for() -> None:
    small = to_preview(torch.rand(1, 3, 30, 60), 20)
    assert (small.width, small.height, small.channels, small.dtype) == (20, 10, 3, "u8")
    whole = to_preview(torch.ones(1, 3, 3, 6), 20)
    assert (whole.width, whole.height) == (6, 3) and bytes(whole.data) == b"\xff" * 54
