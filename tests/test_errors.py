"""Every way in which Impasto says no, provoked: each code comes by itself, in a sentence that says what to do.

A case does what a user, a client or an accident would do, to a running daemon, to the core that answers for one, or to
the real painter. Whoever adds a code adds a case here, or the last test fails.
"""

from __future__ import annotations

import re
import signal
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

import msgpack
import pytest
import torch
from impasto_daemon.painter import open_painter
from impasto_daemon.supervisor import check_recipe
from impasto_protocol import client_core, codec, zmq_client
from impasto_protocol.errors import Code, ImpastoError
from impasto_protocol.interrupt import Interrupt
from impasto_protocol.messages import Cancel, Error, Fetch, Hello, Message, Ping
from impasto_protocol.picture import Buffer
from impasto_protocol.server_core import ServerCore
from impasto_protocol.server_events import Received, Send, Tick
from impasto_protocol.zmq_client import Client, new_job_name

from tests.engine.networks import random_vgg19
from tests.fakes.daemon import RawClient, RunningDaemon, request, running, submit


@dataclass(frozen=True)
class Place:
    """What a case may use. daemon: with the fake painter; takes pictures of 10,000 pixels."""

    daemon: RunningDaemon
    launch: Callable[..., RunningDaemon]
    folder: Path
    patch: pytest.MonkeyPatch

    def stylize(self, **settings: Any) -> NoReturn:
        """Have the daemon paint, as the command line and the plug-in do."""
        with self.daemon.client() as client:
            client.stylize(request(**settings))
        raise AssertionError("it was painted")

    def paint(self, recipe: str, file: str | None = None, offline: bool = False, resume: str = "") -> NoReturn:
        """Have the real painter paint a small picture."""
        for _ in open_painter("cpu", file, offline).paint(replace(request(), recipe=recipe, resume=resume)):
            pass
        raise AssertionError("it was painted")


Case = Callable[[Place], object]
CASES: list[tuple[Code, Case]] = []


def provokes(code: Code) -> Callable[[Case], Case]:
    """Put a case into the table."""

    def listed(case: Case) -> Case:
        CASES.append((code, case))
        return case

    return listed


def fail(answer: Message) -> NoReturn:
    """Raise what the daemon answered."""
    assert isinstance(answer, Error), answer
    raise ImpastoError.of(answer.problem())


def answer_to(daemon: RunningDaemon, *frames: Buffer, hello: bool = False) -> NoReturn:
    """What the daemon says to bytes that no client of ours would send."""
    with daemon.raw(new_job_name()) as client:
        if hello:
            client.hello()
        client.socket.send_multipart(frames)
        fail(client.next())


def ask_core(*said: Message, later: tuple[Message, ...] = ()) -> None:
    """What the supervisor's core answers last to one client, who is silent for longer than its lease before `later`."""
    core = ServerCore(instance="i", check=check_recipe)
    actions = [core.handle(Received(b"A", message), 0.0) for message in (Hello(id=1, client="a"), *said)][-1]
    core.handle(Tick(), 60.0)
    for message in later:
        actions = core.handle(Received(b"A", message), 60.0)
    for action in actions:
        if isinstance(action, Send):
            fail(action.message)


@contextmanager
def at_work(daemon: RunningDaemon) -> Iterator[tuple[RawClient, str]]:
    """A client whose job is being painted, and the job's name."""
    with daemon.raw(new_job_name()) as client:
        client.hello()
        job = new_job_name()
        client.say(submit(job, steps=1000, delay=0.02))
        running(client, job)
        try:
            yield client, job
        finally:
            client.say(Cancel(id=99, job=job))
            client.end_of(job)


# The conversation -------------------------------------------------------------------------------------------


@provokes(Code.VERSION_MISMATCH)
def a_client_of_another_version(place: Place) -> None:
    answer_to(place.daemon, *codec.encode(Hello(id=1, client="x", versions=(7,))))


@provokes(Code.VERSION_MISMATCH)
def bytes_of_another_version(place: Place) -> None:
    answer_to(place.daemon, b"IMPASTO\x07", b"\x80")


@provokes(Code.MALFORMED)
def bytes_of_another_protocol(place: Place) -> None:
    answer_to(place.daemon, b"GET / HTTP/1.1", b"")


