"""A quick painter for the tests in GIMP: the colours turned round, alpha kept; recipes are looked up as always. Its
iterates are the layer as it is.

The seed steers it, for the plug-in sends no settings: SLOW takes 40 s, A_SECOND one, CRASH dies in mid-job, and with
NOTHING_KEPT there is no job to go on from.
"""

from __future__ import annotations

import array
import os
import threading
import time
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from impasto_daemon.engine import recipes
from impasto_daemon.painting import Iterate, Painted, PaintEvent
from impasto_protocol.errors import Code, ImpastoError
from impasto_protocol.picture import Picture
from impasto_protocol.request import Request

from tests.fakes.painter import DEVICE, small

SLOW = 1001
FOUR_SECONDS = 1003
A_SECOND = 1004
CRASH = 1002
NOTHING_KEPT = 1005
PACES = {SLOW: (400, 0.1), FOUR_SECONDS: (40, 0.1), A_SECOND: (50, 0.02)}
"""Steps, and seconds that each takes."""
NOTE = "painted by a stand-in for tests"


class TurnedRound:
    def about(self) -> Mapping[str, object]:
        return {"features": "inverted colours", "device": "none", **DEVICE}

    def rest(self) -> None: ...

    def paint(self, request: Request) -> Iterator[PaintEvent]:
        recipes.find(request.recipe)
        if request.resume and request.seed == NOTHING_KEPT:
            raise ImpastoError(Code.UNKNOWN_JOB, f"Nothing is kept of a job {request.resume}.", resume=request.resume)
        is_preview = "settle" in request.settings  # of the dialog: always quick
        steps, pause = PACES.get(0 if is_preview else request.seed, (4, 0.01))
        enough = threading.Event()
        for step in range(1, steps + 1):
            time.sleep(pause)
            if request.seed == CRASH and step == 3:
                os._exit(9)
            done, losses = step / steps, {"total": 1.0 / step}
            preview = partial(small, request.content, grey=step * 4 % 256)
            yield Iterate(step, steps, done, losses, preview, lambda: request.content, enough.set)
            if enough.is_set():
                break
        record = {
            "steps": step,
            "request": request.describe(),
            "notes": [NOTE],
            "style_corners": corners(request.styles[0].picture),
            "start_corners": corners(request.start) if request.start else [],
            "start_shown": shown(request.start) if request.start else 0,
        }
        yield Painted(turned_round(request.content), record)


def turned_round(picture: Picture) -> Picture:
    """White for black, channel by channel; alpha as it was."""
    samples = samples_of(picture)
    white = {"u8": 255, "f32": 1.0}[picture.dtype]
    for channel in range(3):
        samples[channel :: picture.channels] = array.array(
            samples.typecode, [white - value for value in samples[channel :: picture.channels]]
        )
    return Picture(picture.width, picture.height, picture.channels, picture.dtype, samples.tobytes())


def samples_of(picture: Picture) -> array.array[Any]:
    """u8 or f32 samples as an array."""
    return array.array("f" if picture.dtype == "f32" else "B", bytes(picture.data))


def corners(picture: Picture) -> list[list[float]]:
    """The top left and the bottom right pixel: enough to tell which way up a picture came, and its colours."""
    samples = samples_of(picture)
    return [list(samples[: picture.channels]), list(samples[-picture.channels :])]


def shown(picture: Picture) -> float:
    """The share of a picture of 8 bits that its alpha shows."""
    alpha = bytes(picture.data)[3::4]
    return sum(alpha) / 255 / len(alpha)


def open_painter(device: str, weights: Path | None, offline: bool) -> TurnedRound:
    return TurnedRound()
