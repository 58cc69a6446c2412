"""Masks, and going on from an earlier job: how a request with them crosses the wire, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from impasto_protocol import messages
from impasto_protocol.client_core import ClientCore, Heard
from impasto_protocol.codec import decode, encode
from impasto_protocol.errors import Code, ImpastoError, ProtocolError
from impasto_protocol.jobstate import State
from impasto_protocol.limits import PICTURES, SETTING, SETTINGS, SETTINGS_BYTES, Limits
from impasto_protocol.picture import SAMPLE_BYTES, Picture
from impasto_protocol.request import Request, Style, same_proportions
from impasto_protocol.server_core import ServerCore
from impasto_protocol.server_events import Received, Send, Start

from . import vectors
from .make_vectors import BAD
from .pictures import grey, picture, request

MASKED = Request(
    content=picture(4, 3, 4),
    styles=(
        Style(picture(2, 2), 1.0, grey(fill=1)),
        Style(picture(3, 3), 2.5),
        Style(picture(1, 1), 0.0, grey(8, 6, fill=2)),
    ),
    content_mask=grey(fill=3),
    resume="earlier",
)


def sent(asked: Request) -> messages.Submit:
    """The request as it comes out of the wire."""
    arrived = decode(encode(messages.Submit.of(asked, "job", id=1)), Limits())
    assert isinstance(arrived, messages.Submit)
    return arrived


# What arrives ---------------------------------------------------------------------------------------------


def test_frames_are_the_content_the_styles_their_masks_and_the_content_s_mask() -> None:
    submit = sent(MASKED)
    assert [(p.width, p.channels, p.data[0]) for p in submit.pictures] == [
        (4, 4, 7), (2, 3, 7), (3, 3, 7), (1, 3, 7), (4, 1, 1), (8, 1, 2), (4, 1, 3),
    ]  # fmt: skip
    assert submit.style_masks == (True, False, True)
    assert submit.content_mask
    assert submit.digests == tuple(p.sha256() for p in submit.pictures)


@st.composite
def pictures(draw: st.DrawFn, width: int, height: int, channels: st.SearchStrategy[int]) -> Picture:
    dtype = draw(st.sampled_from(sorted(SAMPLE_BYTES)))
    count = draw(channels)
    size = width * height * count * SAMPLE_BYTES[dtype]
    return Picture(width, height, count, dtype, draw(st.binary(min_size=size, max_size=size)))


@st.composite
def requests(draw: st.DrawFn) -> Request:
    """Any that fits into a message, masks of one to three times the content's size."""
    width, height = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    colour = st.sampled_from([3, 4])

    def mask() -> Picture | None:
        times = draw(st.integers(0, 3))
        return draw(pictures(width * times, height * times, st.just(1))) if times else None

    styles = tuple(
        Style(draw(pictures(draw(st.integers(1, 3)), 2, colour)), draw(st.floats(0.5, 1e6)), mask())
        for _ in range(draw(st.integers(1, 7)))
    )
    resume = draw(st.sampled_from(["", "earlier", "9e27.b"]))
    return Request(draw(pictures(width, height, colour)), styles, content_mask=mask(), resume=resume)


@given(requests())
def test_any_request_comes_out_as_it_went_in(asked: Request) -> None:
    arrived = sent(asked)
    assert arrived.request() == asked
    assert arrived.request().digest() == asked.digest(arrived.digests) == asked.digest()


@given(requests(), st.data())
def test_masks_that_are_lost_doubled_or_mistaken_never_go_unnoticed(asked: Request, data: st.DataObject) -> None:
    submit = messages.Submit.of(asked, "job", id=1)
    claim = data.draw(st.lists(st.booleans(), min_size=len(asked.styles), max_size=len(asked.styles)).map(tuple))
    one = data.draw(st.booleans())
    if sum(claim) + one == len(asked.masks):
        # As many, but perhaps other ones: the picture is a mask all the same, and digests tell the requests apart.
        assert replace(submit, style_masks=claim, content_mask=one).request().masks == asked.masks
    else:
        with pytest.raises(ProtocolError):
            replace(submit, style_masks=claim, content_mask=one, style_weights=(), digests=()).request()


# What is the same -----------------------------------------------------------------------------------------


def test_without_masks_and_resumption_a_request_has_the_digest_that_it_had_before_there_were_any() -> None:
    two = (Style(picture()), Style(picture(3, 3, 4, fill=9), 2.5))
    asked = Request(picture(4, 3, 4), two, strength=60.5, seed=3, settings={"steps": 20})
    assert request().digest() == "b78602d8cd6d7cfd05fa7ff15a3bbd6b9f4c132cc62e7e3bf2d74c695aabdddc"
    assert asked.digest() == "e0c893cb5c37c42b9bb8db7344625756d4932c5d01d307e7d05156365adb637b"
    assert set(asked.describe()) == {"content", "styles", "recipe", "strength", "max_size", "seed", "settings"}


