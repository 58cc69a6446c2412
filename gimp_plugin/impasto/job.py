"""One request in the daemon's hands: a thread that owns the client, and the loop in which GIMP's thread waits.

Knows the daemon's client and GLib's loop. Knows nothing of pixels, layers or widgets: whoever watches is told, on
GIMP's thread, and may steer.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol, runtime_checkable

import daemon_start
from gi.repository import GLib
from impasto_protocol.errors import Code, ImpastoError
from impasto_protocol.forecast import Forecast
from impasto_protocol.interrupt import Interrupt
from impasto_protocol.messages import Accepted, Preview, Progress, Result
from impasto_protocol.picture import Picture
from impasto_protocol.request import Request
from impasto_protocol.zmq_client import Client, new_job_name

GRACE = 0.5
"""Seconds that a cancel may take before GIMP ends this process (it often leaves less)."""
FAREWELL = 2.0
"""Seconds that the client may take to send its last message."""


Errand = Callable[[Client], None]
"""What the client's thread is to do."""


class GivenUp(Exception):
    """The artist cancelled the job: there is nothing to tell."""


class Watcher(Protocol):
    """Who is told of a job, on GIMP's thread."""

    is_seen: bool
    """Whether an artist reads in it what the painter lacks."""
    preview_side: int
    """Longest side in pixels of the previews wanted, 0 for none."""

    def begin(self, job: Job) -> None:
        """The job is about to be handed in; it can be steered from now on."""

    def say(self, sentence: str) -> None:
        """Something beside the painting takes time."""

    def show(self, progress: Progress, forecast: Forecast | None) -> None:
        """The latest news, and what the job was foreseen to take."""

    def preview(self, picture: Picture, step: int) -> None:
        """The iterate of this step, small."""

    def end(self) -> None:
        """The job is over, however it ended."""


@runtime_checkable
class Chooser(Watcher, Protocol):
    """A watcher that has so many iterates kept, and in the end says which one it is to be."""

    iterates: int

    def choose(self, result: Result) -> Result:
        """The painting, or one of the iterates that it names. Raises GivenUp."""


class Nobody:
    """Who watches a job in the background."""

    is_seen = False
    preview_side = 0

    def begin(self, job: Job) -> None: ...

    def say(self, sentence: str) -> None: ...

    def show(self, progress: Progress, forecast: Forecast | None) -> None: ...

    def preview(self, picture: Picture, step: int) -> None: ...

    def end(self) -> None: ...


