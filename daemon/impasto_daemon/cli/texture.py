"""`impasto texture`: a style picture in, a texture out; no content."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
from impasto_protocol.limits import Limits
from impasto_protocol.picture import SAMPLE_BYTES, Picture
from impasto_protocol.request import Request, Scalar

from impasto_daemon.engine.recipes import RECIPES

from . import options
from .forecast import foresee
from .painting import Shared, check_styles, load_styles, paint, painting_options
from .report import reporting

FROM_NOISE: dict[str, Scalar] = {"init": "noise", "noise": 0.2}
"""Settings that a texture has unless they are set otherwise, its recipe starts from noise of its own, or it goes on
from an earlier one: there is no content to start from."""


def read_size(_: click.Context, __: click.Parameter, value: str) -> tuple[int, int]:
    """WIDTHxHEIGHT in pixels, within what a daemon takes."""
    sides = value.lower().replace("×", "x").split("x")
    if len(sides) != 2 or not all(side.isascii() and side.isdigit() and len(side) < 9 for side in sides):
        raise click.BadParameter(f"{value!r} is not WIDTHxHEIGHT in pixels, such as 512x512.")
    (width, height), limits = map(int, sides), Limits()
    if not (min(width, height) > 0 and max(width, height) <= limits.side and width * height <= limits.pixels):
        sentence = f"from 1 to {limits.side:,} pixels a side and at most {limits.pixels:,} in all."
        raise click.BadParameter(f"{value} is out of range: {sentence}")
    return width, height


@click.command()
@click.option("--style", "styles", type=options.file_path(), multiple=True, required=True, metavar="STYLE",
              help="Picture that the texture is to be like. Several are blended.")  # fmt: skip
@click.option("--size", callback=read_size, default="512x512", show_default=True, metavar="WIDTHxHEIGHT",
              help="Of the texture, in pixels.")  # fmt: skip
@click.option("--style-weight", "style_weights", type=options.Number(0, 1e6), multiple=True, metavar="W",
              help="The share of each style: as many as there are styles.")  # fmt: skip
@painting_options
def texture(
    styles: Sequence[Path],
    size: tuple[int, int],
    style_weights: Sequence[float],
    shared: Shared,
) -> None:
    """Paint a texture in the manner of STYLE, without any content, and save it as OUT."""
    check_styles(styles, style_weights, ())
    if shared.settings.get("colour", "style") != "style":
        raise click.UsageError("A texture has the colours of its style: there is no content to have others from.")
    known = RECIPES.get(shared.recipe)
    start = {} if shared.resume or (known and known.init == "noise") else FROM_NOISE
    settings = {**start, **shared.sugared()}
    where, outcome = shared.where, shared.outcome
    outcome.check(*size)
    outcome.spare(styles)
    with reporting(shared.as_json) as report:
        found = load_styles(styles, style_weights, report)
        request = Request(
            content=canvas(size, "u16" if any(style.picture.dtype == "u16" for style in found) else "u8"),
            styles=found,
            recipe=shared.recipe,
            strength=100.0,
            max_size=shared.max_size or 0,
            seed=shared.seed,
            settings=settings,
            resume=shared.resume or "",
        )
        if shared.forecast:
            foresee(request, where, report)
        else:
            paint(request, outcome, where, report)


def canvas(size: tuple[int, int], dtype: str) -> Picture:
    """Mean grey of this width and height."""
    width, height = size
    return Picture(width, height, 3, dtype, b"\x80" * (width * height * 3 * SAMPLE_BYTES[dtype]))
