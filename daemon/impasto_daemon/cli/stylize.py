"""`impasto stylize`: picture files in, one out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import click
from click.core import ParameterSource
from impasto_protocol import strokes
from impasto_protocol.errors import Code, ImpastoError
from impasto_protocol.limits import Limits
from impasto_protocol.picture import Picture
from impasto_protocol.preset import Preset
from impasto_protocol.request import DEFAULT_MAX_SIZE, DEFAULT_STRENGTH, Request, Scalar, Style, same_proportions

from impasto_daemon import pictures

from . import options
from . import preset as presets
from .forecast import foresee
from .painting import Shared, check_styles, load_styles, paint, painting_options
from .report import Report, reporting


@click.command()
@click.argument("content", type=options.file_path())
@click.option("--style", "styles", type=options.file_path(), multiple=True, metavar="STYLE",
              help="Picture whose manner is wanted, unless a preset brings one. Several are blended.")  # fmt: skip
@click.option("--strength", type=options.Number(0, 100), default=DEFAULT_STRENGTH, show_default=True,
              help="From 0, the content as it is, to 100, the style alone.")  # fmt: skip
@click.option("--style-weight", "style_weights", type=options.Number(0, 1e6), multiple=True, metavar="W",
              help="The share of each style: as many as there are styles.")  # fmt: skip
@click.option("--style-mask", "style_masks", type=options.file_path(), multiple=True, metavar="MASK",
              help="Where in the content each style goes (white), as many as there are styles; - for a style "
              "without one.")  # fmt: skip
@click.option("--mask", type=options.file_path(), metavar="MASK",
              help="How strongly to paint where: white as --strength says, black not at all.")  # fmt: skip
@click.option("--start", type=options.file_path(), metavar="PICTURE",
              help="Begin with this picture, such as the painting of an animation's frame before, in place of the "
              "recipe's own start and coarser sizes.")  # fmt: skip
@click.option(
    "--colour",
    metavar="NAME",
    help="Whose colours: style (as in all recipes), or the content's by luminance, oklab, cholesky or pca.",
)
@click.option("--stroke-size", type=options.Number(10, 400), default=100.0, show_default=True, metavar="PERCENT",
              help="At 100 strokes are as large as in the style laid over the content; at 50, half.")  # fmt: skip
@presets.option
@painting_options
def stylize(
    content: Path,
    styles: Sequence[Path],
    strength: float,
    style_weights: Sequence[float],
    style_masks: Sequence[Path],
    mask: Path | None,
    start: Path | None,
    colour: str | None,
    stroke_size: float,
    preset: Preset | None,
    shared: Shared,
) -> None:
    """Paint CONTENT in the manner of STYLE and save it as OUT.

    The daemon of this user paints; where none runs, one is started that leaves by itself when idle.
    """
    check_styles(styles, style_weights, style_masks)
    if start and shared.resume:
        raise click.UsageError("--start and --resume both say what to begin with: give one of them.")
    if not styles and preset is None:
        raise click.UsageError("Missing option '--style'.")
    settings = shared.sugared(colour=colour)
    check_strokes(settings)
    where, outcome = shared.where, shared.outcome
    outcome.check()
    outcome.spare((content, *styles, *style_masks, *filter(None, (mask, start))))
    with reporting(shared.as_json) as report:
        presets.note(preset, report)
        picture = pictures.load(content, Limits(), report.note)
        chosen = load_styles(styles, style_weights, report) if styles else presets.styles(preset)
        request = Request(
            content=picture,
            styles=masked(chosen, style_masks, picture, report),
            recipe=shared.recipe,
            strength=strength,
            max_size=DEFAULT_MAX_SIZE if shared.max_size is None else shared.max_size,
            seed=shared.seed,
            settings={**strokes.settings(stroke_size, *picture.size), **settings},
            content_mask=load_mask(mask, picture, report) if mask else None,
            resume=shared.resume or "",
            start=load_start(start, picture, report) if start else None,
        )
        if shared.forecast:
            foresee(request, where, report)
        else:
            paint(request, outcome, where, report)


def check_strokes(settings: Mapping[str, Scalar]) -> None:
    """Raises click.UsageError where the size of the strokes is given twice; a preset's gives way."""
    source = click.get_current_context().get_parameter_source("stroke_size")
    if strokes.SETTING in settings and source is ParameterSource.COMMANDLINE:
        raise click.UsageError("--stroke-size and --style-size say the same: give one of them.")


def masked(styles: Sequence[Style], paths: Sequence[Path], content: Picture, report: Report) -> tuple[Style, ...]:
    """The styles with their masks, if there are any."""
    return tuple(
        style if path == NO_MASK else replace(style, mask=load_mask(path, content, report))
        for style, path in zip(styles, paths or [NO_MASK] * len(styles))
    )


NO_MASK = Path("-")
"""What stands for the mask of a style that has none."""


def load_mask(path: Path, content: Picture, report: Report) -> Picture:
    """The mask in a file, which lies over the content. Raises ImpastoError."""
    return fitting(pictures.load_mask(path, Limits(), report.note), f"The mask {path}", path, content)


def load_start(path: Path, content: Picture, report: Report) -> Picture:
    """The picture in a file, to begin with. Raises ImpastoError."""
    return fitting(pictures.load(path, Limits(), report.note), f"The start {path}", path, content)


def fitting(picture: Picture, which: str, path: Path, content: Picture) -> Picture:
    """The picture, where it can lie over the content. Raises ImpastoError."""
    if not same_proportions(picture.size, content.size):
        raise ImpastoError(
            Code.BAD_REQUEST,
            f"{which} has {picture.width}×{picture.height} pixels and the content {content.width}×{content.height}: "
            "give it the content's proportions.",
            path=str(path),
        )
    return picture
