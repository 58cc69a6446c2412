"""Reads the conformance vectors (SPEC.md, section 12)."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from dataclasses import fields
from enum import Enum
from pathlib import Path
from typing import Any

from impasto_protocol import codec, messages
from impasto_protocol.limits import Limits
from impasto_protocol.picture import Buffer

FOLDER = Path(__file__).parents[2] / "protocol" / "vectors"


def names() -> list[str]:
    """Each with its minor version: `v1.0/ping`."""
    return sorted(str(path.relative_to(FOLDER).with_suffix("")) for path in FOLDER.glob("*/*.bin"))


def path_of(name: str, ending: str) -> Path:
    """One of a vector's two files."""
    return FOLDER / f"{name}{ending}"


def frames_of(name: str) -> list[bytes]:
    data, frames = path_of(name, ".bin").read_bytes(), []
    while data:
        (length,) = struct.unpack(">I", data[:4])
        frames.append(data[4 : 4 + length])
        data = data[4 + length :]
    return frames


def meaning_of(name: str) -> dict[str, Any]:
    meaning: dict[str, Any] = json.loads(path_of(name, ".json").read_text(encoding="utf-8"))
    return meaning


def understood(frames: Sequence[Buffer]) -> messages.Message:
    """The message that these frames are, and what is asked in it. Raises ProtocolError."""
    message = codec.decode(frames, Limits())
    if isinstance(message, messages.Submit):
        message.request()
    elif isinstance(message, messages.Foresee):
        message.outline()
    return message


def as_json(message: messages.Message) -> dict[str, Any]:
    """A message as its vector's JSON tells it: the header with all defaults, pictures by their facts."""
    if isinstance(message, messages.Unknown):
        return {"type": message.type, "id": message.id}
    told: dict[str, Any] = {"type": message.TYPE}
    for f in fields(message):
        value = getattr(message, f.name)
        if f.name == "pictures":
            value = [
                {
                    "width": p.width, "height": p.height, "channels": p.channels, "dtype": p.dtype,
                    "space": p.space, "bytes": p.nbytes, "sha256": p.sha256(),
                }
                for p in value
            ]  # fmt: skip
        elif f.name == "shapes":
            value = [shape.describe() for shape in value]
        told[f.name] = value.value if isinstance(value, Enum) else value
    as_plain: dict[str, Any] = json.loads(json.dumps(told))
    return as_plain
