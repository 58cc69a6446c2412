"""One painting: what is asked of the daemon, for a layer and a filter's arguments, and how it gets into its place.

Every call into GIMP happens on the main thread, which waits in the job's loop; the client of the daemon lives in a
thread of the job's own. Knows nothing of dialogs and return values.
"""

from __future__ import annotations

import math
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import colours
import pixels
import record
import sandbox
import style_memory
import styles
from gi.repository import Gimp
from impasto_protocol.errors import Code, ImpastoError
from impasto_protocol.limits import Limits
from impasto_protocol.messages import Result
from impasto_protocol.picture import Picture
from impasto_protocol.request import Outline, Request, Scalar
from job import Job, Watcher
from language import _
from slips import Held, Slip
from styles import Chosen

LIMITS = Limits()
"""What is refused before a pixel is read; the daemon that answers may take less."""

ANEW = {
    Code.UNKNOWN_JOB: _("the daemon keeps nothing of that any more"),
    Code.BAD_REQUEST: _("that has other proportions"),
    Code.VERSION_MISMATCH: _("the daemon is too old to do so"),
}
"""Why a daemon may refuse to go on from an earlier job."""


@dataclass(frozen=True)
class Order:
    """What is to be painted, and what puts the painting in its place; the names of the layer and of its image.

    styles: as many as the request's.
    """

    request: Request
    styles: Sequence[Chosen]
    layer: str
    image: str
    place: Callable[[Result], None]


def requested(source: Any, chosen: Mapping[int, Chosen], config: Any) -> Request:
    """What the filter's arguments ask for. Raises ImpastoError where there is nothing to paint."""
    content = pixels.read(source)
    pixels.check_visible(content)
    return Request(
        content=content,
        styles=styles.weighed(config, chosen),
        seed=config.get_property("seed"),
        **values(config, *content.size),
    )


def outline(source: Any, chosen: Mapping[int, Chosen], config: Any) -> Outline:
    """The same without its pixels, of which none is read."""
    content = pixels.shape(source)
    shapes = tuple(style.picture.shape for style in chosen.values())
    return Outline(content=content, styles=shapes, **values(config, *content.size))


def values(config: Any, width: int, height: int) -> dict[str, Any]:
    """How a layer of this size is to be painted, as far as it costs anything."""
    return {
        "recipe": config.get_property("recipe"),
        "strength": config.get_property("strength"),
        "max_size": config.get_property("max-size"),
        "settings": settings(config, width, height),
    }


def settings(config: Any, width: int, height: int) -> dict[str, Scalar]:
    """The recipe's fields that the filter's arguments stand for: only what differs from the recipe's own.

    Strokes are as large as the style laid over the layer has them, times `stroke-size`.
    """
    percent = config.get_property("stroke-size")
    return {} if percent == 100 else {"style_size": percent / 100 * math.sqrt(width * height)}


def carried_out(plug_in: Any, order: Order, watcher: Callable[[], Watcher]) -> list[str]:
    """Have the daemon paint it, and put it in its place; what the artist should know. Raises ImpastoError.

    What cannot go on from an earlier job is begun anew, and the artist is told. watcher: makes one.
    """
    try:
        return _carried_out(plug_in, order, watcher())
    except ImpastoError as error:
        details = error.problem.details
        about_resuming = "resume" in (*details, details.get("field"), details.get("feature"))
        if not (order.request.resume and about_resuming and error.code in ANEW):
            raise
        note = _("It could not go on from the last painting, for {why}: it was painted from the beginning.").format(
            why=ANEW[error.code]
        )
    anew = replace(order, request=replace(order.request, resume=""))
    return [note, *_carried_out(plug_in, anew, watcher())]


def _carried_out(plug_in: Any, order: Order, watcher: Watcher) -> list[str]:
    job = Job(order.request)
    slip = Slip(job.name, sandbox.endpoint(), order.layer, order.image, record.names(order.styles))
    with Held(slip, Path(Gimp.directory())) as held, job:
        result = job.wait(plug_in, watcher)
        try:
            order.place(result)
        except Exception as error:
            held.leave()
            raise not_inserted(result.job, error) from error
        job.acknowledge()
    for style in reversed(order.styles):  # the first one is the latest
        if style.path is not None:
            style_memory.remember(style.picture.sha256(), style.path)
    return record.notes(result.record)


def insert(
    image: Any,
    source: Any,
    origin: Mapping[str, object],
    used: Sequence[Chosen],
    result: Result,
    content: Picture | None = None,
) -> None:
    """The painting as a layer above its source, which may be gone: `origin` says which it was.

    content: the source's pixels, where the painting is to have their colours.
    Raises ImpastoError, or whatever GIMP has against it.
    """
    if not image.is_valid():
        raise ImpastoError(Code.CANCELLED, _("the image was closed meanwhile"))
    layer = pixels.new_layer(image, source, result.pictures[0], record.layer_name(*record.names(used)))
    try:
        record.keep(layer, record.made(origin, used, result))
        if content is None:
            pixels.show_selected(layer)
            pixels.insert_above(image, source, layer)
        else:
            colours.insert_above(image, source, layer, content)
    except BaseException:
        layer.delete()
        raise


def not_inserted(job: str, error: Exception) -> ImpastoError:
    """The sentence for a painting that the daemon still has."""
    if not isinstance(error, ImpastoError):
        traceback.print_exception(error, file=sys.stderr)
    reason = str(error).rstrip(".") or repr(error)
    return ImpastoError(
        Code.CANCELLED,
        _(
            "The painting could not be put into the image: {reason}. It is not lost, the daemon keeps it for a "
            "day. Choose Filters ▸ Artistic ▸ Neural Style Paintings…, or type in a terminal: impasto fetch "
            "{job} -o FILE.png"
        ).format(reason=reason, job=job[:8]),
    )
