"""The messages of protocol version 1, one frozen dataclass each. SPEC.md says the same in prose.

Requests go from client to daemon and carry `id`, a number the client chose; the answer repeats it as `re`.
Events go from daemon to client and name their `job`; an answer and an event may be the same message (a fetched
result has `re`, a delivered one has 0). `pictures` are the pixel frames behind the header. Nothing here knows
bytes: the codec does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Optional, TypeVar, Union

from . import schema
from .errors import Code, Problem
from .jobstate import State
from .limits import NAME, SETTING, SETTINGS, SETTINGS_BYTES, TEXT
from .picture import COLOUR, MASK, Picture
from .request import (
    DEFAULT_MAX_SIZE,
    DEFAULT_RECIPE,
    DEFAULT_STRENGTH,
    Request,
    Scalar,
    Style,
    same_proportions,
)
from .schema import wire

T = TypeVar("T")

VERSION = 1
"""The protocol's major version: a breaking change makes it 2."""

FEATURES = frozenset({"previews", "detach", "masks", "resume", "steer"})
"""What this implementation can do beyond the core of the protocol; used only where both sides named it."""


def _pixels(channels: tuple[int, ...]) -> Any:
    """The pixel frames of a message, each with one of these numbers of channels."""
    return field(default=(), metadata={"channels": channels})


# From client to daemon ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Hello:
    """First message of a session, and again after the connection was lost: `client` is the same then."""

    TYPE: ClassVar[str] = "hello"
    id: int = wire(schema.integer(1))
    client: str = wire(schema.name)
    versions: tuple[int, ...] = wire(schema.list_of(schema.integer(), 16), (VERSION,))
    features: tuple[str, ...] = wire(schema.list_of(schema.name), ())
    agent: str = wire(schema.text(NAME), "")


@dataclass(frozen=True)
class Submit:
    """Paint. `job` is a name the client made; sending the same again is harmless and answers the job's state.

    `pictures`: the content, the styles, the masks of those styles that have one, the mask of the content if it has
    one. `style_weights`: one a style, or none at all for equal ones. `style_masks`: whether each style has a mask,
    or none at all where none has. `resume`: an earlier job to go on from, or nothing.
    `digests`: SHA-256 of each picture, or none at all: then the daemon has to read them all to know them again.
    `preview`: longest side of the previews wanted, 0 for none. `detach`: go on when the client goes away.
    """

    TYPE: ClassVar[str] = "submit"
    id: int = wire(schema.integer(1))
    job: str = wire(schema.name)
    recipe: str = wire(schema.name, DEFAULT_RECIPE)
    strength: float = wire(schema.number(0, 100), DEFAULT_STRENGTH)
    max_size: int = wire(schema.integer(0, 2**31 - 1), DEFAULT_MAX_SIZE)
    seed: int = wire(schema.integer(0, 2**32 - 1), 0)
    style_weights: tuple[float, ...] = wire(schema.list_of(schema.number(0, 1e6)), ())
    settings: Mapping[str, Scalar] = wire(
        schema.light(schema.map_of(schema.scalar(SETTING), SETTINGS, schema.name), SETTINGS_BYTES), {}
    )
    digests: tuple[str, ...] = wire(schema.list_of(schema.text(NAME)), ())
    preview: int = wire(schema.integer(0, 4096), 0)
    detach: bool = wire(schema.flag, False)
    style_masks: tuple[bool, ...] = wire(schema.list_of(schema.flag), ())
    content_mask: bool = wire(schema.flag, False)
    resume: str = wire(schema.name_or_nothing, "")
    pictures: tuple[Picture, ...] = _pixels((*COLOUR, *MASK))

    @classmethod
    def of(cls, request: Request, job: str, *, id: int, preview: int = 0, detach: bool = False) -> Submit:
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
            pictures=request.pictures,
        )

    def request(self) -> Request:
        """What is asked for. Raises ProtocolError where pictures, weights and masks do not fit together."""
        count = len(self.pictures) - 1 - sum(self.style_masks) - self.content_mask
        if count < 1:
            raise schema.bad("pictures", "must be the content, at least one style, and each mask that is announced")
        weights = _one_a_style("style_weights", self.style_weights, count, 1.0)
        masked = _one_a_style("style_masks", self.style_masks, count, False)
        if not sum(weights) > 0:
            raise schema.bad("style_weights", "must not all be zero")
        if self.digests and len(self.digests) != len(self.pictures):
            raise schema.bad("digests", f"must be one a picture: {len(self.digests)} for {len(self.pictures)} pictures")
        if self.resume == self.job:
            raise schema.bad("resume", "must name an earlier job, not the job itself")
        self._check_channels(count)
        content, styles, masks = self.pictures[0], self.pictures[1 : count + 1], iter(self.pictures[count + 1 :])
        return Request(
            content=content,
            styles=tuple(
                Style(picture, weight, next(masks) if has_mask else None)
                for picture, weight, has_mask in zip(styles, weights, masked)
            ),
            recipe=self.recipe,
            strength=self.strength,
            max_size=self.max_size,
            seed=self.seed,
            settings=self.settings,
            content_mask=next(masks) if self.content_mask else None,
            resume=self.resume,
        )

    def _check_channels(self, styles: int) -> None:
        """Whether colour is where colour belongs, and grey of the content's proportions where masks do."""
        content = self.pictures[0]
        for place, picture in enumerate(self.pictures):
            where, mask = f"pictures[{place}]", place > styles
            if mask and picture.channels not in MASK:
                raise schema.bad(where, f"is a mask and must have 1 channel, not {picture.channels}")
            if not mask and picture.channels not in COLOUR:
                raise schema.bad(where, f"is no mask and must have 3 or 4 channels, not {picture.channels}")
            if mask and not same_proportions(picture.size, content.size):
                raise schema.bad(
                    where,
                    f"is a mask and must have the content's proportions: it is {picture.width}×{picture.height} "
                    f"and the content {content.width}×{content.height}",
                )


