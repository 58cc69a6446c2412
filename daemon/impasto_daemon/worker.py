"""The process that owns the device: a request comes in over the link, progress, previews and the picture go out.

It imports no torch itself: the painter does, and is found by name. It knows no clients, no queue and no leases;
it paints one job at a time and ends when its standard input does, for then the supervisor is gone.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import logging
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn, cast

import zmq
from impasto_protocol.errors import CANCELLED, Code, ImpastoError, Problem
from impasto_protocol.jobstate import State
from impasto_protocol.messages import Ack, Cancel, Error, Finish, Health, Message, Preview, Progress, Result, Submit

from . import log
from .course import Course
from .lifeline import killed_with_supervisor, leave_with_supervisor
from .link import Link
from .painting import KEEP_SECONDS, Iterate, Painted, Painter, PaintEvent, Preparing, ProcessSpent

PROGRESS_EVERY = 0.1
"""Seconds between two progress messages; the first and the last step are always told."""
PREVIEW_EVERY = 0.5
"""Seconds between two previews, at least."""
PREVIEW_SHARE = 0.02
"""Of the time, at most, that making previews may take."""
FIRST_PREVIEW = 3
"""The step whose iterate makes the first preview: the very first ones show noise or nothing new."""
KEEPING_LOOK = 0.05
"""Seconds between looks at whether a job's state is kept by now, while nothing else happens."""
REST_AFTER = 10.0
"""Seconds without a job after which the painter gives memory back."""
KEEPING_NICENESS = 10
"""Of the thread that keeps a job's state: it would take half of two cores from the next job's first steps. Not the
most there is, which might take it too long where others are at work as well."""
SMOOTHING = 0.1
"""Weight of the newest step in the mean pace that the time left is reckoned from."""

logger = logging.getLogger("impasto.worker")


class Pace:
    """Seconds that the whole work takes at the pace of the recent steps, and the time left that follows from it."""

    def __init__(self) -> None:
        self._last: tuple[float, float] | None = None
        self._whole: float | None = None

    def step(self, done: float, now: float) -> None:
        """This share of the work, 0 to 1, is done by now."""
        if self._last and done > self._last[1]:
            whole = (now - self._last[0]) / (done - self._last[1])
            self._whole = whole if self._whole is None else self._whole + SMOOTHING * (whole - self._whole)
        self._last = (now, done)

    @property
    def left(self) -> float | None:
        """Seconds to go; None while no step has been timed."""
        return None if self._whole is None or not self._last else max(0.0, (1 - self._last[1]) * self._whole)


