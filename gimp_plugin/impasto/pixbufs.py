"""Pictures, samples and picture files as GdkPixbufs, for GTK to show. Knows nothing of layers, jobs or windows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gi.repository import GdkPixbuf, GLib
from impasto_protocol.picture import Picture

LARGEST = 50_000_000
"""Pixels of a file that is unpacked to be shown; a larger one is painted with, but not shown."""


def of(picture: Picture) -> Any:
    """A picture of 8 bits."""
    return made(bytes(picture.data), picture.width, picture.height, picture.channels)


def made(data: bytes, width: int, height: int, channels: int) -> Any:
    """Of 8-bit samples in rows without padding."""
    colours = GdkPixbuf.Colorspace.RGB
    return GdkPixbuf.Pixbuf.new_from_bytes(
        GLib.Bytes.new(data), colours, channels == 4, 8, width, height, width * channels
    )


def fitted(pixbuf: Any, side: int) -> Any:
    """Made larger or smaller so that its longest side is this long."""
    zoom = side / max(pixbuf.get_width(), pixbuf.get_height())
    size = max(1, round(pixbuf.get_width() * zoom)), max(1, round(pixbuf.get_height() * zoom))
    return pixbuf.scale_simple(*size, GdkPixbuf.InterpType.BILINEAR)


def of_file(path: Path, side: int) -> Any:
    """A picture file, its longest side this long; None where it cannot be shown (GIMP may open it all the same)."""
    if not path.is_file():
        return None
    kind, width, height = GdkPixbuf.Pixbuf.get_file_info(str(path))
    if kind is None or width * height > LARGEST:
        return None
    try:
        return GdkPixbuf.Pixbuf.new_from_file_at_size(str(path), side, side)
    except GLib.Error:
        return None
