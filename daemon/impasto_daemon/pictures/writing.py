"""Pictures into files, in the format that the file's extension names: the whole file, or none."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from impasto_protocol.picture import Picture
from PIL import Image

from .. import files
from . import deep_files
from .samples import to_image, to_sixteen
from .sentences import Note, bad, silent, unwritable


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


def check_destination(path: Path, width: int = 1, height: int = 1) -> None:
    """Whether a picture of this size can be saved there, asked before the work that makes it. Raises ImpastoError."""
    _format(path, width, height)
    target = path.resolve()
    if target.exists() and not target.is_file():
        kind = "a folder: name a file inside it" if target.is_dir() else "not a file: name another"
        raise bad(path, f"{path} is {kind}")
    if not target.parent.is_dir():
        raise bad(path, f"there is no folder {path.parent}: make it first (mkdir -p)")
    try:
        with tempfile.TemporaryFile(dir=target.parent):
            pass
    except OSError as error:
        raise unwritable(path, error) from None


def save(picture: Picture, path: Path, note: Note = silent) -> None:
    """Writes the picture in the format of its extension: the whole file or none. The file's permissions stay, or are
    the usual ones. Raises ImpastoError."""
    check_destination(path, picture.width, picture.height)
    kind = _format(path, picture.width, picture.height)
    try:
        write, target = _writer(picture, path, kind, note), path.resolve()
        with files.whole(target, sync=True) as file:
            write(file)
            os.fchmod(file.fileno(), stat.S_IMODE(target.stat().st_mode) if target.exists() else 0o666 & ~_umask())
    except OSError as error:
        raise unwritable(path, error) from None


def _writer(picture: Picture, path: Path, kind: Format, note: Note) -> Callable[[IO[bytes]], None]:
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


def _format(path: Path, width: int, height: int) -> Format:
    kind = WRITE.get(path.suffix.lower())
    if kind is None:
        what = f"the extension {path.suffix}" if path.suffix else "no extension"
        raise bad(path, f"{path.name} has {what}, which names no format here: use one of {', '.join(WRITE)}")
    if max(width, height) > kind.side:
        raise bad(path, f"{kind.name} holds at most {kind.side:,} pixels a side: save as .png instead")
    return kind


def _umask() -> int:
    mask = os.umask(0o077)  # it can only be read by setting it
    os.umask(mask)
    return mask
