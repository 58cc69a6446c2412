"""What the commands that paint have in common: their options, their styles, and asking a daemon and saving what it
painted. What is asked for is the commands' own."""

from __future__ import annotations

import json
import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, fields, replace
from functools import wraps
from pathlib import Path
from types import FrameType
from typing import Any

import click
from impasto_protocol.endpoint import default_endpoint
from impasto_protocol.errors import Code, ImpastoError
from impasto_protocol.interrupt import Interrupt
from impasto_protocol.limits import ITERATES, Limits
from impasto_protocol.messages import Preview, Result
from impasto_protocol.picture import Picture
from impasto_protocol.request import DEFAULT_MAX_SIZE, DEFAULT_RECIPE, Request, Scalar, Style
from impasto_protocol.zmq_client import Client, new_job_name

from impasto_daemon import launch, pictures
from impasto_daemon.weights import check_weights_path

from . import iterates, options, recipes
from .report import Report, duration

PREVIEW_SIDE = 512
"""Longest side of previews that are written to files."""


def read_settings(_: click.Context, __: click.Parameter, values: Sequence[str]) -> dict[str, Scalar]:
    """Each field=value as a pair; of a field that is set twice the last counts."""
    settings = {}
    for value in values:
        name, equals, text = value.partition("=")
        if not equals or not name:
            raise click.BadParameter(f"{value!r} is not a field, = and its value.")
        settings[name] = scalar(text)
    return settings


def scalar(text: str) -> Scalar:
    """A number or a truth value where it reads as one, and a text otherwise."""
    for read in (int, float, {"true": True, "false": False}.__getitem__):
        try:
            return read(text)
        except (ValueError, KeyError):
            continue
    return text