def test_masks_and_resumption_are_part_of_what_is_asked_for() -> None:
    first, second, third = MASKED.styles
    others = [
        replace(MASKED, resume=""),
        replace(MASKED, resume="another"),
        replace(MASKED, content_mask=None),
        replace(MASKED, content_mask=grey(fill=4)),
        replace(MASKED, styles=(replace(first, mask=None), second, third)),
        replace(MASKED, styles=(replace(first, mask=None), replace(second, mask=first.mask), third)),
        replace(MASKED, styles=(first, second, replace(third, mask=None)), content_mask=third.mask),
    ]
    assert len({MASKED.digest(), *(other.digest() for other in others)}) == 1 + len(others)


def test_a_description_tells_each_mask_where_it_belongs() -> None:
    told = MASKED.describe()
    styles = told["styles"]
    assert isinstance(styles, list)
    assert [style.get("mask", {}).get("width") for style in styles] == [4, None, 8]
    assert MASKED.content_mask
    assert told["content_mask"] == {**MASKED.content_mask.describe(), "sha256": MASKED.content_mask.sha256()}
    assert told["resume"] == "earlier"


def test_to_announce_no_mask_for_any_style_is_to_announce_nothing() -> None:
    plain = messages.Submit.of(request(), "job", id=1)
    assert plain.style_masks == ()
    assert replace(plain, style_masks=(False,)).request() == plain.request()


# What is refused ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("three-channel-mask", r"pictures\[2\] is a mask and must have 1 channel, not 3"),
        ("four-channel-content-mask", r"pictures\[2\] is a mask and must have 1 channel, not 4"),
        ("one-channel-content", r"pictures\[0\] is no mask and must have 3 or 4 channels, not 1"),
        ("one-channel-style", r"pictures\[1\] is no mask and must have 3 or 4 channels, not 1"),
        ("mask-not-announced", r"pictures\[2\] is no mask"),
        ("mask-announced-and-missing", "each mask that is announced"),
        ("mask-without-its-style", "style_masks must be one a style: 2 for 1 styles"),
        ("style-masks-for-fewer-styles", "style_masks must be one a style: 1 for 2 styles"),
        ("style-masks-of-numbers", r"style_masks\[0\] must be true or false"),
        ("mask-of-other-proportions", "the content's proportions: it is 6×6 and the content 6×4"),
        ("content-mask-on-its-side", "the content's proportions: it is 4×6 and the content 6×4"),
        ("one-channel-result", r"pictures\[0\]\.channels must be one of 3, 4, not 1"),
        ("one-channel-preview", r"pictures\[0\]\.channels must be one of 3, 4, not 1"),
        ("seventeen-pictures", "pictures, masks among them: 17 is more than the 16"),
        ("resume-with-a-slash", "resume must be made of letters"),
        ("resume-of-itself", "resume must name an earlier job"),
        ("settings-of-too-many-bytes", "settings must have at most 24,576 bytes of names and texts, not 25,4"),
    ],
)
def test_a_refusal_says_what_is_wrong(name: str, sentence: str) -> None:
    code, frames = BAD[f"v1.1/{name}"]
    with pytest.raises(ProtocolError, match=sentence) as caught:
        vectors.understood(frames)
    assert caught.value.code is code


@pytest.mark.parametrize("kind", [messages.Preview, messages.Result])
def test_a_painting_of_one_channel_is_not_even_sent(kind: Callable[..., messages.Message]) -> None:
    with pytest.raises(ProtocolError, match="must be one of 3, 4, not 1"):
        encode(kind(job="j", pictures=(grey(),)))


@given(st.integers(1, 9999), st.integers(1, 9999), st.integers(1, 9999))
def test_a_mask_scaled_as_programs_scale_fits_its_content(width: int, height: int, longest: int) -> None:
    scale = longest / max(width, height)
    for whole in (int, round):
        mask = max(1, whole(width * scale)), max(1, whole(height * scale))
        assert same_proportions(mask, (width, height))