def _one_a_style(name: str, values: tuple[T, ...], styles: int, default: T) -> tuple[T, ...]:
    """The values, or the default for each style where there are none. Raises ProtocolError for another number."""
    if values and len(values) != styles:
        raise schema.bad(name, f"must be one a style: {len(values)} for {styles} styles")
    return values or (default,) * styles


@dataclass(frozen=True)
class Cancel:
    """Stop this job. Answered by `accepted` with the state it is in now."""

    TYPE: ClassVar[str] = "cancel"
    id: int = wire(schema.integer(1))
    job: str = wire(schema.name)


@dataclass(frozen=True)
class Finish:
    """End this job with the iterate that there is, or with its first one. Answered by `accepted` with the state it is
    in now; the result comes as any other."""

    TYPE: ClassVar[str] = "finish"
    id: int = wire(schema.integer(1))
    job: str = wire(schema.name)


@dataclass(frozen=True)
class Detach:
    """Go on with this job when the client goes away. Answered by `accepted` with the state it is in now."""

    TYPE: ClassVar[str] = "detach"
    id: int = wire(schema.integer(1))
    job: str = wire(schema.name)


@dataclass(frozen=True)
class Ack:
    """The preview or the result of this job has arrived. Not answered. A result acknowledged is forgotten."""

    TYPE: ClassVar[str] = "ack"
    job: str = wire(schema.name)
    of: str = wire(schema.name)
    id: int = wire(schema.integer(), 0)


@dataclass(frozen=True)
class Fetch:
    """Send me this job's result (again). Answered by `result`."""

    TYPE: ClassVar[str] = "fetch"
    id: int = wire(schema.integer(1))
    job: str = wire(schema.name)


@dataclass(frozen=True)
class List:
    """Which jobs are there? Answered by `jobs`."""

    TYPE: ClassVar[str] = "list"
    id: int = wire(schema.integer(1))


@dataclass(frozen=True)
class Status:
    """How are you? Answered by `health`."""

    TYPE: ClassVar[str] = "status"
    id: int = wire(schema.integer(1))


@dataclass(frozen=True)
class Ping:
    """I am here. Answered by `pong`; renews the lease, as any message does."""

    TYPE: ClassVar[str] = "ping"
    id: int = wire(schema.integer(1))


# From daemon to client ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Welcome:
    """Answers `hello`. `lease` and `heartbeat` in seconds: silence longer than the lease is an absence; a client
    with nothing to say pings once a heartbeat. `instance` names this run of the daemon: another one remembers
    of the jobs before it those whose results it still has."""

    TYPE: ClassVar[str] = "welcome"
    re: int = wire(schema.integer())
    version: int = wire(schema.integer())
    instance: str = wire(schema.name)
    features: tuple[str, ...] = wire(schema.list_of(schema.name), ())
    limits: Mapping[str, int] = wire(schema.map_of(schema.integer()), {})
    lease: float = wire(schema.number(0), 10.0)
    heartbeat: float = wire(schema.number(0), 2.0)
    agent: str = wire(schema.text(NAME), "")


@dataclass(frozen=True)
class Accepted:
    """Answers `submit` and `cancel`: the job is in this state now. `position`: jobs before it. `forecast`: what it will
    take (`forecast.Forecast`), empty while the daemon cannot say."""

    TYPE: ClassVar[str] = "accepted"
    re: int = wire(schema.integer())
    job: str = wire(schema.name)
    state: State = wire(schema.one_of(State))
    position: int = wire(schema.integer(), 0)
    digest: str = wire(schema.text(64), "")
    forecast: Mapping[str, Any] = wire(schema.map_of(schema.plain), {})


