"""The protocol's progress in a painter's words, and GIMP's status bar, which says them where there is no window.

Knows messages and GIMP's progress bar; knows nothing of jobs, sockets or pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from amounts import duration, memory
from gi.repository import Gimp
from impasto_protocol.forecast import Forecast
from impasto_protocol.jobstate import State
from impasto_protocol.messages import Progress
from impasto_protocol.picture import Picture
from language import _, listed, plural


class StatusBar:
    """A `job.Watcher` for scripts: the bar of whoever called, and its Cancel button, which kills this process.

    turn: which painting of several it is, said at its beginning.
    """

    is_seen = False
    preview_side = 0

    def __init__(self, turn: str = "") -> None:
        self._turn = turn

    def begin(self, _job: object) -> None:
        Gimp.progress_init(self._turn or _("Impasto: getting ready"))
        Gimp.progress_pulse()

    def say(self, sentence: str) -> None:
        Gimp.progress_set_text(sentence)
        Gimp.progress_pulse()

    def show(self, progress: Progress, forecast: Forecast | None) -> None:
        if progress.steps:
            Gimp.progress_set_text(sentence(progress, forecast))
            Gimp.progress_update(share(progress))
        else:
            self.say(sentence(progress, forecast))

    def preview(self, picture: Picture, step: int) -> None: ...

    def end(self) -> None:
        Gimp.progress_end()


def share(progress: Progress) -> float:
    """How much of the whole is done, 0 to 1: by time where that is known, for fine steps take longer than coarse."""
    if progress.eta is None or progress.elapsed + progress.eta <= 0:
        return min(1.0, progress.step / progress.steps)
    return progress.elapsed / (progress.elapsed + progress.eta)


def sentence(progress: Progress, forecast: Forecast | None) -> str:
    """`state`, and what is `beside` it, as one short line."""
    if progress.note and not progress.stand_in and progress.state is not State.QUEUED:
        return progress.note
    about = beside(progress, forecast)
    return _("{progress} ({forecast})").format(progress=state(progress), forecast=about) if about else state(progress)


def beside(progress: Progress, forecast: Forecast | None) -> str:
    """What was foreseen, but for the time where it is measured by now: two figures would contradict each other."""
    if forecast is None:
        return ""
    return foreseen(forecast if progress.eta is None else replace(forecast, seconds=None))


def state(progress: Progress) -> str:
    """How far the job is."""
    if progress.state is State.QUEUED:
        waits_for = plural("Waiting for {n} other painting", "Waiting for {n} other paintings", progress.position)
        return waits_for.format(n=progress.position) if progress.position else _("Waiting")
    if not progress.step:
        return _("Preparing to paint")
    return painting(progress.step, progress.steps, progress.eta)


def painting(step: int, steps: int, seconds: float | None) -> str:
    """At which step, and how long it will take, where that is known."""
    if seconds is None:
        return _("Step {step} of {steps}").format(step=step, steps=steps)
    left = duration(seconds)
    return _("Step {step} of {steps}, about {time} left").format(step=step, steps=steps, time=left)


def foreseen(forecast: Forecast) -> str:
    """What a painting will take, such as `4000×3000, 6 tiles, about 3 min, 5.1 GB`."""
    return listed([*_size(forecast), *_cost(forecast, memory(forecast.bytes))])


def foreseen_together(numbers: Sequence[int], forecasts: Sequence[Forecast]) -> str:
    """The same of so many of each: the time of all, where it is known, and the memory of the one that takes most. Of
    different sizes none is said, such as `about 9 min, up to 5.1 GB`."""
    largest = max(forecasts, key=lambda forecast: forecast.bytes)
    times = [number * each.seconds for number, each in zip(numbers, forecasts) if each.seconds is not None]
    all_of_them = replace(largest, seconds=sum(times) if len(times) == len(numbers) else None)
    if len({(each.width, each.height) for each in forecasts}) == 1:
        return foreseen(all_of_them)
    return listed(_cost(all_of_them, _("up to {memory}").format(memory=memory(largest.bytes))))


def _size(forecast: Forecast) -> list[str]:
    tiles = plural("{n} tile", "{n} tiles", forecast.tiles).format(n=forecast.tiles)
    return [f"{forecast.width}×{forecast.height}", *([tiles] if forecast.tiles > 1 else [])]


def _cost(forecast: Forecast, needed: str) -> list[str]:
    time = [_("about {time}").format(time=duration(forecast.rounded))] if forecast.rounded is not None else []
    if forecast.free is not None:
        too_much = _("{memory}, too much for the {free} that are free")
        needed = too_much.format(memory=needed, free=memory(forecast.free))
    return [*time, needed]
