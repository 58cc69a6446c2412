"""`impasto weights`: damaged files are told and repaired, and Ctrl-C loses nothing."""

from __future__ import annotations

import http.server
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from impasto_daemon import weights
from impasto_daemon.cli.app import impasto

from tests.cli.conftest import House, finish, until
from tests.daemon.test_weights import BODY, NAME

MEGABYTE = 1_000_000


class Slow(http.server.BaseHTTPRequestHandler):
    """Sends two megabytes of BODY, and the rest when it is let go on."""

    go_on = threading.Event()

    def do_GET(self) -> None:
        start = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").rstrip("-"))
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(BODY) - start))
        self.end_headers()
        self.wfile.write(BODY[start : start + 2 * weights.CHUNK])
        self.wfile.flush()
        self.go_on.wait(20)
        self.wfile.write(BODY[start + 2 * weights.CHUNK :])

    def log_message(self, format: str, *args: object) -> None:
        pass


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is part of these tests."""


@pytest.fixture
def url() -> Iterator[str]:
    Slow.go_on.clear()
    with Server(("127.0.0.1", 0), Slow) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/{NAME}"
        Slow.go_on.set()
        server.shutdown()
        thread.join()


COMMAND = """
import sys
from impasto_daemon import weights
from impasto_daemon.cli.app import impasto
item = weights.Known("vgg19", sys.argv.pop(1))
weights.known = lambda: {"vgg19": item}
impasto()
"""


def fetching(house: House, url: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND, url, "weights", "fetch"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=house.environ,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def test_ctrl_c_keeps_what_has_come_and_says_how_to_go_on(house: House, url: str) -> None:
    folder = house.folder / "cache" / "impasto" / "weights"
    part = folder / (NAME + ".part")
    process = fetching(house, url)
    try:
        until(lambda: part.exists() and part.stat().st_size >= weights.CHUNK)
    finally:
        process.send_signal(signal.SIGINT)
        done = finish(process)
    assert done.returncode == 130 and "is kept: `impasto weights fetch` goes on from there" in done.stderr
    assert BODY.startswith(part.read_bytes()) and part.stat().st_size >= weights.CHUNK
    Slow.go_on.set()
    assert finish(fetching(house, url)).returncode == 0
    assert (folder / NAME).read_bytes() == BODY and not part.exists()


def test_a_damaged_file_in_the_cache_is_repaired(house: House, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", house.environ["XDG_CACHE_HOME"])
    monkeypatch.setattr(weights, "known", lambda: {"vgg16": weights.Known("vgg16", url)})
    path = weights.cache_folder() / NAME
    path.parent.mkdir(parents=True)
    path.write_bytes(BODY[:-MEGABYTE])
    Slow.go_on.set()
    for expected in ("progress", "result"):
        done = CliRunner().invoke(impasto, ["weights", "fetch", "vgg16", "--json"])
        events = [json.loads(line)["event"] for line in done.stdout.splitlines()]
        assert events[0] == expected and events[-1] == "result" and path.read_bytes() == BODY


def test_a_file_of_another_size_is_not_called_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    item = weights.Known("vgg16", f"https://example.org/{NAME}", len(BODY) / weights.MEBIBYTE)
    monkeypatch.setattr(weights, "known", lambda: {"vgg16": item})
    monkeypatch.setattr(weights, "places", lambda item: (tmp_path / NAME,))
    (tmp_path / NAME).write_bytes(BODY[:-MEGABYTE])
    shown = CliRunner().invoke(impasto, ["weights", "list"]).stdout
    assert shown == f"vgg16  {tmp_path / NAME} (2 MB) is damaged or partial. Type: impasto weights fetch vgg16\n"
    (tmp_path / NAME).write_bytes(BODY)
    assert CliRunner().invoke(impasto, ["weights", "list"]).stdout == f"vgg16  {tmp_path / NAME} (3 MB)\n"


def test_a_network_that_nobody_has_is_refused() -> None:
    done = CliRunner().invoke(impasto, ["weights", "fetch", "vgg11"])
    assert done.exit_code == 2 and "vgg19" in done.output
