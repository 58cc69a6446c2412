"""A slip of paper for each painting under way: one that nobody holds tells of a painting that outlived its GIMP.

Files and locks alone; nothing of GIMP, jobs or sockets. A slip is a small JSON file in the plug-in's own folder of the
profile, locked by the process that waits for the painting: the system lets go of the lock however that process ends.
Its first line is the slip; its second, which an older one has not, is what the painting's layer is to keep.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import IO, Any

FOLDER = "impasto-paintings"
"""In GIMP's profile."""
PRIVATE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
"""How a slip is opened to be written, with no permission for others: there are pictures in it."""
LOCKED = 2**30
"""The place of the byte that is locked on Windows."""

try:
    import fcntl

    def _hold(file: IO[str]) -> None:
        """Lock an open file, or raise OSError at once."""
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)

except ImportError:  # Windows
    import msvcrt

    def _hold(file: IO[str]) -> None:
        """As above. Nobody else can read what is locked here, so it is a byte far behind the text."""
        number = file.fileno()
        here = os.lseek(number, 0, os.SEEK_CUR)
        os.lseek(number, LOCKED, os.SEEK_SET)
        try:
            msvcrt.locking(number, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        finally:
            os.lseek(number, here, os.SEEK_SET)


@dataclass(frozen=True)
class Slip:
    """A painting: the daemon's endpoint and its job's name there, the layer's and the image's name, the styles'."""

    job: str
    endpoint: str
    layer: str
    image: str
    styles: tuple[str, ...]


class Held:
    """A slip in this process's hands, until `drop` or the end of the block; `leave` it to be found. about: what `about`
    gives whoever finds it."""

    def __init__(self, slip: Slip, profile: Path, about: Mapping[str, object]) -> None:
        folder = profile / FOLDER
        self.path = folder / f"{slip.job}.json"
        self._file: IO[str] | None = None
        with contextlib.suppress(OSError):  # a full disk is no reason not to paint
            folder.mkdir(mode=0o700, exist_ok=True)
            self._file = os.fdopen(os.open(self.path, PRIVATE, 0o600), "w", encoding="utf-8")
            _hold(self._file)
            self._file.write(f"{json.dumps(asdict(slip))}\n{json.dumps(about)}\n")
            self._file.flush()

    def __enter__(self) -> Held:
        return self

    def __exit__(self, *_: object) -> None:
        self.drop()

    def drop(self) -> None:
        """The painting is over."""
        if self._file is not None:
            drop(self.path)
        self.leave()

    def leave(self) -> None:
        """The painting goes on, or waits, without this process."""
        if self._file is not None:
            self._file.close()
            self._file = None


@dataclass(frozen=True)
class Found:
    """A slip in its place. held: a process waits for its painting; nobody does where it ended before that came."""

    path: Path
    slip: Slip
    held: bool


def found(profile: Path) -> list[Found]:
    """All slips of this profile, the oldest first; what is no slip is passed over."""
    slips = []
    for path in sorted((profile / FOLDER).glob("*.json"), key=_age):
        damage = (OSError, ValueError, TypeError, LookupError)
        with contextlib.suppress(*damage), path.open("r+", encoding="utf-8") as file:
            slip = _checked(json.loads(file.readline()))
            slips.append(Found(path, slip, _is_held(file)))
    return slips


def _checked(told: Any) -> Slip:
    """The slip that this was. Raises ValueError, TypeError or LookupError where it was none."""
    styles = told["styles"]
    if not isinstance(styles, list) or not styles:
        raise ValueError("it has no styles")
    texts = {each.name: str(told[each.name]) for each in fields(Slip) if each.name != "styles"}
    return Slip(**texts, styles=tuple(map(str, styles)))


def about(path: Path) -> dict[str, Any]:
    """What its writer had to say beyond the slip; nothing where that is not there, or not whole."""
    with contextlib.suppress(OSError, ValueError, RecursionError), path.open(encoding="utf-8") as file:
        file.readline()
        told = json.loads(file.readline())
        if isinstance(told, dict):
            return told
    return {}


def drop(path: Path) -> None:
    """Throw a slip away."""
    with contextlib.suppress(OSError):
        path.unlink()


def _is_held(file: IO[str]) -> bool:
    try:
        _hold(file)
    except OSError:
        return True
    return False


def _age(path: Path) -> float:
    with contextlib.suppress(OSError):
        return path.stat().st_mtime
    return 0.0
