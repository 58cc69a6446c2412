"""Presets: what is saved comes back, what is newer is told and passed over, what is damaged or hostile is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from impasto_protocol import preset
from impasto_protocol.errors import ProtocolError
from impasto_protocol.preset import Preset, PresetStyle

VALUES = {"recipe": "gatys", "strength": 70.0, "stroke-size": 50.0, "max-size": 512, "seed": 7, "keep-colours": True}
STYLE = PresetStyle("Stürmische Nacht.jpg", (2000, 1500), "ab" * 32, b"\x89PNG and more")


def file(**changed: Any) -> bytes:
    content = {**json.loads(preset.written(Preset(VALUES, (STYLE,)))), **changed}
    return json.dumps(content).encode()


def test_what_is_saved_comes_back() -> None:
    assert preset.parsed(preset.written(Preset(VALUES, (STYLE,)))) == Preset(VALUES, (STYLE,))
    assert preset.parsed(preset.written(Preset(VALUES))) == Preset(VALUES)
    several = Preset(VALUES, (STYLE, replace(STYLE, weight=0.4)))
    assert preset.parsed(preset.written(several)) == several


def test_people_can_read_it_and_write_a_small_one_by_hand() -> None:
    assert '"strength": 70.0,\n' in preset.written(Preset(VALUES, (STYLE,))).decode()
    assert "Stürmische Nacht" in preset.written(Preset(VALUES, (STYLE,))).decode()
    for data in (b'{"impasto-preset": 1, "strength": 20}', b'\xef\xbb\xbf{"impasto-preset": 1, "strength": 20}\r\n'):
        assert preset.parsed(data) == Preset({"strength": 20.0})


def test_what_a_newer_version_put_in_is_told_and_passed_over() -> None:
    found = preset.parsed(file(**{preset.MARK: 2, "brush": "round", "line\nend": 1}))
    assert (found.values, found.ignored) == (VALUES, ("brush", "line?end"))


@pytest.mark.parametrize(
    "changed",
    [
        {"strength": 101}, {"strength": float("nan")}, {"strength": float("inf")}, {"strength": "70"},
        {"strength": 10**400}, {"stroke-size": -(10**400)},
        {"strength": True}, {"stroke-size": 0}, {"max-size": -1}, {"max-size": 1.5}, {"seed": 2**31}, {"seed": 10**400},
        {"recipe": "../etc"}, {"recipe": ""}, {"recipe": 1}, {"keep-colours": 1}, {preset.MARK: 0}, {preset.MARK: "1"},
        {"styles": {}},
        {"styles": [1]}, {"styles": [{}]}, {"styles": [None] * 1000},
        {"styles": [{"name": "a", "width": 0, "height": 1, "sha256": ""}]},
        {"styles": [{"name": "a", "width": 1, "height": 1, "sha256": "", "copy": "*"}]},
        {"styles": [{"name": "a", "width": 1, "height": 1, "sha256": "", "weight": -1}]},
        {"styles": [{"name": "a", "width": 1, "height": 1, "sha256": "", "weight": 10**400}]},
        {"styles": 2 * [{"name": "a", "width": 1, "height": 1, "sha256": "", "weight": 0}]},
        {"styles": [{"name": "a", "width": 1, "height": 1, "sha256": "", "copy": "A" * 140_000}]},
    ],
    ids=lambda changed: ",".join(f"{key} {str(value)[:20]}" for key, value in changed.items()),
)  # fmt: skip
def test_a_value_that_cannot_be_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(preset.DAMAGE):
        preset.parsed(file(**changed))


@pytest.mark.parametrize(
    "data",
    [b"", b"\xff\xfe", b"[]", b"null", b"1", b"{}", b'{"strength": 1}', b"{" * 100_000, b"[" * 100_000, file()[:-9],
     b'{"impasto-preset": ' + b"1" * 5000 + b"}", b" " * (preset.LARGEST + 1)],
    ids=lambda data: data[:16].decode("latin-1"),
)  # fmt: skip
def test_what_is_no_preset_is_refused(data: bytes) -> None:
    with pytest.raises(preset.DAMAGE):
        preset.parsed(data)


def test_the_sentence_says_which_value_is_wrong() -> None:
    with pytest.raises(ProtocolError, match="strength must be a number from 0 to 100, not 900"):
        preset.parsed(file(strength=900))
