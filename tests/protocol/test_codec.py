"""The codec: bytes are a message, or one error."""

from __future__ import annotations

import tracemalloc
from dataclasses import fields
from typing import Any

import msgpack
import msgpack.fallback
import pytest
from hypothesis import given
from hypothesis import strategies as st
from impasto_protocol import messages
from impasto_protocol.codec import MAGIC, decode, encode
from impasto_protocol.errors import Code, ProtocolError
from impasto_protocol.limits import Limits

from . import vectors
from .make_vectors import BAD, GOOD, WRITTEN_BY_HAND
from .pictures import picture, request


def test_there_is_a_vector_for_every_message_type() -> None:
    told = {vectors.meaning_of(name).get("message", {}).get("type") for name in vectors.names()}
    assert set(messages.MESSAGES) <= told


def test_every_case_has_its_vector() -> None:
    assert set(vectors.names()) >= {*GOOD, *WRITTEN_BY_HAND, *BAD}


def test_the_specification_names_every_message_key_feature_limit_and_code() -> None:
    text = (vectors.FOLDER.parent / "SPEC.md").read_text(encoding="utf-8")
    keys = {f.name for kind in messages.MESSAGES.values() for f in fields(kind)}
    on_the_wire = {code.value for code in Code} - {"unreachable", "daemon_lost", "timed_out", "not_paired"}
    named = {*keys, *messages.FEATURES, *Limits().to_wire(), *on_the_wire}
    assert {name for name in named if f"`{name}`" not in text} == set()
    assert {kind for kind in messages.MESSAGES if f"**{kind}**" not in text} == set()


@pytest.mark.parametrize("name", vectors.names())
def test_vectors_mean_for_ever_what_they_meant(name: str) -> None:
    frames, meaning = vectors.frames_of(name), vectors.meaning_of(name)
    if "error" in meaning:
        with pytest.raises(ProtocolError) as caught:
            vectors.understood(frames)
        assert caught.value.code == meaning["error"]
    else:
        # A later minor version may know more keys; those of this one keep their meaning.
        told = vectors.as_json(vectors.understood(frames))
        assert {key: told[key] for key in meaning["message"]} == meaning["message"]


@pytest.mark.parametrize("name", vectors.names())
def test_msgpack_in_pure_python_which_comes_with_the_plug_in_reads_and_writes_the_same(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(msgpack, "unpackb", msgpack.fallback.unpackb)
    test_vectors_mean_for_ever_what_they_meant(name)
    if name in GOOD:
        written = encode(GOOD[name])
        monkeypatch.setattr(msgpack, "Packer", msgpack.fallback.Packer)
        assert encode(GOOD[name]) == written


@pytest.mark.parametrize("name", GOOD)
def test_a_message_survives_the_wire(name: str) -> None:
    assert vectors.as_json(decode(encode(GOOD[name]), Limits())) == vectors.as_json(GOOD[name])


def test_pixels_are_not_copied() -> None:
    pixels = bytearray(b"abc")
    from impasto_protocol.picture import Picture

    message = messages.Preview(job="j", pictures=(Picture(1, 1, 3, "u8", pixels),))
    frames = encode(message)
    assert frames[2] is pixels
    decoded = decode(frames, Limits())
    assert isinstance(decoded, messages.Preview)
    assert decoded.pictures[0].data is pixels


def test_the_request_comes_out_as_it_went_in() -> None:
    asked = request(recipe="gatys", strength=12.5, max_size=77, seed=5, settings={"content_weight": 2, "noise": True})
    arrived = decode(encode(messages.Submit.of(asked, "job", id=1)), Limits())
    assert isinstance(arrived, messages.Submit)
    assert arrived.request() == asked
    assert arrived.request().digest() == asked.digest()


@pytest.mark.parametrize("change", [{"strength": 1}, {"seed": 1}, {"recipe": "gatys"}, {"fill": 8}, {"max_size": 0}])
def test_whatever_changes_the_result_changes_the_digest(change: dict[str, object]) -> None:
    assert request(**change).digest() != request().digest()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"pictures": ()}, "at least one style"),
        ({"pictures": (picture(),)}, "at least one style"),
        ({"pictures": (picture(), picture()), "style_weights": (1.0, 2.0)}, "one a style"),
        ({"pictures": (picture(), picture()), "style_weights": (0.0,)}, "not all be zero"),
    ],
)
def test_a_job_without_sense_is_refused(fields: dict[str, object], sentence: str) -> None:
    with pytest.raises(ProtocolError, match=sentence):
        messages.Submit(id=1, job="j", **fields).request()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("limits", "limit"),
    [
        (Limits(side=3), "side"),
        (Limits(pixels=11), "pixels"),
        (Limits(frame_bytes=40), "frame_bytes"),
        (Limits(message_bytes=150), "message_bytes"),
    ],
)
def test_every_limit_is_held_by_name(limits: Limits, limit: str) -> None:
    frames = encode(messages.Submit.of(request(), "job", id=1))
    with pytest.raises(ProtocolError) as caught:
        decode(frames, limits)
    assert caught.value.code is Code.TOO_LARGE
    assert caught.value.problem.details["limit"] == limit


