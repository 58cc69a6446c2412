"""Writes the conformance vectors that are not there yet, each under its minor version. What is there is never touched.

python -m tests.protocol.make_vectors
"""

from __future__ import annotations

import json
import struct
from dataclasses import replace
from typing import Any

import msgpack
from impasto_protocol import messages
from impasto_protocol.codec import MAGIC, encode
from impasto_protocol.errors import Code, Problem
from impasto_protocol.forecast import Forecast
from impasto_protocol.jobstate import State
from impasto_protocol.picture import Shape
from impasto_protocol.request import Outline, Request, Style

from .pictures import grey, picture, request
from .vectors import as_json, path_of, understood

FORECAST = Forecast(4000, 3000, 6, 40, 5_100_000_000, 178.5, "cuda (a large one)")

GOOD: dict[str, messages.Message] = {
    "v1.0/hello": messages.Hello(id=1, client="5f0c4d2e", features=("previews",), agent="vectors"),
    "v1.0/welcome": messages.Welcome(
        re=1, version=1, instance="a81b", features=("detach", "previews"), limits={"side": 32768}, agent="impasto 0.1"
    ),
    "v1.0/submit": messages.Submit.of(
        request(strength=60.5, seed=3, settings={"steps": 20}), "9e27", id=2, preview=256
    ),
    "v1.0/accepted": messages.Accepted(re=2, job="9e27", state=State.QUEUED, position=1, digest="77aa"),
    "v1.0/progress": messages.Progress(
        job="9e27", state=State.RUNNING, step=4, steps=180, losses={"content": 0.5, "style": 2.0}, elapsed=1.5, eta=51.0
    ),
    "v1.0/progress-without-eta": messages.Progress(job="9e27", state=State.LOADING, note="Fetching VGG19 – 12 %"),
    "v1.0/preview": messages.Preview(job="9e27", step=4, pictures=(picture(2, 2),)),
    "v1.0/result-u8": messages.Result(job="9e27", record={"notes": [], "loss": 0.25}, pictures=(picture(4, 3, 4),)),
    "v1.0/result-u16": messages.Result(job="9e27", re=9, pictures=(picture(2, 2, 3, "u16"),)),
    "v1.0/result-f32": messages.Result(job="9e27", re=9, pictures=(picture(1, 1, 4, "f32", fill=0),)),
    "v1.0/error": messages.Error.of(Problem(Code.QUEUE_FULL, "Too many jobs wait.", {"queue": 32}), re=2),
    "v1.0/error-of-a-job": messages.Error.of(Problem(Code.CANCELLED, "Cancelled."), job="9e27"),
    "v1.0/cancel": messages.Cancel(id=3, job="9e27"),
    "v1.0/ack-preview": messages.Ack(job="9e27", of="preview"),
    "v1.0/ack-result": messages.Ack(job="9e27", of="result"),
    "v1.0/fetch": messages.Fetch(id=4, job="9e27"),
    "v1.0/list": messages.List(id=5),
    "v1.0/jobs": messages.Jobs(re=5, jobs=({"job": "9e27", "state": "running", "eta": None},)),
    "v1.0/status": messages.Status(id=6),
    "v1.0/health": messages.Health(re=6, daemon={"agent": "impasto 0.1", "queued": 0}),
    "v1.0/ping": messages.Ping(id=7),
    "v1.0/pong": messages.Pong(re=7),
    "v1.1/welcome": messages.Welcome(
        re=1, version=1, instance="a81b", features=("detach", "masks", "previews", "resume"), agent="impasto 0.2"
    ),
    "v1.1/submit-with-masks": messages.Submit.of(
        Request(
            content=picture(4, 3, 4),
            styles=(Style(picture(), 2.0), Style(picture(3, 3, 4, fill=9), mask=grey(4, 3, fill=1))),
            content_mask=grey(8, 6, "u16", fill=2),
        ),
        "9e27",
        id=2,
    ),
    "v1.1/submit-with-a-content-mask": messages.Submit.of(
        replace(request(), content_mask=grey(1, 1, "f32", fill=0)), "9e27", id=2
    ),
    "v1.1/submit-with-resume": messages.Submit.of(request(settings={"steps": 40}, resume="9e27"), "b3d0", id=3),
    "v1.1/state-is-gone": messages.Error.of(
        Problem(Code.UNKNOWN_JOB, "The state of job 9e27 is not kept any more.", {"resume": "9e27"}), job="b3d0"
    ),
    "v1.2/accepted": messages.Accepted(re=2, job="9e27", state=State.QUEUED, digest="77aa", forecast=FORECAST.as_map()),
    "v1.2/accepted-in-unknown-time": messages.Accepted(
        re=2, job="9e27", state=State.LOADING, forecast=replace(FORECAST, tiles=1, seconds=None).as_map()
    ),
    "v1.2/jobs": messages.Jobs(re=5, jobs=({"job": "9e27", "state": "queued", "forecast": FORECAST.as_map()},)),
    "v1.3/warning": messages.Progress(
        job="9e27", state=State.LOADING, elapsed=1.5, note="NOT painted with VGG19.", warning=True
    ),
    "v1.3/finish": messages.Finish(id=8, job="9e27"),
    "v1.3/detach": messages.Detach(id=9, job="9e27"),
    "v1.3/welcome": messages.Welcome(
        re=1,
        version=1,
        instance="a81b",
        features=("detach", "masks", "previews", "resume", "steer"),
        agent="impasto 0.4",
    ),
    "v1.4/foresee": messages.Foresee.of(
        Outline(
            content=Shape(4000, 3000, 4, "f32"),
            styles=(Shape(1600, 1200, 3, "u8"), Shape(64, 64, 4, "u8")),
            strength=60.5,
            max_size=2048,
            settings={"steps": 20},
            style_masks=1,
            content_mask=True,
        ),
        id=10,
    ),
    "v1.4/foresee-resumed": messages.Foresee.of(request(resume="9e27").outline, id=11),
    "v1.4/foreseen": messages.Foreseen(re=10, forecast=FORECAST.as_map()),
    "v1.4/nothing-foreseen": messages.Foreseen(re=11),
    "v1.4/submit-with-a-start": messages.Submit.of(
        Request(
            content=picture(4, 3, 4),
            styles=(Style(picture(), mask=grey(fill=1)),),
            content_mask=grey(8, 6, fill=2),
            start=picture(8, 6, 4, fill=9),
        ),
        "9e27",
        id=12,
    ),
    "v1.4/submit-with-iterates": messages.Submit.of(request(), "9e27", id=2, preview=256, iterates=16),
    "v1.4/progress-of-a-stand-in": messages.Progress(
        job="9e27", state=State.LOADING, note="NOT painted with VGG19.", warning=True, stand_in="wavelets"
    ),
    "v1.4/preview-of-what-is-kept": messages.Preview(job="9e27", step=14, kept=True, pictures=(picture(2, 2),)),
    "v1.4/result-with-iterates": messages.Result(
        job="9e27", record={"steps": 180}, iterates=(14, 28, 165), pictures=(picture(4, 3, 4),)
    ),
    "v1.4/fetch-an-iterate": messages.Fetch(id=12, job="9e27", step=28),
    "v1.4/iterate": messages.Result(
        job="9e27", re=12, step=28, iterates=(14, 28, 165), pictures=(picture(4, 3, 4, fill=7),)
    ),
    "v1.4/iterate-that-is-not-kept": messages.Error.of(
        Problem(Code.RESULT_GONE, "The iterate of step 29 is not kept.", {"steps": [14, 28, 165]}), re=13, job="9e27"
    ),
}


