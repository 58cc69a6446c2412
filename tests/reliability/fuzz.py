"""`make fuzz`: damaged messages by the million, for the codec and for the server's core.

Each begins as one of the conformance vectors and is damaged a few times over: bits, lengths, frames, pieces of others,
headers that claim more than there is. Whatever comes of it parses or raises the one protocol error, and the core has an
answer without a fault that can be sent. What took longest is told, and how much memory there was at most.
"""

from __future__ import annotations

import argparse
import math
import random
import resource
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache

import msgpack
from impasto_protocol import codec
from impasto_protocol.errors import ProtocolError
from impasto_protocol.limits import Limits
from impasto_protocol.messages import FEATURES, Hello, Result, Submit
from impasto_protocol.server_core import ServerCore
from impasto_protocol.server_events import Received, Refused, Send, Stored, WorkerSaid

from tests.protocol import vectors

Frames = list[bytes]
LIMITS = Limits(frame_bytes=1 << 20, message_bytes=1 << 20, queue=4)
BOMBS = (
    *(b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff"),
    *(b"\x91" * 2000, b"\xca\x7f\xc0\x00\x00"),
    b"\xdd\x00\x00\x10\x00" * 900 + b"\xc0" * 4096,
)
"""Of msgpack: arrays, maps and bytes of four billion, deep nesting, a number that is none, nested arrays of 4096."""
VALUES: tuple[object, ...] = (
    *(None, True, False, -1, 0, 1, 2**31, 2**53 + 1, 2**64 - 1, 0.5, -0.0, math.nan, math.inf),
    *("", "x", "x" * 5000, "\x00", "\ud7ff", b"", b"x" * 300, "j", "9e27", "b3d0", "preview", "result"),
    *([], [1], [[[[]]]], {}, {"a": {"b": {}}}, list(range(300))),
)
"""What any field may be given in place of its own: nonsense, and names that other messages have."""
FRESH = 2000
"""Messages after which the core is a new one."""


def _flip(data: bytearray, chance: random.Random) -> None:
    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def _cut(data: bytearray, chance: random.Random) -> None:
    del data[chance.randrange(len(data)) :]


def _insert(data: bytearray, chance: random.Random) -> None:
    place = chance.randrange(len(data))
    data[place:place] = chance.randbytes(chance.randrange(1, 9))


def _repeat(data: bytearray, chance: random.Random) -> None:
    place = chance.randrange(len(data))
    data[place:place] = data[place : place + chance.randrange(1, 65)]


def _bomb(data: bytearray, chance: random.Random) -> None:
    place = chance.randrange(len(data))
    data[place : place + 1] = chance.choice(BOMBS)


DAMAGES: tuple[Callable[[bytearray, random.Random], None], ...] = (_flip, _flip, _flip, _cut, _insert, _repeat, _bomb)


@dataclass
class Found:
    """What came of it, by name, and the most seconds of processor time that one input took."""

    outcomes: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0

    def __str__(self) -> str:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        lines = [f"slowest {1e3 * self.slowest:.1f} ms, at most {peak} kB of memory"]
        return "\n".join([*lines, *(f"  {count:8}  {what}" for what, count in sorted(self.outcomes.items()))])


def revalued(header: bytes, chance: random.Random) -> bytes:
    """A header with one value, wherever it lies, exchanged for one of VALUES; as it is where it is none."""
    try:
        whole = place = msgpack.unpackb(header)
        while True:
            key = chance.choice(list(place if isinstance(place, dict) else range(len(place))))
            if not place[key] or not isinstance(place[key], (dict, list)) or chance.random() < 0.3:
                break
            place = place[key]
        place[key] = chance.choice(VALUES)
        return bytes(msgpack.packb(whole))
    except Exception:  # damaged already, in whatever way
        return header


def damaged(pool: list[Frames], chance: random.Random) -> Frames:
    """A message out of the pool: half of them with another value in the header, the others with one to four damages."""
    frames = list(chance.choice(pool))
    if chance.random() < 0.5 and len(frames) > 1:
        return [frames[0], revalued(frames[1], chance), *frames[2:]]
    for _ in range(chance.randrange(1, 5)):
        place = chance.randrange(len(frames) + 1)
        if place == len(frames) or not frames[place]:
            frames.insert(place, chance.choice(chance.choice(pool)))
            continue
        whole = bytearray(frames[place])
        chance.choice(DAMAGES)(whole, chance)
        frames[place] = bytes(whole)
    return frames


def feed(core: ServerCore, frames: Frames, now: float) -> str:
    """What came of a message that the known sender sends. Raises whatever is not the one error."""
    try:
        message = codec.decode(frames, LIMITS)
    except ProtocolError as error:
        actions, outcome = core.handle(Refused(b"known", error), now), f"refused: {error.code.value}"
    else:
        actions, outcome = core.handle(Received(b"known", message), now), f"parsed: {message.TYPE}"
    for action in actions:
        if isinstance(action, Send):
            codec.encode(action.message)
    return outcome


def run(inputs: int, seed: int = 0) -> Found:
    """Raises whatever the codec or the core raises that is not the one error."""
    chance, found = random.Random(seed), Found()
    pool: list[Frames] = [vectors.frames_of(name) for name in vectors.names()]
    core = _core(pool)
    for number in range(inputs):
        if number % FRESH == FRESH - 1:
            core = _core(pool)
        frames, began = damaged(pool, chance), time.process_time()
        found.outcomes[feed(core, frames, number * 0.01)] += 1
        found.slowest = max(found.slowest, time.process_time() - began)
    return found


def _core(pool: list[Frames]) -> ServerCore:
    """One that knows the sender, and has heard every whole message once."""
    core = _acquainted()
    for frames in pool:
        with suppress(ProtocolError):
            core.handle(Received(b"known", codec.decode(frames, LIMITS)), 0.0)
    return core


def _acquainted() -> ServerCore:
    core = ServerCore(instance="fuzz", limits=LIMITS)
    core.handle(Received(b"known", Hello(id=1, client="fuzz", features=tuple(FEATURES))), 0.0)
    return core


def busy() -> ServerCore:
    """One that is quickly made: of the sender's jobs one has a result, one is with the worker, and one waits."""
    core = _acquainted()
    for message in _jobs():
        core.handle(Received(b"known", message), 0.0)
        if message.job == "9e27":
            core.handle(WorkerSaid(Result(job="9e27", pictures=message.pictures[:1])), 0.0)
            core.handle(Stored("9e27"), 0.0)
    return core


@cache
def _jobs() -> tuple[Submit, ...]:
    names = ("v1.0/submit", "v1.0/minimal-submit", "v1.1/submit-with-resume")
    found = [codec.decode(vectors.frames_of(name), LIMITS) for name in names]
    return tuple(message for message in found if isinstance(message, Submit))


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="make fuzz", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--inputs", type=int, default=1_000_000, metavar="N")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    options = parser.parse_args(arguments)
    print(f"{options.inputs} inputs, seed {options.seed}: {run(options.inputs, options.seed)}")


if __name__ == "__main__":
    main()