class Job:
    """A thread owns the client and never touches GIMP; the main thread never touches the client, save for the
    `Interrupt`s, which are made for that.

    The daemon keeps the painting until `acknowledge`: what cannot be inserted can still be fetched. kept: the steps of
    those previews that are kept as iterates. recipe: what was asked for. warnings: of which the watcher was told.
    """

    def __init__(self, request: Request, agent: str = daemon_start.AGENT) -> None:
        self.name = new_job_name()
        self._request = request
        self._agent = agent
        self._interrupt = Interrupt()
        self._thread = threading.Thread(target=self._work, name="impasto client", daemon=True)
        self._watcher: Watcher
        self._over: Callable[[], object]
        self._forecast: Forecast | None = None
        self._result: Result | None = None
        self._error: BaseException | None = None
        self._errands: queue.SimpleQueue[Errand | None] = queue.SimpleQueue()
        self.kept: set[int] = set()
        self.recipe = request.recipe
        self.warnings: set[str] = set()
        self._keeps_iterates = False
        self._safe = False
        self._is_steered = False
        self._is_cancelled = False
        self._is_detached = False

    def __enter__(self) -> Job:
        return self

    def __exit__(self, *_: object) -> None:
        self.settle()
        if self._thread.is_alive():
            self._thread.join(FAREWELL)

    def wait(self, plug_in: Any, watcher: Watcher) -> Result:
        """Have the watcher told until the picture is there. Raises ImpastoError, and GivenUp after `cancel`."""
        loop = GLib.MainLoop()
        # Only a persistent plug-in has its do_quit called before GIMP's Cancel kills it.
        plug_in.persistent_enable()
        plug_in.on_quit = self.leave
        try:
            self.start(watcher, loop.quit)
            loop.run()
            result = self.result()
            return self._watcher.choose(result) if isinstance(self._watcher, Chooser) else result
        finally:
            plug_in.on_quit = None
            self._watcher.end()

    def start(self, watcher: Watcher, over: Callable[[], object]) -> None:
        """Hand it in. From now on the watcher is told, and when it has ended `over` is called, on GIMP's thread."""
        self._watcher, self._over = watcher, over
        watcher.begin(self)
        self._thread.start()

    def result(self) -> Result:
        """Of a job that has ended. Raises ImpastoError, and GivenUp after `cancel`."""
        if self._error is not None:
            raise GivenUp if self._is_given_up else self._error
        if self._is_cancelled:  # the painting was quicker: nobody wants it
            self.acknowledge()
            raise GivenUp
        assert self._result is not None
        return self._result

    def cancel(self) -> None:
        """Have the daemon let go of it; `wait` then raises GivenUp."""
        self._is_cancelled = True
        self._interrupt.set()

    def finish(self) -> None:
        """Have it end with the iterate that there is: `wait` then returns that. For a daemon of which `is_steered`."""
        self._interrupt.finish()

    def detach(self) -> None:
        """Have it go on even when this process ends, unseen from now on. For a daemon of which `is_steered`."""
        self._interrupt.detach()
        self._is_detached = True
        self._watcher.end()
        self._watcher = Nobody()

    @property
    def is_steered(self) -> bool:
        """Whether the daemon knows `finish` and `detach`; false until it is known."""
        return self._is_steered

    @property
    def keeps_iterates(self) -> bool:
        """Whether the daemon knows how to; false until it is known."""
        return self._keeps_iterates

    def fetch(self, step: int, then: Callable[[Result | ImpastoError], object]) -> None:
        """Have an iterate brought, of a job that has ended; `then` is called with it, or with why not, on GIMP's
        thread."""
        self._errands.put(partial(self._fetch, step, then))

    def acknowledge(self) -> None:
        """The painting is where it should be: the daemon may forget it."""
        self._safe = True

    def settle(self) -> None:
        """No more is wanted of it: the client says what it has to say, and goes."""
        self._errands.put(None)

    def leave(self) -> None:
        """Cancel at the daemon what is not detached, in whatever time is left before this process is killed."""
        if self._is_detached:
            return
        self._interrupt.set()
        self.settle()
        self._thread.join(GRACE)

    @property
    def _is_given_up(self) -> bool:
        """By this process, or in the background, where the artist has another window to cancel it in."""
        cancelled = isinstance(self._error, ImpastoError) and self._error.code is Code.CANCELLED
        return self._interrupt.is_set() or (self._is_detached and cancelled)

    def _work(self) -> None:
        with contextlib.ExitStack() as clients:
            try:
                connection = daemon_start.connect(self._say, self._interrupt, agent=self._agent)
                client = clients.enter_context(contextlib.closing(connection))
                self._is_steered, self._keeps_iterates = client.offers("steer"), client.offers("iterates")
                wanted = self._watcher.iterates if isinstance(self._watcher, Chooser) else 0
                self._result = client.stylize(
                    self._request,
                    job=self.name,
                    preview=self._watcher.preview_side,
                    iterates=wanted if self._keeps_iterates else 0,
                    on_accepted=self._accepted,
                    on_progress=self._show,
                    on_preview=self._preview,
                    interrupt=self._interrupt,
                )
            except BaseException as error:
                self._error = error
                return
            finally:
                del self._request  # a job may be kept for long, and this has all the pixels
                self._tell(self._over)
            self._attend(client)
            with contextlib.suppress(ImpastoError):  # the daemon then keeps the painting a day for nothing
                if self._safe:
                    client.acknowledge(self._result.job)

    def _attend(self, client: Client) -> None:
        """Do what is asked for until all is settled. The daemon is shown that somebody is still there: an artist may
        take her time."""
        while True:
            try:
                errand = self._errands.get(timeout=client.welcome.heartbeat)
            except queue.Empty:
                with contextlib.suppress(ImpastoError):  # it will be missed when it is asked for something
                    client.stay()
                continue
            if errand is None:
                return
            errand(client)

    def _fetch(self, step: int, then: Callable[[Result | ImpastoError], object], client: Client) -> None:
        try:
            found: Result | ImpastoError = client.fetch(self.name, step)
        except ImpastoError as error:
            found = error
        self._tell(lambda: then(found))

    # In the client's thread: each only hands over to GIMP's.

    def _say(self, sentence: str) -> None:
        self._tell(lambda: self._watcher.say(sentence))

    def _accepted(self, news: Accepted) -> None:
        self._forecast = Forecast.of(news.forecast)
        self._show(Progress(job=news.job, state=news.state, position=news.position))

    def _show(self, news: Progress) -> None:
        if news.warning:
            self.warnings.add(news.note)
        self._tell(lambda: self._watcher.show(news, self._forecast))

    def _preview(self, news: Preview) -> None:
        if news.kept:
            self.kept.add(news.step)
        self._tell(lambda: self._watcher.preview(news.pictures[0], news.step))

    def _tell(self, call: Callable[[], object]) -> None:
        def once() -> bool:
            call()
            return False

        GLib.idle_add(once)