def read_job(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    """A name, if there is one: an empty shell variable must not start from the beginning."""
    if value is not None and not value.strip():
        raise click.BadParameter("is empty: give the name of the job to go on from.")
    return value


@dataclass(frozen=True)
class Where:
    """Whom to ask: a daemon at an endpoint, or one with these weights for this command alone."""

    endpoint: str | None
    weights: Path | None

    @classmethod
    def of(cls, endpoint: str | None, weights: Path | None) -> Where:
        """Raises click.UsageError, ImpastoError."""
        if weights and endpoint:
            raise click.UsageError("--weights starts a daemon of its own, so it does not go with --endpoint.")
        return cls(endpoint, check_weights_path(weights) if weights else None)


@dataclass(frozen=True)
class Outcome:
    """What is written beside the result: previews into a folder, the record into a file, and so many iterates."""

    output: Path
    previews: Path | None
    record: Path | None
    iterates: int

    def check(self, width: int = 1, height: int = 1) -> None:
        """Whether there is a place for result and record. Raises ImpastoError."""
        pictures.check_destination(self.output, width, height)
        if self.record is not None and not self.record.resolve().parent.is_dir():
            raise ImpastoError(Code.BAD_REQUEST, f"There is no folder {self.record.parent}: make it first (mkdir -p).")

    def spare(self, inputs: Iterable[Path]) -> None:
        """Whether what is read stays as it is. Raises ImpastoError where it would be written over."""
        written = {path.resolve() for path in (self.output, self.record) if path is not None}
        for path in inputs:
            if path.resolve() in written:
                sentence = f"{path} is painted from and would be written over: name another file"
                raise ImpastoError(Code.BAD_REQUEST, sentence, path=str(path))


SHARED = (
    click.option("-o", "--output", type=options.file_path(), required=True, metavar="OUT",
                 help=f"File to write; its extension names the format ({', '.join(pictures.WRITE)})."),
    click.option("--recipe", default=DEFAULT_RECIPE, show_default=True, shell_complete=recipes.complete,
                 help="How to paint; `impasto recipes` lists them."),
    click.option("--max-size", type=options.Whole(0, 2**31 - 1), metavar="PIXELS",
                 help="Longest side at which to optimise, 0 for the result's own (the default of textures; of pictures "
                 f"it is {DEFAULT_MAX_SIZE})."),
    click.option("--seed", type=options.Whole(0, 2**32 - 1), default=0, show_default=True,
                 help="For whatever is random in the recipe."),
    click.option("--style-size", type=options.Number(0, 32_768), metavar="PIXELS",
                 help="How large the style counts as, in pixels of the result: larger for larger strokes."),
    click.option("--seamless", is_flag=True, help="The result tiles: its borders go on at the opposite ones."),
    click.option("--resume", metavar="JOB", callback=read_job,
                 help="Go on from an earlier job; of one that `impasto status` lists the beginning of its name is "
                 "enough."),
    click.option("--set", "settings", multiple=True, callback=read_settings, metavar="FIELD=VALUE",
                 help="Set a field of the recipe otherwise; `impasto recipes NAME` lists them."),
    click.option("--weights", type=options.file_path(), metavar="PATH",
                 help="Weights of the recipe's network for this command alone, painted by a daemon of its own."),
    click.option("--previews", type=options.file_path(), metavar="FOLDER",
                 help="Write the picture as it grows into this folder."),
    click.option("--iterates", type=options.Whole(0, ITERATES), default=0, metavar="N",
                 help="Save so many iterates too, of full size, from the painting's beginning to its end: beside OUT, "
                 "with their steps in their names."),
    click.option("--record", type=options.file_path(), metavar="FILE",
                 help="Write how the picture was made, with the losses over time, into this file as JSON."),
    click.option("--forecast", is_flag=True,
                 help="Only say what it would take: size, tiles, time and memory. OUT is not written."),
    options.endpoint,
    options.as_json,
)  # fmt: skip
"""Options of whatever paints."""


@dataclass(frozen=True)
class Shared:
    """What the options of `SHARED` say."""

    output: Path
    recipe: str
    max_size: int | None
    seed: int
    style_size: float | None
    seamless: bool
    resume: str | None
    settings: dict[str, Scalar]
    weights: Path | None
    previews: Path | None
    record: Path | None
    forecast: bool
    iterates: int
    endpoint: str | None
    as_json: bool

    def sugared(self, **sugar: Scalar | None) -> dict[str, Scalar]:
        """The settings with those that have an option of their own. Raises click.UsageError for one that is given
        twice."""
        options = {"style_size": self.style_size, "seamless": self.seamless or None, **sugar}
        given = {name: value for name, value in options.items() if value is not None}
        for name in given:
            if name in self.settings:
                raise click.UsageError(f"--{name.replace('_', '-')} and --set {name}=… say the same: give one of them.")
        return {**self.settings, **given}

    @property
    def where(self) -> Where:
        """Whom to ask. Raises as `Where.of`."""
        return Where.of(self.endpoint, self.weights)

    @property
    def outcome(self) -> Outcome:
        return Outcome(self.output, self.previews, self.record, self.iterates)


def painting_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command these options, in one argument: `shared`."""

    @wraps(command)
    def gathered(**given: Any) -> None:
        shared = Shared(**{field.name: given.pop(field.name) for field in fields(Shared)})
        command(shared=shared, **given)

    for option in reversed(SHARED):
        gathered = option(gathered)
    return gathered


def check_styles(styles: Sequence[Path], weights: Sequence[float], masks: Sequence[Path]) -> None:
    """Raises click.UsageError where weights or masks do not fit the styles."""
    for option, values in {"--style-weight": weights, "--style-mask": masks}.items():
        if values and len(values) != len(styles):
            none = " (- for a style without one)" if option == "--style-mask" else ""
            raise click.UsageError(f"{len(values)} {option} for {len(styles)} --style: give one each{none}.")
    if weights and not sum(weights):
        raise click.UsageError("All --style-weight are 0: one at least must be more.")


def load_styles(paths: Sequence[Path], weights: Sequence[float], report: Report) -> tuple[Style, ...]:
    """The styles with their shares. More than a daemon takes are refused before they are read."""
    if len(paths) > Limits().styles:
        raise ImpastoError(
            Code.TOO_LARGE, f"{len(paths)} styles are more than the {Limits().styles} that are possible: leave some out"
        )
    shares = weights or [1.0] * len(paths)
    return tuple(Style(pictures.load(path, Limits(), report.note), share) for path, share in zip(paths, shares))


@dataclass(frozen=True)
class Folder:
    """Where previews go, one file a step."""

    path: Path
    report: Report

    @classmethod
    def of(cls, path: Path | None, report: Report) -> Folder | None:
        """The folder, made if need be. Raises ImpastoError."""
        if path is None:
            return None
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            sentence = f"The folder {path} for previews cannot be made: {error.strerror}. Name another."
            raise ImpastoError(Code.BAD_REQUEST, sentence) from None
        pictures.check_destination(path / "step-00000.png")
        return cls(path, report)

    def write(self, preview: Preview) -> None:
        path = self.path / f"step-{preview.step:05d}.png"
        try:
            pictures.save(preview.pictures[0], path)
        except ImpastoError as error:
            self.report.note(f"Previews are left out: {error}")  # the painting itself may still find its place
        else:
            self.report.preview(preview.step, str(path))


def paint(request: Request, outcome: Outcome, where: Where, report: Report) -> None:
    """Have the daemon paint, save the result, and only then let the daemon forget it."""
    outcome.check(request.content.width, request.content.height)
    folder, began = Folder.of(outcome.previews, report), time.monotonic()
    with leaving_tidily(), daemon_at(where, report) as endpoint, Client(endpoint, agent=options.AGENT) as client:
        if request.resume:
            request = replace(request, resume=options.whole_job_name(client, request.resume))
        with interruptible() as interrupt, whole_names_asked_for(request.resume):
            result = ask(client, request, report, folder, interrupt, outcome.iterates)
        iterates.save(client, result, outcome.output, report)
        keep(result, outcome, report, time.monotonic() - began, private=where.weights is not None)
        client.acknowledge(result.job)


@contextmanager
def whole_names_asked_for(resume: str) -> Iterator[None]:
    """Where a job is unknown whose name may be a beginning that the daemon does not list: say that it must be whole."""
    try:
        yield
    except ImpastoError as error:
        if error.code is not Code.UNKNOWN_JOB or not 0 < len(resume) < len(new_job_name()):
            raise
        sentence = f"{error} The daemon does not list it: if {resume} is the beginning of a name, give all of it"
        raise ImpastoError(error.code, sentence, **error.problem.details) from None


def ask(
    client: Client, request: Request, report: Report, folder: Folder | None, interrupt: Interrupt, iterates: int
) -> Result:
    """Hand in the job and wait for its end. After Ctrl-C that is KeyboardInterrupt, even if the result was quicker."""
    try:
        return client.stylize(
            request,
            preview=PREVIEW_SIDE if folder else 0,
            iterates=iterates,
            on_accepted=report.accepted,
            on_progress=report.moved,
            on_preview=folder.write if folder else None,
            interrupt=interrupt,
        )
    finally:
        if interrupt.is_set():
            raise KeyboardInterrupt from None


def keep(result: Result, outcome: Outcome, report: Report, seconds: float, *, private: bool) -> None:
    """Save the result and say so. Where that fails a `private` daemon ends with the command, others still have it."""
    picture, output = result.pictures[0], outcome.output
    try:
        pictures.save(picture, output, report.note)
    except ImpastoError as error:
        hint = rescued(picture, output) if private else f"The picture is not lost: impasto fetch {result.job} -o FILE"
        raise ImpastoError(error.code, f"{error}. {hint}", **error.problem.details) from None
    for sentence in result.record.get("notes") or ():
        report.note(str(sentence))  # progress is latest-wins: what matters may have been missed on the way
    if result.record.get("stopped"):
        report.ended_early(result.record.get("steps"))
    if outcome.record is not None:
        write_record(result, outcome.record)
    report.close()
    size = f"{picture.width}×{picture.height}"
    report.result(
        f"{output} ({size}, {duration(seconds)})",
        {
            "job": result.job,
            "output": str(output),
            "width": picture.width,
            "height": picture.height,
            "channels": picture.channels,
            "seconds": round(seconds, 3),
            "record": dict(result.record),
        },
    )


def write_record(result: Result, path: Path) -> None:
    """The record and the job's name as JSON. Raises ImpastoError; the picture is saved by then."""
    text = json.dumps({"job": result.job, **result.record}, indent=1, ensure_ascii=False)
    try:
        path.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        sentence = f"The picture is saved, but its record {path} cannot be written: {error.strerror}."
        raise ImpastoError(Code.BAD_REQUEST, sentence, path=str(path)) from None


def rescued(picture: Picture, output: Path) -> str:
    """Save the only copy that there is beside its place, or in the temporary folder; a sentence on where it is."""
    for folder in (output.parent, None):
        with suppress(OSError, ImpastoError):
            handle, name = tempfile.mkstemp(prefix="impasto-", suffix=".png", dir=folder)
            os.close(handle)
            try:
                pictures.save(picture, Path(name))
            except BaseException:
                Path(name).unlink(missing_ok=True)
                raise
            return f"The picture is not lost: it is {name}"
    return "There was no place for the picture in the temporary folder either: it is lost"


def daemon_at(where: Where, report: Report) -> AbstractContextManager[str]:
    """The endpoint of the daemon that is to paint."""
    if where.weights:
        if not launch.can_start() and launch.is_far(far := default_endpoint()):
            sentence = f"--weights paints on this machine, where torch is not installed: leave it out to use {far}"
            raise ImpastoError(Code.UNREACHABLE, sentence)
        return launch.private_daemon("--weights", str(where.weights), say=report.note)
    return nullcontext(launch.ensure_daemon(where.endpoint, say=report.note))


@contextmanager
def interruptible() -> Iterator[Interrupt]:
    """Ctrl-C becomes a wish that the client carries to the daemon; a second one does not wait for its answer."""
    interrupt = Interrupt()

    def wish(_: int, __: FrameType | None) -> None:
        if interrupt.is_set():
            raise KeyboardInterrupt
        interrupt.set()

    with handling(wish, signal.SIGINT):
        yield interrupt


def leaving_tidily() -> AbstractContextManager[None]:
    """SIGTERM and SIGHUP leave through every `finally`: a daemon of this command alone must not stay."""

    def leave(number: int, _: FrameType | None) -> None:
        raise SystemExit(128 + number)

    return handling(leave, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def handling(handler: Callable[[int, FrameType | None], None], *numbers: signal.Signals) -> Iterator[None]:
    """These signals have this handler meanwhile; one that is ignored (nohup, a shell's background job) stays so."""
    before = {number: signal.getsignal(number) for number in numbers}
    heard = [number for number in numbers if before[number] is not signal.SIG_IGN]
    for number in heard:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number in heard:
            signal.signal(number, before[number])
