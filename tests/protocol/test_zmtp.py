"""ZMTP without a socket: whatever the bytes and however they are cut, they are messages or a ZmtpError."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from impasto_protocol import zmtp
from impasto_protocol.limits import PICTURES, Limits
from impasto_protocol.zmtp import GREETING, Connection, Message, Opened, Reply, ZmtpError, command, encoded

ROUTER = GREETING + command(b"READY", b"\x0bSocket-Type\0\0\0\x06ROUTER\x08Identity\0\0\0\0")
"""What a ROUTER says before its first message."""
SMALL = Limits(frame_bytes=1000, message_bytes=1500)


def heard(pieces: Iterable[bytes], limits: Limits = SMALL) -> list[zmtp.Event]:
    connection = Connection(limits)
    return [event for piece in pieces for event in connection.receive(piece)]


def wire(*messages: list[bytes]) -> bytes:
    return b"".join(bytes(piece) for message in messages for piece in encoded(message))


def test_what_a_dealer_says_first_is_as_the_standard_has_it() -> None:
    assert len(GREETING) == 64
    assert zmtp.OPENING[64:] == b"\x04\x29\x05READY\x0bSocket-Type\0\0\0\x06DEALER\x08Identity\0\0\0\0"


def test_short_and_long_frames_are_marked_and_so_is_the_last_of_a_message() -> None:
    assert wire([b"", b"ab"]) == b"\x01\x00\x00\x02ab"
    assert wire([bytes(255)])[:2] == b"\x00\xff"
    assert wire([bytes(256), b"!"])[:9] == b"\x03" + (256).to_bytes(8, "big")


def test_a_large_frame_is_sent_from_where_it_is() -> None:
    pixels = bytes(100_000)
    head, body, tail = encoded([b"IMPASTO", pixels, b"!"])
    assert isinstance(body, memoryview) and body.obj is pixels
    assert bytes(head) == b"\x01\x07IMPASTO\x03" + (100_000).to_bytes(8, "big") and bytes(tail) == b"\x00\x01!"


messages = st.lists(st.lists(st.binary(max_size=300), min_size=1, max_size=4), max_size=4)


@given(messages=messages, cuts=st.lists(st.integers(1, 400), min_size=1))
def test_however_the_bytes_are_cut_the_messages_are_the_same(messages: list[list[bytes]], cuts: list[int]) -> None:
    stream, pieces = ROUTER + wire(*messages), list[bytes]()
    while stream:
        cut = cuts[len(pieces) % len(cuts)]
        pieces.append(stream[:cut])
        stream = stream[cut:]
    assert heard(pieces) == [Opened(), *(Message([bytearray(frame) for frame in message]) for message in messages)]


@given(st.binary(max_size=200), st.booleans())
def test_garbage_is_refused_and_nothing_else_happens(garbage: bytes, later: bool) -> None:
    try:
        heard([ROUTER + garbage if later else garbage])
    except ZmtpError as error:
        assert str(error)


@pytest.mark.parametrize(
    ("stream", "why"),
    [
        (b"HTTP/1.1 400", "does not talk ZeroMQ"),
        (b"\xff" + bytes(9), "does not talk ZeroMQ"),
        (GREETING[:10] + b"\x01" + GREETING[11:], "older than version 4"),
        (GREETING.replace(b"NULL\0", b"CURVE"), "wants encryption"),
        (ROUTER.replace(b"ROUTER", b"PUBXXX"), "its socket is a PUBXXX"),
        (GREETING + command(b"READY", b""), "nameless one"),
        (GREETING + command(b"READY", b"\x0bSocket-Type\0\0\0\xffROUTER"), "metadata end too early"),
        (GREETING + command(b"ERROR", b"\x0dInvalid stuff"), r"says no \(Invalid stuff\)"),
        (GREETING + command(b"HELLO", b""), "does not say that it is ready"),
        (GREETING + b"\x00\x01!", "a message before it is ready"),
        (ROUTER + b"\x08", "the flags 0x08"),
        (ROUTER + b"\x05", "the flags 0x05"),
        (ROUTER + b"\x04\x00", "without a name"),
        (ROUTER + b"\x04\x02\x05P", "without a name"),
        (ROUTER + command(b"ERROR", b"\x03bye"), r"says no \(bye\)"),
        (ROUTER + b"\x06" + (8193).to_bytes(8, "big"), "a command of 8,193 bytes"),
        (ROUTER + b"\x02" + (1001).to_bytes(8, "big"), "a frame of 1,001 bytes, and a daemon's has 1,000 at most"),
        (ROUTER + b"\x02" + (2**64 - 1).to_bytes(8, "big"), "a frame of 18,446,744,073,709,551,615 bytes"),
        (ROUTER + (b"\x03" + (800).to_bytes(8, "big") + bytes(800)) * 2, "a message of 1,600 bytes"),
        (ROUTER + b"\x01\x00" * (PICTURES + 3), f"a message of {PICTURES + 3} frames"),
    ],
)
def test_what_no_daemon_sends_is_refused_with_a_reason(stream: bytes, why: str) -> None:
    with pytest.raises(ZmtpError, match=why):
        heard([stream])


def test_what_came_before_the_garbage_is_heard() -> None:
    connection = Connection(SMALL)
    events = connection.receive(ROUTER + wire([b"last words"]) + b"\xff")
    assert next(events) == Opened()
    assert next(events) == Message([bytearray(b"last words")])
    with pytest.raises(ZmtpError):
        next(events)


def test_memory_grows_with_the_bytes_that_came_and_not_with_those_that_were_announced() -> None:
    connection = Connection(Limits())
    tracemalloc.start()
    try:
        list(connection.receive(ROUTER + b"\x02" + Limits().frame_bytes.to_bytes(8, "big") + bytes(1000)))
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


def test_a_ping_is_answered_even_between_the_frames_of_a_message() -> None:
    ping = command(b"PING", b"\x00\x0acontext")
    stream = wire([b"one", b"two"])
    after_the_first = stream[:5] + ping + command(b"SUBSCRIBE", b"whatever") + stream[5:]
    pong = Reply(command(b"PONG", b"context"))
    assert heard([ROUTER + after_the_first]) == [Opened(), pong, Message([bytearray(b"one"), bytearray(b"two")])]
