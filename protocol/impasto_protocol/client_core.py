"""A client's side of the conversation, without any IO.

Theory of operation: whoever owns the socket calls `start` once and then `handle(event, now)` with what happened,
and carries out the actions in order. The core says hello (again whenever the connection broke or the daemon forgot
us), numbers requests, keeps the lease alive, acknowledges previews and notices a daemon that is gone, or one that was
restarted: it may have results of before, and what it does not know is lost. It knows no
sockets, no threads and no clock; what a message means for the user is the shell's business.

Gone is who answers nothing for a lease. That time begins with what is asked, and begins again when nobody has looked
for two heartbeats: who was stopped itself, or busy elsewhere, cannot tell its own absence from the daemon's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Optional, Union

from . import messages
from .errors import Code, ImpastoError, Problem
from .limits import Limits
from .request import Request

RECONNECT = 5.0
"""Seconds that a broken connection has to come back, however often it breaks again: a daemon that failed may just be
started anew."""
SLOWEST_LINK = 1_000_000
"""Bytes a second: while a large message may be under way, the daemon's silence is not an absence."""

LACKING = {
    "masks": "masks",
    "resume": "way to go on from an earlier job",
    "start": "picture to start with",
    "iterates": "iterates that are kept",
}
"""What a daemon that did not announce a feature does not know."""


class Phase(str, Enum):
    """A client is in one of these four phases."""

    NEW = "new"
    GREETING = "greeting"  # hello is said, welcome not yet heard: at the start, and after a break
    READY = "ready"
    LOST = "lost"


@dataclass(frozen=True)
class Heard:
    """A message from the daemon, decoded."""

    message: messages.Message


@dataclass(frozen=True)
class Broken:
    """The connection broke; the transport tries again by itself."""


@dataclass(frozen=True)
class Tick:
    """Time has passed."""


Event = Union[Heard, Broken, Tick]


@dataclass(frozen=True)
class SendOut:
    """Send this message."""

    message: messages.Message


@dataclass(frozen=True)
class Tell:
    """This message is for the user of the client."""

    message: messages.Message


@dataclass(frozen=True)
class Lost:
    """The daemon is gone, or does not talk to us. Nothing follows."""

    problem: Problem


Action = Union[SendOut, Tell, Lost]