def _frames(header: Any, *pixels: bytes) -> list[bytes]:
    return [MAGIC, header if isinstance(header, bytes) else msgpack.packb(header), *pixels]


def _submit(*pictures: tuple[int, int, int], **keys: object) -> list[bytes]:
    """A submit of pictures of these widths, heights and channels, each sample a zero."""
    described = [
        {"width": w, "height": h, "channels": c, "dtype": "u8", "space": "srgb", "bytes": w * h * c}
        for w, h, c in pictures
    ]
    header = {"type": "submit", "id": 1, "job": "j", **keys, "pictures": described}
    return _frames(header, *(bytes(w * h * c) for w, h, c in pictures))


_PIXEL = {"width": 1, "height": 1, "channels": 3, "dtype": "u8", "space": "srgb", "bytes": 3}


def _result(pixels: bytes, **facts: object) -> list[bytes]:
    return _frames({"type": "result", "job": "j", "pictures": [{**_PIXEL, **facts}]}, pixels)


def _accepted(**keys: object) -> list[bytes]:
    return _frames({"type": "accepted", "re": 2, "job": "j", "state": "queued", **keys})


_SHAPE = {"width": 4, "height": 3, "channels": 3, "dtype": "u8"}


def _foresee(*shapes: object, **keys: object) -> list[bytes]:
    return _frames({"type": "foresee", "id": 10, "shapes": shapes, **keys})