@pytest.mark.parametrize(
    ("mask", "fits"),
    [
        ((40, 30), True), ((80, 60), True), ((20, 15), True), ((41, 30), True), ((40, 31), True), ((10, 8), True),
        ((42, 30), False), ((40, 32), False), ((30, 40), False), ((10, 9), False), ((80, 63), False),
    ],
)  # fmt: skip
def test_a_mask_may_be_one_pixel_off_and_no_more(mask: tuple[int, int], fits: bool) -> None:
    assert same_proportions(mask, (40, 30)) is fits
    assert same_proportions((40, 30), mask) is fits


def test_the_settings_that_are_allowed_fit_into_a_header() -> None:
    names = [f"{i:064}" for i in range(SETTINGS)]
    left = SETTINGS_BYTES - sum(map(len, names))
    texts = []
    for _ in names:
        texts.append("\N{ARTIST PALETTE}" * min(SETTING, left // 4))
        left -= len(texts[-1].encode())
    asked = request(settings=dict(zip(names, texts, strict=True)))
    assert left == 0
    assert sent(asked).settings == asked.settings
    record = {
        "request": asked.describe(),
        "notes": ["n" * 4096],
        "losses": [{"step": i, "total": 0.5} for i in range(99)],
    }
    assert encode(messages.Result(job="j", record=record, pictures=(picture(),)))


def test_bytes_that_are_no_text_are_refused_before_they_are_sent() -> None:
    broken = b"caf\xe9".decode("utf-8", "surrogateescape")
    with pytest.raises(ProtocolError, match=r"settings\.look must be a text that UTF-8 can hold"):
        encode(messages.Submit.of(request(settings={"look": broken}), "job", id=1))


def test_eight_styles_with_a_mask_each_are_more_than_a_message_holds() -> None:
    seven = Request(picture(4, 3), (Style(picture(), mask=grey()),) * 7, content_mask=grey())
    assert len(sent(seven).pictures) == PICTURES
    with pytest.raises(ProtocolError, match="masks among them: 18 is more than the 16"):
        sent(replace(seven, styles=seven.styles + seven.styles[:1]))


# Between client and daemon --------------------------------------------------------------------------------


def client_of(*features: str) -> ClientCore:
    """A client whose daemon has announced these features."""
    core = ClientCore(client="alice")
    core.start(0)
    core.handle(Heard(messages.Welcome(re=1, version=1, instance="i", features=features)), 0)
    return core


@pytest.mark.parametrize(
    ("asked", "feature"),
    [
        (replace(request(), content_mask=grey()), "masks"),
        (replace(request(), styles=(Style(picture(), mask=grey()),)), "masks"),
        (request(resume="earlier"), "resume"),
    ],
)
def test_a_client_asks_an_older_daemon_for_nothing_that_it_does_not_know(asked: Request, feature: str) -> None:
    with pytest.raises(ImpastoError, match="This daemon is older than this client") as caught:
        client_of("detach", "previews").check(asked)
    assert caught.value.problem.details == {"feature": feature}
    client_of(feature).check(asked)


def test_an_older_daemon_gets_what_it_does_know() -> None:
    client_of().check(request())


def daemon() -> ServerCore:
    core = ServerCore(instance="i")
    core.handle(Received(b"A", messages.Hello(id=1, client="alice")), 0)
    return core


def test_a_daemon_announces_masks_and_resumption() -> None:
    (welcome,) = ServerCore(instance="i").handle(Received(b"A", messages.Hello(id=1, client="alice")), 0)
    assert isinstance(welcome, Send)
    assert isinstance(welcome.message, messages.Welcome)
    assert {"masks", "resume"} <= set(welcome.message.features)


def test_masks_reach_the_worker_and_another_mask_is_another_request() -> None:
    core = daemon()
    actions = core.handle(Received(b"A", sent(MASKED)), 0)
    (start,) = [action for action in actions if isinstance(action, Start)]
    assert start.submit.request() == MASKED
    (again,) = core.handle(Received(b"A", sent(MASKED)), 0)[:1]
    assert isinstance(again, Send)
    assert isinstance(again.message, messages.Accepted)
    assert again.message.state is State.LOADING
    (answer,) = core.handle(Received(b"A", sent(replace(MASKED, content_mask=grey(fill=9)))), 0)
    assert isinstance(answer, Send)
    assert isinstance(answer.message, messages.Error)
    assert answer.message.code == Code.CONFLICT.value


def test_a_mask_that_does_not_fit_is_refused_before_the_job_waits() -> None:
    core = daemon()
    (answer,) = core.handle(Received(b"A", sent(replace(MASKED, content_mask=grey(3, 4)))), 0)
    assert isinstance(answer, Send)
    assert isinstance(answer.message, messages.Error)
    assert (answer.message.code, answer.message.details["field"]) == ("bad_request", "pictures[6]")
    assert not core.jobs
