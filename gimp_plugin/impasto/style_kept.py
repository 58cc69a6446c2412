"""The style that a layer was painted with: the file itself where that is here, else the copy that the layer keeps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import style_copy
import style_file
import style_memory
from gi.repository import Gio
from impasto_protocol.errors import ImpastoError, bad_request
from impasto_protocol.limits import Limits
from language import _
from record import PaintedStyle
from styles import Chosen


@dataclass(frozen=True)
class Shown:
    """What the dialog shows of it: its name, and the copy as a GdkPixbuf."""

    name: str
    picture: Any


def shown(painted: PaintedStyle, copy: bytes) -> Shown | None:
    """What to show, if there is anything to paint with."""
    try:
        return Shown(painted.name, style_copy.unpacked(copy))
    except ValueError:
        return None


def chosen(painted: PaintedStyle, copy: bytes, most: int, limits: Limits) -> Chosen:
    """The style. most: pixels beyond which a copy need not be enlarged. Raises ImpastoError where it cannot be had."""
    copied = _copied(painted, copy, most)
    style = copied if copied and not copied.copy_of else original(painted.name, painted.digest, limits) or copied
    if style is None:
        raise bad_request(
            _(
                "The style {style} is not here, and the layer keeps no copy of it that can be used. Choose a style "
                "picture."
            ).format(style=painted.name),
        )
    return style


def note(style: Chosen) -> list[str]:
    """What the artist should know of it."""
    if not style.copy_of:
        return []
    return [
        _(
            "The style {name} is not here as it was: this was painted with the small copy of it that the layer "
            "keeps, and small strokes may look different. Choose the style picture itself to paint with all of "
            "it."
        ).format(name=style.name)
    ]


def original(name: str, digest: str, limits: Limits) -> Chosen | None:
    """The file, where this machine remembers one and it holds the very same pixels."""
    path = style_memory.find(digest)
    if path is None:
        return None
    try:
        picture = style_file.load(style_file.checked(Gio.File.new_for_path(str(path)), limits), limits)
    except ImpastoError:
        return None
    return Chosen(name, picture, path) if picture.sha256() == digest else None


def _copied(painted: PaintedStyle, copy: bytes, most: int) -> Chosen | None:
    """The copy, where it can be used: of a small style it is the style itself."""
    try:
        picture = style_copy.enlarged(style_copy.unpacked(copy), painted.size, most)
    except ValueError:
        return None
    if picture.sha256() == painted.digest:
        return Chosen(painted.name, picture, copy=copy)
    width, height = painted.size
    return Chosen(
        painted.name, picture, copy=copy, copy_of={"sha256": painted.digest, "width": width, "height": height}
    )
