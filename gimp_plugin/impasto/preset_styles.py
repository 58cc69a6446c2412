"""Styles that came with presets: picture files in GIMP's profile, made of the small copies that the presets had.

Beside each lies what its preset said of the original, so that a painting and a new preset can say it again. Knows
files; nothing of layers or widgets.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import shutil
from dataclasses import replace
from pathlib import Path, PurePath

import style_copy
from gi.repository import Gimp
from impasto_protocol import preset
from impasto_protocol.preset import Preset, PresetStyle

FOLDER = "impasto-styles"
"""In GIMP's profile."""
ABOUT = "style.json"
"""What is said of the original: a preset with this style alone."""
MOST = 50
"""Styles that are kept: those whose presets were opened last."""
NAME = 60
"""Letters of a file's name that are taken over."""


def folder() -> Path:
    """Where they lie, each in a folder of its own."""
    return Path(Gimp.directory()) / FOLDER


def placed(style: PresetStyle) -> Path | None:
    """A picture file made of the style's copy; None where it has none that can be used. Raises OSError."""
    try:
        kind, data = style_copy.file(base64.b64encode(style.copy), style.size, preset.ENLARGED)
    except ValueError:
        return None
    about = preset.written(Preset({}, (replace(style, weight=1.0),)))
    own = folder() / hashlib.sha256(about).hexdigest()[:16]
    path = own / f"{_plain(style.name)}.{kind}"
    own.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    (own / ABOUT).write_bytes(about)
    os.utime(own)
    _forget_oldest()
    return path


def known(path: Path) -> PresetStyle | None:
    """What a preset said of the style in this file; None where the file is none of these."""
    try:
        if not path.parent.parent.samefile(folder()):
            return None
        (style,) = preset.parsed((path.parent / ABOUT).read_bytes()).styles
    except (OSError, *preset.DAMAGE):
        return None
    return style


def _forget_oldest() -> None:
    with contextlib.suppress(OSError):  # another GIMP may be at it
        latest = sorted(folder().glob(16 * "[0-9a-f]"), key=lambda each: each.stat().st_mtime_ns)
        for each in latest[:-MOST]:
            shutil.rmtree(each, ignore_errors=True)


def _plain(name: str) -> str:
    """A name from somebody else as a file's: no folders in it, nothing that a file system has against."""
    stem = PurePath(name.replace("\\", "/")).stem
    return "".join(letter for letter in stem if letter.isalnum() or letter in " _-()")[:NAME].strip() or "style"
