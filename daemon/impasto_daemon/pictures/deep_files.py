"""PNG and TIFF with 16 bits a sample, which Pillow cannot write in colour. Bytes in, bytes out: no paths, no errors.

After the PNG specification (W3C, third edition) and TIFF 6.0. Samples come as `Picture` has them: little-endian, RGB or
RGBA with straight alpha, row after row.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from typing import IO

from PIL import Image, ImageChops

Write = Callable[[IO[bytes], int, int, int, bytes], None]
"""Into a file, a picture of this width, height and number of channels, with these samples."""

UP = b"\x02"
"""PNG's filter that stores the difference to the row above: it packs pictures well, and is the same for all rows."""
TRUECOLOUR = {3: 2, 4: 6}
"""PNG's colour types, by channels."""


def write_png(file: IO[bytes], width: int, height: int, channels: int, samples: bytes) -> None:
    """Write a PNG of 16 bits a sample."""
    big_endian = bytearray(len(samples))
    big_endian[0::2], big_endian[1::2] = samples[1::2], samples[0::2]
    stride = 2 * width * channels
    rows = Image.frombytes("L", (stride, height), bytes(big_endian))
    above = Image.new("L", rows.size)
    above.paste(rows, (0, 1))
    filtered = ImageChops.subtract_modulo(rows, above).tobytes()
    packed = zlib.compress(b"".join(UP + filtered[at : at + stride] for at in range(0, len(filtered), stride)))
    file.write(b"\x89PNG\r\n\x1a\n")
    head = struct.pack(">IIBBBBB", width, height, 16, TRUECOLOUR[channels], 0, 0, 0)
    for kind, data in ((b"IHDR", head), (b"IDAT", packed), (b"IEND", b"")):
        file.write(struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)))


def write_tiff(file: IO[bytes], width: int, height: int, channels: int, samples: bytes) -> None:
    """Write a little-endian TIFF of 16 bits a sample: one strip, deflated."""
    packed = zlib.compress(samples)
    bits_at = 8
    strip_at = bits_at + 2 * channels
    short, long = 3, 4
    tags = [
        (256, long, 1, width),
        (257, long, 1, height),
        (258, short, channels, bits_at),
        (259, short, 1, 8),  # compression: deflate
        (262, short, 1, 2),  # photometric interpretation: RGB
        (273, long, 1, strip_at),
        (277, short, 1, channels),
        (278, long, 1, height),  # rows in the strip
        (279, long, 1, len(packed)),
        (284, short, 1, 1),  # samples of a pixel side by side
    ]
    if channels == 4:
        tags.append((338, short, 1, 2))  # the fourth sample: straight alpha
    directory_at = strip_at + len(packed) + len(packed) % 2
    file.write(struct.pack("<2sHI", b"II", 42, directory_at))
    file.write(struct.pack(f"<{channels}H", *[16] * channels))
    file.write(packed + b"\0" * (len(packed) % 2))
    file.write(struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags) + bytes(4))
