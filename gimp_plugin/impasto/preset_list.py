"""Which presets there are to choose from: those that come with Impasto and those that the artist saved. Knows files."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import NamedTuple

import record
from gi.repository import Gimp
from language import _

ENDING = ".json"
READY_MADE = Path(__file__).resolve().parent / "ready-made"
NAMES = {
    "close": _("Close to the motif"),
    "fine": _("Fine strokes"),
    "broad": _("Broad brush"),
    "free": _("Free hand"),
    "own-colours": _("In my own colours"),
}
"""What those that come with Impasto are called, by their files. None has a style: the one that is chosen stays."""
FOLDER = "impasto-presets"
"""In GIMP's profile: where the artist's own are looked for."""
MOST = 20
"""Of them that are listed: those saved last."""


class Named(NamedTuple):
    """A preset's name and its file."""

    name: str
    path: Path


def ready_made() -> list[Named]:
    """Those that come with Impasto."""
    return [Named(name, READY_MADE / f"{stem}{ENDING}") for stem, name in NAMES.items()]


def own() -> list[Named]:
    """Those in the artist's own folder, by their names."""
    files: list[Path] = []
    with contextlib.suppress(OSError):  # there is none, or another GIMP is at it
        files = sorted(folder().glob(f"*{ENDING}"), key=_saved)[-MOST:]
    return sorted((named(path) for path in files), key=lambda each: each.name.lower())


def named(path: Path) -> Named:
    """A file under the name that an artist sees."""
    return Named(record.printable(path.stem), path)


def _saved(path: Path) -> int:
    """When, in nanoseconds: long ago where that is not known, as of a link to nothing."""
    with contextlib.suppress(OSError):
        return path.stat().st_mtime_ns
    return 0


def folder() -> Path:
    """Where the artist's own lie, unless they are saved elsewhere."""
    return Path(Gimp.directory()) / FOLDER
