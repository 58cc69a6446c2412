"""Finished pictures on disk, so that they outlive the daemon that made them. Files alone: no jobs' states, no sockets.

One file a job, and one for each iterate that is kept of it, for this user alone, in a folder of its own for each
endpoint, whose lock keeps two daemons apart. It holds what is remembered of the job (JSON) and the frames of its
`result` as the codec makes them, each after its length (8 bytes, big-endian). What is found in the folder is never
trusted: it is read as carefully as what a client sends.

A file is made in two steps. When it is written the kernel has it, and the end of the daemon, however sudden, takes
nothing away. When it is finished it is on the disk and in its place, and a power failure takes nothing away either. A
file that was only written is finished by the next daemon, where it is whole and the machine was not started anew since.
An iterate, whose loss costs little, is in its place as soon as it is written, and outlives no start of the machine.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import hashlib
import json
import logging
import mmap
import os
import stat
import struct
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any, BinaryIO

from impasto_protocol import codec
from impasto_protocol.errors import Code, ProtocolError
from impasto_protocol.limits import HEADER_BYTES, PICTURES
from impasto_protocol.messages import Result
from impasto_protocol.picture import Buffer
from impasto_protocol.server_events import Finished, Found

from . import files
from .link import UNLIMITED

AGE = 86_400.0
"""Seconds that a result is kept, by the clock on the wall."""
LATE = 300.0
"""Seconds that a daemon gives out at least what it found, however old that is: machines are off for days, and clocks
that are wrong are set right."""
ABANDONED = 7 * AGE
"""Seconds after which files of other endpoints are nobody's any more."""
SUFFIX = ".result"
ITERATE = ".iterate"
BOOT = Path("/proc/sys/kernel/random/boot_id")
"""Linux names each start of the machine there."""
LENGTH = struct.Struct(">Q")
HEADERS = 3
"""Parts of a file before its pixels: what is remembered, and the first two frames of a message."""

DAMAGED = (ValueError, RecursionError, ProtocolError)
"""What reading a file raises that is not what it should be."""
UNREADABLE = (OSError, *DAMAGED)

logger = logging.getLogger("impasto.spool")


def folder_of(endpoint: str) -> Path:
    """Where the results of the daemon at this endpoint are, in the user's state folder."""
    return files.state_folder() / "results" / hashlib.sha256(endpoint.encode()).hexdigest()[:16]


