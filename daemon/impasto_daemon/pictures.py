"""Picture files to Pictures and back, for the command line. Knows Pillow and files; no torch, no sockets, no jobs.

Whatever a file holds, what leaves `load` is sRGB, RGB or RGBA, of 8 or 16 bits a sample, turned the way its EXIF says.
Whatever is wrong with a file becomes an `ImpastoError` whose sentence names the file and says what to do.

Pillow itself knows no colour of 16 bits. It is read in two passes, one for each byte of the samples, and written by
`deep_files`.
"""

from __future__ import annotations

import errno
import io
import os
import stat
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from impasto_protocol.errors import Code, ImpastoError
from impasto_protocol.limits import Limits
from impasto_protocol.picture import Picture
from PIL import Image, ImageChops, ImageCms, ImageOps, UnidentifiedImageError

from . import deep_files

Note = Callable[[str], None]

READ = ("PNG", "JPEG", "MPO", "WEBP", "TIFF", "GIF", "BMP", "PPM", "TGA", "AVIF", "JPEG2000", "PSD", "PCX", "SGI")
"""The formats that are read, by Pillow's names. A list, because Pillow hands some of the others (EPS) to programs."""


@dataclass(frozen=True)
class Format:
    """How a file of one extension is written: Pillow's name, its options, what it cannot hold, and how 16 bits a sample
    are written, where it can hold them."""

    name: str
    options: dict[str, Any]
    alpha: bool = True
    side: int = 65_500
    deep: deep_files.Write | None = None


_JPEG = Format("JPEG", {"quality": 95, "subsampling": 0}, alpha=False)
_TIFF = Format("TIFF", {"compression": "tiff_adobe_deflate"}, deep=deep_files.write_tiff)
WRITE = {
    ".png": Format("PNG", {}, deep=deep_files.write_png),
    ".jpg": _JPEG,
    ".jpeg": _JPEG,
    ".webp": Format("WEBP", {"lossless": True}, side=16_383),
    ".tif": _TIFF,
    ".tiff": _TIFF,
    ".bmp": Format("BMP", {}, alpha=False),
    ".ppm": Format("PPM", {}, alpha=False),
}
"""The formats that are written, by extension. `side` is the longest that the format can say."""

