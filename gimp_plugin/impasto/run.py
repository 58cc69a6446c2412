"""The job: from a layer and the filter's arguments to a new layer, or a sentence that says why not.

Every call into GIMP happens on the main thread, which waits in the job's loop; the client of the daemon lives in a
thread of the job's own.
"""

from __future__ import annotations

import math
import os
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import colours
import headlines
import pixels
import progress
import record
import sandbox
import style_memory
import styles
from gi.repository import Gimp, GLib
from impasto_protocol.errors import Code, ImpastoError
from impasto_protocol.limits import Limits
from impasto_protocol.messages import Result
from impasto_protocol.picture import Picture
from impasto_protocol.request import Outline, Request, Scalar
from job import GivenUp, Job, Watcher
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


def run(procedure: Any, run_mode: Any, image: Any, drawables: list[Any], config: Any) -> Any:
    """One call of the procedure, in any run mode: its return values."""

    def work() -> list[str]:
        if len(drawables) > 1:
            import batch

            return batch.of_selected(procedure, run_mode, image, drawables, config)
        source = pixels.only_layer(drawables, LIMITS)
        ask(
            procedure,
            run_mode,
            config,
            source,
            lambda: styles.chosen(config, image, LIMITS),
            lambda chosen: outline(source, chosen, config),
        )
        return paint(procedure.get_plug_in(), image, source, config, watcher(run_mode, source, config))

    return answered(procedure, run_mode, work)


def answered(procedure: Any, run_mode: Any, work: Callable[[], list[str]]) -> Any:
    """The return values of a procedure that does this work; what the work returns, the artist is told."""
    try:
        notes = work()
    except GivenUp:
        return procedure.new_return_values(Gimp.PDBStatusType.CANCEL, None)
    except ImpastoError as error:
        return _failed(procedure, headlines.told(error), error.code)
    except Exception as error:
        traceback.print_exc(file=sys.stderr)
        sentence = _("Something unforeseen happened in Impasto's plug-in: {error!r}. Nothing was changed.").format(
            error=error
        )
        return _failed(procedure, sentence, Code.INTERNAL)
    if notes and run_mode == Gimp.RunMode.INTERACTIVE:
        Gimp.message("\n".join(notes))
    Gimp.displays_flush()
    return procedure.new_return_values(Gimp.PDBStatusType.SUCCESS, GLib.Error())


def ask(procedure: Any, run_mode: Any, config: Any, *more: Any) -> None:
    """Have an artist fill in the arguments; a script has. more: as `dialog.ask` has it. Raises GivenUp."""
    if run_mode == Gimp.RunMode.INTERACTIVE:
        import dialog  # needs a display, which scripts have not

        if not dialog.ask(procedure, config, *more):
            raise GivenUp


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


def paint(plug_in: Any, image: Any, source: Any, config: Any, watcher: Watcher) -> list[str]:
    """Read, ask the daemon, insert; what the artist should know about how it was painted. Raises ImpastoError."""
    chosen = styles.chosen(config, image, LIMITS)
    request, origin, used = requested(source, chosen, config), record.origin(source), list(chosen.values())
    keep = config.get_property(colours.ARGUMENT)

    def place(result: Result) -> None:
        insert(image, source, origin, used, result, request.content if keep and colours.are_in(image) else None)

    order = Order(request, used, source.get_name(), image.get_name(), place)
    return [*carried_out(plug_in, order, lambda: watcher), *(colours.note(image) if keep else [])]


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


def settings(config: Any, width: int, height: int) -> dict[str, Scalar]:
    """The recipe's fields that the filter's arguments stand for: only what differs from the recipe's own.

    Strokes are as large as the style laid over the layer has them, times `stroke-size`.
    """
    percent = config.get_property("stroke-size")
    return {} if percent == 100 else {"style_size": percent / 100 * math.sqrt(width * height)}


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
        record.keep(layer, origin, used, result)
        if content is None:
            pixels.show_selected(layer)
            pixels.insert_above(image, source, layer)
        else:
            colours.insert_above(image, source, layer, content)
    except BaseException:
        layer.delete()
        raise


def watcher(run_mode: Any, source: Any, config: Any, place: Any = None) -> Watcher:
    """A window for an artist, who may choose among iterates there, if that was wished; the status bar for a script.
    place: the layer that is painted again, if any."""
    if not shows_windows(run_mode):
        return progress.StatusBar()
    import scrubber
    import window

    kind = scrubber.Scrubber if config.get_property("choose") else window.Window
    return kind(source, place or source)


def shows_windows(run_mode: Any) -> bool:
    """Whether there is an artist, and there can be windows: without a display, GimpUi ends the process."""
    return run_mode != Gimp.RunMode.NONINTERACTIVE and bool(
        os.name == "nt" or sys.platform == "darwin" or os.environ.keys() & {"DISPLAY", "WAYLAND_DISPLAY"}
    )


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


def _failed(procedure: Any, sentence: str, code: Code) -> Any:
    """The error as GIMP shows it: its sentence, and its code as on the command line."""
    text = record.printable(f"{sentence} [{code.value}]")
    return procedure.new_return_values(Gimp.PDBStatusType.EXECUTION_ERROR, GLib.Error(text[:1].upper() + text[1:]))