_CONTENT, _STYLE, _MASK = (6, 4, 3), (2, 1, 3), (6, 4, 1)

WRITTEN_BY_HAND: dict[str, list[bytes]] = {
    "v1.0/minimal-submit": _frames(
        {"type": "submit", "id": 1, "job": "j", "pictures": [_PIXEL, _PIXEL]}, b"abc", b"def"
    ),
    "v1.0/keys-of-the-future": _frames({"type": "ping", "id": 7, "colour": {"of": ["the", "sky"]}}),
    "v1.0/type-of-the-future": _frames({"type": "repaint", "id": 8}),
    "v1.0/whole-number-for-a-number": _frames(
        {"type": "submit", "id": 1, "job": "j", "strength": 60, "pictures": [_PIXEL, _PIXEL]}, b"abc", b"def"
    ),
    "v1.1/mask-smaller-by-rounding": _submit((5, 3, 3), _STYLE, (2, 1, 1), style_masks=[True]),
    "v1.1/style-masks-that-are-none": _submit(_CONTENT, _STYLE, _STYLE, style_masks=[False, False]),
    "v1.2/accepted-without-forecast": _accepted(),
    "v1.2/forecast-of-the-future": _accepted(forecast={"width": 4000, "passes": [{"tiles": 6}, None]}),
    "v1.3/note-without-warning": _frames(
        {"type": "progress", "job": "9e27", "state": "loading", "note": "Fetching VGG19 – 12 %"}
    ),
    "v1.4/minimal-foresee": _foresee(_SHAPE, {**_SHAPE, "space": "srgb", "bytes": 36}),
}

