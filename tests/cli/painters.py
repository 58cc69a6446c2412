"""The fake painter, steered by the environment: the command line lets only recipes' settings through."""

from __future__ import annotations

import json
import os
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

from impasto_daemon.painting import Painted, PaintEvent
from impasto_protocol.request import Request

from tests.fakes.painter import FakePainter

STEERING = "IMPASTO_TEST_STEERING"
"""Environment variable: JSON of the fake painter's settings."""


class SteeredPainter(FakePainter):
    def paint(self, request: Request) -> Generator[PaintEvent, None, None]:
        steering = json.loads(os.environ.get(STEERING, "{}"))
        for event in super().paint(replace(request, settings=steering)):
            if isinstance(event, Painted):
                facts = {"worker": os.getpid(), "daemon": os.getppid(), "notes": steering.get("notes", [])}
                facts |= {name: event.record[name] for name in ("steps", "stopped")}
                event = replace(event, record={**self.about(), **facts, "request": request.describe()})
            yield event


def open_painter(device: str, weights: Path | None, offline: bool) -> SteeredPainter:
    return SteeredPainter(device, weights, offline)