class Reporter:
    """What is said of a job's paint events, and when. The clock is passed in (but previews are timed)."""

    def __init__(self, submit: Submit, now: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._job = submit.job
        self._preview_side = submit.preview
        self._began = now
        self._clock = clock
        self._pace = Pace()
        self._next_progress = now
        self._next_preview = now
        self._preview_under_way = False
        self._course = Course(submit.iterates)
        self._stand_in = ""

    def preview_arrived(self) -> None:
        """The client has the last preview: another may be made."""
        self._preview_under_way = False

    def tell(self, event: PaintEvent, now: float) -> Iterator[Message]:
        """The messages for this event."""
        if isinstance(event, Preparing):
            self._stand_in = event.stand_in or self._stand_in
            yield Progress(
                job=self._job,
                state=State.LOADING,
                elapsed=now - self._began,
                note=event.note,
                warning=event.warning,
                stand_in=self._stand_in,
            )
        elif isinstance(event, Iterate):
            self._pace.step(event.done, now)
            if now >= self._next_progress or event.step in (1, event.steps):
                self._next_progress = now + PROGRESS_EVERY
                yield self._progress(event, now)
            keeps = self._course.keeps(event)
            if keeps:
                yield from self._course.kept(self._job, event)
            if self._wants_preview(event, now, keeps):
                self._next_preview = now + PREVIEW_EVERY  # also where there is no memory for it
                with contextlib.suppress(MemoryError):  # it can do without
                    yield self._preview(event, keeps)
        else:
            yield Result(job=self._job, record=self._course.told(event.record), pictures=(event.picture,))

    def _progress(self, event: Iterate, now: float) -> Progress:
        return Progress(
            job=self._job,
            state=State.RUNNING,
            step=event.step,
            steps=event.steps,
            losses={name: loss for name, loss in event.losses.items() if math.isfinite(loss)},
            elapsed=now - self._began,
            eta=self._pace.left,
            stand_in=self._stand_in,
        )

    def _wants_preview(self, event: Iterate, now: float, keeps: bool) -> bool:
        """Of an iterate that is kept, whoever is to choose among them wants to see that very one."""
        due = event.step >= min(FIRST_PREVIEW, event.steps) and now >= self._next_preview
        return self._preview_side > 0 and (due or keeps) and not self._preview_under_way

    def _preview(self, event: Iterate, kept: bool) -> Preview:
        began = self._clock()
        picture = event.preview(self._preview_side)
        ended = self._clock()
        self._next_preview = ended + max(PREVIEW_EVERY, (ended - began) / PREVIEW_SHARE)
        self._preview_under_way = True
        return Preview(job=self._job, step=event.step, kept=kept, pictures=(picture,))


class Cancelled(Exception):
    """The supervisor asked to let go of the job."""


def _nothing(_: bool) -> None:
    """Nobody is to know."""


class Worker:
    """Paints what comes over the link, one job after the other. `keeping` is held from a result's departure until the
    job's state is kept, which happens in a thread while the next job is painted: whoever ends this process is to wait
    for it. mortal: told whether this process may be killed."""

    def __init__(
        self, link: Link, painter: Painter, keeping: threading.Lock, mortal: Callable[[bool], None] = _nothing
    ) -> None:
        self._mortal = mortal
        self._keeping = keeping
        self._link = link
        self._painter = painter
        self._about: dict[str, object] | None = None
        self._rests_at = math.inf

    def serve(self) -> None:
        """For ever."""
        self._report()
        while True:
            self._link.wait(self.patience())
            self.turn()

    def patience(self) -> float | None:
        """Seconds until `turn` is due; None where it is when something arrives."""
        if self._keeping.locked():
            return KEEPING_LOOK
        return None if math.isinf(self._rests_at) else max(0.0, self._rests_at - time.monotonic())

    def turn(self) -> None:
        """Paint what has come, or rest if that was long ago."""
        for message in self._link.receive():
            if isinstance(message, Submit):
                self._end(message.job, self._attempt(message))
                self._rests_at = time.monotonic() + REST_AFTER
        if time.monotonic() >= self._rests_at and not self._keeping.locked():
            self._rests_at = math.inf
            self._painter.rest()
        self._report()

    def _attempt(self, submit: Submit) -> Problem | None:
        """Paint. Returns why there is no result, or None. Whatever goes wrong, the worker lives on, unless the process
        is spent."""
        try:
            self._paint(submit)
        except Cancelled:
            return CANCELLED
        except ProcessSpent:
            raise
        except ImpastoError as error:
            return error.problem
        except MemoryError:
            return Problem(Code.OUT_OF_MEMORY, "There is not enough memory for this size: choose a smaller one.")
        except Exception as error:
            logger.exception("job %s failed by a fault of Impasto", submit.job)
            return Problem(
                Code.INTERNAL,
                f"Impasto failed on this job ({type(error).__name__}): the daemon's log says where. Please report it.",
            )
        return None

    def _paint(self, submit: Submit) -> None:
        if submit.resume:
            self._await_keeping()  # it may be the very job to go on from
        reporter = Reporter(submit, time.monotonic())
        events = self._painter.paint(submit.request())
        enough = False
        try:
            for event in events:
                enough |= self._listen(submit.job, reporter)
                if enough and isinstance(event, Iterate):
                    event.enough()
                self._report()
                if isinstance(event, Painted):
                    self._deliver(submit.job, reporter, event)
                    return
                self._say(reporter, event)
        finally:
            events.close()
        raise RuntimeError("the painter ended without a picture")

    def _deliver(self, job: str, reporter: Reporter, painted: Painted) -> None:
        """Send the result, and have kept what there is to go on from. Of one job at a time: its state takes memory."""
        self._keeping.acquire()
        self._mortal(False)
        self._about = None  # to be said afresh, for the supervisor ends nobody who keeps something
        try:
            self._say(reporter, painted)
            threading.Thread(target=self._keep, args=(job, painted.keep), name="keeping", daemon=True).start()
        except BaseException:
            self._keeping.release()
            raise

    def _keep(self, job: str, keep: Callable[[str], None]) -> None:
        _step_back()
        try:
            keep(job)
        except Exception as error:
            logger.warning("job %s cannot be resumed, for its state cannot be kept: %s", job, error)
        finally:
            self._keeping.release()

    def _await_keeping(self) -> None:
        with self._keeping:
            pass

    def _say(self, reporter: Reporter, event: PaintEvent) -> None:
        for message in reporter.tell(event, time.monotonic()):
            self._link.send(message)

    def _listen(self, job: str, reporter: Reporter) -> bool:
        """Whether the job is to end with the iterate that there is. Raises Cancelled."""
        enough = False
        for message in self._link.receive():
            if isinstance(message, Cancel) and message.job == job:
                raise Cancelled
            if isinstance(message, Ack) and message.job == job:
                reporter.preview_arrived()
            enough |= isinstance(message, Finish) and message.job == job
        return enough

    def _end(self, job: str, problem: Problem | None) -> None:
        if problem:
            self._link.send(Error.of(problem, job=job))
        self._report()

    def _report(self) -> None:
        """Say how we are where that has changed: a network was loaded, say, or a job's state is kept."""
        keeping = self._keeping.locked()
        about = {**self._painter.about(), "keeping": keeping}
        if about != self._about:
            self._about = about
            self._mortal(not keeping)
            self._link.send(Health(re=0, daemon=about))


def _step_back() -> None:
    """Leave the processor to other threads where these want it: nobody waits for this one."""
    if sys.platform == "linux":  # elsewhere niceness is the whole process's
        with contextlib.suppress(OSError):
            thread = threading.get_native_id()
            os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + KEEPING_NICENESS)


