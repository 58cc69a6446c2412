"""Where on this machine the style files lie that were painted with, by the digest of their pixels.

Layers keep no paths, for they are shared; this file lies in GIMP's profile, as its list of recent documents does.
Knows no pixels: whoever finds a path looks what is there now. What is damaged in the file is as if it were not there.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
from pathlib import Path

from gi.repository import Gimp

FILE = "impasto-styles.json"
MOST = 200
"""Files that are remembered: those painted with last."""


def remember(digest: str, path: Path) -> None:
    """From now on `find` knows it. Where the profile cannot be written, nothing is remembered."""
    known = {**{key: value for key, value in _known().items() if key != digest}, digest: str(path)}
    latest = dict(list(known.items())[-MOST:])
    fresh = _file().with_suffix(f".{os.getpid()}")
    with contextlib.suppress(OSError):
        fresh.write_text(json.dumps(latest), encoding="ascii")
        fresh.replace(_file())


def find(digest: str) -> Path | None:
    """Where the file with these pixels lay when it was painted with last."""
    path = _known().get(digest)
    return None if path is None else Path(path)


def recent(most: int) -> list[Path]:
    """The files painted with last, the latest first, each once; those that are gone are left out."""
    paths = dict.fromkeys(reversed(_known().values()))
    return [Path(path) for path in itertools.islice(filter(os.path.isfile, paths), most)]


def _known() -> dict[str, str]:
    """The paths by their digests, the one painted with last at the end."""
    try:
        known = json.loads(_file().read_text(encoding="ascii"))
    except (OSError, ValueError, RecursionError):
        return {}
    return {key: path for key, path in known.items() if isinstance(path, str)} if isinstance(known, dict) else {}


def _file() -> Path:
    return Path(Gimp.directory()) / FILE
