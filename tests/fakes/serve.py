"""`python -m tests.fakes.serve JSON`: a daemon with these settings, its endpoint and painter among them.

`fault`: a method, as LocalExecutor.poll, that fails the first time, or `faults` times (-1: always). `disk`: seconds
that the disk takes to have what was written.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

from impasto_daemon import local, supervisor
from impasto_daemon.supervisor import Settings, run
from impasto_protocol.limits import Limits


def sabotage(place: str, times: int) -> None:
    """Have this method of the supervisor's rooms fail so often."""
    name, method = place.split(".")
    room = getattr(supervisor, name, None) or getattr(local, name)
    whole = getattr(room, method)
    left = [times]

    def broken(*words: Any) -> Any:
        if left[0]:
            left[0] -= 1
            raise ZeroDivisionError("on purpose")
        return whole(*words)

    setattr(room, method, broken)


if __name__ == "__main__":
    settings = json.loads(sys.argv[1])
    if disk := settings.pop("disk", 0):
        os.fsync = lambda _: time.sleep(disk)  # type: ignore[assignment]
    if fault := settings.pop("fault", ""):
        sabotage(fault, settings.pop("faults", 1))
    sys.exit(run(Settings(**{**settings, "limits": Limits(**settings.get("limits", {}))})))
