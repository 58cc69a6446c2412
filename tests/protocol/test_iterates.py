"""Iterates are kept beside a painting, fetched by their steps, and go with it."""

from __future__ import annotations

import pytest
from impasto_protocol import messages
from impasto_protocol.client_core import ClientCore, Heard
from impasto_protocol.errors import CANCELLED, Code, ImpastoError
from impasto_protocol.server_events import Action, Evicted, Forget, KeepIterate, SendKept, Start

from .pictures import picture, request
from .test_server_core import STEP, Talk, sent, the_error


def ask(talk: Talk, job: str = "j", iterates: int = 3) -> list[Action]:
    return talk.hear(b"A", messages.Submit.of(request(), job, id=2, iterates=iterates))


def keeps(talk: Talk, step: int = 14, job: str = "j") -> list[Action]:
    """What is done when the worker hands over the iterate of this step."""
    return talk.worker(messages.Result(job=job, step=step, pictures=(picture(),)))


@pytest.fixture
def talk() -> Talk:
    talk = Talk()
    talk.hear(b"A", messages.Hello(id=1, client="alice", features=("iterates",)))
    return talk


def test_the_worker_is_told_how_many_to_keep(talk: Talk) -> None:
    (start,) = [action for action in ask(talk) if isinstance(action, Start)]
    assert start.submit.iterates == 3


def test_nothing_is_kept_for_a_client_that_could_not_fetch_it() -> None:
    talk = Talk()
    talk.hello()
    (start,) = [action for action in ask(talk) if isinstance(action, Start)]
    assert start.submit.iterates == 0


def test_an_iterate_is_kept_and_the_job_goes_on(talk: Talk) -> None:
    ask(talk)
    talk.worker(STEP)
    (kept,) = keeps(talk)
    assert isinstance(kept, KeepIterate) and (kept.finished.job, kept.iterate.step) == ("j", 14)
    assert talk.core.active == ["j"] and not sent(talk.later(0.1), messages.Error)


def test_of_a_finished_job_an_iterate_is_sent_by_its_step(talk: Talk) -> None:
    ask(talk)
    keeps(talk)
    assert the_error(talk.hear(b"A", messages.Fetch(id=4, job="j", step=14))) is Code.NOT_FINISHED
    talk.finish()
    assert talk.hear(b"A", messages.Fetch(id=5, job="j", step=14)) == [SendKept(b"A", "j", 5, 14)]
    assert talk.hear(b"A", messages.Fetch(id=6, job="j")) == [SendKept(b"A", "j", 6)]


def test_acknowledging_forgets_all(talk: Talk) -> None:
    ask(talk)
    keeps(talk)
    talk.finish()
    assert talk.hear(b"A", messages.Ack(job="j", of="result")) == [Forget("j")]
    assert the_error(talk.hear(b"A", messages.Fetch(id=4, job="j", step=14))) is Code.RESULT_GONE


@pytest.mark.parametrize("way", ["failed", "cancelled", "cancelled at the last moment", "evicted"])
def test_what_ends_without_a_result_leaves_no_iterates(talk: Talk, way: str) -> None:
    ask(talk)
    keeps(talk)
    actions: list[Action] = []
    if way == "failed":
        actions += talk.worker(messages.Error(code="out_of_memory", message="?", job="j"))
    elif way == "evicted":
        talk.paint()
        actions += talk.core.handle(Evicted("j"), talk.now)
    else:
        actions += talk.paint() if way == "cancelled at the last moment" else []
        actions += talk.hear(b"A", messages.Cancel(id=4, job="j"))
        assert keeps(talk, 28) == [], "the artist said no"
        actions += talk.worker(messages.Error.of(CANCELLED, job="j"))
    assert actions.count(Forget("j")) == 1


def test_the_same_picture_with_and_without_iterates_is_one_request(talk: Talk) -> None:
    ask(talk)
    (again,) = sent(ask(talk, iterates=0), messages.Accepted)
    assert again.digest


def client(*features: str) -> ClientCore:
    core = ClientCore(client="alice")
    core.start(0.0)
    core.handle(Heard(messages.Welcome(re=1, version=1, instance="i", features=features)), 0.0)
    return core


def test_a_daemon_that_keeps_none_is_not_asked_to() -> None:
    client("iterates").check(request(), "iterates")
    with pytest.raises(ImpastoError, match="knows no iterates that are kept") as caught:
        client("previews").check(request(), "iterates")
    assert caught.value.problem.details == {"feature": "iterates"}
