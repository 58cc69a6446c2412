"""Presets as files: the filter's arguments out of a config into one, and out of one back into the arguments' values.

What is in such a file is `impasto_protocol.preset`'s. Knows files, and styles by their pixels; nothing of widgets.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import preset_styles
import readable
import record
import style_copy
import style_kept
import style_memory
from impasto_protocol import preset
from impasto_protocol.errors import bad_request
from impasto_protocol.limits import Limits
from impasto_protocol.preset import Preset, PresetStyle
from language import _
from styles import Chosen, weighed


def made(config: Any, chosen: Mapping[int, Chosen], with_copy: bool) -> Preset:
    """What the artist has chosen. chosen: the styles by their numbers; with_copy: put a small copy of each in."""
    values = {name: config.get_property(name) for name in preset.VALUES if config.find_property(name) is not None}
    weights = (style.weight for style in weighed(config, chosen)) if chosen else ()
    return Preset(values, tuple(_style(*each, with_copy) for each in zip(chosen.values(), weights)))


def save(made: Preset, path: Path, chosen: Mapping[int, Chosen]) -> None:
    """Write it; whole, or not at all; and remember where the files of these styles lie. Raises ImpastoError."""
    fresh = path.with_name(f".{path.name[:200]}.{os.getpid()}")
    try:
        fresh.write_bytes(preset.written(made))
        fresh.replace(path)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise bad_request(
            _("The preset {path} cannot be written: {reason}.").format(path=path, reason=error.strerror)
        ) from None
    for style in chosen.values():
        if style.path is not None and not style.copy_of:
            style_memory.remember(style.picture.sha256(), style.path)


def load(path: Path) -> Preset:
    """What is in this file. Raises ImpastoError where that is no preset; then nothing has changed."""
    with readable.reading(path), path.open("rb") as file:
        data = file.read(preset.LARGEST + 1)
    try:
        return preset.parsed(data)
    except preset.DAMAGE:
        raise bad_request(
            _("{path} is no preset that Impasto can read, or a damaged one. Nothing was changed.").format(path=path)
        ) from None


def picture_file(style: PresetStyle, limits: Limits) -> Path | None:
    """A picture file of the style on this machine: the very one where it is known here, else one made of the copy.

    None where there is neither. Raises ImpastoError where there is no place for the file.
    """
    known = style_kept.original(style.name, style.digest, limits)
    if known is not None:
        return known.path
    try:
        return preset_styles.placed(style)
    except OSError as error:
        raise bad_request(
            _("There is no place for the preset's style at {path}: {reason}.").format(
                path=preset_styles.folder(), reason=error.strerror
            )
        ) from None


def _style(style: Chosen, weight: float, with_copy: bool) -> PresetStyle:
    """What a preset says of a style. Of one that is a copy itself: what is known of the original."""
    original, picture = style.copy_of, style.picture
    digest = str(original["sha256"]) if original else picture.sha256()
    size = (int(str(original["width"])), int(str(original["height"]))) if original else picture.size
    copy = base64.b64decode(style.copy or style_copy.made(picture)) if with_copy else b""
    return PresetStyle(record.printable(style.name)[:255], size, digest, copy, weight)
