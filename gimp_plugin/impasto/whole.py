"""Whether a picture file is there to its end. GIMP opens half a PNG or JPEG without an error, its rest grey.

Knows the ends of the commonest formats alone; of any other file it says nothing. Pure bytes, no GIMP.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable
from pathlib import Path


def is_cut_off(path: Path) -> bool:
    """Whether the file ends before its picture does. Of a large file only the ends are read. Raises OSError."""
    with path.open("rb") as file:
        begins = file.read(max(map(len, WHOLE)))
        tests = [is_whole for magic, is_whole in WHOLE.items() if begins.startswith(magic)]
        if not tests:
            return False
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return not tests[0](data)


def _jpeg(data: mmap.mmap) -> bool:
    """An end of image after the first scan's start; a thumbnail's own end lies in a segment before it."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        if data[at + 1] == 0xDA:  # start of scan: from here on FF is followed by 00 within pixels
            return data.rfind(b"\xff\xd9", at) >= 0
        padding = data[at + 1] == 0xFF
        at += 1 if padding else 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return False


def _riff(data: mmap.mmap) -> bool:
    return len(data) >= 8 + int.from_bytes(data[4:8], "little")


def _png(data: mmap.mmap) -> bool:
    return data.rfind(b"IEND") >= 0


def _gif(data: mmap.mmap) -> bool:
    """The first image is there to the empty block that ends it; whatever follows are later frames."""
    at = 13 + _colour_table(data[10]) if len(data) > 13 else len(data)
    while at + 10 < len(data):
        if data[at] not in (0x21, 0x2C):  # neither an extension nor an image: not for us to judge
            return True
        is_image = data[at] == 0x2C
        at += 11 + _colour_table(data[at + 9]) if is_image else 2
        while at < len(data) and data[at]:  # blocks of pixels, or of an extension, each behind its length
            at += 1 + data[at]
        if is_image:
            return at < len(data)
        at += 1
    return False


def _colour_table(flags: int) -> int:
    """Bytes of the table that a GIF's flags announce."""
    return 3 * (2 << (flags & 7)) if flags & 0x80 else 0


WHOLE: dict[bytes, Callable[[mmap.mmap], bool]] = {
    b"\xff\xd8\xff": _jpeg,
    b"\x89PNG\r\n\x1a\n": _png,
    b"RIFF": _riff,
    b"GIF8": _gif,
}
"""A format's first bytes, and whether a file that begins so is whole."""
