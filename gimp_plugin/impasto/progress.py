"""What GIMP's status bar says while the daemon paints: the protocol's progress in a painter's words.

Knows messages and GIMP's progress bar; knows nothing of jobs, sockets or pixels.
"""

from __future__ import annotations

from dataclasses import replace

from gi.repository import Gimp
from impasto_protocol.forecast import Forecast, duration
from impasto_protocol.jobstate import State
from impasto_protocol.messages import Progress


def begin() -> None:
    """Show the bar, and with it GIMP's Cancel button."""
    Gimp.progress_init("Impasto: looking for the daemon")
    Gimp.progress_pulse()


def say(text: str) -> None:
    """A sentence about something whose length is unknown."""
    Gimp.progress_set_text(text)
    Gimp.progress_pulse()


def show(progress: Progress, forecast: Forecast | None = None) -> None:
    """The latest news of the job, and what it was foreseen to take."""
    if progress.steps:
        Gimp.progress_set_text(sentence(progress, forecast))
        Gimp.progress_update(share(progress))
    else:
        say(sentence(progress, forecast))


def end() -> None:
    Gimp.progress_end()


def share(progress: Progress) -> float:
    """How much of the whole is done, 0 to 1: by time where that is known, for fine steps take longer than coarse."""
    if progress.eta is None or progress.elapsed + progress.eta <= 0:
        return min(1.0, progress.step / progress.steps)
    return progress.elapsed / (progress.elapsed + progress.eta)


def sentence(progress: Progress, forecast: Forecast | None = None) -> str:
    """The same as one short line. What is measured takes the place of what was foreseen."""
    if progress.note and progress.state is not State.QUEUED:
        return progress.note
    if forecast and progress.eta is not None:
        forecast = replace(forecast, seconds=None)
    return f"{state(progress)} ({forecast.sentence()})" if forecast else state(progress)


def state(progress: Progress) -> str:
    """How far the job is."""
    if progress.state is State.QUEUED:
        return f"Waiting for {counted(progress.position, 'other painting')}" if progress.position else "Waiting"
    if not progress.step:
        return "Preparing to paint"
    left = "" if progress.eta is None else f", about {duration(progress.eta)} left"
    return f"Painting {progress.step} of {progress.steps}{left}"


def counted(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"
