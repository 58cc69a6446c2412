"""From a request to what painting it costs: what the painter goes by, and what the forecast says of it. No torch."""

from __future__ import annotations

from impasto_protocol.picture import SAMPLE_BYTES
from impasto_protocol.request import Outline

from .engine.plan import Task

BANDS = 4
"""Parts of about equal effort that a grey content mask may make, each with statistics of its own."""


def task_of(asked: Outline) -> Task:
    """What a request asks for. Of masks, whose samples are not looked at here, the dearest is supposed."""
    content, masked = asked.content, asked.style_masks
    places = masked + (masked < len(asked.styles))  # styles without a mask share what the others leave
    return Task(
        height=content.height,
        width=content.width,
        channels=content.channels,
        sample=SAMPLE_BYTES[content.dtype],
        styles=tuple((style.height, style.width) for style in asked.styles),
        masks=masked + asked.content_mask,
        regions=places * (BANDS if asked.content_mask else 1),
        max_size=asked.max_size,
        resumed=bool(asked.resume),
        start=asked.start,
    )
