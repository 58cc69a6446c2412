"""A small copy of a style, as the text that a layer keeps: something to paint with where the style itself is gone.

The text is a PNG or JPEG file in base64. Knows pixels and their files in memory; nothing of layers, names or jobs.
Copies come from other people's pictures too, so nothing in them is believed.
"""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Iterator
from typing import Any

import pixbufs
import pixels
from gi.repository import GdkPixbuf, GLib
from impasto_protocol import preset
from impasto_protocol.picture import Picture

SIDES = (preset.SIDE, 362, 256, 181, 128)
"""Longest sides in pixels, half as many pixels each time: the first that fits is taken."""
QUALITIES = ("90", "75")
MAGIC = {b"\x89PNG": "png", b"\xff\xd8\xff\xe0": "jpeg"}


def made(picture: Picture) -> bytes:
    """The copy: the picture itself, as 8 bits, where it is small; else of at most 512 pixels a side.

    Nothing where this machine can write neither PNG nor JPEG.
    """
    first = pixels.shrunk(picture, SIDES[0])  # all of a large style is gone through once
    for side, kind, options in _ways(picture):
        small = first if side == SIDES[0] else pixels.shrunk(first, side)
        try:
            file = pixbufs.of(small).save_to_bufferv(kind, list(options), list(options.values()))[1]
        except GLib.Error:
            continue
        if len(file) <= preset.COPY:
            return base64.b64encode(file)
    return b""


def unpacked(copy: bytes) -> Any:
    """The copy as a GdkPixbuf. Raises ValueError where it is none, or one that `made` does not make."""
    data = base64.b64decode(copy, validate=True)
    # Of what is too large nothing is unpacked: some loaders cannot be told to stop.
    if data[:4] not in MAGIC or len(data) > preset.COPY or not _is_small(pixbufs.promised(io.BytesIO(data))):
        raise ValueError("neither PNG nor JPEG, or too large")
    loader = GdkPixbuf.PixbufLoader.new_with_type(MAGIC[data[:4]])
    try:
        loader.write(data)
        loader.close()
    except GLib.Error as error:
        raise ValueError(error.message) from None
    pixbuf = loader.get_pixbuf()
    if pixbuf is None or not _is_small((pixbuf.get_width(), pixbuf.get_height())):
        raise ValueError("another size than promised")
    return pixbuf


def enlarged(pixbuf: Any, size: tuple[int, int], most: int) -> Picture:
    """The copy with as many pixels as the style had, so that its strokes are as large as they were.

    size: the style's width and height; most: pixels beyond which a style is made smaller anyway. Raises ValueError
    where there is no memory for it.
    """
    width, height = pixbuf.get_width(), pixbuf.get_height()
    factor = math.sqrt(min(size[0] * size[1], most) / (width * height))
    if factor > 1:
        sides = (round(side * factor) for side in (width, height))
        pixbuf = pixbuf.scale_simple(*sides, GdkPixbuf.InterpType.BILINEAR)
        if pixbuf is None:
            raise ValueError("too large for this machine's memory")
    return pixbufs.picture(pixbuf)


def file(copy: bytes, size: tuple[int, int], most: int) -> tuple[str, bytes]:
    """The copy `enlarged` as a file: the ending of its name, and its bytes. Raises ValueError as `unpacked`."""
    pixbuf = unpacked(copy)
    if (pixbuf.get_width(), pixbuf.get_height()) == size:
        data = base64.b64decode(copy)
        return MAGIC[data[:4]], data
    kind, options = ("png", {}) if pixbuf.get_has_alpha() else ("jpeg", {"quality": "92"})
    try:
        made = pixbufs.of(enlarged(pixbuf, size, most)).save_to_bufferv(kind, list(options), list(options.values()))
    except GLib.Error as error:
        raise ValueError(error.message) from None
    return kind, bytes(made[1])


def _ways(picture: Picture) -> Iterator[tuple[int, str, dict[str, str]]]:
    """Side, kind and options of each file to try, the best first. Alpha is kept, so it takes PNG."""
    for side in SIDES:
        if picture.has_alpha or max(picture.size) <= side:
            yield side, "png", {}
        if not picture.has_alpha:
            yield from ((side, "jpeg", {"quality": quality}) for quality in QUALITIES)


def _is_small(size: tuple[int, int] | None) -> bool:
    return size is not None and min(size) > 0 and max(size) <= preset.SIDE
