"""The messages of protocol version 1, one frozen dataclass each. SPEC.md says the same in prose.

Requests go from client to daemon and carry `id`, a number the client chose; the answer repeats it as `re`.
Events go from daemon to client and name their `job`; an answer and an event may be the same message (a fetched
result has `re`, a delivered one has 0). `pictures` are the pixel frames behind the header. What asks for a painting is
in `asked`. Nothing here knows bytes: the codec does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Optional, Union

from . import schema
from .asked import Foresee as Foresee
from .asked import Submit as Submit
from .errors import Code, Problem
from .jobstate import State
from .limits import ITERATES, NAME, TEXT
from .picture import COLOUR, Picture
from .schema import pixels, wire

VERSION = 1
"""The protocol's major version: a breaking change makes it 2."""

FEATURES = frozenset({"previews", "detach", "masks", "resume", "start", "steer", "foresee", "iterates"})
"""What this implementation can do beyond the core of the protocol; used only where both sides named it."""


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
    """Send me this job's result (again), or the iterate of one of its `step`s. Answered by `result`."""

    TYPE: ClassVar[str] = "fetch"
    id: int = wire(schema.integer(1))
    job: str = wire(schema.name)
    step: int = wire(schema.integer(), 0)


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
    `note`: what happens beside steps, such as a download; a `warning` is to stay where it can be read. `stand_in`: the
    recipe that is painted with in place of the one asked for, from when that is known."""

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
    stand_in: str = wire(schema.name_or_nothing, "")


@dataclass(frozen=True)
class Preview:
    """The iterate of this step, small. The next one comes only after this one's `ack`. `kept`: it is kept whole too."""

    TYPE: ClassVar[str] = "preview"
    job: str = wire(schema.name)
    step: int = wire(schema.integer(), 0)
    kept: bool = wire(schema.flag, False)
    pictures: tuple[Picture, ...] = pixels(COLOUR)


@dataclass(frozen=True)
class Result:
    """The painting, of the content's size and sample type. `record`: how it was made, as plain data. `iterates`: the
    steps whose iterates are kept beside it. `step`: where this is such an iterate and not the painting, its step."""

    TYPE: ClassVar[str] = "result"
    job: str = wire(schema.name)
    re: int = wire(schema.integer(), 0)
    record: Mapping[str, Any] = wire(schema.map_of(schema.plain), {})
    step: int = wire(schema.integer(), 0)
    iterates: tuple[int, ...] = wire(schema.list_of(schema.integer(1), ITERATES), ())
    pictures: tuple[Picture, ...] = pixels(COLOUR)


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
class Foreseen:
    """Answers `foresee`. `forecast`: as in `accepted`."""

    TYPE: ClassVar[str] = "foreseen"
    re: int = wire(schema.integer())
    forecast: Mapping[str, Any] = wire(schema.map_of(schema.plain), {})


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


ClientMessage = Union[Hello, Submit, Foresee, Cancel, Finish, Detach, Ack, Fetch, List, Status, Ping]
DaemonMessage = Union[Welcome, Accepted, Foreseen, Progress, Preview, Result, Error, Jobs, Health, Pong]
Message = Union[ClientMessage, DaemonMessage, Unknown]

MESSAGES: dict[str, type[Any]] = {
    kind.TYPE: kind
    for kind in (
        Hello, Submit, Foresee, Cancel, Finish, Detach, Ack, Fetch, List, Status, Ping,
        Welcome, Accepted, Foreseen, Progress, Preview, Result, Error, Jobs, Health, Pong,
    )
}  # fmt: skip
