"""Writes the conformance vectors of a minor version that are not there yet. What is there is never touched.

python -m tests.protocol.make_vectors
"""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import msgpack
from impasto_protocol import messages
from impasto_protocol.codec import MAGIC, encode
from impasto_protocol.errors import Code, Problem
from impasto_protocol.jobstate import State

from .pictures import picture, request
from .vectors import FOLDER, as_json

GOOD: dict[str, messages.Message] = {
    "hello": messages.Hello(id=1, client="5f0c4d2e", features=("previews",), agent="vectors"),
    "welcome": messages.Welcome(
        re=1, version=1, instance="a81b", features=("detach", "previews"), limits={"side": 32768}, agent="impasto 0.1"
    ),
    "submit": messages.Submit.of(request(strength=60.5, seed=3, settings={"steps": 20}), "9e27", id=2, preview=256),
    "accepted": messages.Accepted(re=2, job="9e27", state=State.QUEUED, position=1, digest="77aa"),
    "progress": messages.Progress(
        job="9e27", state=State.RUNNING, step=4, steps=180, losses={"content": 0.5, "style": 2.0}, elapsed=1.5, eta=51.0
    ),
    "progress-without-eta": messages.Progress(job="9e27", state=State.LOADING, note="Fetching VGG19 – 12 %"),
    "preview": messages.Preview(job="9e27", step=4, pictures=(picture(2, 2),)),
    "result-u8": messages.Result(job="9e27", record={"notes": [], "loss": 0.25}, pictures=(picture(4, 3, 4),)),
    "result-u16": messages.Result(job="9e27", re=9, pictures=(picture(2, 2, 3, "u16"),)),
    "result-f32": messages.Result(job="9e27", re=9, pictures=(picture(1, 1, 4, "f32", fill=0),)),
    "error": messages.Error.of(Problem(Code.QUEUE_FULL, "Too many jobs wait.", {"queue": 32}), re=2),
    "error-of-a-job": messages.Error.of(Problem(Code.CANCELLED, "Cancelled."), job="9e27"),
    "cancel": messages.Cancel(id=3, job="9e27"),
    "ack-preview": messages.Ack(job="9e27", of="preview"),
    "ack-result": messages.Ack(job="9e27", of="result"),
    "fetch": messages.Fetch(id=4, job="9e27"),
    "list": messages.List(id=5),
    "jobs": messages.Jobs(re=5, jobs=({"job": "9e27", "state": "running", "eta": None},)),
    "status": messages.Status(id=6),
    "health": messages.Health(re=6, daemon={"agent": "impasto 0.1", "queued": 0}),
    "ping": messages.Ping(id=7),
    "pong": messages.Pong(re=7),
}


def _frames(header: Any, *pixels: bytes) -> list[bytes]:
    return [MAGIC, header if isinstance(header, bytes) else msgpack.packb(header), *pixels]


_PIXEL = {"width": 1, "height": 1, "channels": 3, "dtype": "u8", "space": "srgb", "bytes": 3}


def _result(pixels: bytes, **facts: object) -> list[bytes]:
    return _frames({"type": "result", "job": "j", "pictures": [{**_PIXEL, **facts}]}, pixels)


WRITTEN_BY_HAND: dict[str, list[bytes]] = {
    "minimal-submit": _frames({"type": "submit", "id": 1, "job": "j", "pictures": [_PIXEL, _PIXEL]}, b"abc", b"def"),
    "keys-of-the-future": _frames({"type": "ping", "id": 7, "colour": {"of": ["the", "sky"]}}),
    "type-of-the-future": _frames({"type": "repaint", "id": 8}),
    "whole-number-for-a-number": _frames(
        {"type": "submit", "id": 1, "job": "j", "strength": 60, "pictures": [_PIXEL, _PIXEL]}, b"abc", b"def"
    ),
}

