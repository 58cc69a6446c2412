"""A client's side of the conversation: what it does about what happens, without sockets or clocks."""

from __future__ import annotations

import pytest
from impasto_protocol import messages
from impasto_protocol.client_core import RECONNECT, Action, Broken, ClientCore, Heard, Lost, Phase, SendOut, Tell, Tick
from impasto_protocol.errors import Code, Problem

from .pictures import picture, request


def welcome(re: int = 1, instance: str = "i") -> Heard:
    return Heard(messages.Welcome(re=re, version=1, instance=instance, limits={"side": 99}))


def ready() -> ClientCore:
    core = ClientCore(client="alice")
    core.start(0)
    core.handle(welcome(), 0)
    assert core.phase is Phase.READY
    return core


def the_loss(actions: list[Action]) -> Code:
    (lost,) = [a for a in actions if isinstance(a, Lost)]
    return lost.problem.code


def said(actions: list[Action]) -> list[str]:
    return [a.message.TYPE for a in actions if isinstance(a, SendOut)]


def test_it_says_hello_first_and_learns_the_limits() -> None:
    core = ClientCore(client="alice")
    assert said(core.start(0)) == ["hello"]
    assert isinstance(core.handle(welcome(), 0)[0], Tell)
    assert core.limits.side == 99


def test_requests_have_numbers_of_their_own() -> None:
    core = ready()
    numbers = [core.request(messages.Ping(id=1), 0).id for _ in range(3)]
    assert len({1, *numbers}) == 4


def test_no_welcome_in_time_means_unreachable() -> None:
    core = ClientCore(client="alice", timeout=5)
    core.start(0)
    assert core.handle(Tick(), 4.9) == []
    assert the_loss(core.handle(Tick(), 5)) is Code.UNREACHABLE
    assert core.handle(welcome(), 6) == []


def test_a_refused_hello_is_the_end() -> None:
    core = ClientCore(client="alice")
    core.start(0)
    refusal = messages.Error.of(Problem(Code.VERSION_MISMATCH, "too old"), re=1)
    assert the_loss(core.handle(Heard(refusal), 0)) is Code.VERSION_MISMATCH


def test_it_pings_once_a_heartbeat_when_it_has_nothing_to_say() -> None:
    core = ready()
    assert said(core.handle(Tick(), 1.9)) == []
    assert said(core.handle(Tick(), 2.0)) == ["ping"]
    core.request(messages.List(id=1), 3.0)
    assert said(core.handle(Tick(), 4.0)) == []
    assert core.next_deadline() == 5.0


def test_a_silent_daemon_is_lost_after_the_lease() -> None:
    core = ready()
    assert not any(isinstance(a, Lost) for a in core.handle(Tick(), 9.9))
    assert the_loss(core.handle(Tick(), 10.0)) is Code.DAEMON_LOST


def test_a_large_message_under_way_asks_for_more_patience() -> None:
    core = ready()
    core.request(messages.Submit(id=1, job="j", pictures=(picture(1000, 1000),)), 0)
    assert not any(isinstance(a, Lost) for a in core.handle(Tick(), 12.9))
    assert the_loss(core.handle(Tick(), 13.0)) is Code.DAEMON_LOST


def test_a_broken_connection_is_a_phase_and_not_the_end() -> None:
    core = ready()
    assert said(core.handle(Broken(), 1)) == ["hello"]
    core.handle(welcome(re=2), 2)
    assert core.phase is Phase.READY


def test_a_connection_that_stays_broken_is_the_end() -> None:
    core = ready()
    core.handle(Broken(), 1)
    assert the_loss(core.handle(Tick(), 1 + RECONNECT)) is Code.DAEMON_LOST


def test_a_hello_that_a_break_swallowed_is_said_again_and_gives_nobody_more_time() -> None:
    core = ready()
    core.handle(Broken(), 0)
    assert said(core.handle(Broken(), 3)) == ["hello"]
    assert core.handle(welcome(re=2), 3) == [], "the answer of a connection that is no more"
    assert core.next_deadline() == RECONNECT
    core.handle(welcome(re=3), 4)
    assert core.phase is Phase.READY


def test_so_is_the_very_first() -> None:
    core = ClientCore(client="alice", timeout=5)
    core.start(0)
    assert said(core.handle(Broken(), 3)) == ["hello"]
    assert core.next_deadline() == 5


def test_what_a_restarted_daemon_does_not_know_was_lost_with_the_one_before() -> None:
    core = ready()
    unknown, ours = (messages.Error.of(Problem(code, "?"), job="j") for code in (Code.UNKNOWN_JOB, Code.DIVERGED))
    assert core.end_of(unknown).code is Code.UNKNOWN_JOB
    core.handle(Broken(), 1)
    assert isinstance(core.handle(welcome(re=2, instance="another"), 2)[0], Tell)
    assert core.phase is Phase.READY
    assert core.end_of(unknown).code is Code.DAEMON_LOST
    assert core.end_of(ours).code is Code.DIVERGED
    resumed = messages.Error.of(Problem(Code.UNKNOWN_JOB, "?", {"resume": "earlier"}), job="j")
    assert core.end_of(resumed).code is Code.UNKNOWN_JOB


def test_a_daemon_that_forgot_us_is_greeted_again() -> None:
    core = ready()
    assert said(core.handle(Heard(messages.Error(code="no_session", message="?")), 1)) == ["hello"]


def test_what_a_new_daemon_heard_before_the_hello_is_nobody_s_error() -> None:
    core = ready()
    core.handle(Broken(), 1)
    assert core.handle(Heard(messages.Error(code="no_session", message="?", re=7, job="j")), 1) == []
    assert core.handle(welcome(re=2, instance="another"), 1)
    assert core.phase is Phase.READY


def test_previews_are_acknowledged_and_told() -> None:
    actions = ready().handle(Heard(messages.Preview(job="j", pictures=(picture(),))), 1)
    assert said(actions) == ["ack"]
    assert isinstance(actions[1], Tell)


def test_results_are_acknowledged_by_the_user_alone() -> None:
    assert said(ready().handle(Heard(messages.Result(job="j", pictures=(picture(),))), 1)) == []


@pytest.mark.parametrize("message", [messages.Unknown("poem"), messages.Pong(re=3)])
def test_what_means_nothing_to_the_user_is_not_told(message: messages.Message) -> None:
    assert ready().handle(Heard(message), 1) == []


def test_an_error_code_of_a_newer_daemon_is_an_internal_one_with_its_sentence() -> None:
    problem = messages.Error(code="out_of_paint", message="Buy some.").problem()
    assert (problem.code, problem.message) == (Code.INTERNAL, "Buy some.")


def test_numbering_changes_nothing_else_of_a_request() -> None:
    submit = messages.Submit.of(request(seed=7), "j", id=1)
    numbered = ready().request(submit, 0)
    assert isinstance(numbered, messages.Submit)
    assert numbered.id != submit.id
    assert numbered.request() == submit.request()
