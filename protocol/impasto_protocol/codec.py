"""Frames to messages and back.

    [ b"IMPASTO" + major ]  [ msgpack map ]  [ raw pixels ] ...

The header's `pictures` array describes each pixel frame (width, height, channels, dtype, space, bytes) and must
match it exactly; pixels are never inside msgpack. The one promise: `decode` returns a message or raises
`ProtocolError`, whatever the bytes, within memory in proportion to them. It never copies a pixel.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields
from enum import Enum
from typing import Any

import msgpack

from . import schema
from .errors import Code, ProtocolError
from .limits import HEADER_BYTES, HEADER_ITEMS, PICTURES, TEXT, Limits
from .messages import MESSAGES, VERSION, Message, Unknown
from .picture import SAMPLE_BYTES, SRGB, Buffer, Picture, Shape

MAGIC = b"IMPASTO" + bytes([VERSION])


def encode(message: Message) -> list[Buffer]:
    """The frames of a message; pixel frames are the pictures' own buffers, not copies.

    Raises ProtocolError where the other side would refuse to read it.
    """
    pictures: Sequence[Picture] = getattr(message, "pictures", ())
    header: dict[str, object] = {"type": message.TYPE}
    for i, picture in enumerate(pictures):
        _check_channels(picture.channels, _channels_of(type(message)), f"pictures[{i}]")
    for f in fields(message):
        if "reader" in f.metadata:
            header[f.name] = _plain(f.metadata["reader"](getattr(message, f.name), f.name))
    if pictures:
        header["pictures"] = [{**picture.describe(), "bytes": picture.nbytes} for picture in pictures]
    packed = msgpack.packb(header)
    if len(packed) > HEADER_BYTES:
        raise ProtocolError(
            Code.TOO_LARGE,
            f"the header of a message may have {HEADER_BYTES} bytes, not {len(packed)}: leave settings out",
            limit="header_bytes", value=len(packed), allowed=HEADER_BYTES,
        )  # fmt: skip
    return [MAGIC, packed, *(picture.data for picture in pictures)]


def decode(frames: Sequence[Buffer], limits: Limits) -> Message:
    """The message that these frames are. Raises ProtocolError and nothing else."""
    if frames:
        check_magic(bytes(memoryview(frames[0])[: len(MAGIC) + 1]))
    check_frames([memoryview(frame).nbytes for frame in frames], limits)
    header = _unpack(frames[1])
    kind = schema.text()(header.get("type"), "type")
    if kind not in MESSAGES:
        return Unknown(type=kind[:64], id=_number_of(header))
    try:
        message: Message = _build(MESSAGES[kind], header, frames[2:], limits)
    except ProtocolError as error:
        error.re = _number_of(header)
        raise
    return message


def check_frames(sizes: Sequence[int], limits: Limits) -> None:
    """Whether a message of frames of these sizes may be looked at. Raises ProtocolError."""
    if len(sizes) < 2:
        raise ProtocolError(Code.MALFORMED, "a message has at least two frames: magic and header")
    for limit, value, allowed in (
        ("header_bytes", sizes[1], HEADER_BYTES),
        ("pictures", len(sizes) - 2, PICTURES),
        ("frame_bytes", max(sizes), limits.frame_bytes),
        ("message_bytes", sum(sizes), limits.message_bytes),
    ):
        check_limit(limit, value, allowed)


def check_limit(limit: str, value: int, allowed: int) -> None:
    """Raises ProtocolError(TOO_LARGE) where value is over what is allowed."""
    if value > allowed:
        what = {"pictures": "pictures, masks among them"}.get(limit, limit.replace("_", " "))
        sentence = f"{what}: {value:,} is more than the {allowed:,} that this daemon accepts: choose less"
        raise ProtocolError(Code.TOO_LARGE, sentence, limit=limit, value=value, allowed=allowed)


def check_size(width: int, height: int, limits: Limits) -> None:
    """Of one picture. Raises ProtocolError."""
    check_limit("side", max(width, height), limits.side)
    check_limit("pixels", width * height, limits.pixels)


def check_magic(frame: bytes) -> None:
    """Whether a message's first frame is ours. Raises ProtocolError."""
    if len(frame) != len(MAGIC) or frame[:-1] != MAGIC[:-1]:
        raise ProtocolError(
            Code.MALFORMED, "this is not Impasto's protocol, whose messages begin with IMPASTO: check the endpoint"
        )
    if frame != MAGIC:
        raise ProtocolError(
            Code.VERSION_MISMATCH,
            f"the other side speaks protocol version {frame[-1]}, this one version {VERSION}: update the older one",
            theirs=frame[-1], ours=VERSION,
        )  # fmt: skip