BAD: dict[str, tuple[Code, list[bytes]]] = {
    "no-header": (Code.MALFORMED, [MAGIC]),
    "other-magic": (Code.MALFORMED, [b"GET / HTTP/1.1", b"\x80"]),
    "other-major": (Code.VERSION_MISMATCH, [b"IMPASTO\x02", msgpack.packb({"type": "hello", "id": 1})]),
    "header-is-no-msgpack": (Code.MALFORMED, _frames(b"\xc1")),
    "header-is-no-map": (Code.MALFORMED, _frames([1, 2])),
    "header-cut-short": (Code.MALFORMED, _frames(msgpack.packb({"type": "ping", "id": 7})[:-1])),
    "header-with-a-tail": (Code.MALFORMED, _frames(msgpack.packb({"type": "ping", "id": 7}) + b"\x00")),
    "header-too-long": (Code.TOO_LARGE, _frames({"type": "ping", "id": 7, "pad": ["x" * 4000] * 17})),
    "key-is-a-number": (Code.MALFORMED, _frames({"type": "ping", "id": 7, 1: 2})),
    "type-is-missing": (Code.BAD_REQUEST, _frames({"id": 7})),
    "id-is-missing": (Code.BAD_REQUEST, _frames({"type": "ping"})),
    "id-is-negative": (Code.BAD_REQUEST, _frames({"type": "ping", "id": -1})),
    "id-is-a-float": (Code.BAD_REQUEST, _frames({"type": "ping", "id": 7.0})),
    "strength-is-not-finite": (
        Code.BAD_REQUEST,
        _frames({"type": "submit", "id": 1, "job": "j", "strength": float("nan")}),
    ),
    "strength-is-true": (Code.BAD_REQUEST, _frames({"type": "submit", "id": 1, "job": "j", "strength": True})),
    "strength-over-100": (Code.BAD_REQUEST, _frames({"type": "submit", "id": 1, "job": "j", "strength": 100.5})),
    "job-with-a-slash": (Code.BAD_REQUEST, _frames({"type": "cancel", "id": 1, "job": "../x"})),
    "pixels-that-nothing-describes": (Code.BAD_REQUEST, _frames({"type": "ping", "id": 7}, b"abc")),
    "pixels-missing": (Code.BAD_REQUEST, _result(b"x")[:2]),
    "pixels-cut-short": (Code.BAD_REQUEST, _result(b"ab")),
    "pixels-one-too-many": (Code.BAD_REQUEST, _result(b"abcd")),
    "bytes-do-not-fit-the-size": (Code.BAD_REQUEST, _result(b"abcd", bytes=4)),
    "two-channels": (Code.BAD_REQUEST, _result(b"ab", channels=2, bytes=2)),
    "unknown-dtype": (Code.BAD_REQUEST, _result(b"abc", dtype="u7")),
    "unknown-space": (Code.BAD_REQUEST, _result(b"abc", space="cmyk")),
    "width-of-zero": (Code.BAD_REQUEST, _result(b"", width=0, bytes=0)),
    "a-million-pixels-in-ten-bytes": (
        Code.BAD_REQUEST,
        _result(b"0123456789", width=1000, height=1000, bytes=3_000_000),
    ),
    "more-pixels-than-the-limit": (
        Code.TOO_LARGE,
        _result(b"x", width=30000, height=30000, bytes=2_700_000_000),
    ),
}  # fmt: skip


def write(name: str, frames: list[Any], meaning: dict[str, Any]) -> None:
    """Both files of one vector, unless they are there."""
    binary, text = FOLDER / f"{name}.bin", FOLDER / f"{name}.json"
    if binary.exists():
        return
    binary.write_bytes(b"".join(struct.pack(">I", len(frame)) + bytes(frame) for frame in frames))
    text.write_text(json.dumps(meaning, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(Path(binary).name)


def main() -> None:
    from impasto_protocol.codec import decode
    from impasto_protocol.limits import Limits

    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, message in GOOD.items():
        write(name, encode(message), {"message": as_json(message)})
    for name, frames in WRITTEN_BY_HAND.items():
        write(name, frames, {"message": as_json(decode(frames, Limits()))})
    for name, (code, frames) in BAD.items():
        write(name, frames, {"error": code.value})


if __name__ == "__main__":
    main()
