"""Pictures, samples and picture files as GdkPixbufs, for GTK to show. Knows nothing of layers, jobs or windows."""

from __future__ import annotations

import struct
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


def picture(pixbuf: Any) -> Picture:
    """The other way round: without the padding that a pixbuf may have at the end of its rows."""
    width, height, channels = pixbuf.get_width(), pixbuf.get_height(), pixbuf.get_n_channels()
    data, row = memoryview(pixbuf.read_pixel_bytes().get_data()), pixbuf.get_rowstride()
    rows = (data[top * row : top * row + width * channels] for top in range(height))
    return Picture(width, height, channels, "u8", b"".join(rows))


def fitted(pixbuf: Any, side: int) -> Any:
    """Made larger or smaller so that its longest side is this long."""
    zoom = side / max(pixbuf.get_width(), pixbuf.get_height())
    size = max(1, round(pixbuf.get_width() * zoom)), max(1, round(pixbuf.get_height() * zoom))
    return pixbuf.scale_simple(*size, GdkPixbuf.InterpType.BILINEAR)


def size_of(path: Path) -> tuple[int, int] | None:
    """Width and height that a picture file's header promises; None where it is of no kind that is known here.

    Of PNG and GIF it is read here: some GdkPixbufs unpack the whole picture for it, which may be of any size.
    """
    with path.open("rb") as file:
        start = file.read(24)
    if start.startswith(b"\x89PNG\r\n\x1a\n") and len(start) == 24:
        width, height = struct.unpack(">II", start[16:])
    elif start.startswith(b"GIF8") and len(start) >= 10:
        width, height = struct.unpack("<HH", start[6:10])
    else:
        kind, width, height = GdkPixbuf.Pixbuf.get_file_info(str(path))
        if kind is None:
            return None
    return width, height


def of_file(path: Path, side: int) -> Any:
    """A picture file, its longest side this long; None where it cannot be shown (GIMP may open it all the same)."""
    if not path.is_file():
        return None
    try:
        size = size_of(path)
        if size is None or size[0] * size[1] > LARGEST:
            return None
        return GdkPixbuf.Pixbuf.new_from_file_at_size(str(path), side, side)
    except (OSError, GLib.Error):
        return None
