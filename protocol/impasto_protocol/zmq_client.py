"""The one shell over ZeroMQ that every client of this project uses: blocking calls, one thread.

The conversation itself is `client_core`, and what carries it a `transport`; this module owns the clock.
"""

from __future__ import annotations

import contextlib
import time
import uuid
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Any, Optional, TypeVar, Union

from . import client_core, codec, messages
from .client_core import Broken, ClientCore, Heard, Lost, Phase, SendOut, Tell, Tick
from .endpoint import default_endpoint
from .errors import Code, ImpastoError, Problem, ProtocolError
from .forecast import Forecast
from .interrupt import Interrupt, Wish
from .jobstate import State
from .request import Outline, Request
from .transport import Arrived, Broke, Refused, Transport

OnAccepted = Callable[[messages.Accepted], None]
OnProgress = Callable[[messages.Progress], None]
OnPreview = Callable[[messages.Preview], None]
M = TypeVar("M", bound=messages.Message)

PATIENCE = 15.0
"""Seconds within which an answer comes, or the end of a job that was cancelled."""
CHANCE = 0.25
"""Seconds that a message gets to leave when the client closes."""


def choose_transport() -> type[Transport]:
    """Over pyzmq where it loads. Where it does not (no wheel for this Python, or the system refuses it), our own."""
    try:
        from .zmq_transport import ZmqTransport
    except (ImportError, OSError):
        from .socket_transport import SocketTransport

        return SocketTransport
    return ZmqTransport


TRANSPORT = choose_transport()
"""What carries the messages of every client here."""


