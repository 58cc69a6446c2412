"""The blocking client over a real socket, against a daemon that follows a script."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import zmq
from impasto_protocol import client_core, codec, messages, zmq_client
from impasto_protocol.errors import Code, ImpastoError, Problem, ProtocolError
from impasto_protocol.forecast import Forecast
from impasto_protocol.interrupt import Interrupt
from impasto_protocol.jobstate import State
from impasto_protocol.limits import Limits
from impasto_protocol.socket_transport import SocketTransport
from impasto_protocol.zmq_client import Client
from impasto_protocol.zmq_transport import ZmqTransport

from tests.fakes.daemon import wait_for

from .pictures import grey, picture, request

Reply = Callable[[messages.Message], list[Any]]

FORECAST = Forecast(4000, 3000, 6, 40, 5_100_000_000, 178.5, "cpu")


class Scripted:
    """A ROUTER in a thread: `reply` says what is sent for each message; messages and raw frames alike."""

    def __init__(self, path: Path, reply: Reply) -> None:
        self.endpoint, self.reply, self.heard = f"ipc://{path}", reply, list[messages.Message]()
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._end = threading.Event()
        self._bound = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        assert self._bound.wait(5)

    def _serve(self) -> None:
        router = self._context.socket(zmq.ROUTER)
        router.bind(self.endpoint)
        self._bound.set()
        while not self._end.is_set():
            if not router.poll(20):
                continue
            route, *frames = router.recv_multipart()
            message = codec.decode(frames, Limits())
            self.heard.append(message)
            for answer in self.reply(message):
                router.send_multipart([route, *(answer if isinstance(answer, list) else codec.encode(answer))])
        router.close(linger=0)

    def close(self) -> None:
        self._end.set()
        self._thread.join()
        self._context.term()

    def kinds(self) -> list[str]:
        return [message.TYPE for message in self.heard if not isinstance(message, messages.Ping)]


@pytest.fixture(autouse=True, params=[ZmqTransport, SocketTransport], ids=["pyzmq", "sockets"])
def transport(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever carries the frames, the client is the same."""
    monkeypatch.setattr(zmq_client, "TRANSPORT", request.param)


@pytest.fixture
def scripted(tmp_path: Path) -> Iterator[Callable[[Reply], Scripted]]:
    with contextlib.ExitStack() as stack:

        def start(reply: Reply) -> Scripted:
            daemon = Scripted(tmp_path / "d.sock", reply)
            stack.callback(daemon.close)
            return daemon

        yield start


def usual(message: messages.Message) -> list[Any]:
    """A daemon at its best: welcome, accepted."""
    if isinstance(message, messages.Hello):
        return [messages.Welcome(re=message.id, version=1, instance="i", features=("detach", "previews"))]
    if isinstance(message, messages.Submit | messages.Cancel):
        return [messages.Accepted(re=message.id, job=message.job, state=State.RUNNING)]
    return []


def done(job: str, re: int = 0) -> messages.Result:
    return messages.Result(job=job, re=re, pictures=(picture(4, 3, 4),))


def in_turn(replies: Mapping[type, Sequence[Reply]]) -> Reply:
    """A daemon that gives its first reply to the first message of a kind, and so on, the last one to all that follow;
    to other kinds the usual one."""
    left = {kind: list(each) for kind, each in replies.items()}

    def reply(message: messages.Message) -> list[Any]:
        mine = left.get(type(message), [usual])
        now: Reply = mine.pop(0) if len(mine) > 1 else mine[0]
        return now(message)

    return reply


def silent(message: messages.Message) -> list[Any]:
    return []


def forgets(message: messages.Message) -> list[Any]:
    """As after a break: the daemon does not know the client any more, and what it said is lost."""
    return [messages.Error(code="no_session", message="?")]


def accepts_and_forgets(message: messages.Message) -> list[Any]:
    return [*usual(message), *forgets(message)]


def refuses(code: Code, sentence: str = "?") -> Reply:
    return lambda m: [messages.Error.of(Problem(code, sentence), re=getattr(m, "id", 0), job=client_core.job_of(m))]


def delivers(message: messages.Message) -> list[Any]:
    if isinstance(message, messages.Fetch):
        return [done(message.job, message.id)]
    return [*usual(message), done(client_core.job_of(message))]


def steers(message: messages.Message) -> list[Any]:
    assert isinstance(message, messages.Hello)
    return [messages.Welcome(re=message.id, version=1, instance="i", features=("steer",))]


def lets_go(message: messages.Message) -> list[Any]:
    return [messages.Error(code="cancelled", message="Cancelled.", job=client_core.job_of(message))]


