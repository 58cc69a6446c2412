"""Style files of every kind that artists have, and of every kind that nobody wants. Written with Pillow."""

from __future__ import annotations

import io
import os
import struct
import zlib
from pathlib import Path

from PIL import Image

RED, BLUE = (200, 30, 20), (20, 40, 190)
WIDTH, HEIGHT = 48, 32


def picture(mode: str = "RGB") -> Image.Image:
    """Red, with a blue bottom right corner."""
    made = Image.new("RGB", (WIDTH, HEIGHT), RED)
    made.paste(BLUE, (WIDTH // 2, HEIGHT // 2, WIDTH, HEIGHT))
    return made.convert(mode)


def large() -> Image.Image:
    """More than a layer keeps a copy of as it is, and hard to compress: red, with noise."""
    noise = Image.effect_noise((700, 500), 60)
    return Image.merge("RGB", (Image.new("L", noise.size, RED[0]), noise, noise))


def write_all(folder: Path) -> None:
    """Good ones and bad ones, by their names."""
    folder.mkdir()
    write_good(folder)
    write_bad(folder)


def write_good(folder: Path) -> None:
    picture().save(folder / "plain.png")
    picture("CMYK").save(folder / "cmyk.jpg", quality=95)
    picture("L").save(folder / "grey.png")
    Image.new("I;16", (WIDTH, HEIGHT), 40_000).save(folder / "sixteen_bit.png")
    picture("P").save(folder / "palette_alpha.png", transparency=0)
    picture().save(folder / "with spaces and ünïcode.png")
    picture().save(folder / "no_extension", "PNG")
    turned = Image.Exif()
    turned[0x0112] = 6  # to be turned by a quarter clockwise
    picture().save(folder / "exif_rotated.jpg", quality=95, exif=turned)
    later = Image.new("RGB", (WIDTH, HEIGHT), BLUE)
    picture().save(folder / "animated.gif", save_all=True, append_images=[later, later], duration=100)
    picture().save(folder / "animated.webp", save_all=True, append_images=[later], duration=100, lossless=True)
    picture().save(folder / "tiff.tif")
    picture().save(folder / "bitmap.bmp")
    Image.new("RGB", (1, 1), RED).save(folder / "one_pixel.png")


def write_bad(folder: Path) -> None:
    (folder / "bad_empty.png").touch()
    (folder / "bad_text.png").write_text("This is a text and no picture.\n")
    for kind in ("PNG", "JPEG", "WEBP", "GIF"):
        whole = _bytes(kind)
        (folder / f"bad_half.{kind.lower()}").write_bytes(whole[: len(whole) // 2])
        (folder / f"bad_beginning.{kind.lower()}").write_bytes(whole[:60])
    (folder / "bad_bomb.png").write_bytes(bomb(60_000, 60_000))
    (folder / "bad_bomb.gif").write_bytes(b"GIF89a" + struct.pack("<HH", 65_535, 65_535) + _bytes("GIF")[10:])


def write_for_preview(folder: Path) -> None:
    """What the dialog must not unpack, or even open, to show it small: sound pictures may be bombs too."""
    folder.mkdir()
    Image.new("1", (12_000, 9_000)).save(folder / "huge.png")
    (folder / "bad_bomb.png").write_bytes(bomb(60_000, 60_000))
    os.mkfifo(folder / "pipe")


def bomb(width: int, height: int) -> bytes:
    """A PNG whose header promises more pixels than any memory has."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )


def _bytes(form: str) -> bytes:
    stream = io.BytesIO()
    Image.effect_noise((400, 300), 60).convert("RGB").save(stream, form)
    return stream.getvalue()
