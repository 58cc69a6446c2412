"""A living layer: one that Impasto painted is painted again, in its place, from its source as that looks now.

What made it is kept with it (`record`), so this works in a picture from another machine, with the style's file gone.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import call
import colours
import finished
import order
import pixels
import record
import style_kept
import styles
from gi.repository import Gimp
from impasto_protocol.errors import Code, ImpastoError, bad_request
from impasto_protocol.messages import Result
from impasto_protocol.request import Outline
from job import Watcher
from language import _
from order import LIMITS
from record import Painted
from styles import Chosen
from subject import Subject

FILTER = "plug-in-impasto-style-transfer"
"""Whose arguments the ones here are: it knows their ranges."""
ANEW = {
    Code.UNKNOWN_JOB: _(
        "It could not go on from the last painting, for Impasto keeps nothing of that any more: it was painted from "
        "the beginning."
    ),
    Code.BAD_REQUEST: _(
        "It could not go on from the last painting, for that has other proportions: it was painted from the beginning."
    ),
    Code.VERSION_MISMATCH: _(
        "It could not go on from the last painting, for Impasto's daemon is too old to do so: it was painted from the "
        "beginning."
    ),
}
"""What the artist is told where a daemon refuses to go on from an earlier job, and why it may."""
LEFT_OUT = (None, "", -1)
"""Values of arguments that say: as it was painted."""


def run(procedure: Any, run_mode: Any, image: Any, drawables: list[Any], config: Any) -> Any:
    """One call of the procedure, in any run mode: its return values."""
    return call.answered(procedure, run_mode, image, lambda: restyle(procedure, run_mode, image, drawables, config))


def restyle(procedure: Any, run_mode: Any, image: Any, drawables: list[Any], config: Any) -> list[str]:
    """Ask, paint, and put it in its place; what the artist should know. Raises ImpastoError and GivenUp."""
    layer = pixels.only_layer(image, [colours.painting_in(pixels.only_layer(image, drawables, LIMITS))], LIMITS)
    painted, copies = record.read(layer), record.read_copies(layer)
    afresh = run_mode == Gimp.RunMode.INTERACTIVE
    made_with = fill(config, layer, painted, afresh)
    if afresh:

        def seen() -> Any:
            return known_source(layer, painted, config)

        def shown() -> dict[int, Chosen]:
            return styles_of(image, seen() or layer, painted, copies, config)

        def outlines(chosen: Mapping[int, Chosen]) -> list[tuple[int, Outline]]:
            return [(1, replace(order.outline(seen(), chosen, config), resume=earlier(painted, config)))]

        own = kept_styles(painted, copies)
        call.ask(procedure, run_mode, config, Subject(seen, shown, outlines, made_with, own))
    source = pixels.only_layer(image, [source_of(layer, painted, config)], LIMITS)
    origin, extent = record.origin(source), pixels.extent(source)
    pixels.check_writable(layer, extent)
    chosen = record.copied(styles_of(image, source, painted, copies, config))
    request = replace(order.requested(source, chosen, config), resume=earlier(painted, config))
    used = list(chosen.values())
    about = record.about(origin, used)
    keep, notes = config.get_property(colours.ARGUMENT), list[str]()

    def place(result: Result) -> None:
        """In the place of the layer's pixels, with the record: one undo step."""
        if not layer.is_valid():
            raise bad_request(_("The layer was deleted, or its image closed, meanwhile."))
        # All that can go wrong comes first: then the layer is as it was.
        pixels.check_writable(layer, extent)
        kept = record.made(about, result)
        above = colours.above(layer, source, request.content) if keep else None
        image.undo_group_start()
        try:
            if above is not None:
                colours.put_above(layer, above)
            pixels.repaint(layer, extent, result.pictures[0])
            record.keep(layer, kept)
            before, now = (record.names(each) for each in (painted.styles, used))
            colours.rename(layer, record.layer_name(*before), record.layer_name(*now))
            if above is None:
                notes.extend(colours.follow(layer, extent, request.content, keep))
        finally:
            image.undo_group_end()

    asked = finished.Order(request, used, about, source.get_name(), image.get_name(), place)
    told = carried_out(procedure.get_plug_in(), asked, lambda: call.watcher(run_mode, source, config, layer))
    return [*(note for style in used for note in style_kept.note(style)), *told, *notes]


def carried_out(plug_in: Any, asked: finished.Order, watcher: Callable[[], Watcher]) -> list[str]:
    """As `finished.placed`: what cannot go on from an earlier job is begun anew, and the artist is told.

    watcher: makes one.
    """
    try:
        return finished.placed(plug_in, asked, watcher())
    except ImpastoError as error:
        details = error.problem.details
        about_resuming = "resume" in (*details, details.get("field"), details.get("feature"))
        if not (asked.request.resume and about_resuming and error.code in ANEW):
            raise
        note = ANEW[error.code]
    anew = replace(asked, request=replace(asked.request, resume=""))
    return [note, *finished.placed(plug_in, anew, watcher())]


