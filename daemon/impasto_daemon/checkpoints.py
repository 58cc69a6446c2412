"""How finished jobs ended, kept on disk, so that later ones can go on from them. Files and tensors; no requests.

One file a job, readable by this user alone, in the user's state folder; the oldest go when all of them are too large.
A job's name never becomes a path: its file is named by a digest of it.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import platformdirs
import torch
from torch import Tensor

from .engine.optimise import State

log = logging.getLogger(__name__)

QUOTA = 2 * 1024**3
"""Bytes of all files together."""
ROOM_LEFT = 1024**3
"""Bytes that stay free on the disk: other programs need them more."""
STALE = 3600.0
"""Seconds after which a file that was never finished is nobody's any more."""
SUFFIX, UNFINISHED = ".state", ".unfinished"


@dataclass(frozen=True)
class Checkpoint:
    """How a job ended.

    fingerprint: of all that its last size was painted towards, and how. picture: what it painted, (1, 3, h, w) from 0
    to 1 at that size. state: the walk's.
    """

    fingerprint: str
    picture: Tensor
    state: State


def folder() -> Path:
    """Where the files are, in the user's state folder."""
    return Path(platformdirs.user_state_path("impasto", appauthor=False)) / "states"


class Checkpoints:
    """Checkpoints by the names of their jobs, at most `quota` bytes of them."""

    def __init__(self, quota: int = QUOTA) -> None:
        self._quota = quota

    def save(self, job: str, checkpoint: Checkpoint) -> None:
        """Keep one more, and let the oldest go for it; one that is too large for quota or disk is not kept, which the
        log says. The file is there whole or not at all. Raises OSError."""
        where, size = folder(), nbytes(_plain(checkpoint))
        where.mkdir(mode=0o700, parents=True, exist_ok=True)
        _sweep(where)
        if size > min(self._quota, shutil.disk_usage(where).free - ROOM_LEFT):
            log.info("Job %s cannot be resumed: its state, %d MB, has no room in %s", job, size >> 20, where)
            return
        handle, name = tempfile.mkstemp(dir=where, suffix=UNFINISHED)  # 0600
        try:
            with os.fdopen(handle, "wb") as file:
                torch.save(_plain(checkpoint), file)
            Path(name).replace(_path(job))
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        self._make_room(where, _path(job))

    def load(self, job: str, device: str) -> Checkpoint | None:
        """What is kept of this job, its tensors on the device; None where nothing is, or nothing that can be read."""
        path = _path(job)
        try:
            if path.stat().st_size > self._quota:
                return None
            return _checkpoint(torch.load(path, map_location=device, weights_only=True))
        except FileNotFoundError:
            return None
        except Exception as reason:  # torch.load raises about everything on bytes that are not its own
            log.warning("The state of job %s in %s cannot be read: %s", job, path, reason)
            return None

    def _make_room(self, where: Path, newest: Path) -> None:
        sizes = {path: path.stat() for path in where.glob(f"*{SUFFIX}")}
        whole = sum(facts.st_size for facts in sizes.values())
        for path in sorted(sizes, key=lambda path: (path == newest, sizes[path].st_mtime)):
            if whole <= self._quota:
                break
            path.unlink(missing_ok=True)
            whole -= sizes[path].st_size


def nbytes(value: object) -> int:
    """Bytes of all tensors in a tree of maps and lists."""
    return sum(tensor.nbytes for tensor in _tensors(value))


def _tensors(value: object) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (Mapping, list, tuple)):
        for each in value.values() if isinstance(value, Mapping) else value:
            yield from _tensors(each)


def _plain(checkpoint: Checkpoint) -> dict[str, Any]:
    """Maps, lists, tensors, numbers and texts: nothing that has to be trusted when it is read."""
    state = {field.name: getattr(checkpoint.state, field.name) for field in fields(State)}
    return {"fingerprint": checkpoint.fingerprint, "picture": checkpoint.picture, "state": state}


def _checkpoint(found: dict[str, Any]) -> Checkpoint:
    return Checkpoint(str(found["fingerprint"]), found["picture"], State(**found["state"]))


def _path(job: str) -> Path:
    return folder() / (hashlib.sha256(job.encode()).hexdigest()[:40] + SUFFIX)


def _sweep(where: Path) -> None:
    """Remove what workers that were ended in the middle have left."""
    for path in where.glob(f"*{UNFINISHED}"):
        if path.stat().st_mtime < time.time() - STALE:
            path.unlink(missing_ok=True)
