"""Small pictures and requests for the protocol's tests."""

from __future__ import annotations

from impasto_protocol.picture import SAMPLE_BYTES, Picture
from impasto_protocol.request import Request, Style


def picture(width: int = 2, height: int = 1, channels: int = 3, dtype: str = "u8", fill: int = 7) -> Picture:
    return Picture(width, height, channels, dtype, bytes([fill]) * (width * height * channels * SAMPLE_BYTES[dtype]))


def grey(width: int = 4, height: int = 3, dtype: str = "u8", fill: int = 7) -> Picture:
    """A mask; as it comes, of the size of `request`'s content."""
    return picture(width, height, 1, dtype, fill)


def request(fill: int = 7, **fields: object) -> Request:
    return Request(content=picture(4, 3, 4, fill=fill), styles=(Style(picture()),), **fields)  # type: ignore[arg-type]