@dataclass
class ClientCore:
    """See the module's first lines.

    client: this client's name, the same over reconnections. agent: who that is, for people. timeout: seconds that
    the first welcome has.
    """

    client: str
    agent: str = ""
    timeout: float = 5.0

    phase: Phase = field(default=Phase.NEW, init=False)
    welcome: Optional[messages.Welcome] = field(default=None, init=False)
    limits: Limits = field(default_factory=Limits, init=False)
    restarted: bool = field(default=False, init=False)
    _number: int = field(default=0, init=False)
    _hello: int = field(default=0, init=False)
    _greeted: float = field(default=0.0, init=False)
    _looked: float = field(default=0.0, init=False)
    _asked: float = field(default=math.inf, init=False)
    _said: float = field(default=0.0, init=False)
    _patience: float = field(default=0.0, init=False)

    def start(self, now: float) -> list[Action]:
        """Say hello."""
        self._looked = now
        return [self._greet(now)]

    def check(self, request: Request, *more: str) -> None:
        """Whether the daemon that said welcome understands this, and has these features more. Raises ImpastoError."""
        known = self.welcome.features if self.welcome else ()
        for feature in sorted(request.features.union(more).difference(known)):
            raise ImpastoError(
                Code.VERSION_MISMATCH,
                f"This daemon is older than this client and knows no {LACKING[feature]}. Update Impasto where the "
                "daemon runs.",
                feature=feature,
            )

    def end_of(self, error: messages.Error) -> Problem:
        """How a job ended of which the daemon says this: what a restarted daemon does not know was lost with the one
        before."""
        if self.restarted and error.code == Code.UNKNOWN_JOB.value and "resume" not in error.details:
            sentence = "The daemon was restarted and has forgotten the work it had. Ask for the picture again."
            return Problem(Code.DAEMON_LOST, sentence)
        return error.problem()

    def request(self, message: messages.ClientMessage, now: float) -> messages.ClientMessage:
        """The message with a number of its own, ready to be sent."""
        self._number += 1
        self._said = now
        if not isinstance(message, messages.Ack):
            self._asked = min(self._asked, now)
        size = sum(picture.nbytes for picture in getattr(message, "pictures", ()))
        self._patience = max(self._patience, size / SLOWEST_LINK)
        return replace(message, id=self._number)

    def handle(self, event: Event, now: float) -> list[Action]:
        """What to do about this event at this time (monotonic seconds)."""
        if self.phase is Phase.LOST:
            return []
        if now > self._looked + 2 * self._heartbeat:
            self._greeted, self._asked = now, max(self._asked, now)
        self._looked = now
        if isinstance(event, Heard):
            self._asked = math.inf
            return self._hear(event.message, now)
        if isinstance(event, Broken):
            return [self._greet(now)]
        return self._tick(now)

    def next_deadline(self) -> float:
        """When a Tick is due at the latest."""
        if self.phase is Phase.GREETING:
            return min(self._looked + self._heartbeat, self._gives_up)
        return min(self._said + self._heartbeat, self._gives_up)

    @property
    def _gives_up(self) -> float:
        """When the daemon is taken for gone."""
        if self.phase is Phase.GREETING:
            return self._greeted + (RECONNECT if self.welcome else self.timeout)
        return self._asked + self._lease + self._patience

    @property
    def _heartbeat(self) -> float:
        return self.welcome.heartbeat if self.welcome else 2.0

    @property
    def _lease(self) -> float:
        return self.welcome.lease if self.welcome else 10.0

    def _greet(self, now: float) -> SendOut:
        """Say hello, once more where a break may have swallowed the one before; that gives nobody more time."""
        if self.phase is not Phase.GREETING:
            self.phase, self._greeted = Phase.GREETING, now
        hello = messages.Hello(id=1, client=self.client, features=tuple(sorted(messages.FEATURES)), agent=self.agent)
        numbered = self.request(hello, now)
        self._hello = numbered.id
        return SendOut(numbered)

    def _hear(self, message: messages.Message, now: float) -> list[Action]:
        if isinstance(message, messages.Welcome):
            return self._welcomed(message)
        if isinstance(message, messages.Error):
            if message.re == self._hello and self.phase is Phase.GREETING:
                return [self._lose(message.problem())]
            if message.code == Code.NO_SESSION.value:
                # What was said before the hello had arrived is said again after the welcome.
                return [self._greet(now)] if self.phase is Phase.READY else []
        if isinstance(message, (messages.Pong, messages.Unknown)):
            return []
        if isinstance(message, messages.Preview):
            ack = messages.Ack(job=message.job, of="preview")
            return [SendOut(self.request(ack, now)), Tell(message)]
        return [Tell(message)]

    def _welcomed(self, welcome: messages.Welcome) -> list[Action]:
        if welcome.re != self._hello:
            return []
        if self.welcome and self.welcome.instance != welcome.instance:
            self.restarted = True
        self.phase, self.welcome = Phase.READY, welcome
        self.limits = Limits.from_wire(dict(welcome.limits))
        return [Tell(welcome)]

    def _tick(self, now: float) -> list[Action]:
        if self.phase is Phase.GREETING and now >= self._gives_up:
            code = Code.DAEMON_LOST if self.welcome else Code.UNREACHABLE
            sentence = "The daemon has gone away." if self.welcome else "No daemon answers."
            return [self._lose(Problem(code, f"{sentence} `impasto doctor` says what is wrong."))]
        if self.phase is not Phase.READY:
            return []
        if now >= self._gives_up:
            sentence = f"The daemon has said nothing for {now - self._asked:.0f} seconds: it hangs or is gone."
            return [self._lose(Problem(Code.DAEMON_LOST, f"{sentence} `impasto doctor` says what is wrong."))]
        if now >= self._said + self._heartbeat:
            return [SendOut(self.request(messages.Ping(id=1), now))]
        return []

    def _lose(self, problem: Problem) -> Lost:
        self.phase = Phase.LOST
        return Lost(problem)


def answer_of(message: messages.Message) -> int:
    """The number of the request that this message answers, 0 for none."""
    number: int = getattr(message, "re", 0)
    return number


def job_of(message: messages.Message) -> str:
    """The job that this message is about, empty for none."""
    name: str = getattr(message, "job", "")
    return name


def raise_error(message: messages.Message) -> None:
    """Raises ImpastoError where the message is an error."""
    if isinstance(message, messages.Error):
        raise ImpastoError.of(message.problem())
