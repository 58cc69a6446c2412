"""A home of its own for every test of the command line, with the fake painter in place of the real one."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.cli.painters import STEERING
from tests.fakes.daemon import PYTHONPATH

ROOT = Path(__file__).parents[2]
SECONDS = 30


class House:
    """A user's machine: a home, an endpoint, two pictures, and the command."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.socket = folder / "run" / "daemon.sock"
        self.content, self.style, self.out = (folder / name for name in ("content.png", "style.png", "out.png"))
        self.log = folder / "state" / "impasto" / "daemon.log"
        self.environ = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": PYTHONPATH,
            "PYTHONWARNINGS": "error",
            "HOME": str(folder),
            "TMPDIR": str(folder),
            "XDG_CONFIG_HOME": str(folder / "config"),
            "XDG_STATE_HOME": str(folder / "state"),
            "XDG_CACHE_HOME": str(folder / "cache"),
            "IMPASTO_ENDPOINT": f"ipc://{self.socket}",
            "IMPASTO_PAINTER": "tests.cli.painters:open_painter",
        }
        gradient = Image.linear_gradient("L").resize((40, 30))
        Image.merge("RGB", (gradient, gradient, gradient.rotate(180))).save(self.content)
        Image.new("RGB", (20, 20), "orange").save(self.style)

    def steer(self, **settings: Any) -> None:
        """How the fake painter paints from the next start of a daemon on."""
        self.environ[STEERING] = json.dumps(settings)

    def start(self, *words: object, **options: Any) -> subprocess.Popen[str]:
        """The command, running; with Ctrl-C as a terminal has it, whatever the test runner ignores."""
        command = [sys.executable, "-m", "impasto_daemon.cli", *map(str, words)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            text=True,
            env=self.environ,
            cwd=self.folder,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            **pipes,
        )

    def run(self, *words: object) -> subprocess.CompletedProcess[str]:
        """The command, to its end. Whatever happens, no traceback."""
        return finish(self.start(*words))

    def stylize(self, *words: object) -> tuple[object, ...]:
        """The words of the usual job, and these."""
        return ("stylize", self.content, "--style", self.style, "-o", self.out, *words)

    def status(self) -> dict[str, Any]:
        """What the daemon says of itself."""
        found = json.loads(self.run("status", "--json").stdout)
        assert isinstance(found, dict)
        return found

    def states(self) -> list[str]:
        """The states of the daemon's jobs."""
        return [job["state"] for job in self.status()["jobs"]]

    def leftovers(self) -> list[str]:
        """Files and folders in the home that are temporary. A daemon has a folder as long as it lives."""
        found = sorted(path.name for path in self.folder.iterdir() if path.name.startswith((".", "tmp", "impasto-")))
        own = [name for name in found if name.startswith("impasto-")][: self.socket.exists()]
        return [name for name in found if name not in own]

    def processes(self) -> list[int]:
        """Whatever still runs with this home in its command line: daemons, listening or not yet."""
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                if os.fsencode(self.folder) in path.read_bytes():
                    found.append(int(path.parent.name))
        return found

    def end(self) -> None:
        """Stop the daemon, and wait until its worker is gone too."""
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        until(lambda: not any(map(alive, self.processes())))


def finish(process: subprocess.Popen[str]) -> subprocess.CompletedProcess[str]:
    """The end of a command, which has no traceback in it."""
    try:
        out, err = process.communicate(timeout=SECONDS)
    finally:
        process.kill()
    assert "Traceback" not in (err or ""), err
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def alive(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def until(true: Callable[[], bool], seconds: float = SECONDS) -> None:
    """Wait until this is true."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


@pytest.fixture
def another_house() -> Iterator[Callable[[], House]]:
    """Houses without a daemon; those that commands start are stopped afterwards."""
    with contextlib.ExitStack() as stack:

        def build() -> House:
            # Not pytest's folder: a socket's path may have 107 bytes.
            house = House(Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="house-", dir="/tmp"))))
            stack.callback(house.end)
            return house

        yield build


@pytest.fixture
def house(another_house: Callable[[], House]) -> House:
    """A house without a daemon."""
    return another_house()
