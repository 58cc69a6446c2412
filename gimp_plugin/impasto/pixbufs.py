"""Pictures, samples and picture files as GdkPixbufs, for GTK to show. Knows nothing of layers, jobs or windows."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any, BinaryIO

from gi.repository import GdkPixbuf, GLib
from impasto_protocol.picture import Picture

LARGEST = 50_000_000
"""Pixels of a file that is unpacked to be shown; a larger one is painted with, but not shown."""

FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""The markers of a JPEG's segments that hold the picture's size."""


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


def fitting(width: int, height: int, side: int, enlarge: bool = False) -> tuple[int, int]:
    """The size at which a picture of this one is no larger than `side` pixels; enlarge: and no smaller either."""
    zoom = side / max(width, height) if enlarge else min(1.0, side / max(width, height))
    return max(1, round(width * zoom)), max(1, round(height * zoom))


def fitted(pixbuf: Any, side: int, enlarge: bool = False) -> Any:
    """The pixbuf at the size `fitting`."""
    size = fitting(pixbuf.get_width(), pixbuf.get_height(), side, enlarge)
    return pixbuf.scale_simple(*size, GdkPixbuf.InterpType.BILINEAR)


def size_of(path: Path) -> tuple[int, int] | None:
    """Width and height that a picture file's header promises; None where it is of no kind that is known here."""
    with path.open("rb") as file:
        size = promised(file)
    if size is None:
        kind, *found = GdkPixbuf.Pixbuf.get_file_info(str(path))
        size = None if kind is None else (found[0], found[1])
    return size


def promised(file: BinaryIO) -> tuple[int, int] | None:
    """Width and height in the header of a PNG, GIF or JPEG file; None where it is none of these.

    They are read here, for some GdkPixbufs unpack the whole picture for them, which may be of any size.
    """
    start = file.read(24)
    if start.startswith(b"\x89PNG\r\n\x1a\n") and len(start) == 24:
        width, height = struct.unpack(">II", start[16:])
    elif start.startswith(b"GIF8") and len(start) >= 10:
        width, height = struct.unpack("<HH", start[6:10])
    elif start.startswith(b"\xff\xd8\xff"):
        return _jpeg(file)
    else:
        return None
    return width, height


def _jpeg(file: BinaryIO) -> tuple[int, int] | None:
    """From segment to segment, each with its length, to the one that begins the picture."""
    file.seek(2)
    while len(head := file.read(4)) == 4 and head[0] == 0xFF:
        if head[1] in FRAMES:
            _depth, height, width = struct.unpack(">BHH", file.read(5).ljust(5, b"\0"))
            return width, height
        padding = head[1] == 0xFF
        file.seek(-3 if padding else int.from_bytes(head[2:], "big") - 2, io.SEEK_CUR)
    return None


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
