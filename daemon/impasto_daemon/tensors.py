"""Pictures of the protocol as tensors of the engine, and back. Knows no requests."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy
import numpy.typing
import torch
from impasto_protocol.errors import Code, ImpastoError
from impasto_protocol.picture import Picture
from torch import Tensor

from .engine import rasters
from .engine.levels import fitted

Samples = numpy.typing.NDArray[Any]
NUMPY_TYPES = {"u8": "|u1", "u16": "<u2", "f32": "<f4"}
BAND = 2**18
"""Samples that are converted at a time, at least a row: they stay within the processor's caches."""


def to_tensor(picture: Picture, whose: str) -> Tensor:
    """(1, channels, height, width), float32, 0 to 1, on the CPU; float samples beyond that are clipped. A mask has one
    channel, all else three or four. Takes no memory to speak of but the tensor's own.

    whose: what the picture is, for errors (“The layer”). Raises ImpastoError(BAD_REQUEST) if a sample is no number.
    """
    samples = _samples(picture)
    tensor = torch.empty(1, picture.channels, picture.height, picture.width)
    planes = tensor.numpy()[0]
    for rows in _bands(picture):
        band = samples[rows]
        if picture.dtype == "f32":
            if not numpy.isfinite(band).all():
                raise ImpastoError(
                    Code.BAD_REQUEST,
                    f"{whose} holds samples that are not numbers (NaN or infinite). Convert it to 16-bit integers, "
                    "which have none.",
                )
            numpy.clip(band.transpose(2, 0, 1), 0, 1, out=planes[:, rows])
        else:
            white = numpy.float32(numpy.iinfo(band.dtype).max)
            apart = numpy.ascontiguousarray(band.transpose(2, 0, 1))
            numpy.divide(apart, white, out=planes[:, rows], dtype=numpy.float32)
    return tensor


def to_picture(painting: Tensor, content: Picture) -> Picture:
    """The painting (1, 3 or 4, height, width), 0 to 1, in the content's sample type; alpha is the content's own, bit
    for bit. Takes no memory to speak of but the picture's own."""
    planes = painting[0, :3].cpu().numpy()
    out = numpy.empty((content.height, content.width, content.channels), NUMPY_TYPES[content.dtype])
    for rows in _bands(content):
        band = planes[:, rows]
        if content.dtype != "f32":
            band = numpy.rint(band * numpy.iinfo(out.dtype).max).astype(out.dtype)
        for channel, plane in enumerate(band):
            out[rows, :, channel] = plane
    if content.has_alpha:
        out[..., 3] = _samples(content)[..., 3]
    out.setflags(write=False)
    return replace(content, data=out.reshape(-1).view(numpy.uint8).data)


def to_preview(rgb: Tensor, longest: int) -> Picture:
    """An 8-bit picture of rgb (1, 3, h, w), 0 to 1, with at most `longest` pixels on its longest side."""
    height, width = rgb.shape[-2:]
    small = rasters.resize(rgb, *fitted(height, width, min(1.0, longest / max(height, width))))
    samples = (small[0] * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous().cpu().numpy()
    return Picture(samples.shape[1], samples.shape[0], 3, "u8", samples.tobytes())


def _bands(picture: Picture) -> Iterator[slice]:
    """The picture's rows, some at a time."""
    rows = max(1, BAND // (picture.width * picture.channels))
    return (slice(top, top + rows) for top in range(0, picture.height, rows))


def _samples(picture: Picture) -> Samples:
    flat = numpy.frombuffer(picture.data, NUMPY_TYPES[picture.dtype])
    return flat.reshape(picture.height, picture.width, picture.channels)
