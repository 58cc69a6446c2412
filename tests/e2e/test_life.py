"""Scripts, daemons that are absent or die, and GIMPs that die: the job's life through a real GIMP."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgpack
import pytest
import zmq
from impasto_protocol.errors import ImpastoError
from impasto_protocol.jobstate import State
from impasto_protocol.zmq_client import Client
from PIL import Image

from tests.reliability.blows import SIGNALS
from tests.reliability.gimp import VICTIMS, GimpChaos, Round

from . import painter, styles
from .calls import call, outcome
from .conftest import answers
from .studio import REPOSITORY, Studio, patiently

pytestmark = pytest.mark.gimp


def states(studio: Studio) -> list[str]:
    return [str(job["state"]) for job in jobs(studio) if "preview" not in job["agent"]]


def jobs(studio: Studio) -> list[dict[str, Any]]:
    """All that the daemon knows, the dialog's previews among them."""
    with Client(studio.endpoint, agent="impasto-tests") as client:
        return list(client.jobs())


def wait_until_painting(studio: Studio) -> None:
    assert patiently(lambda: "running" in states(studio), 30), "the job did not start"


@contextlib.contextmanager
def ended_afterwards(studio: Studio) -> Iterator[None]:
    """For tests in which the plug-in starts a daemon: end it, whatever happens."""
    try:
        yield
    finally:
        with contextlib.suppress(ImpastoError), Client(studio.endpoint, agent="impasto-tests") as client:
            os.kill(int(client.status()["pid"]), signal.SIGTERM)
        assert patiently(lambda: not answers(studio.endpoint))


@pytest.mark.usefixtures("quick_daemon")
def test_a_script_fu_line_gives_the_style_file_alone(studio: Studio) -> None:
    process = studio.script_fu(script_fu(studio))
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert "painted: A style (style transfer)" in said


def script_fu(studio: Studio, more: str = "") -> str:
    """An expression that paints a picture and says the new layer's name."""
    content, style = studio.folder / "content.png", studio.folder / "a_style.png"
    styles.picture().save(content)
    styles.picture().save(style)
    return (
        f'(let* ((image (car (gimp-file-load RUN-NONINTERACTIVE "{content}")))'
        "        (layer (vector-ref (car (gimp-image-get-selected-layers image)) 0)))"
        "  (plug-in-impasto-style-transfer #:run-mode RUN-NONINTERACTIVE #:image image"
        f'    #:drawables (vector layer) #:style-file "{style}" {more})'
        '  (gimp-message (string-append "painted: "'
        "    (car (gimp-item-get-name (vector-ref (car (gimp-image-get-layers image)) 0)))))"
        "  (gimp-image-delete image))"
    )


@pytest.mark.usefixtures("quick_daemon")
def test_a_gimp_whose_python_cannot_load_pyzmq_paints_all_the_same(studio: Studio) -> None:
    folder = studio.profile / "plug-ins/impasto"
    hidden = folder / "zmq.py"  # should this GIMP's Python have a pyzmq of its own
    hidden.write_text("raise ImportError('not for this Python')\n")
    kept = [vendored.rename(studio.folder / vendored.name) for vendored in folder.glob("vendor/cp3*")]
    try:
        facts = outcome(studio, call(studio))
    finally:
        hidden.unlink()
        for vendored in kept:
            vendored.rename(folder / "vendor" / vendored.name)
    assert facts["status"] == "success", facts["message"]
    assert facts["layers"] == 2
    with Client(studio.endpoint, agent="impasto-tests") as client:
        assert str(client.jobs()[-1]["agent"]).endswith("(sockets, without pyzmq)")


def test_the_plug_in_starts_the_daemon_which_paints_and_stays(studio: Studio) -> None:
    assert not answers(studio.endpoint)
    with ended_afterwards(studio):
        facts = outcome(studio, call(studio, recipe="wavelets", max_size=48))
        assert facts["status"] == "success", facts["message"]
        assert facts["layers"] == 2
        record = json.loads(facts["parasite"])["record"]
        assert "wavelets" in json.dumps(record)
        with Client(studio.endpoint, agent="impasto-tests") as client:  # the next painting finds it running
            daemon = int(client.status()["pid"])
        assert os.getsid(daemon) == daemon, "whatever GIMP kills with the plug-in, it is not among it"


def test_why_no_daemon_can_be_started_is_said_in_its_own_words(studio: Studio) -> None:
    facts = outcome(studio, call(studio, environment={"IMPASTO_ENDPOINT": "ipc:///proc/nowhere/at.all"}))
    assert facts["status"] == "execution-error"
    assert facts["message"].startswith("No daemon answers at ipc:///proc/nowhere/at.all")
    assert "The folder /proc/nowhere of the socket cannot be made" in facts["message"]
    assert facts["layers"] == 1


