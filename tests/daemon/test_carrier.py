"""Whatever cannot be done, once or always: every job ends, who waits for an answer gets one, and the next job runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast, get_args

import pytest
from impasto_daemon.carrier import WAYS, Carrier
from impasto_daemon.doors import Doors
from impasto_daemon.executor import Executor
from impasto_daemon.results import Results
from impasto_protocol.errors import CANCELLED, Code
from impasto_protocol.messages import (
    Ack,
    Cancel,
    ClientMessage,
    Error,
    Fetch,
    Hello,
    Message,
    Ping,
    Pong,
    Result,
    Submit,
    Welcome,
)
from impasto_protocol.server_core import ServerCore
from impasto_protocol.server_events import Action, Finished, Received, Stored, WorkerSaid

from tests.fakes.daemon import picture, submit

ROUTE = b"route"


class Rooms:
    """Sockets, worker and results in memory, in which each act named in `faults` fails so many times."""

    def __init__(self, **faults: int) -> None:
        self.faults = faults
        self.sent: list[Message] = []
        self.running: str | None = None
        self.kept: dict[str, Result] = {}

    def act(self, name: str) -> None:
        if self.faults.get(name, 0):
            self.faults[name] -= 1
            raise MemoryError(name)

    def send(self, route: bytes, message: Message) -> None:
        self.act("send")
        self.act(f"send_{message.TYPE}")
        self.sent.append(message)

    def send_kept(self, route: bytes, job: str, re: int, message: Callable[[], Message]) -> None:
        self.act("send_kept")
        self.sent.append(message())

    def keep(self, finished: Finished, result: Result) -> tuple[str, ...]:
        self.act("keep")
        self.kept[finished.job] = result
        return ()

    def get(self, job: str, step: int = 0) -> Result | None:
        return self.kept.get(job)

    def steps(self, job: str) -> tuple[int, ...]:
        return ()

    def keep_iterate(self, finished: Finished, iterate: Result) -> None:
        self.act("keep_iterate")

    def forget(self, job: str) -> None:
        self.act("forget")
        del self.kept[job]

    def start(self, submit: Submit, now: float) -> None:
        assert self.running is None
        self.running = submit.job
        self.act("start")

    def cancel(self, job: str, now: float) -> None:
        self.act("cancel")

    def abandon(self, job: str, now: float) -> None:
        assert self.running == job
        self.running = None

    def ack(self, job: str) -> None:
        self.act("ack")


class Bench:
    """A carrier among such rooms, and one client that has said hello."""

    def __init__(self, **faults: int) -> None:
        self.rooms = Rooms()
        rooms = cast(Any, self.rooms)
        self.core = ServerCore(instance="i")
        self.carrier = Carrier(self.core, cast(Doors, rooms), cast(Executor, rooms), cast(Results, rooms))
        self.say(Hello(id=1, client="client"))
        assert isinstance(self.rooms.sent.pop(), Welcome)
        self.rooms.faults = faults

    def say(self, message: ClientMessage) -> None:
        self.carrier.handle(Received(ROUTE, message), 0.0)

    def paint(self) -> None:
        """The worker is done, and so is the disk."""
        job, self.rooms.running = self.rooms.running, None
        assert job
        self.carrier.handle(WorkerSaid(Result(job=job, pictures=(picture(),))), 0.0)
        self.carrier.handle(Stored(job), 0.0)

    def ends(self, job: str) -> list[str]:
        """How this job ended, as its client was told."""
        ends = (m for m in self.rooms.sent if isinstance(m, (Result, Error)) and not m.re and m.job == job)
        return [getattr(end, "code", "painted") for end in ends]

    def is_well(self) -> None:
        """Another job is painted, kept and delivered."""
        assert not self.core.active and self.rooms.running is None
        self.rooms.faults = {}
        self.say(submit("next"))
        self.paint()
        assert self.ends("next") == ["painted"]
        assert "next" in self.rooms.kept


def test_every_action_can_be_carried_out() -> None:
    assert set(WAYS) == set(get_args(Action))


@pytest.mark.parametrize("lost", ["send_accepted", "send_progress"])
def test_a_job_starts_though_its_client_cannot_be_told_of_it(lost: str) -> None:
    bench = Bench(**{lost: 1})
    bench.say(submit("job"))
    answers = [m for m in bench.rooms.sent if getattr(m, "re", 0) == 1]
    assert [m.TYPE for m in answers] == ["error" if lost == "send_accepted" else "accepted"]
    bench.paint()
    assert bench.ends("job") == ["painted"]
    bench.is_well()


def test_a_client_that_cannot_be_told_anything_costs_nobody_else() -> None:
    bench = Bench(send=-1)
    bench.say(submit("job"))
    bench.paint()
    bench.is_well()


def test_a_job_that_cannot_be_started_fails_and_the_next_one_starts() -> None:
    bench = Bench(start=1)
    bench.say(submit("job"))
    assert bench.ends("job") == [Code.INTERNAL.value]
    bench.is_well()


def test_jobs_that_wait_are_not_stuck_behind_one_that_cannot_be_started() -> None:
    bench = Bench()
    for job in ("first", "second", "third"):
        bench.say(submit(job))
    bench.rooms.faults = {"start": 1}
    bench.paint()
    assert bench.ends("second") == [Code.INTERNAL.value]
    assert bench.rooms.running == "third"
    bench.paint()
    bench.is_well()


def test_a_job_that_cannot_be_stopped_has_ended_as_asked() -> None:
    bench = Bench(cancel=1)
    bench.say(submit("job"))
    bench.say(Cancel(id=2, job="job"))
    assert bench.ends("job") == [CANCELLED.code.value]
    bench.is_well()


def test_a_result_that_cannot_be_kept_is_said_to_be_gone() -> None:
    bench = Bench(keep=1)
    bench.say(submit("job"))
    bench.paint()
    assert bench.ends("job") == [Code.RESULT_GONE.value]
    assert not bench.core.jobs["job"].kept
    bench.is_well()


def test_a_result_that_cannot_be_sent_is_an_error_and_can_be_fetched() -> None:
    bench = Bench(send_kept=1)
    bench.say(submit("job"))
    bench.paint()
    assert bench.ends("job") == [Code.INTERNAL.value]
    bench.say(Fetch(id=2, job="job"))
    assert isinstance(bench.rooms.sent[-1], Result)
    bench.is_well()


@pytest.mark.parametrize("what", ["forget", "ack"])
def test_what_nobody_waits_for_is_logged_alone(what: str, caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(**{what: 1})
    bench.say(submit("job"))
    bench.say(Ack(job="job", of="preview"))
    bench.paint()
    bench.say(Ack(job="job", of="result"))
    assert f"MemoryError: {what}" in caplog.text
    bench.is_well()


def test_a_fault_of_the_core_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench()
    monkeypatch.setattr(bench.core, "handle", lambda *_: 1 // 0)
    bench.say(Ping(id=7))
    (answer,) = bench.rooms.sent
    assert isinstance(answer, Error) and (answer.re, answer.code) == (7, Code.INTERNAL.value)
    monkeypatch.undo()
    bench.say(Ping(id=8))
    assert bench.rooms.sent[-1] == Pong(re=8)
    bench.is_well()
