"""`make demo` does what the README says, quickly: everything is real but the painter. (The real one paints in e2e.)"""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from examples import demo
from tests.fakes.daemon import RunningDaemon

ROOT = Path(__file__).parents[1]


@pytest.fixture
def no_gimp(tmp_path: Path) -> str:
    """A search path without any GIMP."""
    return str(Path(sys.executable).parent)


def run(out: Path, daemon: RunningDaemon, path: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "examples.demo", "--out", str(out), "--max-size", "64"],
        cwd=ROOT,
        env={**os.environ, "IMPASTO_ENDPOINT": daemon.endpoint, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_demonstration_paints_and_says_where(tmp_path: Path, shared_daemon: RunningDaemon, no_gimp: str) -> None:
    done = run(tmp_path / "demo", shared_daemon, no_gimp)
    assert done.returncode == 0, done.stderr
    result = tmp_path / "demo" / "lake-in-swirls.png"
    assert f"The painting: {result}" in done.stdout
    assert "no GIMP 3 on this machine" in done.stdout
    with Image.open(result) as picture, Image.open(demo.CONTENT) as content:
        assert picture.size == content.size


def test_where_there_is_a_gimp_it_is_used(tmp_path: Path, shared_daemon: RunningDaemon, no_gimp: str) -> None:
    """The batch itself runs in the real GIMP in tests/e2e; here a stand-in notes how it is called."""
    folder = tmp_path / "bin"
    folder.mkdir()
    gimp = folder / "gimp-console-3.0"
    gimp.write_text(
        '#!/bin/sh\n[ "$1" = --version ] && echo "GNU Image Manipulation Program version 3.0.4" && exit\n'
        'ls "$GIMP3_DIRECTORY/plug-ins/impasto" && echo "called: $*" && echo "out: $OUT"\n'
    )
    gimp.chmod(gimp.stat().st_mode | stat.S_IXUSR)
    done = run(tmp_path / "demo", shared_daemon, f"{folder}:{no_gimp}:/usr/bin:/bin")
    assert done.returncode == 0, done.stderr
    assert "impasto.py" in done.stdout, "the plug-in is in the profile"
    assert "gimp_batch.py" in done.stdout
    assert f"out: {tmp_path / 'demo' / 'lake-in-swirls-by-gimp.png'}" in done.stdout


def test_an_older_gimp_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gimp = tmp_path / "gimp-console"
    gimp.write_text('#!/bin/sh\necho "GNU Image Manipulation Program version 2.10.34"\n')
    gimp.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert demo.find_gimp() is None