@provokes(Code.UNKNOWN_TYPE)
def a_request_of_the_future(place: Place) -> None:
    answer_to(place.daemon, codec.MAGIC, msgpack.packb({"type": "dance", "id": 7}), hello=True)


@provokes(Code.NO_SESSION)
def a_request_without_hello(place: Place) -> None:
    answer_to(place.daemon, *codec.encode(Ping(id=1)))


@provokes(Code.TOO_LARGE)
def a_picture_over_the_limit(place: Place) -> None:
    with place.daemon.client() as client:
        client.stylize(request(200, 100))


# The request ------------------------------------------------------------------------------------------------


@provokes(Code.BAD_REQUEST)
def a_setting_out_of_range(place: Place) -> None:
    ask_core(submit("j", steps=-1))


@provokes(Code.UNKNOWN_RECIPE)
def a_recipe_that_nobody_knows(place: Place) -> None:
    ask_core(replace(submit("j"), recipe="impatso"))


@provokes(Code.UNKNOWN_SETTING)
def a_setting_that_nobody_knows(place: Place) -> None:
    ask_core(submit("j", stepps=3))


@provokes(Code.CONFLICT)
def a_name_for_two_requests(place: Place) -> None:
    ask_core(submit("j"), submit("j", steps=7))


@provokes(Code.QUEUE_FULL)
def more_jobs_than_may_wait(place: Place) -> None:
    ask_core(*(submit(f"job-{number}") for number in range(40)))


@provokes(Code.UNKNOWN_JOB)
def a_job_that_there_never_was(place: Place) -> None:
    with place.daemon.client() as client:
        client.fetch("nobody")


@provokes(Code.UNKNOWN_JOB)
def a_job_to_go_on_from_that_there_never_was(place: Place) -> None:
    place.paint("wavelets", resume="nobody")


@provokes(Code.NOT_FINISHED)
def a_result_before_its_time(place: Place) -> None:
    with at_work(place.daemon) as (client, job):
        client.say(Fetch(id=9, job=job))
        fail(client.hear(Error))


@provokes(Code.RESULT_GONE)
def a_result_that_was_acknowledged(place: Place) -> None:
    with place.daemon.client() as client:
        result = client.stylize(request())
        client.acknowledge(result.job)
        client.fetch(result.job)


# A job's end ------------------------------------------------------------------------------------------------


@provokes(Code.CANCELLED)
def a_job_that_is_cancelled(place: Place) -> None:
    interrupt = Interrupt()
    with place.daemon.client() as client:
        client.stylize(request(steps=1000, delay=0.02), on_progress=lambda _: interrupt.set(), interrupt=interrupt)


@provokes(Code.ABANDONED)
def a_client_that_is_silent_for_too_long(place: Place) -> None:
    ask_core(submit("before"), submit("waiting"), later=(Fetch(id=9, job="waiting"),))


@provokes(Code.MISSING_WEIGHTS)
def a_recipe_whose_network_is_not_here(place: Place) -> None:
    place.paint("gatys", offline=True)


@provokes(Code.MISSING_WEIGHTS)
def weights_that_cannot_be_fetched(place: Place) -> None:
    def no_network(*_: object, **__: object) -> NoReturn:
        raise urllib.error.URLError("no route to host")

    place.patch.setattr(urllib.request, "urlopen", no_network)
    place.paint("gatys")


@provokes(Code.MISSING_LAYER)
def weights_that_end_too_early(place: Place) -> None:
    torch.save(random_vgg19(8), place.folder / "short.pth")
    place.paint("gatys", str(place.folder / "short.pth"))


@provokes(Code.BAD_WEIGHTS)
def weights_that_are_none(place: Place) -> None:
    (place.folder / "text.pth").write_text("no weights")
    place.paint("gatys", str(place.folder / "text.pth"))


@provokes(Code.OUT_OF_MEMORY)
def a_device_without_room_for_the_picture(place: Place) -> None:
    place.patch.setattr("impasto_daemon.painter.memory.free", lambda device: 1000)
    place.paint("wavelets")


@provokes(Code.OUT_OF_MEMORY)
def memory_that_runs_out_on_the_way(place: Place) -> None:
    place.stylize(memory=True)


