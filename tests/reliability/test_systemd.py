"""What the unit promises is kept under a real systemd user manager, where one can be started."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.fakes.daemon import ROOT

from . import systemd


def test_the_service_keeps_every_promise_of_its_unit() -> None:
    if what := systemd.lacking():
        pytest.skip(f"no systemd user manager can be started here: it lacks {what}")
    command = [sys.executable, "-m", "tests.reliability.systemd"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count(":\n") == len(systemd.PROMISES)
