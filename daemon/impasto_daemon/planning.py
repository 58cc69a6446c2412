"""From a request to what painting it costs: what the painter goes by, and what the forecast says of it. No torch."""

from __future__ import annotations

from impasto_protocol.picture import SAMPLE_BYTES
from impasto_protocol.request import Request

from .engine.plan import Task

BANDS = 4
"""Parts of about equal effort that a grey content mask may make, each with statistics of its own."""


def task_of(request: Request) -> Task:
    """What a request asks for. Of masks, whose samples are not looked at here, the dearest is supposed."""
    content, masked = request.content, sum(style.mask is not None for style in request.styles)
    places = masked + (masked < len(request.styles))  # styles without a mask share what the others leave
    return Task(
        height=content.height,
        width=content.width,
        channels=content.channels,
        sample=SAMPLE_BYTES[content.dtype],
        styles=tuple((style.picture.height, style.picture.width) for style in request.styles),
        masks=len(request.masks),
        regions=places * (BANDS if request.content_mask is not None else 1),
        max_size=request.max_size,
        resumed=bool(request.resume),
    )
