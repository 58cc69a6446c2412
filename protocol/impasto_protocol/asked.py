"""The messages that ask for a painting, or what it would take: what is asked is taken apart and put together here.

Pictures travel in one order: the content, the styles, the masks of those styles that have one, the mask of the content
if it has one, the picture to start with if there is one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Optional, TypeVar

from . import schema
from .limits import ITERATES, NAME, PICTURES, SETTING, SETTINGS, SETTINGS_BYTES
from .picture import COLOUR, MASK, SAMPLE_BYTES, Picture, Shape
from .request import (
    DEFAULT_MAX_SIZE,
    DEFAULT_RECIPE,
    DEFAULT_STRENGTH,
    Outline,
    Request,
    Scalar,
    Style,
    same_proportions,
)
from .schema import pixels, wire

T = TypeVar("T")

SETTINGS_OF_A_RECIPE = schema.light(schema.map_of(schema.scalar(SETTING), SETTINGS, schema.name), SETTINGS_BYTES)
"""Reads fields of a recipe, by name."""


def shape(value: object, name: str) -> Shape:
    """Reads the shape of a content or a style: a map as in `pictures`. Raises ProtocolError."""
    facts = value.describe() if isinstance(value, Shape) else value
    if not isinstance(facts, Mapping):
        raise schema.bad(name, "must be a map")
    width, height = (schema.integer(1)(facts.get(key), f"{name}.{key}") for key in ("width", "height"))
    channels = schema.integer(min(COLOUR), max(COLOUR))(facts.get("channels"), f"{name}.channels")
    dtype = facts.get("dtype")
    if not isinstance(dtype, str) or dtype not in SAMPLE_BYTES:
        raise schema.bad(f"{name}.dtype", f"must be one of {', '.join(SAMPLE_BYTES)}, not {schema.told(dtype)}")
    return Shape(width, height, channels, dtype)


@dataclass(frozen=True)
class Submit:
    """Paint. `job` is a name the client made; sending the same again is harmless and answers the job's state.

    `pictures`: the content, the styles, the masks of those styles that have one, the mask of the content if it has
    one, the picture to start with if there is one. `style_weights`: one a style, or none at all for equal ones.
    `style_masks`: whether each style has a mask, or none at all where none has. `resume`: an earlier job to go on from,
    or nothing. `start`: whether there is a picture to start with.
    `digests`: SHA-256 of each picture, or none at all: then the daemon has to read them all to know them again.
    `preview`: longest side of the previews wanted, 0 for none. `detach`: go on when the client goes away. `iterates`:
    how many iterates to keep beside the result, to be fetched by their steps.
    """

    TYPE: ClassVar[str] = "submit"
    id: int = wire(schema.integer(1))
    job: str = wire(schema.name)
    recipe: str = wire(schema.name, DEFAULT_RECIPE)
    strength: float = wire(schema.number(0, 100), DEFAULT_STRENGTH)
    max_size: int = wire(schema.integer(0, 2**31 - 1), DEFAULT_MAX_SIZE)
    seed: int = wire(schema.integer(0, 2**32 - 1), 0)
    style_weights: tuple[float, ...] = wire(schema.list_of(schema.number(0, 1e6)), ())
    settings: Mapping[str, Scalar] = wire(SETTINGS_OF_A_RECIPE, {})
    digests: tuple[str, ...] = wire(schema.list_of(schema.text(NAME)), ())
    preview: int = wire(schema.integer(0, 4096), 0)
    detach: bool = wire(schema.flag, False)
    style_masks: tuple[bool, ...] = wire(schema.list_of(schema.flag), ())
    content_mask: bool = wire(schema.flag, False)
    resume: str = wire(schema.name_or_nothing, "")
    start: bool = wire(schema.flag, False)
    iterates: int = wire(schema.integer(0, ITERATES), 0)
    pictures: tuple[Picture, ...] = pixels((*COLOUR, *MASK))

    @classmethod
    def of(
        cls, request: Request, job: str, *, id: int, preview: int = 0, detach: bool = False, iterates: int = 0
    ) -> Submit:
        return cls(
            id=id,
            job=job,
            recipe=request.recipe,
            strength=request.strength,
            max_size=request.max_size,
            seed=request.seed,
            style_weights=tuple(style.weight for style in request.styles),
            settings=request.settings,
            digests=tuple(picture.sha256() for picture in request.pictures),
            preview=preview,
            detach=detach,
            style_masks=tuple(style.mask is not None for style in request.styles) if request.masks else (),
            content_mask=request.content_mask is not None,
            resume=request.resume,
            start=request.start is not None,
            iterates=iterates,
            pictures=request.pictures,
        )

    def request(self) -> Request:
        """What is asked for. Raises ProtocolError where pictures, weights and masks do not fit together."""
        over, start = split(self.pictures, self.start)
        content, styles, mask = arranged(over, self.style_weights, self.style_masks, self.content_mask)
        if self.digests and len(self.digests) != len(self.pictures):
            raise schema.bad("digests", f"must be one a picture: {len(self.digests)} for {len(self.pictures)} pictures")
        if self.resume == self.job:
            raise schema.bad("resume", "must name an earlier job, not the job itself")
        if start is not None:
            check_start(start, content, len(over), self.resume)
        return Request(
            content=content,
            styles=styles,
            recipe=self.recipe,
            strength=self.strength,
            max_size=self.max_size,
            seed=self.seed,
            settings=self.settings,
            content_mask=mask,
            resume=self.resume,
            start=start,
        )


@dataclass(frozen=True)
class Foresee:
    """What would painting this take? Answered by `foreseen`. As `submit`, without a pixel and without a job.

    `shapes`: of the content and the styles.
    """

    TYPE: ClassVar[str] = "foresee"
    id: int = wire(schema.integer(1))
    shapes: tuple[Shape, ...] = wire(schema.list_of(shape, PICTURES))
    recipe: str = wire(schema.name, DEFAULT_RECIPE)
    strength: float = wire(schema.number(0, 100), DEFAULT_STRENGTH)
    max_size: int = wire(schema.integer(0, 2**31 - 1), DEFAULT_MAX_SIZE)
    settings: Mapping[str, Scalar] = wire(SETTINGS_OF_A_RECIPE, {})
    style_masks: tuple[bool, ...] = wire(schema.list_of(schema.flag), ())
    content_mask: bool = wire(schema.flag, False)
    resume: str = wire(schema.name_or_nothing, "")
    start: bool = wire(schema.flag, False)

    @classmethod
    def of(cls, outline: Outline, *, id: int) -> Foresee:
        masked, styles = outline.style_masks, len(outline.styles)
        return cls(
            id=id,
            shapes=(outline.content, *outline.styles),
            recipe=outline.recipe,
            strength=outline.strength,
            max_size=outline.max_size,
            settings=outline.settings,
            style_masks=tuple(place < masked for place in range(styles)) if masked else (),
            content_mask=outline.content_mask,
            resume=outline.resume,
            start=outline.start,
        )

    def outline(self) -> Outline:
        """What is asked about. Raises ProtocolError where shapes and masks do not fit together."""
        if len(self.shapes) < 2:
            raise schema.bad("shapes", "must be the content's and at least one style's")
        return Outline(
            content=self.shapes[0],
            styles=self.shapes[1:],
            recipe=self.recipe,
            strength=self.strength,
            max_size=self.max_size,
            settings=self.settings,
            style_masks=sum(one_a_style("style_masks", self.style_masks, len(self.shapes) - 1, False)),
            content_mask=self.content_mask,
            resume=self.resume,
            start=self.start,
        )


def split(pictures: Sequence[Picture], start: bool) -> tuple[Sequence[Picture], Optional[Picture]]:
    """What `arranged` takes, and the picture to start with. Raises ProtocolError where that is missing."""
    if not start:
        return pictures, None
    if not pictures:
        raise schema.bad("pictures", "must have the start at its end")
    return pictures[:-1], pictures[-1]


def check_start(start: Picture, content: Picture, place: int, resume: str) -> None:
    """Raises ProtocolError where a painting cannot begin with this picture. place: in the message."""
    where = f"pictures[{place}]"
    if resume:
        raise schema.bad("start", "must not go with resume: a painting begins with one of them")
    if start.channels not in COLOUR:
        raise schema.bad(where, f"is the start and must have 3 or 4 channels, not {start.channels}")
    _check_proportions(where, "the start", start, content)


def arranged(
    pictures: Sequence[Picture], weights: Sequence[float], style_masks: Sequence[bool], content_mask: bool
) -> tuple[Picture, tuple[Style, ...], Optional[Picture]]:
    """The content, the styles and the content's mask. pictures: the content, the styles, the masks of those styles that
    have one, the mask of the content if it has one. weights and style_masks: one a style, or none at all. Raises
    ProtocolError."""
    count = len(pictures) - 1 - sum(style_masks) - content_mask
    if count < 1:
        raise schema.bad("pictures", "must be the content, at least one style, and each mask that is announced")
    shares = one_a_style("style_weights", weights, count, 1.0)
    masked = one_a_style("style_masks", style_masks, count, False)
    if not sum(shares) > 0:
        raise schema.bad("style_weights", "must not all be zero")
    _check_channels(pictures, count)
    masks = iter(pictures[count + 1 :])
    styles = tuple(
        Style(picture, weight, next(masks) if has_mask else None)
        for picture, weight, has_mask in zip(pictures[1 : count + 1], shares, masked)
    )
    return pictures[0], styles, next(masks) if content_mask else None


def one_a_style(name: str, values: Sequence[T], styles: int, default: T) -> tuple[T, ...]:
    """The values, or the default for each style where there are none. Raises ProtocolError for another number."""
    if values and len(values) != styles:
        raise schema.bad(name, f"must be one a style: {len(values)} for {styles} styles")
    return tuple(values) or (default,) * styles


def _check_channels(pictures: Sequence[Picture], styles: int) -> None:
    """Whether colour is where colour belongs, and grey of the content's proportions where masks do."""
    content = pictures[0]
    for place, picture in enumerate(pictures):
        where, mask = f"pictures[{place}]", place > styles
        if mask and picture.channels not in MASK:
            raise schema.bad(where, f"is a mask and must have 1 channel, not {picture.channels}")
        if not mask and picture.channels not in COLOUR:
            raise schema.bad(where, f"is no mask and must have 3 or 4 channels, not {picture.channels}")
        if mask:
            _check_proportions(where, "a mask", picture, content)


def _check_proportions(where: str, what: str, picture: Picture, content: Picture) -> None:
    if not same_proportions(picture.size, content.size):
        raise schema.bad(
            where,
            f"is {what} and must have the content's proportions: it is {picture.width}×{picture.height} "
            f"and the content {content.width}×{content.height}",
        )