def test_a_job_from_submit_to_result(scripted: Callable[[Reply], Scripted]) -> None:
    def reply(message: messages.Message) -> list[Any]:
        if isinstance(message, messages.Submit):
            progress = messages.Progress(job=message.job, state=State.RUNNING, step=1, steps=2)
            preview = messages.Preview(job=message.job, step=1, pictures=(picture(),))
            return [*usual(message), progress, preview, done(message.job)]
        return usual(message)

    seen: list[str] = []
    daemon = scripted(reply)
    with Client(daemon.endpoint) as client:
        result = client.stylize(
            request(), on_progress=lambda p: seen.append(p.TYPE), on_preview=lambda p: seen.append(p.TYPE)
        )
        client.acknowledge(result.job)
    assert seen == ["progress", "preview"]
    wait_for(lambda: daemon.kinds() == ["hello", "submit", "ack", "ack"])


def test_what_a_job_will_take_is_heard_before_it_moves(scripted: Callable[[Reply], Scripted]) -> None:
    def reply(message: messages.Message) -> list[Any]:
        if isinstance(message, messages.Submit):
            foreseen = FORECAST.as_map()
            accepted = messages.Accepted(re=message.id, job=message.job, state=State.QUEUED, forecast=foreseen)
            return [accepted, messages.Progress(job=message.job, state=State.LOADING), done(message.job)]
        return usual(message)

    heard: list[Any] = []
    with Client(scripted(reply).endpoint) as client:
        client.stylize(request(), on_accepted=heard.append, on_progress=heard.append)
    accepted, progress = heard
    assert Forecast.of(accepted.forecast) == FORECAST
    assert progress.state is State.LOADING


def test_what_a_painting_will_take_can_be_asked_without_a_pixel(scripted: Callable[[Reply], Scripted]) -> None:
    forecasts = iter([FORECAST.as_map(), {}])

    def reply(message: messages.Message) -> list[Any]:
        if isinstance(message, messages.Foresee):
            assert message.outline() == request().outline
            return [messages.Foreseen(re=message.id, forecast=next(forecasts))]
        return [replace(each, features=("foresee",)) for each in usual(message)]

    daemon = scripted(reply)
    with Client(daemon.endpoint) as client:
        assert [client.foresee(request().outline) for _ in range(2)] == [FORECAST, None]


def test_a_daemon_that_is_older_is_not_asked_what_a_painting_will_take(scripted: Callable[[Reply], Scripted]) -> None:
    daemon = scripted(usual)
    with Client(daemon.endpoint) as client:
        assert client.foresee(request().outline) is None
    assert daemon.kinds() == ["hello"]


def test_a_job_whose_acceptance_cannot_be_told_is_cancelled(scripted: Callable[[Reply], Scripted]) -> None:
    def fail(_: messages.Accepted) -> None:
        raise BrokenPipeError

    daemon = scripted(usual)
    with Client(daemon.endpoint) as client, pytest.raises(BrokenPipeError):
        client.stylize(request(), on_accepted=fail)
    assert daemon.kinds() == ["hello", "submit", "cancel"]


def test_a_job_that_ended_while_the_connection_was_broken_is_fetched(scripted: Callable[[Reply], Scripted]) -> None:
    def breaks_again(message: messages.Message) -> list[Any]:
        return [*refuses(Code.NOT_FINISHED)(message), *forgets(message)]

    daemon = scripted(in_turn({messages.Submit: [accepts_and_forgets], messages.Fetch: [breaks_again, delivers]}))
    with Client(daemon.endpoint) as client:
        assert client.stylize(request()).pictures[0].width == 4
    assert daemon.kinds()[:6] == ["hello", "submit", "hello", "fetch", "hello", "fetch"]


@pytest.mark.parametrize("code", [Code.UNKNOWN_JOB, Code.RESULT_GONE, Code.WORKER_DIED])
def test_after_a_break_a_job_that_is_lost_is_said_to_be(scripted: Callable[[Reply], Scripted], code: Code) -> None:
    daemon = scripted(in_turn({messages.Submit: [accepts_and_forgets], messages.Fetch: [refuses(code, "sorry")]}))
    with Client(daemon.endpoint) as client, pytest.raises(ImpastoError, match="sorry") as caught:
        client.stylize(request())
    assert caught.value.code is code


def restarted(answer: Reply) -> Reply:
    """A daemon that ends when it has a job; the next one answers so when it is asked for it."""

    def welcomes(instance: str) -> Reply:
        return lambda hello: [messages.Welcome(re=getattr(hello, "id", 0), version=1, instance=instance)]

    return in_turn(
        {
            messages.Hello: [welcomes("before"), welcomes("after")],
            messages.Submit: [accepts_and_forgets],
            messages.Fetch: [answer],
        }
    )


