"""A real GIMP for the tests here, with the plug-in installed, and daemons for it to talk to."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from impasto_protocol.errors import ImpastoError
from impasto_protocol.zmq_client import Client

from tests.fakes.daemon import PYTHONPATH

from . import styles
from .studio import REPOSITORY, Gimp, NoGimp, Studio, patiently

Facts = dict[str, Any]
"""What in_gimp.py wrote down of a case."""


@pytest.fixture(scope="session")
def gimp() -> Gimp:
    """A GIMP 3. Where none can be had the tests are left out, with the reason; in CI that is a failure."""
    try:
        return Gimp.find()
    except NoGimp as error:
        if os.environ.get("CI"):
            pytest.fail(f"CI must test the plug-in in a real GIMP 3: {error}", pytrace=False)
        pytest.skip(f"no GIMP 3: {error}")


@pytest.fixture(scope="session")
def studio(gimp: Gimp) -> Iterator[Studio]:
    """A profile with the plug-in in it, as `impasto install-plugin` leaves it."""
    # Short, for the socket's path; pytest's own folders are too deep.
    folder = Path(tempfile.mkdtemp(prefix="impasto-", dir="/tmp"))
    made = Studio(gimp, folder)
    made.prepare()
    made.install_plug_in()
    yield made
    made.clean()


@pytest.fixture
def quick_daemon(studio: Studio) -> Iterator[subprocess.Popen[bytes]]:
    """A daemon with the quick painter, at the endpoint where GIMP looks."""
    with running_daemon(studio) as process:
        yield process


@pytest.fixture(scope="session")
def gallery(studio: Studio) -> Iterator[dict[str, Facts]]:
    """The facts of every case of in_gimp.py, by its name: one start of GIMP serves all tests."""
    styles.picture().save(studio.folder / "starry_night.png")
    styles.large().save(studio.folder / "large.png")
    styles.write_all(studio.folder / "styles")
    styles.write_for_preview(studio.folder / "previews")
    script = Path(__file__).with_name("in_gimp.py").read_text(encoding="utf-8")
    with running_daemon(studio):
        process = studio.batch(script, fonts=True, IMPASTO_TEST_FOLDER=str(studio.folder))
        said, _ = process.communicate(timeout=200)
    told = studio.folder / "gallery.json"
    assert told.exists(), said
    yield json.loads(told.read_text())


class running_daemon:
    """The daemon with the quick painter, for as long as the block lasts."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio

    def __enter__(self) -> subprocess.Popen[bytes]:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.e2e.quick_daemon", self._studio.endpoint],
            cwd=REPOSITORY,
            env={**os.environ, "PYTHONPATH": PYTHONPATH, "XDG_STATE_HOME": str(self._studio.folder / "state")},
        )
        assert patiently(lambda: answers(self._studio.endpoint)), "the daemon for the tests did not start"
        return self._process

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.terminate()
        self._process.wait(20)


def answers(endpoint: str) -> bool:
    """Whether a daemon is there."""
    try:
        with Client(endpoint, agent="impasto-tests", timeout=1.0):
            return True
    except ImpastoError:
        return False
