"""Fixtures that several rooms' tests share; and one thread for everybody's tensors, for pictures are small here, and
several test processes share the cores."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.fakes.daemon import RunningDaemon

os.environ["OMP_NUM_THREADS"] = "1"
settings.register_profile("whatever else the machine does", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("whatever else the machine does")


@pytest.fixture
def socket_folder() -> Iterator[Path]:
    """A private folder with a path short enough for sockets."""
    folder = Path(tempfile.mkdtemp(prefix="impasto-test-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def launch(socket_folder: Path) -> Iterator[Callable[..., RunningDaemon]]:
    """Start a daemon with the fake painter; keywords are fields of its `Settings`. It listens when this returns."""
    started: list[RunningDaemon] = []

    def start(*, ready: bool = True, **settings: Any) -> RunningDaemon:
        started.append(RunningDaemon(socket_folder, **settings))
        return started[-1].wait_until_ready() if ready else started[-1]

    yield start
    for daemon in started:
        daemon.clean_up()


@pytest.fixture
def daemon(launch: Callable[..., RunningDaemon]) -> RunningDaemon:
    """A running daemon with the fake painter."""
    return launch()


@pytest.fixture(scope="session")
def shared_daemon() -> Iterator[RunningDaemon]:
    """One daemon with the fake painter for all tests that leave it as it was."""
    folder = Path(tempfile.mkdtemp(prefix="impasto-test-"))
    running = RunningDaemon(folder).wait_until_ready()
    yield running
    running.clean_up()
    shutil.rmtree(folder, ignore_errors=True)