class Spool:
    """The files of one folder. Knows no budget; everything but `found` and `close` raises OSError."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, finished: Finished, result: Result) -> Path:
        """The first half of keeping one more: its file, unfinished, which outlives this process."""
        frames = self._frames(finished, result, copies=1)
        with files.begun(self._path(finished.job)) as file:
            _write(file, frames)
        return Path(file.name)

    def write_iterate(self, finished: Finished, iterate: Result) -> None:
        """Keep an iterate where it leaves room on the disk for the result, which is as large."""
        frames = self._frames(finished, iterate, copies=2)
        with files.whole(self._path(finished.job, iterate.step)) as file:
            _write(file, frames)

    def finish(self, unfinished: Path, job: str) -> None:
        """The second half: what was written is on the disk, in the place of an earlier one of the same job."""
        files.finish(unfinished, self._path(job), sync=True)

    def read(self, job: str, step: int = 0) -> Result | None:
        """The result of this job, or its iterate of this step; None where there is none, or none any more that can be
        believed. It is in memory then: ZeroMQ ends a process that sends from a file which somebody cuts short, or which
        the disk cannot read."""
        try:
            found = _load(self._path(job, step), pixels=True)[1]
        except (FileNotFoundError, *DAMAGED):
            return None
        return found if found.step == step else None

    def remove(self, job: str, step: int = 0) -> None:
        """As `read`."""
        self._path(job, step).unlink(missing_ok=True)

    def close(self) -> None:
        """Leave no empty folder."""
        with contextlib.suppress(OSError):
            self._folder.rmdir()

    def found(self) -> list[Found]:
        """What earlier daemons left here, the oldest first; none is so old that it would be forgotten at once. Files
        that cannot be read are logged and passed over, and removed where they are old. So is what was written by half,
        what was abandoned at other endpoints, and iterates without a result."""
        self._finish_what_is_whole()
        _sweep(self._folder)
        found = []
        for path, age in sorted(_ours(self._folder, SUFFIX), key=lambda each: -each[1]):
            try:
                finished, result = _load(path)
                if path != self._path(finished.job):
                    raise ValueError("it is of another job than its name says")
                found.append(Found(finished, min(age, AGE - LATE), result.pictures[0].nbytes))
            except UNREADABLE as reason:
                logger.warning("%s is no result that can be read (%s): it is left alone until it is old", path, reason)
                _remove(path, age, AGE)
        iterates = self._iterates({each.finished.job for each in found})
        return [dataclasses.replace(each, iterates=iterates.get(each.finished.job, {})) for each in found]

    def _iterates(self, jobs: set[str]) -> dict[str, dict[int, int]]:
        """The bytes of each iterate of these jobs, by its step; whatever else is one is removed."""
        found: dict[str, dict[int, int]] = {}
        for path, _ in _ours(self._folder, ITERATE):
            try:
                finished, iterate = _load(path, _boot())
                if finished.job not in jobs or path != self._path(finished.job, iterate.step):
                    raise ValueError("it is nobody's")
                found.setdefault(finished.job, {})[iterate.step] = iterate.pictures[0].nbytes
            except UNREADABLE:
                _remove(path, 1, 0)
        return found

    def _frames(self, finished: Finished, result: Result, copies: int) -> list[memoryview]:
        """What is to be written, to a folder that is there. Raises OSError where the disk has no room for so many."""
        facts = json.dumps({**dataclasses.asdict(finished), "boot": _boot()}).encode()
        frames = [memoryview(frame).cast("B") for frame in (facts, *codec.encode(result))]
        if files.room(self._folder) < copies * sum(frame.nbytes for frame in frames):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        files.private(self._folder)
        return frames

    def _finish_what_is_whole(self) -> None:
        for path in self._folder.glob(f"*{files.UNFINISHED}"):
            with contextlib.suppress(*UNREADABLE):  # half a file
                finished, result = _load(path, _boot())
                if not result.step:
                    self.finish(path, finished.job)
        files.sweep(self._folder, stale=0.0)  # the folder's lock says that nobody else writes there

    def _path(self, job: str, step: int = 0) -> Path:
        ending = f"-{step}{ITERATE}" if step else SUFFIX
        return self._folder / (hashlib.sha256(job.encode()).hexdigest()[:40] + ending)


def _write(file: IO[bytes], frames: Iterable[memoryview]) -> None:
    for frame in frames:
        file.write(LENGTH.pack(frame.nbytes))
        file.write(frame)


def _load(path: Path, boot: str | None = None, *, pixels: bool = False) -> tuple[Finished, Result]:
    """What a file holds; where its pixels are not asked for, what stands in their place must not be read. Raises what
    is UNREADABLE, and where a start of the machine is named, what is of another: of an unfinished file there may be
    holes then where pixels belong."""
    with open(path, "rb", opener=_opened) as file:
        facts, *frames = _frames(file, pixels)
    result = codec.decode(frames, UNLIMITED)
    remembered = _map(facts)
    if boot is not None and (not boot or remembered.get("boot") != boot):
        raise ValueError("it is of another start of the machine")
    finished = _finished(remembered)
    if not isinstance(result, Result) or result.job != finished.job or len(result.pictures) != 1:
        raise ValueError("it holds something else")
    return finished, result


def _opened(path: str, flags: int) -> int:
    """A descriptor of a file's, not of a pipe's without a writer, on which a daemon would wait for ever."""
    handle = os.open(path, flags | os.O_NONBLOCK | os.O_NOFOLLOW)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise ValueError("it is no file")
    return handle


def _frames(file: BinaryIO, pixels: bool) -> Iterator[Buffer]:
    whole = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    for number in range(HEADERS + PICTURES):
        begin = file.tell() + LENGTH.size
        if begin == len(whole) + LENGTH.size:
            return
        (length,) = LENGTH.unpack(_part(file, LENGTH.size))
        if begin + length > len(whole) or (number < HEADERS and length > HEADER_BYTES):
            raise ValueError("a part of it is too long")
        yield _part(file, length) if pixels or number < HEADERS else whole[begin : begin + length]
        file.seek(begin + length)
    raise ValueError("it has too many parts")


def _part(file: BinaryIO, length: int) -> bytes:
    part = file.read(length)
    if len(part) < length:
        raise ValueError("it ends too early")
    return part


def _map(frame: Buffer) -> dict[str, Any]:
    facts = json.loads(bytes(frame))
    if not isinstance(facts, dict):
        raise ProtocolError(Code.MALFORMED, "what is remembered of the job is not a map")
    return facts


def _boot() -> str:
    """Names this start of the machine; empty where nothing does."""
    try:
        return BOOT.read_text().strip()
    except OSError:
        return ""


def _finished(facts: dict[str, Any]) -> Finished:
    told = [
        field for field in dataclasses.fields(Finished) if field.name in facts or field.default is dataclasses.MISSING
    ]
    return Finished(**{field.name: field.metadata["reader"](facts.get(field.name), field.name) for field in told})


def _sweep(own: Path) -> None:
    """Remove what was abandoned in the folders of other endpoints, and those that are empty then."""
    for folder in own.parent.glob("*"):
        if folder != own and not folder.is_symlink():
            for path, age in _ours(folder, SUFFIX, ITERATE, files.UNFINISHED):
                _remove(path, age, ABANDONED)
            with contextlib.suppress(OSError):  # there is something in it
                folder.rmdir()


def _ours(folder: Path, *suffixes: str) -> Iterator[tuple[Path, float]]:
    """Files that may have been written here, and the seconds since then. Whatever else is there is somebody else's."""
    for path in folder.glob("*"):
        with contextlib.suppress(OSError):  # another process was quicker
            facts = path.lstat()
            if path.suffix in suffixes and stat.S_ISREG(facts.st_mode):
                yield path, max(0.0, time.time() - facts.st_mtime)


def _remove(path: Path, age: float, limit: float) -> None:
    if age > limit:
        with contextlib.suppress(OSError):
            path.unlink()