def test_a_refusal_names_the_request_where_it_can() -> None:
    with pytest.raises(ProtocolError) as caught:
        decode([MAGIC, msgpack.packb({"type": "cancel", "id": 12, "job": "no/name"})], Limits())
    assert caught.value.re == 12


def test_a_message_that_would_not_be_read_is_not_written() -> None:
    with pytest.raises(ProtocolError, match="header"):
        encode(messages.Health(re=1, daemon={"log": ["x" * 4000] * 20}))


def test_deep_nesting_and_huge_claims_cost_nothing() -> None:
    for header in (b"\x91" * 60_000, b"\xdd\xff\xff\xff\xff" * 5_000, b"\xdf\xff\xff\xff\xff", b"\xdb\xff\xff\xff\xff"):
        with pytest.raises(ProtocolError):
            decode([MAGIC, header], Limits())


@pytest.mark.parametrize("value", [[0] * 257, {f"k{i}": 0 for i in range(257)}], ids=["array", "map"])
def test_arrays_and_maps_have_256_entries_at_most_wherever_they_are(value: Any) -> None:
    def header(value: object) -> list[bytes]:
        return [MAGIC, msgpack.packb({"type": "ping", "id": 1, "unknown": value})]

    fits = value[1:] if isinstance(value, list) else dict(list(value.items())[1:])
    assert decode(header(fits), Limits()) == messages.Ping(id=1)
    with pytest.raises(ProtocolError) as caught:
        decode(header(value), Limits())
    assert caught.value.code is Code.MALFORMED


def test_what_claims_more_than_there_is_takes_no_memory() -> None:
    nested = b"\xdd\x00\x00\xfd\x00" * 1000
    frames = [MAGIC, nested + b"\xc0" * (65_000 - len(nested))]
    tracemalloc.start()
    try:
        _parses_or_raises_the_one_error(frames)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("field", ["record", "state", "pictures", "job", "settings", "versions"])
def test_nesting_is_bounded_in_every_field(field: str) -> None:
    for nest in (b"\x91" * 1000 + b"\xc0", b"\x81\xa1k" * 1000 + b"\xc0"):
        for kind in messages.MESSAGES:
            header = b"\x83" + b"".join(map(msgpack.packb, ("type", kind, "id", 1, field))) + nest
            _parses_or_raises_the_one_error([MAGIC, header])


@given(st.text(min_size=300), st.text(min_size=300))
def test_a_refusal_can_itself_be_sent(key: str, value: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        decode(
            [MAGIC, msgpack.packb({"type": "error", "code": value, "message": "m", "details": {key: [b""]}})], Limits()
        )
    assert decode(encode(messages.Error.of(caught.value.problem)), Limits())


@given(st.lists(st.binary(max_size=200), max_size=6))
def test_any_bytes_parse_or_raise_the_one_error(frames: list[bytes]) -> None:
    _parses_or_raises_the_one_error(frames)
    _parses_or_raises_the_one_error([MAGIC, *frames])


plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(0, 9), inner),
    max_leaves=20,
)


@given(st.sampled_from(sorted(messages.MESSAGES)), st.dictionaries(st.text(), plain), st.data())
def test_any_header_parses_or_raises_the_one_error(kind: str, extra: dict[str, object], data: st.DataObject) -> None:
    known = sorted(messages.MESSAGES[kind].__dataclass_fields__)
    chosen = data.draw(st.dictionaries(st.sampled_from([*known, "pictures"]), plain))
    pixels = data.draw(st.lists(st.binary(max_size=12), max_size=3))
    _parses_or_raises_the_one_error([MAGIC, msgpack.packb({**extra, **chosen, "type": kind}), *pixels])


@given(st.sampled_from(vectors.names()), st.data())
def test_damaged_vectors_parse_or_raise_the_one_error(name: str, data: st.DataObject) -> None:
    frames = [bytearray(frame) for frame in vectors.frames_of(name)]
    for _ in range(data.draw(st.integers(1, 4))):
        frame = data.draw(st.sampled_from([frame for frame in frames if frame] or [bytearray(b"x")]))
        at = data.draw(st.integers(0, len(frame) - 1))
        frame[at] = data.draw(st.integers(0, 255))
    _parses_or_raises_the_one_error([bytes(frame) for frame in frames])


def _parses_or_raises_the_one_error(frames: list[bytes]) -> None:
    try:
        message = vectors.understood(frames)
    except ProtocolError as error:
        assert str(error)
        assert error.code in {Code.MALFORMED, Code.BAD_REQUEST, Code.TOO_LARGE, Code.VERSION_MISMATCH}
    else:
        assert type(message) in {*messages.MESSAGES.values(), messages.Unknown}


def test_a_text_is_a_text_whatever_its_class() -> None:
    class Version(str):
        pass

    message = decode(encode(messages.Health(re=1, daemon={"torch": Version("2.15")})), Limits())
    assert isinstance(message, messages.Health)
    assert message.daemon == {"torch": "2.15"}
