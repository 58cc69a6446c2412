"""Files that are there whole or not at all: they are written beside their place and then moved there.

One way for all that the daemon and the command line write: who writes, who reads at the same moment and who comes after
a kill never meets half a file. What is in the files, and which of them are still needed, is the business of others.
(The protocol's key files have their own writer, for it knows nothing of the daemon.)
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import platformdirs

UNFINISHED = ".unfinished"
ROOM_LEFT = 1024**3
"""Bytes that stay free on the disk: other programs need them more."""
STALE = 60.0
"""Seconds after which an unfinished file that nobody has written to is nobody's any more."""


@contextlib.contextmanager
def whole(path: Path, *, sync: bool = False) -> Iterator[IO[bytes]]:
    """A file to write to, for this user alone, which takes its place when the block ends. Where it fails nothing
    changes.

    sync: the file is on the disk itself before it takes its place, so that a power failure leaves it whole as well; it
    takes as long as the disk takes. Raises OSError.
    """
    with begun(path) as file:
        yield file
    finish(Path(file.name), path, sync=sync)


@contextlib.contextmanager
def begun(path: Path) -> Iterator[IO[bytes]]:
    """The first half of `whole`: a file to write to, which stays beside its place, under its own `name`."""
    prefix = f".{path.name[:32]}."
    with tempfile.NamedTemporaryFile("wb", dir=path.parent, prefix=prefix, suffix=UNFINISHED, delete=False) as file:
        try:
            yield file.file
            file.flush()
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise


def finish(unfinished: Path, path: Path, *, sync: bool) -> None:
    """The second half of `whole`: what was `begun` takes its place. Where it fails, nothing is left of it."""
    try:
        if sync:
            with unfinished.open("rb") as file:
                os.fsync(file.fileno())
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def state_folder() -> Path:
    """Where this user's daemons keep what outlives them: results, what paintings go on from, their log."""
    return Path(platformdirs.user_state_path("impasto", appauthor=False))


def private(folder: Path) -> Path:
    """This folder, which is there now and for this user alone. Raises OSError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    return folder


def room(folder: Path) -> int:
    """Bytes that may be written to the disk of this folder, which need not be there yet; below 0 where too little is
    free already. Raises OSError."""
    there = next(each for each in (folder, *folder.parents) if each.exists())
    return shutil.disk_usage(there).free - ROOM_LEFT


def sweep(folder: Path, stale: float = STALE) -> None:
    """Remove what writers that were killed have left: files that are unfinished and were not touched for so many
    seconds."""
    for path in folder.glob(f"*{UNFINISHED}"):
        with contextlib.suppress(OSError):  # another process was quicker
            facts = path.lstat()
            if stat.S_ISREG(facts.st_mode) and time.time() - facts.st_mtime >= stale:
                path.unlink()