def test_a_daemon_of_another_version_is_said_to_be_one(studio: Studio) -> None:
    with OtherVersion(studio.endpoint):
        facts = outcome(studio, call(studio))
    assert facts["status"] == "execution-error"
    assert "protocol version 2" in facts["message"] and "update the older one" in facts["message"]
    assert facts["layers"] == 1


class OtherVersion:
    """A daemon of the future: whatever it is asked, it answers in its own version."""

    def __init__(self, endpoint: str) -> None:
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.ROUTER)
        Path(endpoint.removeprefix("ipc://")).parent.mkdir(mode=0o700, exist_ok=True)
        self._socket.bind(endpoint)
        self._path = Path(endpoint.removeprefix("ipc://"))
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._answer)

    def _answer(self) -> None:
        error = {"type": "error", "re": 1, "code": "version_mismatch", "message": "What is that?"}
        while not self._ended.is_set():
            if self._socket.poll(50):
                route, *_ = self._socket.recv_multipart()
                self._socket.send_multipart([route, b"IMPASTO\x02", msgpack.packb(error)])

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self._context.destroy(linger=0)
        self._path.unlink(missing_ok=True)


@pytest.mark.usefixtures("quick_daemon")
def test_a_style_file_that_may_not_be_read_is_told(studio: Studio) -> None:
    facts = outcome(studio, call(studio, locked=True))
    assert facts["status"] == "execution-error"
    assert "style.png may not be read: its permissions forbid it" in facts["message"]


@pytest.mark.usefixtures("quick_daemon")
@pytest.mark.parametrize("argument", ["#:strength 101", "#:seed -1"])
def test_a_number_out_of_its_range_is_an_error_in_script_fu(studio: Studio, argument: str) -> None:
    process = studio.script_fu(script_fu(studio, argument))
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 70
    assert "out of range" in said


@pytest.mark.usefixtures("quick_daemon")
def test_the_example_for_batches_paints_a_file(studio: Studio) -> None:
    content, style, out = (studio.folder / name for name in ("content.png", "style.png", "painted.png"))
    Image.radial_gradient("L").resize((64, 48)).convert("RGB").save(content)
    styles.picture().save(style)
    example = (REPOSITORY / "examples" / "gimp_batch.py").read_text(encoding="utf-8")
    process = studio.batch(example, CONTENT=str(content), STYLE=str(style), OUT=str(out))
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 0, said
    was, now = (Image.open(path).convert("RGB").tobytes() for path in (content, out))
    assert max(abs(255 - a - b) for a, b in zip(was, now, strict=True)) <= 1, "the painter turns colours round"
    assert out.with_suffix(".xcf").read_bytes().startswith(b"gimp xcf")


@pytest.mark.usefixtures("quick_daemon")
def test_the_example_for_batches_fails_with_a_sentence(studio: Studio) -> None:
    content, out = studio.folder / "content.png", studio.folder / "not_painted.png"
    styles.picture().save(content)
    example = (REPOSITORY / "examples" / "gimp_batch.py").read_text(encoding="utf-8")
    process = studio.batch(example, CONTENT=str(content), STYLE=str(studio.folder / "gone.png"), OUT=str(out))
    said, _ = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "gone.png does not exist" in said
    assert not out.exists()


def test_a_plug_in_that_cannot_start_the_daemon_says_what_to_type(studio: Studio) -> None:
    notes = studio.profile / "plug-ins/impasto/impasto.json"
    kept = notes.read_text()
    notes.write_text(json.dumps({"version": "0", "python": "/gone/bin/python"}))
    try:
        facts = outcome(studio, call(studio))
    finally:
        notes.write_text(kept)
    assert facts["status"] == "execution-error"
    assert "/gone/bin/python" in facts["message"]
    assert facts["message"].endswith("Type in a terminal: impasto daemon [unreachable]")


def test_a_daemon_that_dies_in_mid_job_is_told_and_nothing_is_inserted(
    studio: Studio, quick_daemon: subprocess.Popen[bytes]
) -> None:
    process = call(studio, seed=painter.SLOW)
    wait_until_painting(studio)
    quick_daemon.kill()
    began = time.monotonic()
    facts = outcome(studio, process)
    assert time.monotonic() - began < 15
    assert facts["status"] == "execution-error"
    assert "daemon" in facts["message"]
    assert facts["layers"] == 1


@pytest.mark.parametrize("blow", SIGNALS, ids=lambda blow: blow.name)
@pytest.mark.parametrize("victim", VICTIMS)
def test_whoever_is_killed_or_stopped_in_mid_job_the_device_is_free_and_nothing_is_lost_or_left(
    studio: Studio, quick_daemon: subprocess.Popen[bytes], victim: str, blow: signal.Signals
) -> None:
    chaos = GimpChaos(studio, quick_daemon.pid)
    chaos.run(Round(victim, blow, State.RUNNING))
    assert chaos.tally[f"{victim} {blow.name} in mid-job"] == 1
