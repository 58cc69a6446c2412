"""A client's side of the conversation: what it does about what happens, without sockets or clocks."""

from __future__ import annotations

import pytest
from impasto_protocol import messages
from impasto_protocol.client_core import RECONNECT, Action, Broken, ClientCore, Heard, Lost, Phase, SendOut, Tell, Tick
from impasto_protocol.errors import Code, Problem
from impasto_protocol.jobstate import State

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
    assert wait(core, 0, 5) == []
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


def wait(core: ClientCore, since: float, until: float) -> list[Action]:
    """What a shell hears that looks whenever it is due, up to this time and not then."""
    actions: list[Action] = []
    while core.next_deadline() < until and core.phase is not Phase.LOST:
        since = max(since, core.next_deadline())
        actions += core.handle(Tick(), since)
    return actions


def test_a_daemon_that_is_silent_for_a_lease_though_it_was_pinged_is_lost() -> None:
    core = ready()
    assert said(wait(core, 0, 12.0)) == ["ping"] * 5, "the first one after two seconds"
    assert the_loss(core.handle(Tick(), 12.0)) is Code.DAEMON_LOST


def test_so_is_one_that_answers_no_request() -> None:
    core = ready()
    core.request(messages.List(id=1), 1.5)
    wait(core, 1.5, 11.5)
    assert the_loss(core.handle(Tick(), 11.5)) is Code.DAEMON_LOST


def test_a_daemon_that_says_anything_has_a_lease_again() -> None:
    core = ready()
    wait(core, 0, 11.5)
    core.handle(Heard(messages.Progress(job="j", state=State.RUNNING)), 11.5)
    assert not any(isinstance(a, Lost) for a in wait(core, 11.5, 21.9))
    assert core.phase is Phase.READY


def test_nobody_is_lost_who_was_asked_nothing() -> None:
    core = ready()
    assert said(core.handle(Tick(), 100.0)) == ["ping"]
    assert not any(isinstance(a, Lost) for a in wait(core, 100.0, 110.0))
    assert the_loss(core.handle(Tick(), 110.0)) is Code.DAEMON_LOST
    core = ready()
    core.request(messages.Ack(job="j", of="result"), 0)
    assert not any(isinstance(a, Lost) for a in wait(core, 0, 11.9)), "which is not answered"


def test_a_client_that_was_stopped_does_not_take_its_own_absence_for_the_daemon_s() -> None:
    core = ready()
    wait(core, 0, 8.0)
    assert said(core.handle(Tick(), 12.5)) == ["ping"], "the answer to the one before may just be on its way"
    core.handle(Heard(messages.Pong(re=2)), 12.6)
    assert not any(isinstance(a, Lost) for a in wait(core, 12.6, 24.0))


def test_nor_while_it_greets() -> None:
    for core in (ready(), ClientCore(client="alice", timeout=5)):
        core.handle(Broken(), 0) if core.welcome else core.start(0)
        assert core.handle(Tick(), 100.0) == []
        assert not any(isinstance(a, Lost) for a in wait(core, 100.0, 105.0))
        assert the_loss(core.handle(Tick(), 105.0)) in (Code.DAEMON_LOST, Code.UNREACHABLE)


def test_a_large_message_under_way_asks_for_more_patience() -> None:
    core = ready()
    core.request(messages.Submit(id=1, job="j", pictures=(picture(1000, 1000),)), 0)
    assert not any(isinstance(a, Lost) for a in wait(core, 0, 13.0))
    assert the_loss(core.handle(Tick(), 13.0)) is Code.DAEMON_LOST


def test_a_broken_connection_is_a_phase_and_not_the_end() -> None:
    core = ready()
    assert said(core.handle(Broken(), 1)) == ["hello"]
    core.handle(welcome(re=2), 2)
    assert core.phase is Phase.READY


def test_a_connection_that_stays_broken_is_the_end() -> None:
    core = ready()
    core.handle(Broken(), 1)
    assert wait(core, 1, 1 + RECONNECT) == []
    assert the_loss(core.handle(Tick(), 1 + RECONNECT)) is Code.DAEMON_LOST


def test_a_hello_that_a_break_swallowed_is_said_again_and_gives_nobody_more_time() -> None:
    core = ready()
    core.handle(Broken(), 0)
    assert said(core.handle(Broken(), 3)) == ["hello"]
    assert core.handle(welcome(re=2), 3) == [], "the answer of a connection that is no more"
    assert wait(core, 3, RECONNECT) == []
    core.handle(welcome(re=3), RECONNECT)
    assert core.phase is Phase.READY
    core.handle(Broken(), 10), core.handle(Broken(), 13)
    wait(core, 13, 10 + RECONNECT)
    assert the_loss(core.handle(Tick(), 10 + RECONNECT)) is Code.DAEMON_LOST


def test_so_is_the_very_first() -> None:
    core = ClientCore(client="alice", timeout=5)
    core.start(0)
    assert said(core.handle(Broken(), 3)) == ["hello"]
    assert wait(core, 3, 5) == []
    assert the_loss(core.handle(Tick(), 5)) is Code.UNREACHABLE


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