def open_painter(name: str, device: str, weights: Path | None, offline: bool) -> Painter:
    """The painter that `module:attribute` makes. Raises ImpastoError with a sentence on why there is none."""
    module, _, attribute = name.partition(":")
    try:
        make = getattr(importlib.import_module(module), attribute)
        return cast(Painter, make(device=device, weights=weights, offline=offline))
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("torch", "torchvision", "numpy"):
            raise
        raise ImpastoError(
            Code.WORKER_DIED,
            f"{error.name} is not installed, and painting needs it. Type: pip install '.[daemon]' in Impasto's folder",
        ) from error
    except ImportError as error:
        if "failed to map segment" not in str(error):
            raise
        raise ImpastoError(
            Code.OUT_OF_MEMORY,
            f"The process that paints has too little memory to load its libraries ({error}). Raise its limit "
            "(`ulimit -v`), or close other programs.",
        ) from error


def main(arguments: list[str] | None = None) -> NoReturn:
    parser = argparse.ArgumentParser(prog="impasto-worker", description="Started by Impasto's daemon, not by hand.")
    parser.add_argument("--link", required=True)
    parser.add_argument("--painter", required=True, help="module:attribute")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--offline", action="store_true")
    parser.add_argument("--log-level", default="info")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the supervisor's to answer
    log.configure(options.log_level, log.WORKER_FORMAT)
    keeping = threading.Lock()
    leave_with_supervisor(keeping)
    context = zmq.Context(io_threads=1)
    link = Link(context, options.link, bind=False)
    try:
        painter = open_painter(options.painter, options.device, options.weights, options.offline)
        Worker(link, painter, keeping, killed_with_supervisor).serve()
    except ImpastoError as error:  # there is no painter, or none any more
        link.send(Error.of(error.problem))
        link.close(linger=2.0)
        context.term()
        keeping.acquire(timeout=KEEP_SECONDS)
    except Exception:
        logger.exception("the worker ends by a fault of Impasto")
    finally:
        # What is left of a device that has failed is not to be tidied up: that may take for ever.
        os._exit(1)


if __name__ == "__main__":
    main()
