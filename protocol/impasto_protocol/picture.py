"""A picture as it crosses the wire: raw pixels and the few facts needed to read them. No file formats here."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Union

Buffer = Union[bytes, bytearray, memoryview]

SAMPLE_BYTES = {"u8": 1, "u16": 2, "f32": 4}
"""Sample types: unsigned integers from 0 to their maximum, or IEEE floats with 0 for black and 1 for white.
Samples of more than one byte are little-endian."""

CHANNELS = {1: "grey", 3: "RGB", 4: "RGBA"}
"""Channels by their number. Alpha is straight (not premultiplied). Grey is for masks alone."""
COLOUR = (3, 4)
"""The numbers of channels that content, styles, previews and results may have."""
MASK = (1,)
"""The number of channels of a mask. Its samples are coverage: 0 for none, white for all, linear between."""

SRGB = "srgb"
"""The one colour space of version 1: sRGB with its transfer curve (GIMP's R'G'B')."""


@dataclass(frozen=True)
class Shape:
    """A picture without its samples: `width` times `height` pixels of `channels` samples of the type `dtype`."""

    width: int
    height: int
    channels: int
    dtype: str

    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 1 or self.channels not in CHANNELS or self.dtype not in SAMPLE_BYTES:
            raise ValueError(f"no such picture: {self.width}×{self.height}, {self.channels} channels, {self.dtype!r}")

    @property
    def nbytes(self) -> int:
        return self.width * self.height * self.channels * SAMPLE_BYTES[self.dtype]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.width, self.height

    @property
    def has_alpha(self) -> bool:
        return self.channels == 4

    def describe(self) -> dict[str, object]:
        """As plain data."""
        return {"width": self.width, "height": self.height, "channels": self.channels, "dtype": self.dtype}


@dataclass(frozen=True)
class Picture(Shape):
    """`height` rows of `width` pixels of `channels` samples, top row first, no padding.

    `data` holds exactly `height * width * channels * SAMPLE_BYTES[dtype]` bytes.
    """

    data: Buffer
    space: str = SRGB

    def __post_init__(self) -> None:
        super().__post_init__()
        if memoryview(self.data).nbytes != self.nbytes:
            raise ValueError(f"{memoryview(self.data).nbytes} bytes of pixels where {self.nbytes} belong")

    @property
    def shape(self) -> Shape:
        """All but the samples."""
        return Shape(self.width, self.height, self.channels, self.dtype)

    def describe(self) -> dict[str, object]:
        """All but the samples, as plain data."""
        return {**super().describe(), "space": self.space}

    def sha256(self) -> str:
        """Hexadecimal digest of the samples alone."""
        return hashlib.sha256(self.data).hexdigest()