def _unpack(frame: Buffer) -> dict[str, Any]:
    try:
        header = msgpack.unpackb(
            frame,
            max_str_len=TEXT * 4,
            max_bin_len=0,
            max_ext_len=0,
            max_array_len=HEADER_ITEMS,
            max_map_len=HEADER_ITEMS,
        )
    except Exception as error:  # msgpack raises half a dozen kinds; each means the same to us
        raise ProtocolError(Code.MALFORMED, f"the header is not msgpack as agreed ({type(error).__name__})") from None
    if not isinstance(header, dict) or not all(isinstance(key, str) for key in header):
        raise ProtocolError(Code.MALFORMED, "the header is not a map with texts for keys")
    return header


def _build(kind: type[Any], header: Mapping[str, Any], frames: Sequence[Buffer], limits: Limits) -> Any:
    values: dict[str, object] = {}
    for f in fields(kind):
        if "reader" not in f.metadata:
            continue
        if f.name in header:
            values[f.name] = f.metadata["reader"](header[f.name], f.name)
        elif f.default is MISSING and f.default_factory is MISSING:
            raise schema.bad(f.name, f"is missing from {kind.TYPE}")
    described = schema.list_of(schema.map_of(schema.plain), PICTURES)(header.get("pictures", ()), "pictures")
    if len(described) != len(frames):
        raise schema.bad("pictures", f"describes {len(described)} pixel frames where {len(frames)} came")
    if channels := _channels_of(kind):
        values["pictures"] = tuple(
            _picture(facts, frame, f"pictures[{i}]", channels, limits)
            for i, (facts, frame) in enumerate(zip(described, frames))
        )
    elif frames:
        raise schema.bad("pictures", f"do not belong to {kind.TYPE}")
    return kind(**values)


def _picture(facts: Mapping[str, Any], frame: Buffer, where: str, allowed: Sequence[int], limits: Limits) -> Picture:
    def read(key: str, reader: schema.Reader) -> Any:
        return reader(facts.get(key), f"{where}.{key}")

    width, height = read("width", schema.integer(1)), read("height", schema.integer(1))
    channels, dtype = read("channels", schema.integer(1, 4)), read("dtype", schema.text())
    check_size(width, height, limits)
    _check_channels(channels, allowed, where)
    if dtype not in SAMPLE_BYTES:
        raise schema.bad(f"{where}.dtype", f"must be one of {', '.join(SAMPLE_BYTES)}, not {schema.told(dtype)}")
    if facts.get("space", SRGB) != SRGB:
        raise schema.bad(f"{where}.space", f"must be {SRGB}, not {schema.told(facts['space'])}")
    expected, came = width * height * channels * SAMPLE_BYTES[dtype], memoryview(frame).nbytes
    told = read("bytes", schema.integer())
    if not expected == told == came:
        raise schema.bad(f"{where}.bytes", f"must be {expected}, and so must the frame: {told} is said and {came} came")
    return Picture(width, height, channels, dtype, frame)


def _channels_of(kind: type[Any]) -> tuple[int, ...]:
    """The numbers of channels that pictures of such a message may have; none where it has no pictures."""
    return next((f.metadata["channels"] for f in fields(kind) if "channels" in f.metadata), ())


def _check_channels(channels: int, allowed: Sequence[int], where: str) -> None:
    if channels not in allowed:
        raise schema.bad(f"{where}.channels", f"must be one of {', '.join(map(str, sorted(allowed)))}, not {channels}")


def _plain(value: object) -> object:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Shape):
        return value.describe()
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


def _number_of(header: Mapping[str, Any]) -> int:
    value = header.get("id")
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53 else 0
