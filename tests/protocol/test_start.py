"""A picture to start with: how it crosses the wire, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest
from impasto_protocol import messages
from impasto_protocol.codec import decode, encode
from impasto_protocol.errors import ImpastoError, ProtocolError
from impasto_protocol.limits import Limits
from impasto_protocol.request import Request, Style

from . import vectors
from .make_vectors import BAD
from .pictures import grey, picture, request
from .test_masks import client_of

BEGUN = Request(
    content=picture(4, 3, 4),
    styles=(Style(picture(2, 2)), Style(picture(3, 3), 2.5, grey(fill=1))),
    content_mask=grey(fill=3),
    start=picture(8, 6, 4, "f32", fill=0),
)


@pytest.mark.parametrize("asked", [BEGUN, request(start=picture(4, 3))])
def test_the_start_is_the_last_picture_and_comes_out_as_it_went_in(asked: Request) -> None:
    arrived = decode(encode(messages.Submit.of(asked, "job", id=1)), Limits())
    assert isinstance(arrived, messages.Submit)
    assert arrived.pictures[-1] == asked.start
    assert arrived.request() == asked


def test_another_start_is_another_request() -> None:
    others = [replace(BEGUN, start=None), replace(BEGUN, start=picture(8, 6, 4, "u8", fill=0))]
    assert len({BEGUN.digest(), *(other.digest() for other in others)}) == 3
    told = BEGUN.describe()["start"]
    assert isinstance(told, dict) and told["width"] == 8
    assert "start" not in others[0].describe()


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("start-with-resume", "start must not go with resume"),
        ("start-of-one-channel", r"pictures\[2\] is the start and must have 3 or 4 channels, not 1"),
        (
            "start-of-other-proportions",
            r"pictures\[2\] is the start and must have the content's proportions: it is 4×6",
        ),
        ("start-announced-and-missing", "at least one style"),
        ("start-and-nothing-else", "must have the start at its end"),
        ("start-not-announced", "content's proportions|must be one a style"),
        ("start-is-a-number", "start must be true or false"),
    ],
)
def test_a_refusal_says_what_is_wrong(name: str, sentence: str) -> None:
    code, frames = BAD[f"v1.4/{name}"]
    with pytest.raises(ProtocolError, match=sentence) as caught:
        vectors.understood(frames)
    assert caught.value.code is code


def test_a_client_asks_an_older_daemon_for_no_start() -> None:
    with pytest.raises(ImpastoError, match="knows no picture to start with") as caught:
        client_of("masks", "resume").check(BEGUN)
    assert caught.value.problem.details == {"feature": "start"}
    client_of("masks", "start").check(BEGUN)
