"""The clients' socket stays up and stays small, whatever clients send or do not read."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import zmq
from impasto_daemon import router as router_module
from impasto_daemon.address import UnixDoor
from impasto_daemon.router import PIPE, Outbox, Router, _Parcel
from impasto_protocol import codec
from impasto_protocol.errors import Code, ImpastoError
from impasto_protocol.jobstate import State
from impasto_protocol.limits import PICTURES, Limits
from impasto_protocol.messages import Error, Hello, Ping, Pong, Preview, Progress, Result, Submit
from impasto_protocol.picture import Picture
from impasto_protocol.server_events import Gone, Received, Refused

from tests.fakes.daemon import RawClient, picture, submit, wait_for

LIMITS = Limits(frame_bytes=100_000, message_bytes=150_000)
JOB = "job"


@pytest.fixture
def router(socket_folder: Path) -> Iterator[Router]:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    router = Router(context, UnixDoor(socket_folder / "d.sock"), LIMITS)
    router.socket.linger = 0
    yield router
    router.close()
    context.term()


@pytest.fixture
def client(router: Router, socket_folder: Path) -> Iterator[RawClient]:
    with RawClient(f"ipc://{socket_folder / 'd.sock'}", "client") as client:
        yield client


def heard(router: Router) -> Received | Refused:
    event = wait_for(lambda: list(router.receive()))[0]
    assert not isinstance(event, Gone)
    return event


def greeted(router: Router, client: RawClient) -> bytes:
    client.say(Hello(id=1, client="client"))
    return heard(router).route


def progress(step: int) -> Progress:
    return Progress(job=JOB, state=State.RUNNING, step=step, steps=100_000, note="x" * 2000)


def test_only_the_user_can_open_the_socket(router: Router, socket_folder: Path) -> None:
    assert (socket_folder / "d.sock").stat().st_mode & 0o777 == 0o600


class Closed(UnixDoor):
    """A door that takes nobody for its own."""

    def guest(self, route: zmq.Frame) -> str | None:
        return None


def test_a_message_of_somebody_whom_the_door_does_not_admit_is_not_heard(socket_folder: Path) -> None:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    router = Router(context, Closed(socket_folder / "d.sock"), LIMITS)
    with RawClient(f"ipc://{socket_folder / 'd.sock'}", "client") as client:
        client.say(Ping(id=1))
        wait_for(lambda: router.socket.poll(0))
        assert list(router.receive()) == [] and not router.socket.poll(0)
    router.close()
    context.term()


def test_what_has_not_left_when_everybody_is_cut_off_does_not_leave_any_more(
    router: Router, socket_folder: Path
) -> None:
    router.socket.linger = router_module.LINGER
    large = picture(200, 200)
    with RawClient(f"ipc://{socket_folder / 'd.sock'}", "client", {zmq.RCVHWM: 1}) as client:
        route, sent = greeted(router, client), 0
        while not router._outboxes:
            router.send(route, Preview(job="job", step=sent, pictures=(large,)))
            sent += 1
        assert sent > PIPE
        router.cut_off()
        time.sleep(0.1)  # what ZeroMQ still has would leave as soon as it is read
        read = 0
        while client.socket.poll(200):
            client.next()
            read += 1
        assert read < sent - PIPE / 2


def test_a_socket_that_cannot_be_made_is_a_clear_error(socket_folder: Path) -> None:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    with pytest.raises(ImpastoError, match="cannot listen on"):
        Router(context, UnixDoor(socket_folder / "missing" / "d.sock"), LIMITS)
    context.term()


def test_messages_arrive_with_their_pixels_and_answers_go_back(router: Router, client: RawClient) -> None:
    sent = submit("job")
    client.say(sent)
    event = heard(router)
    assert isinstance(event, Received)
    assert isinstance(event.message, Submit)
    assert [p.sha256() for p in event.message.pictures] == [p.sha256() for p in sent.pictures]
    router.send(event.route, Pong(re=7))
    assert client.next() == Pong(re=7)


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        ([b"nonsense"], Code.MALFORMED),
        ([b"", b"", b""], Code.MALFORMED),
        ([codec.MAGIC, b"\xc1"], Code.MALFORMED),
        ([b"IMPASTO\x09", b"\x80"], Code.VERSION_MISMATCH),
        ([codec.MAGIC, b"\x80", *[b"x"] * (PICTURES + 1)], Code.TOO_LARGE),
        ([codec.MAGIC, *[b"x"] * 10_000], Code.TOO_LARGE),
        ([codec.MAGIC, b"\x80", b"x" * 90_000, b"x" * 90_000], Code.TOO_LARGE),
        ([codec.MAGIC, b"x" * 70_000], Code.TOO_LARGE),
    ],
)
def test_bytes_that_are_no_message_are_refused_and_the_next_message_is_read(
    router: Router, client: RawClient, frames: list[bytes], code: Code
) -> None:
    client.socket.send_multipart(frames)
    event = heard(router)
    assert isinstance(event, Refused)
    assert event.error.code is code
    client.say(Ping(id=3))
    assert heard(router) == Received(event.route, Ping(id=3))


def test_a_frame_over_the_limit_never_reaches_memory_as_a_message(
    router: Router, client: RawClient, socket_folder: Path
) -> None:
    client.socket.send_multipart([codec.MAGIC, b"\x80", bytes(LIMITS.frame_bytes + 1)])
    client.say(Ping(id=4))  # zmq drops the connection; what is said after it reconnects is heard
    assert not any(isinstance(event, Received) and event.message != Ping(id=4) for event in router.receive())
    with RawClient(f"ipc://{socket_folder / 'd.sock'}", "another") as another:
        another.say(Ping(id=5))
        wait_for(lambda: any(isinstance(e, Received) and e.message == Ping(id=5) for e in router.receive()))


@pytest.mark.parametrize(("bound", "value"), [("TURN", 2), ("TURN_BYTES", 100_000)])
def test_a_turn_ends_after_so_many_messages_or_bytes_and_nothing_is_lost(
    router: Router, socket_folder: Path, monkeypatch: pytest.MonkeyPatch, bound: str, value: int
) -> None:
    monkeypatch.setattr(router_module, bound, value)
    with contextlib.ExitStack() as stack:
        for name in "abcd":
            client = stack.enter_context(RawClient(f"ipc://{socket_folder / 'd.sock'}", name))
            for _ in range(2):
                client.socket.send_multipart([b"garbage", bytes(60_000)])
        wait_for(lambda: router.socket.poll(0))
        time.sleep(0.1)  # all have arrived, so that a turn could take them all
        turns: list[int] = []
        while sum(turns) < 8:
            assert router.socket.poll(5000)
            turns.append(len(list(router.receive())))
    assert max(turns) == 2


def test_what_a_client_says_waits_in_its_own_memory_until_it_is_read(router: Router, socket_folder: Path) -> None:
    with RawClient(f"ipc://{socket_folder / 'd.sock'}", "hasty", {zmq.SNDHWM: 1}) as client:
        sent = 0
        while client.socket.poll(200, zmq.POLLOUT):
            client.socket.send_multipart([b"garbage", bytes(90_000)])
            sent += 1
        assert sent < 20
        while sent:
            assert router.socket.poll(5000)
            sent -= len(list(router.receive()))


def test_a_client_that_is_gone_is_no_error(router: Router, client: RawClient) -> None:
    route = greeted(router, client)
    client.close()
    router.send(b"never seen", Pong(re=1))
    for _ in range(100):
        router.send(route, progress(1))
    router.flush()


def test_a_client_that_does_not_read_costs_bounded_memory_and_gets_the_latest_progress(
    router: Router, client: RawClient
) -> None:
    route = greeted(router, client)
    client.socket.rcvhwm = 1
    for step in range(5000):
        router.send(route, progress(step))
    router.send(route, Preview(job=JOB, step=1, pictures=(picture(),)))
    router.send(route, Preview(job=JOB, step=2, pictures=(picture(),)))
    router.send_kept(route, JOB, 0, lambda: Result(job=JOB, pictures=(picture(),)))
    outbox = router._outboxes[route]
    assert [parcel.slot and parcel.slot[0] for parcel in outbox.parcels] == ["progress", "preview", "result"]
    steps = []
    while True:
        router.flush()
        message = client.next()
        if isinstance(message, Result):
            break
        steps.append((message.TYPE, message.step))  # type: ignore[union-attr]
    assert steps[-2:] == [("progress", 4999), ("preview", 2)]
    assert router.deadline(0.0) is None


def test_the_end_of_a_job_finds_room_where_answers_are_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(router_module, "OUTBOX_MESSAGES", 3)
    outbox = Outbox()
    ending = _Parcel.of(Error(code="cancelled", message="Cancelled.", job=JOB))
    assert [outbox.put(_Parcel.of(Pong(re=1))) for _ in range(4)] == [True, True, True, False]
    assert outbox.put(ending)
    assert outbox.put(ending), "the same end again takes its own place"
    assert outbox.put(_Parcel.later(JOB, 0, finished))
    assert len(outbox.parcels) == 5
    assert not outbox.put(_Parcel.later(JOB, 5, finished)), "a fetched result is an answer"
    assert not outbox.put(_Parcel.of(Error(code="unknown_job", message="No.", re=6, job=JOB))), "a refusal is too"


def finished() -> Result:
    return Result(job=JOB, pictures=(picture(),))


def test_finished_pictures_that_wait_for_their_reader_are_held_once_and_not_in_the_outbox(
    router: Router, client: RawClient
) -> None:
    route = greeted(router, client)
    client.socket.rcvhwm = 1
    fetched: list[int] = []

    def fetch(number: int) -> Result | Error:
        fetched.append(number)
        return replace(finished(), job=f"job{number}")

    fill(router, route)
    for number in range(100):
        router.send_kept(route, f"job{number}", 0, lambda number=number: fetch(number))  # type: ignore[misc]
    waiting = router._outboxes[route].parcels
    assert sum(parcel.nbytes for parcel in waiting if parcel.ending) == 0
    assert fetched == []
    heard_jobs: list[str] = []
    while len(heard_jobs) < 100:
        router.flush()
        if isinstance(message := client.next(), Result):
            heard_jobs.append(message.job)
    assert heard_jobs == [f"job{number}" for number in range(100)]


def test_finished_pictures_are_in_memory_one_after_the_other_as_their_reader_reads(
    router: Router, socket_folder: Path
) -> None:
    large, fetched = Picture(1000, 1000, 3, "u8", bytes(3_000_000)), list[int]()

    def fetch(number: int) -> Result:
        fetched.append(number)
        return Result(job=JOB, re=number, pictures=(large,))

    with RawClient(f"ipc://{socket_folder / 'd.sock'}", "slow", {zmq.RCVHWM: 1}) as slow:
        route = greeted(router, slow)
        for number in range(1, 21):
            router.send_kept(route, JOB, number, lambda number=number: fetch(number))  # type: ignore[misc]
        router.flush()
        assert 1 <= len(fetched) <= 5, "what ZeroMQ holds of it on the client's side is not ours"
        for number in range(1, 21):
            while not slow.socket.poll(1):
                router.flush()
            assert slow.hear(Result).re == number
    wait_for(lambda: not router._is_fetching(route))


def test_a_message_that_cannot_be_sent_later_is_lost_alone(router: Router, client: RawClient) -> None:
    route = greeted(router, client)
    client.socket.rcvhwm = 1
    fill(router, route)
    router._outboxes[route].put(_Parcel(lambda: [bytes(1 // 0)]))
    router.send_kept(route, "unread", 0, lambda: Result(job=str(1 // 0)))
    router.send(route, Pong(re=2))
    while (message := client.next()) == Pong(re=1):
        router.flush()
    assert isinstance(message, Error)
    assert (message.code, message.job) == (Code.INTERNAL.value, "unread")
    router.flush()
    assert client.next() == Pong(re=2)
    assert router.deadline(0.0) is None


def fill(router: Router, route: bytes) -> None:
    """Say things until they have to wait."""
    while route not in router._outboxes:
        router.send(route, Pong(re=1))


def test_a_result_whose_header_grew_too_long_is_an_error_of_its_job(router: Router, client: RawClient) -> None:
    route = greeted(router, client)
    record = {f"{i}": "x" * 4000 for i in range(20)}
    router.send_kept(route, JOB, 7, lambda: Result(job=JOB, re=7, record=record))
    answer = client.next()
    assert isinstance(answer, Error)
    assert (answer.code, answer.re, answer.job) == (Code.INTERNAL.value, 7, JOB)


def test_an_outbox_refuses_what_exceeds_its_bounds_but_takes_one_message_of_any_size(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(router_module, "OUTBOX_BYTES", 1000)
    monkeypatch.setattr(router_module, "OUTBOX_MESSAGES", 3)
    outbox = Outbox()
    assert outbox.put(_Parcel(lambda: [bytes(5000)], 5000))
    assert not outbox.put(_Parcel(lambda: [b"x"], 1))
    outbox.parcels.clear()
    assert [outbox.put(_Parcel(lambda: [b"x"], 1)) for _ in range(5)] == [True, True, True, False, False]
