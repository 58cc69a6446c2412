"""A quick painter for tests of everything around the real one: it inverts the content, and fails on demand.

A request's `settings` steer it: steps, delay (seconds a step), note, warning (whether it is one), and at the step
number given by `at` one of crash (the process ends), kill (by a signal), hang (answers nothing), clutch (hangs in C
code and lets no thread run), bug, memory, lost (the device), fail (an error code), shout (so many characters on
standard error, without an end of line). `essay`: characters of a text in the record. `load`: the features that it has
from then on. `keep`: a file that is written when the result is out, which takes `keeping` seconds; `niceness`: a file
for how much nicer the thread is that writes it.
It goes on from jobs that it has painted, or from the one that the file `kept` names, and from no others; masks change
nothing but the record.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Generator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from impasto_daemon.painting import Iterate, Painted, PaintEvent, Preparing, ProcessSpent
from impasto_protocol.errors import Code, ImpastoError
from impasto_protocol.picture import SAMPLE_BYTES, Picture
from impasto_protocol.request import Request

DEVICE: Mapping[str, object] = {"memory": 8_000_000_000, "host": 8_000_000_000, "flops": 1e12, "half": 0.0}
"""What the fake painter says that its device can do."""


class FakePainter:
    def __init__(self, device: str, weights: Path | None, offline: bool) -> None:
        self._about = {
            **{"device": device, "weights": str(weights or ""), "offline": offline, "features": "fake"},
            **DEVICE,
        }
        self._painted: set[str] = set()

    def about(self) -> Mapping[str, object]:
        return self._about

    def paint(self, request: Request) -> Generator[PaintEvent, None, None]:
        settings = request.settings
        if request.resume and request.resume not in {*self._painted, _kept(settings)}:
            sentence = f"The state of job {request.resume} is not kept any more."
            raise ImpastoError(Code.UNKNOWN_JOB, sentence, resume=request.resume)
        if "load" in settings:
            self._about = {**self._about, "features": str(settings["load"])}
        steps = int(settings.get("steps", 5))
        if note := settings.get("note"):
            yield Preparing(str(note), warning=bool(settings.get("warning")))
        enough = threading.Event()
        for step in range(1, steps + 1):
            time.sleep(float(settings.get("delay", 0.0)))
            if step == int(settings.get("at", 1)):
                _mishap(settings)
            done, losses = step / steps, {"total": 1.0 / step}
            preview, whole = partial(small, request.content), partial(of_one_grey, request.content, step)
            yield Iterate(step, steps, done, losses, preview, whole, enough.set)
            if enough.is_set():
                break
        record: dict[str, object] = {"painter": "fake", "request": request.describe(), "steps": step}
        record["stopped"] = enough.is_set()
        record["essay"] = "x" * int(settings.get("essay", 0))
        yield Painted(inverted(request.content), record, keep=self._keeper(settings))

    def rest(self) -> None:
        self._about = {**self._about, "rested": int(str(self._about.get("rested", 0))) + 1}

    def _keeper(self, settings: Mapping[str, Any]) -> Callable[[str], None]:
        def keep(job: str) -> None:
            if "keep" in settings:
                time.sleep(float(settings.get("keeping", 0.5)))
                Path(settings["keep"]).write_text(job)
            if "niceness" in settings:
                mine = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
                Path(settings["niceness"]).write_text(f"{mine - os.getpriority(os.PRIO_PROCESS, os.getpid())}")
            self._painted.add(job)

        return keep


def _kept(settings: Mapping[str, Any]) -> str:
    """The job that another painter has kept."""
    path = Path(settings.get("kept", "/dev/null"))
    return path.read_text() if path.exists() else ""


def open_painter(device: str, weights: Path | None, offline: bool) -> FakePainter:
    return FakePainter(device, weights, offline)


def without_torch(device: str, weights: Path | None, offline: bool) -> FakePainter:
    """As on a machine where only the light install was made."""
    raise ModuleNotFoundError("No module named 'torch'", name="torch")


def with_too_little_memory(device: str, weights: Path | None, offline: bool) -> FakePainter:
    """As under `ulimit -v`."""
    raise ImportError("libtorch_cuda.so: failed to map segment from shared object")


def with_bad_weights(device: str, weights: Path | None, offline: bool) -> FakePainter:
    raise ImpastoError(Code.BAD_WEIGHTS, "this file has no weights in it")


def asleep(device: str, weights: Path | None, offline: bool) -> FakePainter:
    """Never ready."""
    time.sleep(3600)
    raise AssertionError("it was to be ended before")


def broken(device: str, weights: Path | None, offline: bool) -> FakePainter:
    raise RuntimeError("the device is on fire")


def inverted(picture: Picture) -> Picture:
    """White for black; whole numbers of any size. Alpha stays."""
    if picture.dtype == "f32":
        raise ImpastoError(Code.BAD_REQUEST, "the fake painter takes whole numbers only")
    before = bytes(memoryview(picture.data).cast("B"))
    after = bytearray(before.translate(bytes(range(255, -1, -1))))
    size = SAMPLE_BYTES[picture.dtype]
    for byte in range(3 * size, picture.channels * size):
        after[byte :: 4 * size] = before[byte :: 4 * size]
    return Picture(picture.width, picture.height, picture.channels, picture.dtype, bytes(after))


def of_one_grey(picture: Picture, step: int) -> Picture:
    """A picture of the same kind, each byte of which tells of which step it is."""
    return Picture(picture.width, picture.height, picture.channels, picture.dtype, bytes([step % 256]) * picture.nbytes)


def small(picture: Picture, side: int, grey: int = 0x80) -> Picture:
    """A grey picture of the same proportions, at most `side` pixels long."""
    shrink = max(1.0, max(picture.width, picture.height) / side)
    width, height = max(1, int(picture.width / shrink)), max(1, int(picture.height / shrink))
    return Picture(width, height, 3, "u8", bytes([grey]) * (3 * width * height))


def _mishap(settings: Mapping[str, Any]) -> None:
    for name, act in _MISHAPS.items():
        if name in settings:
            act(settings[name])


def _hang(_: object) -> None:
    while True:
        time.sleep(60)


def _clutch(_: object) -> None:
    ctypes.PyDLL(None).sleep(3600)


def _raise(error: BaseException) -> None:
    raise error


def _shout(characters: int) -> None:
    sys.stderr.write("x" * characters)
    sys.stderr.flush()


_MISHAPS: dict[str, Callable[[Any], None]] = {
    "crash": lambda code: os._exit(int(code)),
    "kill": lambda _: os.kill(os.getpid(), signal.SIGKILL),
    "hang": _hang,
    "clutch": _clutch,
    "shout": lambda characters: _shout(int(characters)),
    "bug": lambda what: _raise(ZeroDivisionError(str(what))),
    "memory": lambda _: _raise(MemoryError()),
    "lost": lambda why: _raise(ProcessSpent(Code.WORKER_DIED, f"the device has failed: {why}")),
    "fail": lambda code: _raise(ImpastoError(Code(code), f"failed on purpose: {code}")),
}