BAD: dict[str, tuple[Code, list[bytes]]] = {
    "v1.0/no-header": (Code.MALFORMED, [MAGIC]),
    "v1.0/other-magic": (Code.MALFORMED, [b"GET / HTTP/1.1", b"\x80"]),
    "v1.0/other-major": (Code.VERSION_MISMATCH, [b"IMPASTO\x02", msgpack.packb({"type": "hello", "id": 1})]),
    "v1.0/header-is-no-msgpack": (Code.MALFORMED, _frames(b"\xc1")),
    "v1.0/header-is-no-map": (Code.MALFORMED, _frames([1, 2])),
    "v1.0/header-cut-short": (Code.MALFORMED, _frames(msgpack.packb({"type": "ping", "id": 7})[:-1])),
    "v1.0/header-with-a-tail": (Code.MALFORMED, _frames(msgpack.packb({"type": "ping", "id": 7}) + b"\x00")),
    "v1.0/header-too-long": (Code.TOO_LARGE, _frames({"type": "ping", "id": 7, "pad": ["x" * 4000] * 17})),
    "v1.0/key-is-a-number": (Code.MALFORMED, _frames({"type": "ping", "id": 7, 1: 2})),
    "v1.0/type-is-missing": (Code.BAD_REQUEST, _frames({"id": 7})),
    "v1.0/id-is-missing": (Code.BAD_REQUEST, _frames({"type": "ping"})),
    "v1.0/id-is-negative": (Code.BAD_REQUEST, _frames({"type": "ping", "id": -1})),
    "v1.0/id-is-a-float": (Code.BAD_REQUEST, _frames({"type": "ping", "id": 7.0})),
    "v1.0/strength-is-not-finite": (
        Code.BAD_REQUEST,
        _frames({"type": "submit", "id": 1, "job": "j", "strength": float("nan")}),
    ),
    "v1.0/strength-is-true": (Code.BAD_REQUEST, _frames({"type": "submit", "id": 1, "job": "j", "strength": True})),
    "v1.0/strength-over-100": (Code.BAD_REQUEST, _frames({"type": "submit", "id": 1, "job": "j", "strength": 100.5})),
    "v1.0/job-with-a-slash": (Code.BAD_REQUEST, _frames({"type": "cancel", "id": 1, "job": "../x"})),
    "v1.0/pixels-that-nothing-describes": (Code.BAD_REQUEST, _frames({"type": "ping", "id": 7}, b"abc")),
    "v1.0/pixels-missing": (Code.BAD_REQUEST, _result(b"x")[:2]),
    "v1.0/pixels-cut-short": (Code.BAD_REQUEST, _result(b"ab")),
    "v1.0/pixels-one-too-many": (Code.BAD_REQUEST, _result(b"abcd")),
    "v1.0/bytes-do-not-fit-the-size": (Code.BAD_REQUEST, _result(b"abcd", bytes=4)),
    "v1.0/two-channels": (Code.BAD_REQUEST, _result(b"ab", channels=2, bytes=2)),
    "v1.0/unknown-dtype": (Code.BAD_REQUEST, _result(b"abc", dtype="u7")),
    "v1.0/unknown-space": (Code.BAD_REQUEST, _result(b"abc", space="cmyk")),
    "v1.0/width-of-zero": (Code.BAD_REQUEST, _result(b"", width=0, bytes=0)),
    "v1.0/a-million-pixels-in-ten-bytes": (
        Code.BAD_REQUEST,
        _result(b"0123456789", width=1000, height=1000, bytes=3_000_000),
    ),
    "v1.0/more-pixels-than-the-limit": (
        Code.TOO_LARGE,
        _result(b"x", width=30000, height=30000, bytes=2_700_000_000),
    ),
    "v1.1/three-channel-mask": (Code.BAD_REQUEST, _submit(_CONTENT, _STYLE, (6, 4, 3), style_masks=[True])),
    "v1.1/four-channel-content-mask": (Code.BAD_REQUEST, _submit(_CONTENT, _STYLE, (6, 4, 4), content_mask=True)),
    "v1.1/one-channel-content": (Code.BAD_REQUEST, _submit((6, 4, 1), _STYLE)),
    "v1.1/one-channel-style": (Code.BAD_REQUEST, _submit(_CONTENT, (2, 1, 1))),
    "v1.1/mask-not-announced": (Code.BAD_REQUEST, _submit(_CONTENT, _STYLE, _MASK)),
    "v1.1/mask-announced-and-missing": (Code.BAD_REQUEST, _submit(_CONTENT, _STYLE, style_masks=[True])),
    "v1.1/mask-without-its-style": (Code.BAD_REQUEST, _submit(_CONTENT, _STYLE, _MASK, style_masks=[False, True])),
    "v1.1/style-masks-for-fewer-styles": (
        Code.BAD_REQUEST,
        _submit(_CONTENT, _STYLE, _STYLE, _MASK, style_masks=[True]),
    ),
    "v1.1/style-masks-of-numbers": (Code.BAD_REQUEST, _submit(_CONTENT, _STYLE, _MASK, style_masks=[1])),
    "v1.1/mask-of-other-proportions": (Code.BAD_REQUEST, _submit(_CONTENT, _STYLE, (6, 6, 1), style_masks=[True])),
    "v1.1/content-mask-on-its-side": (Code.BAD_REQUEST, _submit(_CONTENT, _STYLE, (4, 6, 1), content_mask=True)),
    "v1.1/one-channel-result": (Code.BAD_REQUEST, _result(b"a", channels=1, bytes=1)),
    "v1.1/one-channel-preview": (
        Code.BAD_REQUEST,
        _frames({"type": "preview", "job": "j", "pictures": [{**_PIXEL, "channels": 1, "bytes": 1}]}, b"a"),
    ),
    "v1.1/seventeen-pictures": (
        Code.TOO_LARGE,
        _submit(_CONTENT, *[_STYLE] * 8, *[_MASK] * 8, style_masks=[True] * 8),
    ),
    "v1.1/resume-with-a-slash": (Code.BAD_REQUEST, _submit(_CONTENT, _STYLE, resume="../x")),
    "v1.1/resume-of-itself": (Code.BAD_REQUEST, _submit(_CONTENT, _STYLE, resume="j")),
    "v1.1/settings-of-too-many-bytes": (
        Code.BAD_REQUEST,
        _submit(_CONTENT, _STYLE, settings={f"s{i}": "\N{CLOUD}" * 256 for i in range(33)}),
    ),
    "v1.2/forecast-is-no-map": (Code.BAD_REQUEST, _accepted(forecast=[4000, 3000])),
    "v1.2/forecast-of-no-finite-time": (Code.BAD_REQUEST, _accepted(forecast={"seconds": float("inf")})),
    "v1.3/warning-is-a-number": (
        Code.BAD_REQUEST,
        _frames({"type": "progress", "job": "9e27", "state": "loading", "note": "?", "warning": 1}),
    ),
    "v1.4/foresee-without-a-style": (Code.BAD_REQUEST, _foresee(_SHAPE)),
    "v1.4/foresee-nothing": (Code.BAD_REQUEST, _frames({"type": "foresee", "id": 10})),
    "v1.4/foresee-a-grey-style": (Code.BAD_REQUEST, _foresee(_SHAPE, {**_SHAPE, "channels": 1})),
    "v1.4/foresee-a-width-of-zero": (Code.BAD_REQUEST, _foresee({**_SHAPE, "width": 0}, _SHAPE)),
    "v1.4/foresee-samples-of-no-type": (Code.BAD_REQUEST, _foresee({**_SHAPE, "dtype": ["u8"]}, _SHAPE)),
    "v1.4/foresee-a-shape-that-is-a-list": (Code.BAD_REQUEST, _foresee(_SHAPE, [4, 3])),
    "v1.4/foresee-masks-for-fewer-styles": (
        Code.BAD_REQUEST, _foresee(_SHAPE, _SHAPE, _SHAPE, style_masks=[True]),
    ),
    "v1.4/start-with-resume": (Code.BAD_REQUEST, _submit(_CONTENT, _STYLE, _CONTENT, start=True, resume="9e27")),
    "v1.4/start-of-one-channel": (Code.BAD_REQUEST, _submit(_CONTENT, _STYLE, _MASK, start=True)),
    "v1.4/start-of-other-proportions": (Code.BAD_REQUEST, _submit(_CONTENT, _STYLE, (4, 6, 3), start=True)),
    "v1.4/start-announced-and-missing": (Code.BAD_REQUEST, _submit(_CONTENT, _STYLE, start=True)),
    "v1.4/start-and-nothing-else": (Code.BAD_REQUEST, _submit(start=True)),
    "v1.4/start-not-announced": (Code.BAD_REQUEST, _submit(_CONTENT, _STYLE, _CONTENT, style_weights=[1])),
    "v1.4/start-is-a-number": (Code.BAD_REQUEST, _submit(_CONTENT, _STYLE, _CONTENT, start=1)),
    "v1.4/foresee-with-pixels": (Code.BAD_REQUEST, [*_foresee(_SHAPE, _SHAPE), b"abc"]),
    "v1.4/foresee-a-strength-over-100": (Code.BAD_REQUEST, _foresee(_SHAPE, _SHAPE, strength=101)),
    "v1.4/submit-with-seventeen-iterates": (Code.BAD_REQUEST, _submit(_CONTENT, _STYLE, iterates=17)),
    "v1.4/submit-with-iterates-that-are-true": (Code.BAD_REQUEST, _submit(_CONTENT, _STYLE, iterates=True)),
    "v1.4/fetch-a-step-below-none": (Code.BAD_REQUEST, _frames({"type": "fetch", "id": 1, "job": "j", "step": -1})),
    "v1.4/stand-in-is-no-name": (
        Code.BAD_REQUEST,
        _frames({"type": "progress", "job": "9e27", "state": "loading", "stand_in": "../x"}),
    ),
    "v1.4/kept-is-a-number": (
        Code.BAD_REQUEST,
        _frames({"type": "preview", "job": "j", "kept": 1, "pictures": [_PIXEL]}, b"abc"),
    ),
    "v1.4/result-with-an-iterate-of-no-step": (
        Code.BAD_REQUEST,
        _frames({"type": "result", "job": "j", "iterates": [0], "pictures": [_PIXEL]}, b"abc"),
    ),
    "v1.4/result-with-seventeen-iterates": (
        Code.BAD_REQUEST,
        _frames({"type": "result", "job": "j", "iterates": list(range(1, 18)), "pictures": [_PIXEL]}, b"abc"),
    ),
}  # fmt: skip


def write(name: str, frames: list[Any], meaning: dict[str, Any]) -> None:
    """Both files of one vector, unless they are there."""
    binary, text = path_of(name, ".bin"), path_of(name, ".json")
    if binary.exists():
        return
    binary.parent.mkdir(parents=True, exist_ok=True)
    binary.write_bytes(b"".join(struct.pack(">I", len(frame)) + bytes(frame) for frame in frames))
    text.write_text(json.dumps(meaning, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(name)


def main() -> None:
    for name, message in GOOD.items():
        write(name, encode(message), {"message": as_json(message)})
    for name, frames in WRITTEN_BY_HAND.items():
        write(name, frames, {"message": as_json(understood(frames))})
    for name, (code, frames) in BAD.items():
        write(name, frames, {"error": code.value})


if __name__ == "__main__":
    main()
