"""Pictures out of files, sizes checked before anything is decoded.

Pillow itself knows no colour of 16 bits. It is read in two passes, one for each byte of the samples.
"""

from __future__ import annotations

import stat
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from impasto_protocol.errors import Code, ImpastoError
from impasto_protocol.limits import Limits
from impasto_protocol.picture import Picture
from PIL import Image, ImageChops, ImageOps, UnidentifiedImageError

from .profiles import keeps_colours, to_srgb
from .samples import eight_bit, interleaved, scaled
from .sentences import Note, bad, damaged, silent

READ = ("PNG", "JPEG", "MPO", "WEBP", "TIFF", "GIF", "BMP", "PPM", "TGA", "AVIF", "JPEG2000", "PSD", "PCX", "SGI")
"""The formats that are read, by Pillow's names. A list, because Pillow hands some of the others (EPS) to programs."""


def load(path: Path, limits: Limits, note: Note = silent) -> Picture:
    """The picture in this file: RGB or RGBA, sRGB; 16 bits a sample where the file has more than 8 and its colours are
    sRGB's, else 8. `note` gets a sentence where something of the file is left out. Raises ImpastoError (BAD_REQUEST,
    TOO_LARGE)."""
    with _decoded(path, limits, note) as (file, image):
        if image.mode[0] in "IF":
            grey = ImageOps.exif_transpose(_sixteen_bit(image, path))
            if keeps_colours(image):
                return Picture(*grey.size, 3, "u16", interleaved([grey.tobytes()] * 3, 2))
            image = eight_bit(image, grey)
        elif _is_deep(image) and keeps_colours(image):
            planes = [ImageOps.exif_transpose(each) for each in (_low_bytes(file), image)]
            channels = len(image.getbands())
            return Picture(*planes[0].size, channels, "u16", interleaved([each.tobytes() for each in planes], 1))
        elif _is_deep(image):
            note(f"{path.name} has a colour profile of its own: it is brought to sRGB with 8 bits a sample")
        image = _to_rgb(ImageOps.exif_transpose(image), path, note)
    return Picture(image.width, image.height, len(image.getbands()), "u8", image.tobytes())


def load_mask(path: Path, limits: Limits, note: Note = silent) -> Picture:
    """The mask in this file: one channel, of 16 bits where it is grey of more than 8. Colours count by their luminance,
    transparency as black; colour profiles count for nothing. Errors as in `load`."""
    with _decoded(path, limits, note) as (_, image):
        if image.mode[0] in "IF":
            grey = ImageOps.exif_transpose(_sixteen_bit(image, path))
            return Picture(*grey.size, 1, "u16", grey.tobytes())
        image = ImageOps.exif_transpose(image)
        grey = image.convert("RGB").convert("L")
        if image.has_transparency_data:
            grey = ImageChops.multiply(grey, image.convert("RGBA").getchannel("A"))
    return Picture(*grey.size, 1, "u8", grey.tobytes())


@contextmanager
def _decoded(path: Path, limits: Limits, note: Note) -> Iterator[tuple[BinaryIO, Image.Image]]:
    """A file and the picture in it; what goes wrong while it is made use of is the file's fault."""
    with _open(path) as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Pillow, about damage that does not hinder; sizes are checked here
        image = _decode(file, path, limits, note)
        try:
            yield file, image
        except ImpastoError:
            raise
        except Exception as error:  # Pillow's plug-ins raise a dozen kinds; to the user each means the same
            damaged(path, error)


def _open(path: Path) -> BinaryIO:
    """A regular file that is not empty; a pipe or a device could block for ever."""
    try:
        facts = path.stat()
        if stat.S_ISDIR(facts.st_mode):
            raise bad(path, f"{path} is a folder: name a picture file inside it")
        if not stat.S_ISREG(facts.st_mode):
            raise bad(path, f"{path} is not a file: name a picture file")
        if not facts.st_size:
            raise bad(path, f"{path} is empty: save or copy the picture again")
        return path.open("rb")
    except FileNotFoundError:
        raise bad(path, f"there is no file {path}: check the path") from None
    except PermissionError:
        raise bad(path, f"{path} may not be read by you: change its permissions (chmod u+r)") from None
    except OSError as error:
        raise bad(path, f"{path} cannot be read: {error.strerror}") from None