_TO_EIGHT_BIT = [(value * 255 + 32_767) // 65_535 for value in range(65_536)]


def _silent(note: str) -> None:
    """Notes go nowhere unless asked for."""


# Reading --------------------------------------------------------------------------------------------------


def load(path: Path, limits: Limits, note: Note = _silent) -> Picture:
    """The picture in this file: RGB or RGBA, sRGB; 16 bits a sample where the file has more than 8 and its colours are
    sRGB's, else 8. `note` gets a sentence where something of the file is left out. Raises ImpastoError (BAD_REQUEST,
    TOO_LARGE)."""
    with _decoded(path, limits, note) as (file, image):
        if image.mode[0] in "IF":
            grey = ImageOps.exif_transpose(_sixteen_bit(image, path))
            if _keeps_colours(image):
                return Picture(*grey.size, 3, "u16", _interleaved([grey.tobytes()] * 3, 2))
            image = _eight_bit(image, grey)
        elif _is_deep(image) and _keeps_colours(image):
            planes = [ImageOps.exif_transpose(each) for each in (_low_bytes(file), image)]
            channels = len(image.getbands())
            return Picture(*planes[0].size, channels, "u16", _interleaved([each.tobytes() for each in planes], 1))
        elif _is_deep(image):
            note(f"{path.name} has a colour profile of its own: it is brought to sRGB with 8 bits a sample")
        image = _to_rgb(ImageOps.exif_transpose(image), path, note)
    return Picture(image.width, image.height, len(image.getbands()), "u8", image.tobytes())


def load_mask(path: Path, limits: Limits, note: Note = _silent) -> Picture:
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
            _damaged(path, error)


def _open(path: Path) -> BinaryIO:
    """A regular file that is not empty; a pipe or a device could block for ever."""
    try:
        facts = path.stat()
        if stat.S_ISDIR(facts.st_mode):
            raise _bad(path, f"{path} is a folder: name a picture file inside it")
        if not stat.S_ISREG(facts.st_mode):
            raise _bad(path, f"{path} is not a file: name a picture file")
        if not facts.st_size:
            raise _bad(path, f"{path} is empty: save or copy the picture again")
        return path.open("rb")
    except FileNotFoundError:
        raise _bad(path, f"there is no file {path}: check the path") from None
    except PermissionError:
        raise _bad(path, f"{path} may not be read by you: change its permissions (chmod u+r)") from None
    except OSError as error:
        raise _bad(path, f"{path} cannot be read: {error.strerror}") from None


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
        raise _bad(path, f"{path} is not a picture that can be read here: export it as PNG (known: {known})") from None
    except Image.DecompressionBombError:
        raise ImpastoError(
            Code.TOO_LARGE,
            f"{path} has more than {limits.pixels:,} pixels, which is the limit: scale it down first",
            limit="pixels", allowed=limits.pixels, path=str(path),
        ) from None  # fmt: skip
    except MemoryError:
        raise ImpastoError(Code.TOO_LARGE, f"{path} does not fit into memory: scale it down", path=str(path)) from None
    except Exception as error:  # as in `load`
        _damaged(path, error)
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
    image = _to_srgb(image, path, note)
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


def _interleaved(parts: list[bytes], width: int) -> bytes:
    """Samples of `width` bytes from each part in turn."""
    whole = bytearray(sum(map(len, parts)))
    stride = width * len(parts)
    for i, part in enumerate(parts):
        for byte in range(width):
            whole[i * width + byte :: stride] = part[byte::width]
    return bytes(whole)


def _sixteen_bit(image: Image.Image, path: Path) -> Image.Image:
    """Grey of 16 or 32 bits as 16 bits, little-endian.

    Sixteen bits run from 0 to 65535, floats from 0 to 1. What has a wider range has no agreed white: its own
    darkest and lightest value are taken.
    """
    image.info.pop("transparency", None)  # one grey level of 65536 meant as a hole
    image = image if image.mode == "F" else image.convert("I")  # of either byte order
    low, high = (float(value) for value in image.getextrema())  # type: ignore[arg-type]
    if not abs(low) + abs(high) < float("inf"):
        raise _bad(path, f"{path} holds samples that are no numbers: export it as PNG")
    white = 1.0 if image.mode == "F" else 65_535.0
    if low >= 0 and high <= white:
        if image.mode != "F":
            return image.convert("I;16")
        low, high = 0.0, 1.0
    return _scaled(image.convert("F"), low, high)


def _scaled(image: Image.Image, low: float, high: float) -> Image.Image:
    """Floats from low to high as 16 bits."""
    scale = 65_535 / ((high - low) or 1)
    return image.point(lambda value: value * scale + (0.5 - low * scale)).convert("I").convert("I;16")


def _eight_bit(image: Image.Image, grey: Image.Image) -> Image.Image:
    """Grey of 16 bits with 8, and the image's colour profile; Pillow's own conversion would clip it to white."""
    small = grey.convert("I").point(_TO_EIGHT_BIT, "L")
    small.info["icc_profile"] = image.info["icc_profile"]
    return small


def _keeps_colours(image: Image.Image) -> bool:
    """Whether the colours are sRGB's as they stand: there is no profile, or one that changes next to nothing."""
    if not image.info.get("icc_profile"):
        return True
    ramp = Image.linear_gradient("L").resize((16, 16))
    probe = ramp if image.mode[0] in "IF" else Image.merge("RGB", (ramp, ramp.rotate(90), ramp.rotate(180)))
    probe.info["icc_profile"] = image.info["icc_profile"]
    seen = _to_srgb(probe, Path(), _silent)
    extrema: Any = ImageChops.difference(seen, probe.convert("RGB")).getextrema()
    return all(high <= 1 for _, high in extrema)


_PROFILED = {
    "RGB ": ("RGB", ("1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "YCbCr")),
    "GRAY": ("L", ("1", "L", "LA", "La")),
    "CMYK": ("CMYK", ("CMYK",)),
}
"""For a colour profile of this space: the mode it is applied to, and the modes that may be brought to that."""


def _to_srgb(image: Image.Image, path: Path, note: Note) -> Image.Image:
    """The colours alone, through the embedded profile if there is one. A profile that cannot be used is left out:
    its picture is still the picture."""
    embedded = image.info.get("icc_profile")
    if embedded:
        try:
            profile = ImageCms.ImageCmsProfile(io.BytesIO(embedded))
            mode, fitting = _PROFILED[profile.profile.xcolor_space]
            if image.mode not in fitting:
                raise ValueError("a profile of other colours than the picture's")
            converted = ImageCms.profileToProfile(
                image.convert(mode),
                profile,
                ImageCms.createProfile("sRGB"),
                renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
                outputMode="RGB",
                flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
            )
        except (ImageCms.PyCMSError, ImportError, KeyError, OSError, ValueError):
            note(f"the colour profile in {path.name} cannot be used: its colours are taken as sRGB")
        else:
            if converted is not None:
                return converted
    return image.convert("RGB")


# Writing --------------------------------------------------------------------------------------------------


def check_destination(path: Path, width: int = 1, height: int = 1) -> None:
    """Whether a picture of this size can be saved there, asked before the work that makes it. Raises ImpastoError."""
    _format(path, width, height)
    target = path.resolve()
    if target.exists() and not target.is_file():
        kind = "a folder: name a file inside it" if target.is_dir() else "not a file: name another"
        raise _bad(path, f"{path} is {kind}")
    if not target.parent.is_dir():
        raise _bad(path, f"there is no folder {path.parent}: make it first (mkdir -p)")
    try:
        with tempfile.TemporaryFile(dir=target.parent):
            pass
    except OSError as error:
        raise _unwritable(path, error) from None


def save(picture: Picture, path: Path, note: Note = _silent) -> None:
    """Writes the picture in the format of its extension: the whole file or none. Raises ImpastoError."""
    check_destination(path, picture.width, picture.height)
    kind = _format(path, picture.width, picture.height)
    try:
        _replace(_writer(picture, path, kind, note), path.resolve())
    except OSError as error:
        raise _unwritable(path, error) from None


def _writer(picture: Picture, path: Path, kind: Format, note: Note) -> Callable[[BinaryIO], None]:
    """What writes this picture into a file."""
    deep = kind.deep
    if deep is not None and picture.dtype != "u8":
        samples = to_sixteen(picture)
        return lambda file: deep(file, picture.width, picture.height, picture.channels, samples)
    image = to_image(picture)
    if picture.has_alpha and not kind.alpha:
        if image.getchannel("A").getextrema() != (255, 255):
            note(f"{kind.name} has no transparency: {path.name} was laid on white (PNG keeps it)")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image).convert("RGB")
    return lambda file: image.save(file, format=kind.name, **kind.options)


def to_sixteen(picture: Picture) -> bytes:
    """The samples of a picture of 16 bits or floats as 16 bits, little-endian; floats are clipped to 0 to 1."""
    if picture.dtype == "u16":
        return bytes(picture.data)
    rows = (picture.width * picture.channels, picture.height)  # as one grey picture: samples side by side
    return _scaled(Image.frombytes("F", rows, bytes(picture.data)), 0.0, 1.0).tobytes()


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


def _format(path: Path, width: int, height: int) -> Format:
    kind = WRITE.get(path.suffix.lower())
    if kind is None:
        what = f"the extension {path.suffix}" if path.suffix else "no extension"
        raise _bad(path, f"{path.name} has {what}, which names no format here: use one of {', '.join(WRITE)}")
    if max(width, height) > kind.side:
        raise _bad(path, f"{kind.name} holds at most {kind.side:,} pixels a side: save as .png instead")
    return kind


def _replace(write: Callable[[BinaryIO], None], target: Path) -> None:
    """Beside the target first, then in its place in one move. The file's permissions stay, or are the usual ones."""
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.stem[:32]}.", suffix=target.suffix)
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(stat.S_IMODE(target.stat().st_mode) if target.exists() else 0o666 & ~_umask())
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _umask() -> int:
    mask = os.umask(0o077)  # it can only be read by setting it
    os.umask(mask)
    return mask


# Sentences ------------------------------------------------------------------------------------------------


def _bad(path: Path, sentence: str) -> ImpastoError:
    return ImpastoError(Code.BAD_REQUEST, sentence, path=str(path))


def _damaged(path: Path, error: Exception) -> NoReturn:
    reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
    raise _bad(path, f"{path} is damaged or incomplete ({reason}): save or copy it again") from None


def _unwritable(path: Path, error: OSError) -> ImpastoError:
    remedies = {
        errno.ENOSPC: "the disk is full: free some space or name another folder",
        errno.EDQUOT: "your disk quota is used up: free some space or name another folder",
        errno.EACCES: f"you may not write in {path.parent}: name another folder",
        errno.EPERM: f"you may not write in {path.parent}: name another folder",
        errno.EROFS: f"{path.parent} is read-only: name another folder",
    }
    remedy = remedies.get(error.errno or 0, error.strerror or str(error))
    return _bad(path, f"{path} cannot be written: {remedy}")
