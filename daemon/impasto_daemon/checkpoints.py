"""How finished jobs ended, kept on disk, so that later ones can go on from them. Files and tensors; no requests.

One file a job, readable by this user alone, in the user's state folder; the oldest go when all of them are too large.
Where they are and how they are named is said by `states`.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from . import files
from .engine import memory
from .engine.optimise import State
from .states import SUFFIX, folder, path_of

log = logging.getLogger(__name__)

QUOTA = 2 * 1024**3
"""Bytes of all files together."""
STATE_SHARE = 0.5
"""Of the quota, at most, that one job may take: it is not to drive all others out. L-BFGS with a long history keeps two
hundred pictures, several gigabytes at 1024 pixels: of such a job the painting alone is kept."""


@dataclass(frozen=True)
class Checkpoint:
    """How a job ended.

    fingerprint: of all that its last size was painted towards, and how. picture: what it painted, (1, 3, h, w) from 0
    to 1 at that size. state: the walk's; None where it was too large to keep. way: in which it was painted.
    """

    fingerprint: str
    picture: Tensor
    state: State | None
    way: str = ""


class Checkpoints:
    """Checkpoints by the names of their jobs, at most `quota` bytes of them."""

    def __init__(self, quota: int = QUOTA) -> None:
        self._quota = quota
        files.sweep(folder())

    def fitting(self, checkpoint: Checkpoint) -> Checkpoint | None:
        """What can be kept of one: where it is too large the picture alone, and where even that has no room nothing;
        the log says so. Raises OSError."""
        where = folder()
        small = replace(checkpoint, state=None)
        found = next((each for each in (checkpoint, small) if self._fits(each, where)), None)
        if found is not checkpoint:
            what = "its picture alone is kept" if found else "nothing of it can be resumed"
            log.info("A job's state of %d MB has no room in %s: %s", _size(checkpoint) >> 20, where, what)
        return found

    def save(self, job: str, checkpoint: Checkpoint | None) -> None:
        """Keep one more that is `fitting`, and let the oldest go for it. The file is there whole or not at all. Raises
        OSError."""
        if checkpoint is None:
            return
        where = files.private(folder())
        files.sweep(where)
        with files.whole(path_of(job)) as file:
            torch.save(_owned(_plain(checkpoint)), file)
        self._make_room(where, path_of(job))

    def load(self, job: str, device: str) -> Checkpoint | None:
        """What is kept of this job; None where nothing is, or nothing that can be read. Pictures are on the device; the
        optimiser's memory is not, for it takes that there itself. Raises what says that there is no memory."""
        path = path_of(job)
        try:
            if path.stat().st_size > self._quota:
                return None
            return _checkpoint(torch.load(path, map_location="cpu", weights_only=True), device)
        except FileNotFoundError:
            return None
        except Exception as reason:  # torch.load raises about everything on bytes that are not its own
            if memory.lacks_memory(reason):
                raise
            log.warning("The state of job %s in %s cannot be read: %s", job, path, reason)
            return None

    def _fits(self, checkpoint: Checkpoint, where: Path) -> bool:
        return _size(checkpoint) <= min(self._quota * STATE_SHARE, files.room(where))

    def _make_room(self, where: Path, newest: Path) -> None:
        sizes = _facts(where)
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


def _size(checkpoint: Checkpoint) -> int:
    return nbytes(_plain(checkpoint))


def _plain(checkpoint: Checkpoint) -> dict[str, Any]:
    """Maps, lists, tensors, numbers and texts: nothing that has to be trusted when it is read."""
    state = checkpoint.state
    facts = None if state is None else {field.name: getattr(state, field.name) for field in fields(State)}
    return {
        "fingerprint": checkpoint.fingerprint,
        "picture": checkpoint.picture,
        "state": facts,
        "way": checkpoint.way,
    }


def _owned(value: Any) -> Any:
    """The same tree with tensors that own what they show: of a slice, torch.save would write all that it is cut
    from."""
    if isinstance(value, Tensor):
        here = value.detach().cpu()
        return here.clone() if here.untyped_storage().nbytes() > here.nbytes else here
    if isinstance(value, Mapping):
        return {key: _owned(each) for key, each in value.items()}
    return type(value)(_owned(each) for each in value) if isinstance(value, (list, tuple)) else value


def _checkpoint(found: dict[str, Any], device: str) -> Checkpoint:
    state = None if found["state"] is None else State(**found["state"])
    if state is not None:
        mean = {key: each.to(device) if isinstance(each, Tensor) else each for key, each in state.mean.items()}
        state = replace(state, variable=state.variable.to(device), best=state.best.to(device), mean=mean)
    return Checkpoint(str(found["fingerprint"]), found["picture"].to(device), state, str(found.get("way", "")))


def _facts(where: Path) -> dict[Path, os.stat_result]:
    """Of each job's file; another process may remove any of them meanwhile."""
    found = {}
    for path in where.glob(f"*{SUFFIX}"):
        with contextlib.suppress(FileNotFoundError):
            found[path] = path.stat()
    return found