class Client:
    """A conversation with a daemon. A context manager; belongs to one thread. Every method raises ImpastoError.

    endpoint: None for this user's daemon (`endpoint.default_endpoint`). agent: who we are, for people, at most 64
    characters. timeout: seconds that the daemon has for its welcome.
    """

    def __init__(self, endpoint: Optional[str] = None, *, agent: str = "", timeout: float = 5.0) -> None:
        self.endpoint = endpoint or default_endpoint()
        self._core = ClientCore(client=uuid.uuid4().hex, agent=agent, timeout=timeout)
        self._inbox: deque[messages.Message] = deque()
        self._transport: Transport = TRANSPORT()
        self._doubt: Optional[Problem] = None

    @property
    def welcome(self) -> messages.Welcome:
        """What the daemon said of itself."""
        assert self._core.welcome is not None, "use the client in a with statement"
        return self._core.welcome

    def __enter__(self) -> Client:
        try:
            self.connect()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.close()

    def connect(self) -> None:
        """Say hello and wait for the welcome."""
        self._transport.connect(self.endpoint, self._core.limits)
        self._carry_out(self._core.start(time.monotonic()))
        self._next(lambda message: isinstance(message, messages.Welcome))

    def close(self) -> None:
        """Leave. A job that was not detached is cancelled by the daemon once the lease has run out."""
        self._transport.close(CHANCE if self._core.welcome else 0.0)

    # Requests ---------------------------------------------------------------------------------------------

    def submit(
        self,
        request: Request,
        *,
        job: Optional[str] = None,
        preview: int = 0,
        detach: bool = False,
        iterates: int = 0,
    ) -> messages.Accepted:
        """Hand in a job. `job`: its name, made up when None; the same name and request again is harmless. `iterates`:
        so many, at most `limits.ITERATES`, are to be kept until the result is acknowledged.

        What the daemon does not know or would refuse at a glance is refused before anything is sent.
        """
        self._core.check(request, *(["iterates"] if iterates else []))
        message = messages.Submit.of(
            request, job or new_job_name(), id=1, preview=preview, detach=detach, iterates=iterates
        )
        codec.check_limit("styles", len(message.request().styles), self._core.limits.styles)
        return self._ask(message, messages.Accepted)

    def wait(
        self,
        job: str,
        *,
        on_progress: Optional[OnProgress] = None,
        on_preview: Optional[OnPreview] = None,
        interrupt: Optional[Interrupt] = None,
    ) -> messages.Result:
        """Wait for the end of a job of this client and return its result; `acknowledge` it once it is safe.

        `interrupt` steers the job meanwhile; once it is set, the call ends with ImpastoError(CANCELLED) when the daemon
        has let go. KeyboardInterrupt, SystemExit, or an exception from a callback, cancels the job and goes on its way.
        """
        listeners: dict[type, Callable[[Any], None]] = {}
        if on_progress:
            listeners[messages.Progress] = on_progress
        if on_preview:
            listeners[messages.Preview] = on_preview
        try:
            return self._wait(job, listeners, interrupt)
        except (KeyboardInterrupt, SystemExit):
            self._give_up(job)
            raise

    def stylize(
        self,
        request: Request,
        *,
        job: Optional[str] = None,
        preview: int = 0,
        detach: bool = False,
        iterates: int = 0,
        on_accepted: Optional[OnAccepted] = None,
        on_progress: Optional[OnProgress] = None,
        on_preview: Optional[OnPreview] = None,
        interrupt: Optional[Interrupt] = None,
    ) -> messages.Result:
        """`submit` and `wait` in one. `on_accepted` hears of the job, with what it will take, before it starts."""
        accepted = self.submit(request, job=job, preview=preview, detach=detach, iterates=iterates)
        if on_accepted:
            self._tell(on_accepted, accepted, accepted.job)
        return self.wait(accepted.job, on_progress=on_progress, on_preview=on_preview, interrupt=interrupt)

    def acknowledge(self, job: str) -> None:
        """The result is where it should be: the daemon may forget it."""
        self._say(messages.Ack(job=job, of="result"))

    def cancel(self, job: str) -> State:
        """Stop a job, whoever handed it in; the state that it is in now."""
        return self._ask(messages.Cancel(id=1, job=job), messages.Accepted).state

    def finish(self, job: str) -> State:
        """End a job with the iterate that there is, whoever handed it in; the state that it is in now."""
        return self._ask(messages.Finish(id=1, job=job), messages.Accepted).state

    def foresee(self, outline: Outline) -> Optional[Forecast]:
        """What painting this will take; None where the daemon cannot say, as one that is older cannot."""
        if not self.offers("foresee"):
            return None
        return Forecast.of(self._ask(messages.Foresee.of(outline, id=1), messages.Foreseen).forecast)

    def offers(self, feature: str) -> bool:
        """Whether the daemon knows this feature of the protocol."""
        return feature in self.welcome.features

    def fetch(self, job: str, step: int = 0) -> messages.Result:
        """The result of a job that has ended, whoever handed it in; or the iterate of a step that is among the result's
        `iterates`."""
        return self._ask(messages.Fetch(id=1, job=job, step=step), messages.Result)

    def stay(self) -> None:
        """Show the daemon that this client is still there. For who has something else to do for a while: as often as
        `welcome.heartbeat` says."""
        self._pump(0.0, None)

    def jobs(self) -> tuple[dict[str, Any], ...]:
        """The jobs that the daemon knows, oldest first."""
        return tuple(dict(row) for row in self._ask(messages.List(id=1), messages.Jobs).jobs)

    def status(self) -> dict[str, Any]:
        """How the daemon is, as plain data."""
        return dict(self._ask(messages.Status(id=1), messages.Health).daemon)

    # The wire ---------------------------------------------------------------------------------------------

    def _wait(
        self, job: str, listeners: dict[type, Callable[[Any], None]], interrupt: Optional[Interrupt]
    ) -> messages.Result:
        deadline: Optional[float] = None
        wishes: list[type[Wish]] = []
        while True:
            new = self._wishes(interrupt) if interrupt and deadline is None else []
            for wish in new:
                self._say(wish(id=1, job=job))
            if messages.Cancel in new:
                deadline = time.monotonic() + PATIENCE
            wishes += new
            message = self._next(
                lambda m: isinstance(m, messages.Welcome) or client_core.job_of(m) == job,
                deadline=deadline,
                wake=interrupt if deadline is None else None,
            )
            if isinstance(message, messages.Welcome):
                # The connection was broken: the job may have ended meanwhile, or the daemon with it; and wishes that
                # were under way may be lost.
                for wish in wishes:
                    self._say(wish(id=1, job=job))
                self._say(messages.Fetch(id=1, job=job))
            elif isinstance(message, messages.Result):
                return message
            elif isinstance(message, messages.Error) and message.code != Code.NOT_FINISHED.value:
                raise ImpastoError.of(self._core.end_of(message))
            elif message is not None and type(message) in listeners:
                self._tell(listeners[type(message)], message, job)

    def _wishes(self, interrupt: Interrupt) -> list[type[Wish]]:
        """What is wished of the job now and the daemon knows."""
        taken = interrupt.take()
        known = taken if self.offers("steer") else []
        return [*known, messages.Cancel] if interrupt.is_set() else known

    def _tell(self, listener: Callable[[Any], None], message: messages.Message, job: str) -> None:
        """Call back; the job is cancelled where that fails."""
        try:
            listener(message)
        except BaseException:
            self._give_up(job)
            raise

    def _give_up(self, job: str) -> None:
        with contextlib.suppress(ImpastoError):
            self.cancel(job)

    def _ask(self, message: messages.ClientMessage, kind: type[M]) -> M:
        """Send a request and wait for its answer. All requests may be sent twice, and are when the connection broke."""
        numbered = self._say(message)
        size = sum(picture.nbytes for picture in getattr(message, "pictures", ()))
        deadline = time.monotonic() + PATIENCE + size / client_core.SLOWEST_LINK
        while True:
            answer = self._next(
                lambda m: client_core.answer_of(m) == numbered.id or isinstance(m, messages.Welcome), deadline=deadline
            )
            assert answer is not None, "nothing wakes this wait"
            if not isinstance(answer, messages.Welcome):
                break
            self._send(numbered)
        client_core.raise_error(answer)
        if not isinstance(answer, kind):
            raise ProtocolError(Code.MALFORMED, f"the daemon answered {message.TYPE} with {answer.TYPE}")
        return answer

    def _say(self, message: messages.ClientMessage) -> messages.ClientMessage:
        numbered = self._core.request(message, time.monotonic())
        self._send(numbered)
        return numbered

    def _send(self, message: messages.Message) -> None:
        frames = codec.encode(message)
        codec.check_frames([memoryview(frame).nbytes for frame in frames], self._core.limits)
        for picture in (*getattr(message, "pictures", ()), *getattr(message, "shapes", ())):
            codec.check_size(picture.width, picture.height, self._core.limits)
        self._transport.send(frames)

    def _next(
        self,
        wanted: Callable[[messages.Message], bool],
        *,
        deadline: Optional[float] = None,
        wake: Optional[Interrupt] = None,
    ) -> Optional[messages.Message]:
        """The next message that is wanted; others stay for later. None when `wake` was set. Raises TIMED_OUT."""
        while True:
            for place, message in enumerate(self._inbox):
                if wanted(message):
                    del self._inbox[place]
                    return message
            if wake and wake.is_awake():
                return None
            now = time.monotonic()
            if deadline is not None and now >= deadline:
                raise ImpastoError(Code.TIMED_OUT, "The daemon did not answer in time. `impasto doctor` may know why.")
            until = min(self._core.next_deadline(), deadline or float("inf"))
            self._pump(max(0.0, until - now), wake)

    def _pump(self, seconds: float, wake: Optional[Interrupt]) -> None:
        """Let at most this much time pass, or less when woken, and take in whatever comes."""
        for news in self._transport.wait(seconds, (wake.fileno(),) if wake else ()):
            if isinstance(news, Refused):
                self._take_for_refused(news)
            else:
                self._handle(self._event(news))
        self._handle(Tick())

    def _event(self, news: Union[Arrived, Broke]) -> client_core.Event:
        return Heard(codec.decode(news.frames, self._core.limits)) if isinstance(news, Arrived) else Broken()

    def _handle(self, event: client_core.Event) -> None:
        self._carry_out(self._core.handle(event, time.monotonic()))

    def _take_for_refused(self, news: Refused) -> None:
        """Remember why the sides do not come together; raise it where that will stay so."""
        self._doubt = news.problem
        if news.final:
            raise ImpastoError(news.problem.code, f"{news.problem.message} ({self.endpoint})")

    def _carry_out(self, actions: list[client_core.Action]) -> None:
        for action in actions:
            if isinstance(action, SendOut):
                self._send(action.message)
            elif isinstance(action, Tell):
                self._take_in(action.message)
            elif isinstance(action, Lost):
                problem = self._doubt or action.problem
                raise ImpastoError(problem.code, f"{problem.message} ({self.endpoint})")
            if self._core.phase is Phase.READY:
                self._doubt = None

    def _take_in(self, message: messages.Message) -> None:
        """Keep a message until it is wanted; of a job's progress the latest alone."""
        if isinstance(message, messages.Progress):
            rest = [m for m in self._inbox if not (isinstance(m, messages.Progress) and m.job == message.job)]
            self._inbox = deque(rest)
        self._inbox.append(message)


def new_job_name() -> str:
    """A name that no other job has."""
    return uuid.uuid4().hex
