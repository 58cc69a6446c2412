"""The daemon's side of the conversation: what it does about what happens, without sockets or clocks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeVar

import pytest
from impasto_protocol import messages
from impasto_protocol.codec import decode, encode
from impasto_protocol.errors import Code, ImpastoError, Problem, ProtocolError
from impasto_protocol.jobstate import State
from impasto_protocol.limits import Limits
from impasto_protocol.request import Outline
from impasto_protocol.server_core import ServerCore
from impasto_protocol.server_events import (
    AckWorker,
    Action,
    Enough,
    Evicted,
    Finished,
    Forget,
    Found,
    Gone,
    Keep,
    Leaving,
    Received,
    Refused,
    Send,
    SendKept,
    Start,
    Stop,
    Stored,
    Tick,
    WorkerSaid,
)  # fmt: skip

from .pictures import picture, request

A = TypeVar("A")


class Talk:
    """A core, a clock that stands still unless told, and shorthands."""

    def __init__(self, **fields: Any) -> None:
        self.core = ServerCore(instance="i", **fields)
        self.now = 0.0

    def hear(self, route: bytes, message: messages.Message, guest: str = "") -> list[Action]:
        return self.core.handle(Received(route, message, guest), self.now)

    def hello(self, route: bytes = b"A", client: str = "alice", guest: str = "") -> list[Action]:
        return self.hear(route, messages.Hello(id=1, client=client, features=("previews", "detach")), guest)

    def submit(self, job: str = "j", route: bytes = b"A", detach: bool = False, **fields: Any) -> list[Action]:
        return self.hear(route, messages.Submit.of(request(**fields), job, id=2, preview=64, detach=detach))

    def foresee(self, **fields: Any) -> list[Action]:
        return self.hear(b"A", messages.Foresee.of(request(**fields).outline, id=3))

    def worker(self, message: Any) -> list[Action]:
        return self.core.handle(WorkerSaid(message), self.now)

    def paint(self, job: str = "j") -> list[Action]:
        return self.worker(messages.Result(job=job, pictures=(picture(),)))

    def stored(self, job: str = "j") -> list[Action]:
        return self.core.handle(Stored(job), self.now)

    def finish(self, job: str = "j") -> list[Action]:
        return [*self.paint(job), *self.stored(job)]

    def gone(self, route: bytes) -> list[Action]:
        return self.core.handle(Gone(route), self.now)

    def later(self, seconds: float) -> list[Action]:
        self.now += seconds
        return self.core.handle(Tick(), self.now)


@pytest.fixture
def talk() -> Talk:
    talk = Talk()
    talk.hello()
    return talk


def sent(actions: list[Action], kind: type[A]) -> list[A]:
    return [a.message for a in actions if isinstance(a, Send) and isinstance(a.message, kind)]


def the_error(actions: list[Action]) -> Code:
    (error,) = sent(actions, messages.Error)
    return Code(error.code)


STEP = messages.Progress(job="j", state=State.RUNNING, step=1, steps=5)


def test_a_stranger_is_asked_to_say_hello() -> None:
    assert the_error(Talk().hear(b"A", messages.Ping(id=1))) is Code.NO_SESSION


def test_hello_is_answered_with_the_limits() -> None:
    (welcome,) = sent(Talk(limits=Limits(side=9)).hello(), messages.Welcome)
    assert welcome.limits["side"] == 9
    assert welcome.re == 1


def test_no_common_version_is_said() -> None:
    assert the_error(Talk().hear(b"A", messages.Hello(id=1, client="a", versions=(2, 3)))) is Code.VERSION_MISMATCH


def test_a_connection_carries_one_client(talk: Talk) -> None:
    assert the_error(talk.hello(b"A", "bob")) is Code.BAD_REQUEST


def test_unknown_requests_are_answered_and_garbage_too(talk: Talk) -> None:
    assert the_error(talk.hear(b"A", messages.Unknown("repaint", 7))) is Code.UNKNOWN_TYPE
    error = ProtocolError(Code.MALFORMED, "no")
    error.re = 5
    (answer,) = sent(talk.core.handle(Refused(b"X", error), 0), messages.Error)
    assert (answer.code, answer.re) == ("malformed", 5)


def test_daemon_messages_from_a_client_are_unknown_requests(talk: Talk) -> None:
    assert the_error(talk.hear(b"A", STEP)) is Code.UNKNOWN_TYPE


def test_a_job_runs_and_its_result_is_kept_until_acknowledged(talk: Talk) -> None:
    actions = talk.submit()
    (accepted,) = sent(actions, messages.Accepted)
    assert (accepted.state, accepted.position, accepted.re) == (State.QUEUED, 0, 2)
    assert [type(a) for a in actions] == [Send, Start, Send]
    assert sent(talk.worker(STEP), messages.Progress)[0].state is State.RUNNING
    actions = talk.finish()
    assert [type(a) for a in actions] == [Keep, SendKept]
    assert talk.hear(b"A", messages.Ack(job="j", of="result")) == [Forget("j")]
    assert talk.hear(b"A", messages.Ack(job="j", of="result")) == []
    assert the_error(talk.hear(b"A", messages.Fetch(id=3, job="j"))) is Code.RESULT_GONE


def state(talk: Talk, job: str = "j") -> tuple[str, bool]:
    """What `list` says of a job, and whether there is a result to fetch."""
    (row,) = [row for row in sent(talk.hear(b"A", messages.List(id=9)), messages.Jobs)[0].jobs if row["job"] == job]
    return row["state"], row["kept"]


def test_nobody_hears_of_a_result_that_is_not_stored_yet(talk: Talk) -> None:
    talk.submit()
    assert [type(a) for a in talk.paint()] == [Keep]
    assert state(talk) == ("loading", False)
    assert the_error(talk.hear(b"A", messages.Fetch(id=3, job="j"))) is Code.NOT_FINISHED
    assert talk.stored() == [SendKept(b"A", "j")]
    assert state(talk) == ("succeeded", True)
    assert talk.stored() == []


def test_nobody_can_acknowledge_what_nobody_has_heard_of(talk: Talk) -> None:
    talk.submit()
    talk.paint()
    assert talk.hear(b"A", messages.Ack(job="j", of="result")) == []
    assert talk.stored() == [SendKept(b"A", "j")]


def test_the_next_job_does_not_wait_for_the_disk(talk: Talk) -> None:
    talk.submit("one")
    talk.submit("two")
    assert [type(a) for a in talk.paint("one")] == [Keep, Start, Send]
    assert talk.stored("one") == [SendKept(b"A", "one")]
    assert talk.stored("two") == [], "it is being painted"


def test_a_painted_job_can_still_be_cancelled(talk: Talk) -> None:
    talk.submit()
    talk.paint()
    actions = talk.hear(b"A", messages.Cancel(id=3, job="j"))
    assert Forget("j") in actions and the_error(actions) is Code.CANCELLED
    assert talk.stored() == [] and state(talk) == ("cancelled", False)


def test_a_painted_job_of_a_client_that_went_away_is_forgotten(talk: Talk) -> None:
    talk.submit()
    talk.paint()
    assert Forget("j") in talk.gone(b"A")
    assert talk.stored() == []


def test_a_painted_job_whose_picture_had_to_go_ends_and_says_so(talk: Talk) -> None:
    talk.submit()
    talk.paint()
    assert the_error(talk.core.handle(Evicted("j"), 0)) is Code.RESULT_GONE
    assert talk.stored() == []


def test_a_daemon_that_leaves_gives_out_what_is_painted(talk: Talk) -> None:
    talk.submit()
    talk.paint()
    assert talk.core.handle(Leaving(), 0) == [SendKept(b"A", "j")]


def test_jobs_wait_their_turn_and_hear_when_they_move(talk: Talk) -> None:
    talk.submit("one")
    assert sent(talk.submit("two"), messages.Accepted)[0].position == 1
    assert sent(talk.submit("three"), messages.Accepted)[0].position == 2
    actions = talk.finish("one")
    assert [a.submit.job for a in actions if isinstance(a, Start)] == ["two"]
    assert [(p.job, p.position) for p in sent(actions, messages.Progress)] == [("two", 0), ("three", 1)]


def test_the_queue_is_bounded(talk: Talk) -> None:
    talk.core.limits = Limits(queue=1)
    talk.submit("one"), talk.submit("two")
    assert the_error(talk.submit("three")) is Code.QUEUE_FULL


def test_clients_take_turns_whoever_came_first(talk: Talk) -> None:
    talk.hello(b"B", "bob")
    for job in ("a1", "a2", "a3"):
        talk.submit(job)
    places = [sent(talk.submit(job, route=b"B"), messages.Accepted)[0].position for job in ("b1", "b2")]
    assert places == [1, 3], "before and after alice's second"
    started = []
    for job in ("a1", "b1", "a2", "b2", "a3"):
        started += [job] if talk.core.active == [job] else []
        talk.finish(job)
    assert started == ["a1", "b1", "a2", "b2", "a3"]


def test_who_floods_the_queue_leaves_room_for_others(talk: Talk) -> None:
    talk.hello(b"B", "bob")
    talk.core.limits = Limits(queue=4)
    answers = [talk.submit(f"a{number}") for number in range(4)]
    assert the_error(answers[-1]) is Code.QUEUE_FULL and len(talk.core.queue) == 2, "one runs"
    assert sent(talk.submit("b1", route=b"B"), messages.Accepted)
    assert the_error(talk.submit("b2", route=b"B")) is Code.QUEUE_FULL


def test_a_guest_of_many_names_has_the_room_of_one(talk: Talk) -> None:
    talk.core.limits = Limits(queue=6)
    talk.submit("runs")
    for number in range(5):
        talk.hello(b"%d" % number, f"name {number}", guest="key")
    answers = [talk.submit(f"g{number}", route=b"%d" % number) for number in range(5)]
    assert [bool(sent(each, messages.Accepted)) for each in answers] == [True, True, True, False, False]
    assert the_error(answers[-1]) is Code.QUEUE_FULL
    talk.hello(b"other", "name 0 of another", guest="another key")
    assert sent(talk.submit("o", route=b"other"), messages.Accepted)
    assert sent(talk.submit("a"), messages.Accepted), "and who is at the machine itself"


def test_a_guest_of_many_names_has_the_turns_of_one(talk: Talk) -> None:
    for number in range(3):
        talk.hello(b"%d" % number, f"name {number}", guest="key")
        talk.submit(f"g{number}", route=b"%d" % number)
    for number in range(2):
        talk.submit(f"a{number}")
    started = []
    while talk.core.active:
        (running,) = talk.core.active
        started.append(running)
        talk.finish(running)
    assert started == ["g0", "a0", "g1", "a1", "g2"]


def test_a_client_that_is_gone_frees_the_device_at_once_and_keeps_what_is_detached(talk: Talk) -> None:
    talk.submit("j")
    talk.submit("kept", detach=True)
    assert talk.gone(b"A") == [Stop("j")]
    assert talk.core.jobs["kept"].state is State.QUEUED
    assert talk.gone(b"nobody") == []


def test_so_are_the_pixels_that_wait(talk: Talk) -> None:
    talk.core.limits = Limits(queue_bytes=100)
    talk.submit("one"), talk.submit("two")
    assert the_error(talk.submit("three")) is Code.QUEUE_FULL
    assert sorted(talk.core.jobs) == ["one", "two"]


def test_digests_of_the_client_spare_the_daemon_its_own(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    submit = messages.Submit.of(request(), "j", id=1)
    monkeypatch.setattr("impasto_protocol.picture.Picture.sha256", None)
    assert sent(talk.hear(b"A", submit), messages.Accepted)[0].digest
    monkeypatch.undo()
    again = replace(submit, digests=())
    assert sent(talk.hear(b"A", again), messages.Accepted)[0].state is State.LOADING


def test_what_is_refused_costs_no_look_at_its_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    talk = Talk(resumable=lambda _: False, limits=Limits(queue=1))
    talk.hello()
    resumed, plain = (
        replace(messages.Submit.of(asked, "j", id=1), digests=()) for asked in (request(resume="lost"), request())
    )
    monkeypatch.setattr("impasto_protocol.picture.Picture.sha256", lambda _: pytest.fail("it was looked at"))
    assert the_error(talk.hear(b"A", resumed)) is Code.UNKNOWN_JOB
    monkeypatch.undo()
    talk.submit("runs"), talk.submit("waits")
    monkeypatch.setattr("impasto_protocol.picture.Picture.sha256", lambda _: pytest.fail("it was looked at"))
    assert the_error(talk.hear(b"A", plain)) is Code.QUEUE_FULL
    talk.core.handle(Leaving(), 0)
    assert the_error(talk.hear(b"A", plain)) is Code.SHUTTING_DOWN


def test_too_many_styles_are_refused() -> None:
    talk = Talk(limits=Limits(styles=0))
    talk.hello()
    assert the_error(talk.submit()) is Code.TOO_LARGE


def test_a_request_that_cannot_be_painted_is_refused_before_it_waits() -> None:
    def check(outline: Outline) -> None:
        raise ImpastoError(Code.UNKNOWN_RECIPE, "no such recipe", nearest="gatys")

    talk = Talk(check=check)
    talk.hello()
    assert the_error(talk.submit()) is Code.UNKNOWN_RECIPE
    assert not talk.core.jobs


def test_submitting_again_is_harmless(talk: Talk) -> None:
    talk.submit()
    again = talk.submit()
    assert sent(again, messages.Accepted)[0].state is State.LOADING
    assert not [a for a in again if isinstance(a, Start)]
    talk.finish()
    assert SendKept(b"A", "j") in talk.submit()
    assert the_error(talk.submit(strength=1.0)) is Code.CONFLICT


def test_a_waiting_job_is_cancelled_at_once(talk: Talk) -> None:
    talk.submit("one"), talk.submit("two")
    actions = talk.hear(b"A", messages.Cancel(id=9, job="two"))
    assert sent(actions, messages.Accepted)[0].state is State.CANCELLED
    assert the_error(actions) is Code.CANCELLED
    assert not talk.core.queue


def test_a_running_job_is_cancelled_when_the_worker_lets_go(talk: Talk) -> None:
    talk.submit()
    talk.worker(STEP)
    actions = talk.hear(b"A", messages.Cancel(id=9, job="j"))
    assert sent(actions, messages.Accepted)[0].state is State.CANCELLING
    assert Stop("j") in actions
    assert Stop("j") not in talk.hear(b"A", messages.Cancel(id=10, job="j"))
    assert the_error(talk.worker(messages.Error.of(Problem(Code.CANCELLED, "let go"), job="j"))) is Code.CANCELLED
    assert talk.core.jobs["j"].state is State.CANCELLED


def test_a_running_job_is_finished_once_and_its_picture_is_a_result_as_any(talk: Talk) -> None:
    talk.submit()
    talk.worker(STEP)
    (answer, told) = talk.hear(b"A", messages.Finish(id=3, job="j"))
    assert isinstance(answer, Send) and answer.message == messages.Accepted(
        re=3, job="j", state=State.RUNNING, digest=talk.core.jobs["j"].digest
    )
    assert told == Enough("j")
    assert len(talk.hear(b"A", messages.Finish(id=4, job="j"))) == 1, "said again, it is answered alone"
    assert any(isinstance(action, Keep) for action in talk.finish())
    assert sent(talk.hear(b"A", messages.Finish(id=5, job="j")), messages.Accepted)[0].state is State.SUCCEEDED


def test_a_job_that_waits_is_to_end_with_its_first_iterate_when_it_has_started(talk: Talk) -> None:
    talk.submit("first")
    talk.submit("second")
    assert not [action for action in talk.hear(b"A", messages.Finish(id=3, job="second")) if action == Enough("second")]
    actions = talk.finish("first")
    start = next(place for place, action in enumerate(actions) if isinstance(action, Start))
    assert Enough("second") in actions[start:]


def test_a_job_that_is_detached_later_outlives_its_client(talk: Talk) -> None:
    talk.submit("stays")
    talk.submit("goes")
    (answer,) = talk.hear(b"A", messages.Detach(id=3, job="stays"))
    assert isinstance(answer, Send) and isinstance(answer.message, messages.Accepted)
    talk.gone(b"A")
    assert {job.id: job.state for job in talk.core.jobs.values()} == {
        "stays": State.LOADING,
        "goes": State.CANCELLED,
    }


@pytest.mark.parametrize("kind", [messages.Finish, messages.Detach])
def test_a_job_that_is_not_there_cannot_be_steered(talk: Talk, kind: Any) -> None:
    assert the_error(talk.hear(b"A", kind(id=3, job="?"))) is Code.UNKNOWN_JOB


def test_a_picture_that_comes_after_the_cancel_does_not_count(talk: Talk) -> None:
    talk.submit()
    talk.hear(b"A", messages.Cancel(id=9, job="j"))
    actions = talk.finish()
    assert the_error(actions) is Code.CANCELLED
    assert not [a for a in actions if isinstance(a, Keep)]


def test_a_failure_is_told_and_the_next_job_starts(talk: Talk) -> None:
    talk.submit("j"), talk.submit("two")
    actions = talk.worker(messages.Error.of(Problem(Code.OUT_OF_MEMORY, "too big"), job="j"))
    assert the_error(actions) is Code.OUT_OF_MEMORY
    assert [a.submit.job for a in actions if isinstance(a, Start)] == ["two"]
    assert the_error(talk.hear(b"A", messages.Fetch(id=3, job="j"))) is Code.OUT_OF_MEMORY


def test_a_client_that_is_silent_for_a_lease_loses_its_jobs(talk: Talk) -> None:
    talk.submit("running"), talk.submit("waiting")
    assert Stop("running") in talk.later(10.1)
    assert talk.core.jobs["waiting"].state is State.CANCELLED
    talk.worker(messages.Error.of(Problem(Code.CANCELLED, "let go"), job="running"))
    assert the_error(talk.hear(b"A", messages.Fetch(id=3, job="running"))) is Code.ABANDONED


def test_any_message_renews_the_lease(talk: Talk) -> None:
    talk.submit()
    for _ in range(5):
        assert not talk.later(9)
        talk.hear(b"A", messages.Ping(id=1))
    assert talk.core.jobs["j"].state is State.LOADING


def test_a_detached_job_outlives_its_client_and_can_be_fetched(talk: Talk) -> None:
    talk.submit(detach=True)
    assert not talk.later(100)
    assert [type(a) for a in talk.finish()] == [Keep, SendKept]
    talk.hello(b"B", "bob")
    (row,) = sent(talk.hear(b"B", messages.List(id=4)), messages.Jobs)[0].jobs
    assert (row["job"], row["state"], row["kept"]) == ("j", "succeeded", True)
    assert talk.hear(b"B", messages.Fetch(id=5, job="j")) == [SendKept(b"B", "j", 5)]


def test_detaching_is_for_clients_that_named_the_feature() -> None:
    talk = Talk()
    talk.hear(b"A", messages.Hello(id=1, client="old"))
    talk.submit(detach=True)
    assert Stop("j") in talk.later(11)


def test_even_garbage_from_a_client_renews_its_lease(talk: Talk) -> None:
    talk.submit()
    for _ in range(3):
        talk.now += 9
        talk.core.handle(Refused(b"A", ProtocolError(Code.MALFORMED, "no")), talk.now)
    assert talk.core.jobs["j"].state is State.LOADING


def test_a_client_that_reconnects_hears_of_its_job_on_the_new_connection(talk: Talk) -> None:
    talk.submit()
    assert AckWorker("j") in talk.hello(b"A2")
    (action,) = talk.worker(STEP)
    assert isinstance(action, Send) and action.route == b"A2"
    assert the_error(talk.hear(b"A", messages.Ping(id=1))) is Code.NO_SESSION


def test_previews_go_to_those_who_can_take_them(talk: Talk) -> None:
    preview = messages.Preview(job="j", pictures=(picture(),))
    talk.submit()
    assert sent(talk.worker(preview), messages.Preview) == [preview]
    assert talk.hear(b"A", messages.Ack(job="j", of="preview")) == [AckWorker("j")]
    plain = Talk()
    plain.hear(b"A", messages.Hello(id=1, client="old"))
    plain.submit()
    assert not plain.worker(preview)


def test_unfinished_and_unknown_jobs_cannot_be_fetched(talk: Talk) -> None:
    talk.submit()
    assert the_error(talk.hear(b"A", messages.Fetch(id=3, job="j"))) is Code.NOT_FINISHED
    assert the_error(talk.hear(b"A", messages.Fetch(id=3, job="k"))) is Code.UNKNOWN_JOB
    assert the_error(talk.hear(b"A", messages.Cancel(id=3, job="k"))) is Code.UNKNOWN_JOB


def test_an_evicted_result_is_gone(talk: Talk) -> None:
    talk.submit()
    talk.finish()
    talk.core.handle(Evicted("j"), 1)
    assert the_error(talk.hear(b"A", messages.Fetch(id=3, job="j"))) is Code.RESULT_GONE


def test_ended_jobs_are_forgotten_after_a_while_and_unfetched_ones_much_later(talk: Talk) -> None:
    talk.submit("one"), talk.submit("j")
    talk.finish("one"), talk.finish("j")
    talk.hear(b"A", messages.Ack(job="one", of="result"))
    assert talk.later(3601) == []
    assert list(talk.core.jobs) == ["j"]
    assert talk.later(80_000) == []
    assert talk.later(5000) == [Forget("j")]
    assert not talk.core.jobs
    assert not talk.core.sessions or talk.core.sessions["alice"].absent


def submit_and_cancel(talk: Talk, jobs: int) -> None:
    for number in range(jobs):
        talk.submit(f"cancelled-{number}")
        talk.hear(b"A", messages.Cancel(id=5, job=f"cancelled-{number}"))


def test_a_result_stays_however_many_jobs_end_after_it(talk: Talk) -> None:
    talk.core.handle(Found(Finished("found", "", "", "impasto", 1, 1, 0, 0), 60.0), 0)
    talk.submit("painted")
    talk.finish("painted")
    talk.submit("long")
    submit_and_cancel(talk, 1001)
    assert [type(a) for a in talk.finish("long")] == [Keep, SendKept], "though it is older than all of them"
    for job in ("found", "painted", "long"):
        assert talk.hear(b"A", messages.Fetch(id=3, job=job)) == [SendKept(b"A", job, 3)]


def test_a_thousand_jobs_without_a_result_are_remembered_those_that_ended_last(talk: Talk) -> None:
    talk.submit("long")
    submit_and_cancel(talk, 1000)
    talk.now = 1.0
    talk.worker(messages.Error.of(Problem(Code.DIVERGED, "no numbers"), job="long"))
    assert len(talk.core.jobs) == 1000
    assert the_error(talk.hear(b"A", messages.Fetch(id=3, job="cancelled-0"))) is Code.UNKNOWN_JOB
    for job, code in (("cancelled-1", Code.CANCELLED), ("long", Code.DIVERGED)):
        assert the_error(talk.hear(b"A", messages.Fetch(id=3, job=job))) is code


def test_a_thousand_absent_clients_are_remembered_for_an_hour() -> None:
    talk = Talk()
    for number in range(1002):
        talk.hello(b"%d" % number, f"client {number}")
        talk.now += 0.001
    talk.later(11)
    assert len(talk.core.sessions) == len(talk.core.routes) == 1000
    for number, known in ((0, False), (1, False), (2, True), (1001, True)):
        (answer,) = talk.hear(b"%d" % number, messages.Ping(id=1))
        assert isinstance(answer, Send) and isinstance(answer.message, messages.Pong) is known
    talk.later(3601)
    assert not talk.core.sessions and not talk.core.routes


def successor(talk: Talk, age: float = 60.0) -> Talk:
    """The next run of the daemon, which has found the result of the job that this one now finishes."""
    (keep,) = [a for a in talk.finish() if isinstance(a, Keep)]
    after = Talk()
    assert after.core.handle(Found(keep.finished, age), 0.0) == []
    after.hello()
    return after


def test_a_result_that_outlived_its_daemon_is_listed_fetched_and_acknowledged(talk: Talk) -> None:
    talk.submit()
    talk.worker(STEP)
    before = sent(talk.hear(b"A", messages.List(id=4)), messages.Jobs)[0].jobs[0]
    talk.now += 5
    after = successor(talk)
    (row,) = sent(after.hear(b"A", messages.List(id=4)), messages.Jobs)[0].jobs
    now = {"state": "succeeded", "kept": True, "age": 65.0, "steps": 1}
    assert row == {**{name: before[name] for name in row}, **now}
    assert after.hear(b"A", messages.Fetch(id=5, job="j")) == [SendKept(b"A", "j", 5)]
    assert after.hear(b"A", messages.Ack(job="j", of="result")) == [Forget("j")]


def test_the_same_submit_to_the_next_daemon_is_answered_with_that_result(talk: Talk) -> None:
    talk.submit()
    after = successor(talk)
    assert the_error(after.submit(strength=1.0)) is Code.CONFLICT
    actions = after.submit()
    assert sent(actions, messages.Accepted)[0].state is State.SUCCEEDED
    assert SendKept(b"A", "j") in actions


def test_what_outlived_its_daemon_does_not_grow_younger(talk: Talk) -> None:
    talk.submit()
    after = successor(talk, age=86_000)
    assert after.later(401) == [Forget("j")]


@pytest.mark.parametrize(
    ("record", "listed"), [({"stand_in": "wavelets"}, "wavelets"), ({"stand_in": 7}, ""), ({}, "")]
)
def test_a_job_that_is_over_says_which_recipe_stood_in(talk: Talk, record: dict[str, Any], listed: str) -> None:
    talk.submit()
    (keep,) = [
        a for a in talk.worker(messages.Result(job="j", record=record, pictures=(picture(),))) if isinstance(a, Keep)
    ]
    after = Talk()
    after.core.handle(Found(keep.finished, 0), 0)
    after.hello()
    for each in (talk, after):
        (jobs,) = sent(each.hear(b"A", messages.List(id=3)), messages.Jobs)
        assert jobs.jobs[0]["stand_in"] == listed
        assert jobs.jobs[0]["recipe"] == "impasto"


def test_a_job_that_is_known_is_not_found_again(talk: Talk) -> None:
    talk.submit()
    talk.core.handle(Found(Finished("j", "", "", "impasto", 1, 1, 0, 0), 0), 0)
    assert talk.core.jobs["j"].state is State.LOADING


def test_leaving_ends_every_job_and_takes_no_more(talk: Talk) -> None:
    talk.submit("j"), talk.submit("two")
    actions = talk.core.handle(Leaving(), 1)
    assert Stop("j") in actions
    assert {e.code for e in sent(actions, messages.Error)} == {"shutting_down"}
    assert the_error(talk.submit("three")) is Code.SHUTTING_DOWN


def test_idle_is_without_clients_and_jobs(talk: Talk) -> None:
    assert talk.core.idle_since is None
    talk.later(11)
    assert talk.core.idle_since == 11
    talk.later(5)
    assert talk.core.idle_since == 11
    talk.hear(b"A", messages.Ping(id=1))
    assert talk.core.idle_since is None


def test_status_tells_what_the_daemon_adds() -> None:
    talk = Talk(report=lambda: {"worker": "asleep"})
    talk.hello()
    (health,) = sent(talk.hear(b"A", messages.Status(id=1)), messages.Health)
    assert health.daemon["worker"] == "asleep"
    assert health.daemon["clients"] == 1


def test_late_words_of_a_worker_change_nothing(talk: Talk) -> None:
    talk.submit()
    talk.finish()
    assert talk.worker(STEP) == []
    assert talk.finish() == []


def test_who_reconnects_has_had_the_turns_that_it_had(talk: Talk) -> None:
    talk.hello(b"B", "bob")
    talk.submit("a1")
    talk.hello(b"A2")
    talk.submit("a2", route=b"A2"), talk.submit("b1", route=b"B")
    assert [a.submit.job for a in talk.finish("a1") if isinstance(a, Start)] == ["b1"]


def test_the_end_of_a_client_that_was_absent_makes_it_no_younger(talk: Talk) -> None:
    talk.later(3000)
    talk.gone(b"A")
    talk.later(601)
    assert not talk.core.sessions


def test_a_refusal_says_which_job_it_is_about(talk: Talk) -> None:
    (refusal,) = sent(talk.hear(b"A", messages.Fetch(id=3, job="k")), messages.Error)
    assert (refusal.re, refusal.job) == (3, "k")


def test_a_daemon_that_paints_for_somebody_absent_is_not_idle(talk: Talk) -> None:
    talk.submit(detach=True)
    talk.later(11)
    assert talk.core.idle_since is None
    talk.finish()
    assert talk.core.idle_since == 11


def test_something_is_due_when_a_lease_ends_and_when_a_job_is_to_be_forgotten(talk: Talk) -> None:
    assert Talk().core.next_deadline() is None
    assert talk.core.next_deadline() == 10
    talk.submit(), talk.submit("kept", detach=True)
    talk.gone(b"A")
    assert talk.core.next_deadline() is None
    talk.now = 5
    talk.worker(messages.Error.of(Problem(Code.CANCELLED, "let go"), job="j"))
    assert talk.core.next_deadline() == 5 + 3600
    talk.finish("kept")
    assert talk.core.next_deadline() == 5 + 3600
    talk.later(3601)
    assert talk.core.next_deadline() == 5 + 86_400


def test_the_first_reason_for_an_end_stays(talk: Talk) -> None:
    talk.submit()
    talk.later(10)
    talk.hear(b"A", messages.Cancel(id=3, job="j"))
    assert the_error(talk.core.handle(Leaving(), 11)) is Code.ABANDONED
    other = Talk()
    other.hello()
    other.submit()
    other.hear(b"A", messages.Cancel(id=3, job="j"))
    assert the_error(other.worker(messages.Error.of(Problem(Code.WORKER_DIED, "ouch"), job="j"))) is Code.CANCELLED


def test_of_a_job_that_is_cancelled_no_preview_comes(talk: Talk) -> None:
    talk.submit()
    talk.hear(b"A", messages.Cancel(id=3, job="j"))
    assert talk.worker(messages.Preview(job="j", pictures=(picture(),))) == []


def test_a_name_of_a_stand_in_that_is_too_long_is_cut(talk: Talk) -> None:
    talk.submit()
    talk.worker(messages.Result(job="j", record={"stand_in": "x" * 100}, pictures=(picture(),)))
    assert rows(talk)[0]["stand_in"] == "x" * 64


def test_a_job_runs_from_its_first_step_and_what_the_worker_says_of_the_queue_is_not_believed(talk: Talk) -> None:
    talk.submit()
    for step, state_then in ((0, State.LOADING), (1, State.RUNNING)):
        said = messages.Progress(job="j", state=State.QUEUED, step=step, steps=5, position=3)
        assert sent(talk.worker(said), messages.Progress) == [replace(said, state=state_then, position=0)]


def test_pixels_are_held_no_longer_than_a_job_waits(talk: Talk) -> None:
    talk.submit(), talk.submit("waits"), talk.submit("goes")
    talk.hear(b"A", messages.Cancel(id=3, job="goes"))
    assert {name: bool(job.submit) for name, job in talk.core.jobs.items()} == {
        "j": False,
        "waits": True,
        "goes": False,
    }


def test_only_the_owner_of_the_job_that_is_painted_asks_for_more_previews(talk: Talk) -> None:
    talk.hello(b"B", "bob")
    talk.submit(), talk.submit("waits")
    assert AckWorker("j") in talk.submit(), "who submits again may have missed one"
    assert talk.hear(b"B", messages.Ack(job="j", of="preview")) == []
    assert talk.hear(b"A", messages.Ack(job="waits", of="preview")) == []
    assert talk.hear(b"A", messages.Ack(job="unknown", of="preview")) == []


def test_who_submits_a_job_again_has_it(talk: Talk) -> None:
    talk.hello(b"B", "bob")
    talk.submit()
    talk.submit(route=b"B", detach=True)
    assert talk.core.jobs["j"].party == "bob"
    assert talk.gone(b"A") == talk.gone(b"B") == []


def test_a_job_that_is_over_stays_as_it_is(talk: Talk) -> None:
    talk.submit(), talk.finish()
    (answer,) = sent(talk.hear(b"A", messages.Cancel(id=3, job="j")), messages.Accepted)
    assert answer.state is State.SUCCEEDED and state(talk) == ("succeeded", True)
    assert talk.core.handle(Evicted("j"), 0) == []


def test_the_error_that_a_job_ended_with_answers_who_fetches_it(talk: Talk) -> None:
    talk.submit(), talk.hear(b"A", messages.Cancel(id=3, job="j")), talk.core.handle(Leaving(), 0)
    (answer,) = sent(talk.hear(b"A", messages.Fetch(id=4, job="j")), messages.Error)
    assert (answer.re, answer.job, answer.code) == (4, "j", "cancelled")
    assert the_error(talk.submit("after", resume="j")) is Code.SHUTTING_DOWN


def test_the_newest_hundred_jobs_are_listed(talk: Talk) -> None:
    submit_and_cancel(talk, 101)
    assert [row["job"] for row in rows(talk)] == [f"cancelled-{number}" for number in range(1, 101)]
    assert the_error(talk.submit("after", resume="cancelled-1")) is Code.UNKNOWN_JOB


def test_status_counts_who_is_there_and_what_waits(talk: Talk) -> None:
    talk.later(10)
    talk.hello(b"B", "bob")
    talk.submit(route=b"B"), talk.submit("waits", route=b"B")
    (health,) = sent(talk.hear(b"B", messages.Status(id=1)), messages.Health)
    assert (health.daemon["clients"], health.daemon["running"], health.daemon["queued"]) == (1, "j", 1)


# Forecasts ------------------------------------------------------------------------------------------------


FORECAST = {"width": 8, "height": 6, "tiles": 2}


def test_what_a_job_will_take_is_said_when_it_is_accepted_and_as_long_as_it_is_not_over() -> None:
    talk = Talk(forecast=lambda asked: FORECAST if asked == request().outline else {})
    talk.hello()
    (accepted,) = sent(talk.submit(), messages.Accepted)
    assert accepted.forecast == FORECAST
    (row,) = rows(talk)
    assert row["forecast"] == FORECAST
    talk.finish()
    (row,) = rows(talk)
    assert "forecast" not in row


def test_the_same_job_again_is_answered_with_the_forecast_that_it_had() -> None:
    told = iter([FORECAST, {}])
    talk = Talk(forecast=lambda _: next(told))
    talk.hello()
    talk.submit()
    (again,) = sent(talk.submit(), messages.Accepted)
    (cancelled,) = sent(talk.hear(b"A", messages.Cancel(id=3, job="j")), messages.Accepted)
    assert again.forecast == cancelled.forecast == FORECAST


def test_what_is_refused_is_not_forecast() -> None:
    def refuse(_: Outline) -> None:
        raise ImpastoError(Code.UNKNOWN_RECIPE, "no")

    talk = Talk(check=refuse, forecast=lambda _: pytest.fail("forecast"))
    talk.hello()
    assert the_error(talk.submit()) is Code.UNKNOWN_RECIPE


def test_a_daemon_that_makes_no_forecasts_sends_none(talk: Talk) -> None:
    (accepted,) = sent(talk.submit(), messages.Accepted)
    assert accepted.forecast == {}
    assert sent(talk.foresee(), messages.Foreseen) == [messages.Foreseen(re=3)]


def test_who_asks_beforehand_hears_what_the_job_would_and_there_is_no_job() -> None:
    talk = Talk(forecast=lambda asked: FORECAST if asked == request(strength=60.0).outline else {})
    talk.hello()
    assert talk.foresee(strength=60.0) == [Send(b"A", messages.Foreseen(re=3, forecast=FORECAST))]
    assert not talk.core.jobs and not talk.core.active


def test_what_would_be_refused_is_refused_beforehand_with_the_same_words() -> None:
    def check(outline: Outline) -> None:
        if outline.recipe != "impasto":
            raise ImpastoError(Code.UNKNOWN_RECIPE, "no such recipe", nearest="gatys")

    cases: list[tuple[Limits, dict[str, Any]]] = [
        (Limits(), {"recipe": "gattys"}),
        (Limits(), {"resume": "lost"}),
        (Limits(styles=0), {}),
        (Limits(side=3), {}),
        (Limits(pixels=11), {}),
    ]
    for limits, asked in cases:
        talk = Talk(check=check, resumable=lambda _: False, limits=limits, forecast=lambda _: pytest.fail("forecast"))
        talk.hello()
        (refusal,) = sent(talk.foresee(**asked), messages.Error)
        talk = Talk(check=check, resumable=lambda _: False, limits=limits)
        talk.hello()
        try:
            decode(encode(messages.Submit.of(request(**asked), "j", id=3)), limits)  # sizes are refused there already
            (expected,) = sent(talk.submit(**asked), messages.Error)
        except ProtocolError as error:
            expected = messages.Error.of(error.problem)
        assert (refusal.code, refusal.message, refusal.details) == (expected.code, expected.message, expected.details)


def rows(talk: Talk) -> tuple[Any, ...]:
    """The entries of `jobs`."""
    (answer,) = sent(talk.hear(b"A", messages.List(id=9)), messages.Jobs)
    return answer.jobs


def test_what_can_never_be_gone_on_from_is_refused_before_it_waits() -> None:
    talk = Talk(resumable={"on-disk"}.__contains__)
    talk.hello()
    talk.submit("good"), talk.submit("bad"), talk.submit("waits")
    talk.finish("good")
    talk.worker(messages.Error.of(Problem(Code.DIVERGED, "no numbers"), job="bad"))
    for name in ("bad", "nobody"):
        (refusal,) = sent(talk.submit(f"after-{name}", resume=name), messages.Error)
        assert (refusal.code, refusal.details) == ("unknown_job", {"resume": name})
    for name in ("good", "on-disk", "waits", ""):
        (accepted,) = sent(talk.submit(f"after-{name or 'nothing'}", resume=name), messages.Accepted)
        assert accepted.state is State.QUEUED
