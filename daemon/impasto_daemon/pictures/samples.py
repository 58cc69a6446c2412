"""Samples of 8, 16 and 32 bits: from one depth to another, in Pillow's pictures."""

from __future__ import annotations

from impasto_protocol.picture import Picture
from PIL import Image

_TO_EIGHT_BIT = [(value * 255 + 32_767) // 65_535 for value in range(65_536)]


def interleaved(parts: list[bytes], width: int) -> bytes:
    """Samples of `width` bytes from each part in turn."""
    whole = bytearray(sum(map(len, parts)))
    stride = width * len(parts)
    for i, part in enumerate(parts):
        for byte in range(width):
            whole[i * width + byte :: stride] = part[byte::width]
    return bytes(whole)


def scaled(image: Image.Image, low: float, high: float) -> Image.Image:
    """Floats from low to high as 16 bits."""
    scale = 65_535 / ((high - low) or 1)
    return image.point(lambda value: value * scale + (0.5 - low * scale)).convert("I").convert("I;16")


def eight_bit(image: Image.Image, grey: Image.Image) -> Image.Image:
    """Grey of 16 bits with 8, and the image's colour profile; Pillow's own conversion would clip it to white."""
    small = grey.convert("I").point(_TO_EIGHT_BIT, "L")
    small.info["icc_profile"] = image.info["icc_profile"]
    return small


def to_sixteen(picture: Picture) -> bytes:
    """The samples of a picture of 16 bits or floats as 16 bits, little-endian; floats are clipped to 0 to 1."""
    if picture.dtype == "u16":
        return bytes(picture.data)
    rows = (picture.width * picture.channels, picture.height)  # as one grey picture: samples side by side
    return scaled(Image.frombytes("F", rows, bytes(picture.data)), 0.0, 1.0).tobytes()


def to_image(picture: Picture) -> Image.Image:
    """The picture as 8-bit RGB or RGBA of Pillow, which has no deeper colour."""
    mode, size = ("RGBA" if picture.has_alpha else "RGB"), (picture.width, picture.height)
    if picture.dtype == "u8":
        return Image.frombytes(mode, size, bytes(picture.data))
    rows = (picture.width * picture.channels, picture.height)  # as one grey picture: samples side by side
    if picture.dtype == "u16":
        grey = Image.frombytes("I;16", rows, bytes(picture.data)).convert("I").point(_TO_EIGHT_BIT, "L")
    else:
        grey = Image.frombytes("F", rows, bytes(picture.data)).point(lambda value: value * 255 + 0.5).convert("L")
    return Image.frombytes(mode, size, grey.tobytes())
