"""A client of version 1.0 talks to today's daemon: it says what its vectors say, byte by byte, and knows their keys."""

from __future__ import annotations

from collections.abc import Iterator

import msgpack
import pytest
import zmq
from impasto_protocol.errors import Code

from tests.fakes.daemon import RunningDaemon
from tests.protocol import vectors


class OldClient:
    """A socket, and the frames of the first version."""

    def __init__(self, endpoint: str) -> None:
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.DEALER)
        self._socket.connect(endpoint)

    def say(self, name: str) -> None:
        self._socket.send_multipart(vectors.frames_of(f"v1.0/{name}"))

    def hear(self, kind: str, re: int | None = None) -> dict[str, object]:
        """The header of the next message of this type, with its frames of pixels."""
        while True:
            assert self._socket.poll(10_000), f"no {kind} came"
            magic, header, *pixels = self._socket.recv_multipart()
            found: dict[str, object] = msgpack.unpackb(header)
            assert magic == vectors.frames_of("v1.0/hello")[0]
            if found["type"] == kind and re in (None, found.get("re", 0)):
                return {**found, "pixels": pixels}

    def close(self) -> None:
        self._context.destroy(linger=0)


@pytest.fixture
def client(daemon: RunningDaemon) -> Iterator[OldClient]:
    client = OldClient(daemon.endpoint)
    yield client
    client.close()


KINDS = {bool: "flag", int: "number", float: "number", str: "text", list: "list", dict: "map", type(None): "nothing"}


def knows(found: dict[str, object], name: str) -> None:
    """What the first version's message of this name has this one has too, of the same kind; a time may be unknown."""
    for key, value in vectors.meaning_of(f"v1.0/{name}")["message"].items():
        kind = KINDS[type(found.get(key, value))]
        assert kind == KINDS[type(value)] or (key, kind) == ("eta", "nothing"), key


def test_its_whole_conversation_goes_as_ever(client: OldClient) -> None:
    client.say("hello")
    knows(client.hear("welcome"), "welcome")
    client.say("submit")
    accepted = client.hear("accepted")
    knows(accepted, "accepted")
    assert accepted["job"] == "9e27"
    knows(client.hear("progress"), "progress")
    result = client.hear("result")
    knows(result, "result-u8")
    asked = vectors.frames_of("v1.0/submit")[2]
    pixels = bytes(255 - byte if number % 4 < 3 else byte for number, byte in enumerate(asked))
    assert result["pixels"] == [pixels], "inverted, by the fake painter; alpha as it was"
    for request, answer in (("list", "jobs"), ("status", "health"), ("ping", "pong"), ("fetch", "result")):
        client.say(request)
        knows(client.hear(answer, re=vectors.meaning_of(f"v1.0/{request}")["message"]["id"]), ANSWERS[answer])
    client.say("cancel")
    knows(client.hear("accepted"), "accepted")
    client.say("ack-result")
    client.say("fetch")
    assert client.hear("error")["code"] == Code.RESULT_GONE.value


ANSWERS = {"jobs": "jobs", "health": "health", "pong": "pong", "result": "result-u8"}