def test_a_result_that_outlived_its_daemon_is_fetched_from_the_next_one(
    scripted: Callable[[Reply], Scripted],
) -> None:
    daemon = scripted(restarted(delivers))
    with Client(daemon.endpoint) as client:
        assert client.stylize(request()).pictures[0].width == 4
    assert daemon.kinds() == ["hello", "submit", "hello", "fetch"]


def test_a_job_that_ended_with_its_daemon_is_said_to_be_lost(scripted: Callable[[Reply], Scripted]) -> None:
    daemon = scripted(restarted(refuses(Code.UNKNOWN_JOB)))
    with Client(daemon.endpoint) as client, pytest.raises(ImpastoError, match="was restarted") as caught:
        client.stylize(request())
    assert caught.value.code is Code.DAEMON_LOST and caught.value.problem.retryable


SWALLOWED: dict[str, Mapping[type, Sequence[Reply]]] = {
    "everything is answered": {
        messages.Cancel: [forgets, lambda message: [*usual(message), *lets_go(message)]],
        messages.Fetch: [refuses(Code.NOT_FINISHED)],
    },
    "the job is named, and only its end is told": {
        messages.Cancel: [refuses(Code.NO_SESSION), lets_go],
        messages.Fetch: [silent],
    },
}


@pytest.mark.parametrize("replies", SWALLOWED.values(), ids=SWALLOWED)
def test_a_cancel_that_a_break_swallowed_is_said_again(
    scripted: Callable[[Reply], Scripted], replies: Mapping[type, Sequence[Reply]]
) -> None:
    interrupt, daemon = Interrupt(), scripted(in_turn(replies))
    with Client(daemon.endpoint) as client, pytest.raises(ImpastoError) as caught:
        client.stylize(request(), on_accepted=lambda _: interrupt.set(), interrupt=interrupt)
    assert caught.value.code is Code.CANCELLED
    assert daemon.kinds().count("cancel") == 2


@pytest.mark.parametrize("wish", ["finish", "detach"])
@pytest.mark.parametrize("swallowed", [False, True])
def test_a_wish_about_the_job_reaches_the_daemon_and_after_a_break_once_more(
    scripted: Callable[[Reply], Scripted], wish: str, swallowed: bool
) -> None:
    kind = {"finish": messages.Finish, "detach": messages.Detach}[wish]
    interrupt = Interrupt()
    replies: dict[type, Sequence[Reply]] = {
        kind: [forgets, delivers] if swallowed else [delivers],
        messages.Fetch: [silent],
        messages.Hello: [steers],
    }
    daemon = scripted(in_turn(replies))
    with Client(daemon.endpoint) as client:
        assert client.stylize(request(), on_accepted=lambda _: getattr(interrupt, wish)(), interrupt=interrupt)
    assert daemon.kinds().count(wish) == 1 + swallowed


def test_a_daemon_that_cannot_be_steered_is_not_asked(scripted: Callable[[Reply], Scripted]) -> None:
    interrupt, daemon = Interrupt(), scripted(in_turn({messages.Submit: [delivers]}))
    interrupt.finish()
    with Client(daemon.endpoint) as client:
        assert not client.offers("steer")
        assert client.stylize(request(), interrupt=interrupt)
    assert "finish" not in daemon.kinds()


def test_a_submit_that_a_break_swallowed_is_said_again(scripted: Callable[[Reply], Scripted]) -> None:
    daemon = scripted(in_turn({messages.Submit: [forgets, delivers]}))
    with Client(daemon.endpoint) as client:
        assert client.stylize(request())
    assert daemon.kinds().count("submit") == 2


