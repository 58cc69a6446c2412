"""Pictures of the protocol as tensors of the engine, and back. Knows no requests."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy
import numpy.typing
import torch
from impasto_protocol.errors import Code, ImpastoError
from impasto_protocol.picture import Picture
from torch import Tensor

from .engine import rasters

Samples = numpy.typing.NDArray[Any]
NUMPY_TYPES = {"u8": "|u1", "u16": "<u2", "f32": "<f4"}


def to_tensor(picture: Picture, whose: str) -> Tensor:
    """(1, channels, height, width), float32, 0 to 1, on the CPU; float samples beyond that are clipped. A mask has one
    channel, all else three or four.

    whose: what the picture is, for errors (“The layer”). Raises ImpastoError(BAD_REQUEST) if a sample is no number.
    """
    samples = _samples(picture)
    if picture.dtype == "f32":
        if not numpy.isfinite(samples).all():
            raise ImpastoError(Code.BAD_REQUEST, f"{whose} holds samples that are not numbers (NaN or infinite).")
        scaled = numpy.clip(samples, 0, 1).astype(numpy.float32)
    else:
        scaled = samples.astype(numpy.float32)
        scaled /= numpy.float32(numpy.iinfo(samples.dtype).max)
    return torch.from_numpy(numpy.ascontiguousarray(scaled.transpose(2, 0, 1)))[None]


def to_picture(painting: Tensor, content: Picture) -> Picture:
    """The painting (1, 3 or 4, height, width), 0 to 1, in the content's sample type; alpha is the content's own, bit
    for bit."""
    samples = painting[0, :3].permute(1, 2, 0).cpu().numpy()
    out = numpy.empty((content.height, content.width, content.channels), NUMPY_TYPES[content.dtype])
    out[..., :3] = samples if content.dtype == "f32" else numpy.rint(samples * numpy.iinfo(out.dtype).max)
    if content.has_alpha:
        out[..., 3] = _samples(content)[..., 3]
    return replace(content, data=out.tobytes())


def to_preview(rgb: Tensor, longest: int) -> Picture:
    """An 8-bit picture of rgb (1, 3, h, w), 0 to 1, with at most `longest` pixels on its longest side."""
    height, width = rgb.shape[-2:]
    small = rasters.resize(rgb, *rasters.fitted(height, width, min(1.0, longest / max(height, width))))
    samples = (small[0] * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous().cpu().numpy()
    return Picture(samples.shape[1], samples.shape[0], 3, "u8", samples.tobytes())


def _samples(picture: Picture) -> Samples:
    flat = numpy.frombuffer(picture.data, NUMPY_TYPES[picture.dtype])
    return flat.reshape(picture.height, picture.width, picture.channels)