@provokes(Code.DIVERGED)
def weights_out_of_proportion(place: Place) -> None:
    state = {name: 1e20 * each for name, each in random_vgg19(8).items()}
    torch.save(state, place.folder / "huge.pth")
    place.paint("impasto", str(place.folder / "huge.pth"))


@provokes(Code.WORKER_DIED)
def a_worker_that_crashes(place: Place) -> None:
    place.stylize(crash=3)


@provokes(Code.WORKER_DIED)
def a_worker_that_the_system_kills(place: Place) -> None:
    place.stylize(kill=True)


@provokes(Code.WORKER_DIED)
def a_worker_that_cannot_start(place: Place) -> None:
    with place.launch(painter="tests.fakes.painter:broken").client() as client:
        client.stylize(request())


@provokes(Code.WORKER_DIED)
def a_poisoned_cuda_context(place: Place) -> None:
    def poisoned(*_: object, **__: object) -> NoReturn:
        raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered")

    place.patch.setattr("impasto_daemon.painter.stylize.paint", poisoned)
    place.paint("wavelets")


@provokes(Code.SHUTTING_DOWN)
def a_daemon_that_is_told_to_leave(place: Place) -> None:
    daemon = place.launch()
    with daemon.client() as client:
        client.stylize(request(steps=1000, delay=0.02), on_progress=lambda _: daemon.process.terminate())


@provokes(Code.INTERNAL)
def a_painter_with_a_bug(place: Place) -> None:
    place.stylize(bug=True)


# What a client says of a daemon -----------------------------------------------------------------------------


@provokes(Code.UNREACHABLE)
def an_endpoint_where_nobody_listens(place: Place) -> None:
    with Client(f"ipc://{place.folder}/nobody.sock"):
        pass


@provokes(Code.DAEMON_LOST)
def a_daemon_that_is_killed(place: Place) -> None:
    place.patch.setattr(client_core, "RECONNECT", 0.1)
    daemon = place.launch()
    with daemon.client() as client:
        client.stylize(request(steps=1000, delay=0.02), on_progress=lambda _: daemon.process.kill())


@provokes(Code.TIMED_OUT)
def a_daemon_that_does_not_answer(place: Place) -> None:
    place.patch.setattr(zmq_client, "PATIENCE", 0.1)
    with place.daemon.client() as client:
        place.daemon.process.send_signal(signal.SIGSTOP)
        try:
            client.status()
        finally:
            place.daemon.process.send_signal(signal.SIGCONT)


@provokes(Code.NOT_PAIRED)
def a_daemon_on_the_network_without_a_key_for_it(place: Place) -> None:
    with Client("tcp://127.0.0.1:7766"):
        pass


# The tests --------------------------------------------------------------------------------------------------

WORDS = "ask|check|choose|close|did you mean|end|give|hand|leave|must|paint|report|say|stop|try|type|update|use|wait"
REMEDY = re.compile(rf"`impasto |\b({WORDS})\b", re.IGNORECASE)
"""What a sentence tells somebody to do."""


@pytest.fixture(scope="module")
def small_daemon() -> Iterator[RunningDaemon]:
    """One for all cases that leave it as it was."""
    with tempfile.TemporaryDirectory(prefix="impasto-test-") as folder:
        running = RunningDaemon(Path(folder), limits={"pixels": 10_000}).wait_until_ready()
        yield running
        running.clean_up()


@pytest.fixture
def place(
    small_daemon: RunningDaemon,
    launch: Callable[..., RunningDaemon],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Place:
    for name in ("XDG_CACHE_HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "TORCH_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    return Place(small_daemon, launch, tmp_path, monkeypatch)


@pytest.mark.parametrize(("code", "case"), CASES, ids=[case.__name__ for _, case in CASES])
def test_it_ends_with_its_code_and_a_sentence_with_a_remedy(code: Code, case: Case, place: Place) -> None:
    with pytest.raises(ImpastoError) as caught:
        case(place)
    assert caught.value.code is code
    assert REMEDY.search(str(caught.value)), str(caught.value)


def test_every_code_is_provoked() -> None:
    assert {code for code, _ in CASES} == set(Code)