def fill(config: Any, layer: Any, painted: Painted, afresh: bool) -> dict[str, Any]:
    """Set the arguments to what the layer was painted with: all of them, or those that were left out.

    Returns what it was painted with, within the filter's ranges.
    """
    filters = Gimp.get_pdb().lookup_procedure(FILTER)
    made_with = {}
    for name, value in painted.arguments.items():
        about = filters.find_argument(name)
        made_with[name] = value if name == "recipe" else min(max(value, about.minimum), about.maximum)
        if afresh or config.get_property(name) in LEFT_OUT:
            config.set_property(name, made_with[name])
    if afresh:
        for name in (*styles.ARGUMENTS, "source-layer"):
            config.set_property(name, None)
        config.set_property("continue", False)
        config.set_property(colours.ARGUMENT, False)
        if colours.beside(layer) is not None:
            made_with[colours.ARGUMENT] = True
            config.set_property(colours.ARGUMENT, True)
    return made_with


def source_of(layer: Any, painted: Painted, config: Any) -> Any:
    """The layer to paint from: the one that is given, or the one that it was painted from. Raises ImpastoError."""
    pixels.check_there(layer)
    image = layer.get_image()
    given = config.get_property("source-layer")
    found = given or _remembered(layer, painted)
    if found is None:
        raise bad_request(
            _(
                "The layer that {name} was painted from ({source}) is not in this image. Choose the layer to paint "
                "from as Source, under More (in a script: source-layer)."
            ).format(name=layer.get_name(), source=painted.source_name or _("its name is not known"))
        )
    if found.get_id() == layer.get_id():
        raise bad_request(_("A layer cannot be painted from itself. Choose another layer as Source, or paint it anew."))
    if found.get_image().get_id() != image.get_id():
        raise bad_request(
            _("The layer {name} is in another image. Choose one of this image as Source.").format(name=found.get_name())
        )
    return found


def known_source(layer: Any, painted: Painted, config: Any) -> Any:
    """As `source_of`, or None where the artist has to say first."""
    with contextlib.suppress(ImpastoError):
        return source_of(layer, painted, config)
    return None


def styles_of(image: Any, source: Any, painted: Painted, copies: Mapping[int, bytes], config: Any) -> dict[int, Chosen]:
    """The styles that the arguments name, by their numbers, and those that it was painted with where they name none.

    Raises ImpastoError.
    """
    pixels.check_there(source)
    # The dialog shows a style before the source is looked at, whose size a stranger may have made up.
    most = min(source.get_width() * source.get_height(), LIMITS.pixels)

    def own(number: int) -> Chosen | None:
        if number > len(painted.styles):
            return None
        return style_kept.chosen(painted.styles[number - 1], copies.get(number, b""), most, LIMITS)

    return styles.chosen(config, image, LIMITS, own)


def kept_styles(painted: Painted, copies: Mapping[int, bytes]) -> dict[int, style_kept.Shown | None]:
    """What can be shown of the styles that it was painted with, by their numbers."""
    numbered = enumerate(painted.styles, 1)
    return {number: style_kept.shown(style, copies.get(number, b"")) for number, style in numbered}


def earlier(painted: Painted, config: Any) -> str:
    """The job to go on from, if that is wanted. Raises ImpastoError."""
    if not config.get_property("continue"):
        return ""
    if not painted.job:
        raise bad_request(
            _("The layer does not say which job painted it, so there is none to go on from: paint it anew.")
        )
    if painted.step:
        raise bad_request(
            _(
                "The layer is an earlier stage of its painting, that of step {step}, and Impasto can go on from "
                "the end alone: paint it anew."
            ).format(step=painted.step)
        )
    return painted.job


def _remembered(layer: Any, painted: Painted) -> Any:
    """The layer of which two are right: the source's name, tattoo and size; None where none is. The name goes first.

    Artists rename and resize a source; and in a copy of the image its tattoo is any layer's, the painting's own too.
    """
    image = layer.get_image()
    found = (
        image.get_layer_by_name(painted.source_name) if painted.source_name else None,
        image.get_layer_by_tattoo(painted.tattoo) if painted.tattoo else None,
    )
    return next((each for each in found if each is not None and _is_source(each, layer, painted)), None)


def _is_source(found: Any, layer: Any, painted: Painted) -> bool:
    right = (
        found.get_name() == painted.source_name,
        found.get_tattoo() == painted.tattoo,
        pixels.extent(found)[1] == painted.source_size,
    )
    return bool(found.get_id() != layer.get_id() and sum(right) >= 2)
