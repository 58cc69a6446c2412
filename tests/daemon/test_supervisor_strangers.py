"""Whatever arrives at its socket, the daemon answers or ignores it, and stays up."""

from __future__ import annotations

import random
import socket
import threading
from collections.abc import Callable
from typing import Any

import msgpack
from impasto_protocol import codec
from impasto_protocol.errors import Code
from impasto_protocol.messages import Cancel, Error, Fetch, Hello, Jobs, List, Message, Ping, Pong, Result, Status
from impasto_protocol.zmq_client import new_job_name

from tests.fakes.daemon import RawClient, RunningDaemon, picture, refused, request, submit, wait_for
from tests.fakes.painter import inverted

Launch = Callable[..., RunningDaemon]


def test_requests_before_hello_are_refused(shared_daemon: RunningDaemon) -> None:
    with shared_daemon.raw() as client:
        requests: tuple[Message, ...] = (Status(id=1), List(id=2), Fetch(id=3, job="x"), Cancel(id=4, job="x"))
        for number, message in enumerate(requests, 1):
            client.say(message)
            assert refused(Code.NO_SESSION, client.next()).re == number


def test_another_protocol_version_is_answered_with_a_reason(shared_daemon: RunningDaemon) -> None:
    with shared_daemon.raw() as client:
        client.socket.send_multipart([b"IMPASTO\x07", msgpack.packb({"type": "hello", "id": 5, "client": "x"})])
        assert "version 7" in refused(Code.VERSION_MISMATCH, client.next()).message
        client.say(Hello(id=6, client="x", versions=(7, 8)))
        assert refused(Code.VERSION_MISMATCH, client.next()).re == 6


def test_unknown_requests_are_refused_and_the_session_goes_on(shared_daemon: RunningDaemon) -> None:
    with shared_daemon.raw(new_job_name()) as client:
        client.hello()
        client.socket.send_multipart([codec.MAGIC, msgpack.packb({"type": "dance", "id": 7})])
        assert refused(Code.UNKNOWN_TYPE, client.next()).re == 7
        client.say(Ping(id=8))
        assert client.next() == Pong(re=8)


def test_a_picture_over_the_limits_is_refused_by_name(launch: Launch) -> None:
    daemon = launch(limits={"pixels": 1000, "side": 100})
    with daemon.raw() as client:
        assert client.hello().limits["pixels"] == 1000
        client.say(submit("wide"))
        assert isinstance(client.end_of("wide"), Result)
        for width, height, limit in ((50, 21, "pixels"), (101, 1, "side")):
            message = submit("large")
            object.__setattr__(message, "pictures", (picture(width, height), picture()))
            client.say(message)
            assert refused(Code.TOO_LARGE, client.hear(Error)).details["limit"] == limit


def test_settings_that_fill_a_header_are_refused_before_they_are_queued(daemon: RunningDaemon) -> None:
    """They are to come back in the record, beside all else that a header holds."""
    names: dict[str, Any] = {f"{i:02}{'x' * 40}": "" for i in range(64)}
    frames = codec.encode(submit("tight", **names))
    header = msgpack.unpackb(frames[1])
    required = {key: header[key] for key in ("type", "id", "job", "settings", "pictures")}
    for name in required["settings"]:
        required["settings"][name] = "𝄞" * min(256, max(0, 65536 - 80 - len(msgpack.packb(required))) // 4)
    packed = msgpack.packb({**required, "seed": 1})
    assert 65536 - 300 < len(packed) <= 65536
    with daemon.raw() as client:
        client.hello()
        client.socket.send_multipart([codec.MAGIC, packed, *frames[2:]])
        refused(Code.BAD_REQUEST, client.hear(Error))
        client.say(submit("next"))
        assert isinstance(client.end_of("next"), Result)
        client.say(List(id=3))
        assert "tight" not in [row["job"] for row in client.hear(Jobs).jobs]
    assert "could not be handled" not in daemon.log
    assert "Traceback" not in daemon.log


def test_garbage_on_the_socket_is_answered_or_ignored_and_the_daemon_stays_up(daemon: RunningDaemon) -> None:
    dice = random.Random(1)
    real = [codec.encode(m) for m in (Hello(id=1, client="x"), submit("job"), List(id=2), Status(id=3))]
    with daemon.raw("junk") as junk, daemon.client() as client:
        for _ in range(3000):
            junk.socket.send_multipart(_garbage(dice, [[bytes(frame) for frame in frames] for frames in real]))
            while junk.socket.poll(0):
                junk.socket.recv_multipart()
        wait_for(lambda: _is_heard(junk))
        result = client.stylize(request())
        assert result.pictures[0].sha256() == inverted(picture()).sha256()
    assert "could not be handled" not in daemon.log
    assert "Traceback" not in daemon.log


def _is_heard(client: RawClient) -> bool:
    """Whether a ping is answered, in whatever way: what was said before has been read then."""
    client.say(Ping(id=987_654))
    while client.socket.poll(200):
        if getattr(client.next(), "re", 0) == 987_654:
            return True
    return False


def _garbage(dice: random.Random, real: list[list[bytes]]) -> list[bytes]:
    """Noise, or a real message with a few bytes or frames changed."""
    if dice.random() < 0.3:
        return [dice.randbytes(dice.randrange(200)) for _ in range(dice.randrange(1, 6))]
    frames = list(dice.choice(real))
    for _ in range(dice.randrange(1, 4)):
        place = dice.randrange(len(frames))
        frame = bytearray(frames[place])
        if frame and dice.random() < 0.8:
            frame[dice.randrange(len(frame))] = dice.randrange(256)
            frames[place] = bytes(frame)
        elif dice.random() < 0.5 and len(frames) > 1:
            del frames[place]
        else:
            frames.insert(place, dice.randbytes(10))
    return frames


def test_bytes_that_are_not_even_zeromq_leave_the_daemon_up(daemon: RunningDaemon) -> None:
    dice = random.Random(2)
    for _ in range(50):
        with socket.socket(socket.AF_UNIX) as stranger:
            stranger.connect(str(daemon.path))
            stranger.sendall(dice.randbytes(300))
    assert daemon.status()["pid"] == daemon.process.pid


def test_many_clients_at_once_all_get_their_own_picture(daemon: RunningDaemon) -> None:
    wrong: list[object] = []

    def one(number: int) -> None:
        try:
            with daemon.client() as client:
                asked = request(5 + number, 7)
                result = client.stylize(asked)
                assert result.pictures[0].sha256() == inverted(asked.content).sha256()
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