def test_an_interrupt_cancels_once_and_does_not_spin(
    scripted: Callable[[Reply], Scripted], monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt, turns = Interrupt(), 0
    pump = Client._pump

    def counted(self: Client, *arguments: Any) -> None:
        nonlocal turns
        turns += 1
        pump(self, *arguments)

    monkeypatch.setattr(Client, "_pump", counted)

    def reply(message: messages.Message) -> list[Any]:
        if isinstance(message, messages.Submit):
            interrupt.set()
        if isinstance(message, messages.Hello):
            return [messages.Welcome(re=message.id, version=1, instance="i", heartbeat=0.5)]
        if isinstance(message, messages.Ping):  # a heartbeat later
            return [messages.Error.of(Problem(Code.CANCELLED, "Cancelled."), job=daemon.heard[1].job)]  # type: ignore[union-attr]
        return usual(message)

    daemon = scripted(reply)
    with Client(daemon.endpoint) as client, pytest.raises(ImpastoError) as caught:
        client.stylize(request(), interrupt=interrupt)
    assert caught.value.code is Code.CANCELLED
    assert daemon.kinds() == ["hello", "submit", "cancel"]
    assert turns < 20


def test_a_daemon_that_does_not_let_go_does_not_hold_the_client_for_ever(
    scripted: Callable[[Reply], Scripted], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zmq_client, "PATIENCE", 0.2)
    interrupt = Interrupt()
    interrupt.set()
    interrupt.set()
    with Client(scripted(usual).endpoint) as client, pytest.raises(ImpastoError) as caught:
        client.stylize(request(), interrupt=interrupt)
    assert caught.value.code is Code.TIMED_OUT


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt, SystemExit(143), ImpastoError(Code.INTERNAL, "mine"), ZeroDivisionError]
)
def test_a_callback_that_fails_cancels_the_job_and_goes_on_its_way(
    scripted: Callable[[Reply], Scripted], error: Any
) -> None:
    def reply(message: messages.Message) -> list[Any]:
        if isinstance(message, messages.Submit):
            return [*usual(message), messages.Progress(job=message.job, state=State.RUNNING)]
        return usual(message)

    def fail(_: messages.Progress) -> None:
        raise error

    daemon = scripted(reply)
    with Client(daemon.endpoint) as client, pytest.raises(error if isinstance(error, type) else type(error)):
        client.stylize(request(), on_progress=fail)
    assert "cancel" in daemon.kinds()


def test_a_daemon_that_talks_nonsense_is_a_protocol_error(scripted: Callable[[Reply], Scripted]) -> None:
    def reply(message: messages.Message) -> list[Any]:
        return usual(message) if isinstance(message, messages.Hello) else [[b"GET / HTTP/1.1", b""]]

    with Client(scripted(reply).endpoint) as client, pytest.raises(ProtocolError) as caught:
        client.status()
    assert caught.value.code is Code.MALFORMED


def test_a_daemon_of_another_major_version_is_told_by_its_first_word(scripted: Callable[[Reply], Scripted]) -> None:
    daemon = scripted(lambda message: [[b"IMPASTO\x02", b"\x80"]])
    with pytest.raises(ProtocolError, match="update the older one") as caught, Client(daemon.endpoint):
        pass
    assert caught.value.code is Code.VERSION_MISMATCH


def test_a_client_that_did_something_else_for_longer_than_the_lease_still_gets_its_answer(
    scripted: Callable[[Reply], Scripted],
) -> None:
    def reply(message: messages.Message) -> list[Any]:
        if isinstance(message, messages.Status):
            time.sleep(0.05)
            return [messages.Health(re=message.id, daemon={"running": "j"})]
        return [replace(each, lease=0.5, heartbeat=0.1) for each in usual(message)]

    with Client(scripted(reply).endpoint) as client:
        time.sleep(0.6)
        assert client.status() == {"running": "j"}


def test_a_wrong_answer_is_a_protocol_error(scripted: Callable[[Reply], Scripted]) -> None:
    def reply(message: messages.Message) -> list[Any]:
        return [messages.Jobs(re=message.id)] if isinstance(message, messages.Status) else usual(message)

    with Client(scripted(reply).endpoint) as client, pytest.raises(ProtocolError, match="status with jobs"):
        client.status()


def test_the_limits_of_the_daemon_are_kept_before_anything_is_sent(scripted: Callable[[Reply], Scripted]) -> None:
    def reply(message: messages.Message) -> list[Any]:
        assert isinstance(message, messages.Hello)
        return [messages.Welcome(re=message.id, version=1, instance="i", limits={"side": 3})]

    daemon = scripted(reply)
    with Client(daemon.endpoint) as client, pytest.raises(ProtocolError) as caught:
        client.submit(request())
    assert caught.value.problem.details["limit"] == "side"
    assert daemon.kinds() == ["hello"]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"content_mask": grey()}, "older than this client and knows no masks. Update Impasto"),
        ({"resume": "earlier"}, "older than this client and knows no way to go on"),
        ({"styles": ()}, "at least one style"),
    ],
)
def test_what_the_daemon_would_not_understand_is_not_sent(
    scripted: Callable[[Reply], Scripted], change: dict[str, Any], sentence: str
) -> None:
    daemon = scripted(usual)
    with Client(daemon.endpoint) as client, pytest.raises(ImpastoError, match=sentence):
        client.submit(replace(request(), **change))
    assert daemon.kinds() == ["hello"]


def test_an_endpoint_that_is_none_is_a_sentence() -> None:
    with pytest.raises(ImpastoError, match="not an endpoint"), Client("carrier-pigeon://coop"):
        pass