@dataclass(frozen=True)
class Progress:
    """A job moves. The latest one counts: a slow client misses some. `step` of `steps` optimisation steps over all
    scales; `losses` by name (content, style, total); `elapsed` and `eta` in seconds, eta None while unknown;
    `note`: what happens beside steps, such as a download; a `warning` is to stay where it can be read."""

    TYPE: ClassVar[str] = "progress"
    job: str = wire(schema.name)
    state: State = wire(schema.one_of(State))
    position: int = wire(schema.integer(), 0)
    step: int = wire(schema.integer(), 0)
    steps: int = wire(schema.integer(), 0)
    losses: Mapping[str, float] = wire(schema.map_of(schema.number()), {})
    elapsed: float = wire(schema.number(0), 0.0)
    eta: Optional[float] = wire(lambda value, name: None if value is None else schema.number(0)(value, name), None)
    note: str = wire(schema.text(), "")
    warning: bool = wire(schema.flag, False)


@dataclass(frozen=True)
class Preview:
    """The iterate of this step, small. The next one comes only after this one's `ack`."""

    TYPE: ClassVar[str] = "preview"
    job: str = wire(schema.name)
    step: int = wire(schema.integer(), 0)
    pictures: tuple[Picture, ...] = _pixels(COLOUR)


@dataclass(frozen=True)
class Result:
    """The painting, of the content's size and sample type. `record`: how it was made, as plain data."""

    TYPE: ClassVar[str] = "result"
    job: str = wire(schema.name)
    re: int = wire(schema.integer(), 0)
    record: Mapping[str, Any] = wire(schema.map_of(schema.plain), {})
    pictures: tuple[Picture, ...] = _pixels(COLOUR)


@dataclass(frozen=True)
class Error:
    """A request was refused (`re`), or a job ended without a result (`job`), or both."""

    TYPE: ClassVar[str] = "error"
    code: str = wire(schema.name)
    message: str = wire(schema.text())
    re: int = wire(schema.integer(), 0)
    job: str = wire(schema.name_or_nothing, "")
    retryable: bool = wire(schema.flag, False)
    details: Mapping[str, Any] = wire(schema.map_of(schema.plain), {})

    @classmethod
    def of(cls, problem: Problem, *, re: int = 0, job: str = "") -> Error:
        return cls(
            code=problem.code.value,
            message=problem.message[:TEXT],
            re=re,
            job=job,
            retryable=problem.retryable,
            details=problem.details,
        )

    def problem(self) -> Problem:
        """As data; a code that a newer daemon made is an internal error with its sentence kept."""
        known = {code.value for code in Code}
        return Problem(Code(self.code) if self.code in known else Code.INTERNAL, self.message, self.details)


@dataclass(frozen=True)
class Jobs:
    """Answers `list`: one map a job (job, state, agent, recipe, width, height, step, steps, age, position, kept; while
    it is not over, forecast)."""

    TYPE: ClassVar[str] = "jobs"
    re: int = wire(schema.integer())
    jobs: tuple[Mapping[str, Any], ...] = wire(schema.list_of(schema.map_of(schema.plain)), ())


@dataclass(frozen=True)
class Health:
    """Answers `status`: the daemon as plain data (agent, instance, uptime, worker, queued, kept, kept_bytes)."""

    TYPE: ClassVar[str] = "health"
    re: int = wire(schema.integer())
    daemon: Mapping[str, Any] = wire(schema.map_of(schema.plain), {})


@dataclass(frozen=True)
class Pong:
    """Answers `ping`."""

    TYPE: ClassVar[str] = "pong"
    re: int = wire(schema.integer())


@dataclass(frozen=True)
class Unknown:
    """A well-formed message of a type this side does not know: a request is answered `unknown_type`, an event
    ignored. Never sent."""

    TYPE: ClassVar[str] = ""
    type: str
    id: int = 0


ClientMessage = Union[Hello, Submit, Cancel, Finish, Detach, Ack, Fetch, List, Status, Ping]
DaemonMessage = Union[Welcome, Accepted, Progress, Preview, Result, Error, Jobs, Health, Pong]
Message = Union[ClientMessage, DaemonMessage, Unknown]

MESSAGES: dict[str, type[Any]] = {
    kind.TYPE: kind
    for kind in (
        Hello, Submit, Cancel, Finish, Detach, Ack, Fetch, List, Status, Ping,
        Welcome, Accepted, Progress, Preview, Result, Error, Jobs, Health, Pong,
    )
}  # fmt: skip
