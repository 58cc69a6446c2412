"""How a job is shown while it runs: a bar on a terminal, now and then a line elsewhere, JSON for machines.

All three say the same things. What a person reads about the way goes to standard error; standard output has the
result alone.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import click
from impasto_protocol.forecast import Forecast
from impasto_protocol.jobstate import State
from impasto_protocol.messages import Accepted, Progress
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
from rich.progress import Progress as Bar
from rich.text import Text

LINE_EVERY = 5.0
"""Seconds between two lines about progress where there is no terminal."""


NOT_FORESEEN = "The daemon cannot say: it learns what its device can do from the first picture that is optimised there."


class Report:
    """Plain lines; the other kinds differ in how they show the same."""

    def __init__(self) -> None:
        self._last_line = -LINE_EVERY
        self._said = {""}
        self._steps = 0

    def accepted(self, accepted: Accepted) -> None:
        """The daemon has the job, and says what it will take if it can."""
        self._write(f"job {accepted.job}")
        if forecast := Forecast.of(accepted.forecast):
            self._write(to_be_painted(forecast))
        if accepted.position:
            self.note(waiting(accepted))

    def foreseen(self, forecast: Forecast | None) -> None:
        """What it would take was asked, and no more: None where the daemon cannot say."""
        click.echo(to_be_painted(forecast) if forecast else NOT_FORESEEN)

    def note(self, sentence: str) -> None:
        """Something that the user should know, said once."""
        if sentence not in self._said:
            self._said.add(sentence)
            self._write(sentence)

    def moved(self, progress: Progress) -> None:
        """The job moves."""
        self._steps = progress.steps or self._steps
        self.progress(progress)

    def ended_early(self, step: object) -> None:
        """Somebody had seen enough, in this terminal or another."""
        whole = f" of {self._steps}" if self._steps else ""
        self.note(f"ended early, as asked: step {step}{whole}")

    def progress(self, progress: Progress) -> None:
        """Show that it does."""
        self.note(progress.note or waiting(progress))
        now = time.monotonic()
        if progress.steps and (now - self._last_line >= LINE_EVERY or progress.step == progress.steps):
            self._last_line = now
            self._write(f"step {progress.step} of {progress.steps}{losses(progress)}{time_left(progress)}")

    def preview(self, step: int, path: str) -> None:
        """A preview was written."""

    def iterate(self, step: int, path: str) -> None:
        """An iterate was saved."""
        self.note(f"{path} (step {step})")

    def result(self, sentence: str, facts: Mapping[str, object]) -> None:
        """The end."""
        click.echo(sentence)

    def close(self) -> None:
        """Nothing more comes."""

    def _write(self, line: str) -> None:
        click.echo(line, err=True)


class JsonReport(Report):
    """One object a line, each with `event`; the last is `result` or `error`."""

    def accepted(self, accepted: Accepted) -> None:
        self._event("started", job=accepted.job, forecast=dict(accepted.forecast))

    def foreseen(self, forecast: Forecast | None) -> None:
        self._event("forecast", forecast=forecast.as_map() if forecast else {})

    def progress(self, progress: Progress) -> None:
        self._event(
            "progress",
            job=progress.job,
            state=progress.state.value,
            position=progress.position,
            step=progress.step,
            steps=progress.steps,
            losses=dict(progress.losses),
            elapsed=progress.elapsed,
            eta=progress.eta,
            note=progress.note,
            warning=progress.warning,
        )

    def preview(self, step: int, path: str) -> None:
        self._event("preview", step=step, path=path)

    def iterate(self, step: int, path: str) -> None:
        self._event("iterate", step=step, path=path)

    def result(self, sentence: str, facts: Mapping[str, object]) -> None:
        self._event("result", **facts)

    def _write(self, line: str) -> None:
        self._event("note", message=line)

    def _event(self, kind: str, **facts: object) -> None:
        click.echo(json.dumps({"event": kind, **facts}))


class BarReport(Report):
    """A progress bar of rich on standard error, and a line that turns before there are steps."""

    def __init__(self) -> None:
        super().__init__()
        self._console = Console(stderr=True)
        columns = [
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[more]}"),
        ]
        for column in columns:
            if isinstance(column, TextColumn):
                column.markup = False
        self._bar = Bar(*columns, console=self._console, transient=True)
        self._task: Any = None
        self._status = self._console.status("")

    def progress(self, progress: Progress) -> None:
        if progress.warning:
            self.note(progress.note)  # above the bar, where it stays; other notes are gone with what they tell of
        if not progress.steps:
            self._status.update(Text(progress.note or waiting(progress) or "getting ready"))
            self._status.start()
            return
        if self._task is None:
            self._status.stop()
            self._task = self._bar.add_task("painting", total=progress.steps, more="")
            self._bar.start()
        more = f"{losses(progress)}{time_left(progress)}".removeprefix(", ")
        word = "cancelling" if progress.state is State.CANCELLING else "painting" if ahead(progress) else "finishing"
        self._bar.update(self._task, completed=progress.step, total=progress.steps, more=more, description=word)

    def close(self) -> None:
        self._status.stop()
        if self._task is not None:
            self._bar.stop()

    def _write(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False)


def to_be_painted(forecast: Forecast) -> str:
    """Where, and what it will take."""
    return f"to be painted on {forecast.device}: {forecast.sentence()}"


def waiting(progress: Progress | Accepted) -> str:
    """A sentence for a job that is not painted yet."""
    if progress.state is State.QUEUED and progress.position:
        others = "one other job is" if progress.position == 1 else f"{progress.position} other jobs are"
        return f"waiting: {others} before this one"
    return ""


def losses(progress: Progress) -> str:
    """The losses as the end of a line, the total first."""
    names = sorted(progress.losses, key=lambda name: (name != "total", name))
    return "".join(f", {'loss' if name == 'total' else name} {progress.losses[name]:.3g}" for name in names[:3])


def time_left(progress: Progress) -> str:
    """The time that is left as the end of a line; nothing while it is unknown, or when the last step is done: then the
    picture is brought to its size, sent and saved."""
    return f", {duration(progress.eta)} left" if progress.eta is not None and ahead(progress) else ""


def ahead(progress: Progress) -> bool:
    """Whether there are steps to come."""
    return progress.step < progress.steps


def duration(seconds: float) -> str:
    """Seconds as people say them."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


@contextmanager
def reporting(as_json: bool) -> Iterator[Report]:
    """The kind of report that fits where the output goes."""
    report = JsonReport() if as_json else BarReport() if sys.stderr.isatty() else Report()
    try:
        yield report
    finally:
        report.close()