def _decode(file: BinaryIO, path: Path, limits: Limits, note: Note) -> Image.Image:
    """The first picture of a file, its size checked from the header before anything is decoded."""
    Image.init()
    try:
        image = Image.open(file, formats=[name for name in READ if name in Image.OPEN])
        _check_size(image, path, limits)
        if image.format != "MPO" and getattr(image, "is_animated", False):
            note(f"{path.name} holds several pictures: the first one is taken")
        image.info[_RAW] = _raw_mode(image)
        image.load()
        _check_size(image, path, limits)
    except ImpastoError:
        raise
    except UnidentifiedImageError:
        known = "PNG, JPEG, WebP, TIFF, GIF, BMP"
        raise bad(path, f"{path} is not a picture that can be read here: export it as PNG (known: {known})") from None
    except Image.DecompressionBombError:
        raise ImpastoError(
            Code.TOO_LARGE,
            f"{path} has more than {limits.pixels:,} pixels, which is the limit: scale it down first",
            limit="pixels", allowed=limits.pixels, path=str(path),
        ) from None  # fmt: skip
    except MemoryError:
        raise ImpastoError(Code.TOO_LARGE, f"{path} does not fit into memory: scale it down", path=str(path)) from None
    except Exception as error:  # as in `load`
        damaged(path, error)
    return image


def _check_size(image: Image.Image, path: Path, limits: Limits) -> None:
    width, height = image.size
    for limit, value, allowed in (
        ("side", max(width, height), limits.side),
        ("pixels", width * height, limits.pixels),
        ("frame_bytes", width * height * 4, limits.frame_bytes),
    ):
        if value > allowed:
            what = {"side": "pixels on its longer side", "pixels": "pixels", "frame_bytes": "bytes of pixels"}[limit]
            raise ImpastoError(
                Code.TOO_LARGE,
                f"{path} has {value:,} {what}, and the limit is {allowed:,}: scale it down first",
                limit=limit, value=value, allowed=allowed, path=str(path),
            )  # fmt: skip


def _to_rgb(image: Image.Image, path: Path, note: Note) -> Image.Image:
    """RGB, or RGBA where the picture has any transparency, in sRGB."""
    alpha = image.convert("RGBA").getchannel("A") if image.has_transparency_data else None
    image = to_srgb(image, path, note)
    if alpha is not None:
        image.putalpha(alpha)
    return image


_RAW = "impasto: raw mode"
"""Key of an image's info: how its samples lie in the file, by Pillow's name."""
_OTHER_BYTE = {f"{mode};16{order}": f"{mode};16{other}" for mode in ("RGB", "RGBA") for order, other in
               (("B", "L"), ("L", "B"), ("N", "B" if sys.byteorder == "little" else "L"))}  # fmt: skip
"""For the raw modes of 16-bit colour: the one that says the other byte order. Pillow keeps the high byte of a sample,
so that this one makes it keep the low byte."""


def _raw_mode(image: Image.Image) -> str:
    modes = {args[0] if isinstance(args, tuple) else args for _, _, _, args in getattr(image, "tile", ())}
    return str(modes.pop()) if len(modes) == 1 else ""


def _is_deep(image: Image.Image) -> bool:
    """Whether the file has 16 bits a sample of colour, of which the image holds the high bytes."""
    return image.info[_RAW] in _OTHER_BYTE and "transparency" not in image.info


def _low_bytes(file: BinaryIO) -> Image.Image:
    """The low bytes of a file of 16 bits a sample."""
    file.seek(0)
    image: Any = Image.open(file)
    other = _OTHER_BYTE[_raw_mode(image)]
    image.tile = [_with_raw_mode(tile, other) for tile in image.tile]
    image.load()
    low: Image.Image = image
    return low


def _with_raw_mode(tile: Any, mode: str) -> Any:
    """A tile of Pillow's, which is a tuple and since version 11 a named one."""
    *place, args = tile
    changed = (*place, (mode, *args[1:]) if isinstance(args, tuple) else mode)
    return tile._make(changed) if hasattr(tile, "_make") else changed


def _sixteen_bit(image: Image.Image, path: Path) -> Image.Image:
    """Grey of 16 or 32 bits as 16 bits, little-endian.

    Sixteen bits run from 0 to 65535, floats from 0 to 1. What has a wider range has no agreed white: its own
    darkest and lightest value are taken.
    """
    image.info.pop("transparency", None)  # one grey level of 65536 meant as a hole
    image = image if image.mode == "F" else image.convert("I")  # of either byte order
    low, high = (float(value) for value in image.getextrema())  # type: ignore[arg-type]
    if not abs(low) + abs(high) < float("inf"):
        raise bad(path, f"{path} holds samples that are no numbers: export it as PNG")
    white = 1.0 if image.mode == "F" else 65_535.0
    if low >= 0 and high <= white:
        if image.mode != "F":
            return image.convert("I;16")
        low, high = 0.0, 1.0
    return scaled(image.convert("F"), low, high)
