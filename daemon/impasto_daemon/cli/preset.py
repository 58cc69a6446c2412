"""`--preset`: a preset that GIMP's dialog has saved stands in for the options that are not given.

Knows click, the preset's file and its pictures; nothing of jobs.
"""

from __future__ import annotations

import math
import stat
import tempfile
from dataclasses import replace
from pathlib import Path

import click
from impasto_protocol import preset
from impasto_protocol.errors import Code, ImpastoError, ProtocolError
from impasto_protocol.limits import Limits
from impasto_protocol.picture import Picture
from impasto_protocol.preset import Preset
from impasto_protocol.request import Style
from PIL import Image

from impasto_daemon import pictures

from . import options
from .report import Report


def read(ctx: click.Context, _: click.Parameter, path: Path | None) -> Preset | None:
    """What is in the file; from now on its values are the defaults of the options of the same names.

    Raises ImpastoError.
    """
    if path is None:
        return None
    found = load(path)
    ctx.default_map = {name.replace("-", "_"): value for name, value in found.values.items()}
    return found


option = click.option("--preset", type=options.file_path(), metavar="FILE", is_eager=True, callback=read,
                      help="A preset that was saved in GIMP: its values where no option says otherwise, and its style "
                      "where none is given.")  # fmt: skip


def load(path: Path) -> Preset:
    """The preset in this file. Raises ImpastoError."""
    try:
        facts = path.stat()
        if not stat.S_ISREG(facts.st_mode):
            raise _unfit(path, "it is not a file")
        if facts.st_size > preset.LARGEST:
            raise _unfit(path, f"no preset has more than {preset.LARGEST:,} bytes")
        return preset.parsed(path.read_bytes())
    except OSError as error:
        raise _unfit(path, error.strerror or str(error)) from None
    except ProtocolError as error:
        raise _unfit(path, str(error)) from None
    except preset.DAMAGE:
        raise _unfit(path, "it is no preset, or a damaged one") from None


def note(found: Preset | None, report: Report) -> None:
    """Say what of the preset is left out."""
    if found and found.ignored:
        report.note(f"this version does not know {', '.join(found.ignored)} of the preset: that is left out")
    if found and found.values.get("keep-colours"):
        report.note("the preset keeps the colours in a layer of their own, and a file has none: try --colour luminance")


def styles(found: Preset | None) -> tuple[Style, ...]:
    """The preset's styles, made of their copies, with as many pixels as they had.

    Raises ImpastoError where there is none, or one has no copy.
    """
    kept = found.styles if found else ()
    if not kept or not all(style.copy for style in kept):
        sentence = "there is no copy of a style in the preset: name a picture with --style"
        raise ImpastoError(Code.BAD_REQUEST, sentence)
    return tuple(Style(enlarged(_copy(style), style.size), style.weight) for style in kept)


def _copy(style: preset.PresetStyle) -> Picture:
    with tempfile.TemporaryDirectory(prefix="impasto-") as folder:
        path = Path(folder) / "style"
        path.write_bytes(style.copy)
        try:
            return pictures.load(path, replace(Limits(), side=preset.SIDE))
        except ImpastoError:
            sentence = f"the copy of the style {style.name} in the preset is damaged: name a picture with --style"
            raise ImpastoError(Code.BAD_REQUEST, sentence) from None


def enlarged(small: Picture, size: tuple[int, int]) -> Picture:
    """A copy with as many pixels as its original of this size, so that its strokes are as large."""
    factor = math.sqrt(min(size[0] * size[1], preset.ENLARGED) / (small.width * small.height))
    if factor <= 1:
        return small
    sides = (round(small.width * factor), round(small.height * factor))
    image = pictures.to_image(small).resize(sides, Image.Resampling.BILINEAR)
    return Picture(image.width, image.height, small.channels, "u8", image.tobytes())


def _unfit(path: Path, reason: str) -> ImpastoError:
    return ImpastoError(Code.BAD_REQUEST, f"the preset {path} cannot be used: {reason}", path=str(path))
