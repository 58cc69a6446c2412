"""What a person waits for at a warm daemon: the first preview, the next job's start, and what is not painting.

The daemon is a real one with the real painter, on the CPU. It is warm when it has painted a small job: torch is loaded
then and the network resident.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

import torch
from impasto_daemon.engine import recipes
from impasto_daemon.tensors import to_preview
from impasto_protocol.errors import ImpastoError
from impasto_protocol.messages import Preview, Progress
from impasto_protocol.picture import Picture
from impasto_protocol.request import Request, Style
from impasto_protocol.zmq_client import Client
from torch import Tensor

from . import daemons, step
from .measure import Findings, Ratio, Table, timed
from .setting import Setting, alone, as_the_worker_does, network, quicker

SIDE = 1024
"""Of the layer whose first preview is waited for: one megapixel."""
DEFAULT_JOB = 512
"""Side of the layer that a whole default job is made with."""
SMALL, SHORT = 128, {"steps": "2"}
"""Side and settings of jobs that are there to be over soon."""
PREVIEW = 512
"""Longest side of previews."""
TIMES = 3


class _Seen(Exception):
    """There is a preview: nobody wants the rest."""


def measure(setting: Setting, side: int = SIDE, default_job: int = DEFAULT_JOB) -> Findings:
    """Ratios, and the absolute times in a table."""
    bare = [alone(evaluation, setting, side) for _ in range(TIMES)]
    with tempfile.NamedTemporaryFile(suffix=".pth") as file:
        weights = setting.weights or _saved(setting, Path(file.name))
        with daemons.running("--device", "cpu", "--weights", str(weights)) as daemon, Client(daemon.endpoint) as client:
            client.stylize(request(setting, SMALL, SHORT))
            previews = [first_preview(client, request(setting, side)) for _ in range(TIMES)]
            gaps = [gap(client, request(setting, SMALL, SHORT)) for _ in range(TIMES)]
            whole, painting = job(client, request(setting, default_job))
    first = Ratio.of(
        f"first preview of a {side}×{side} layer at a warm daemon",
        "one bare evaluation and its gradient at that size",
        list(zip(previews, bare)),
    )
    rest = Ratio.of(f"a default job at {default_job}×{default_job}", "its painting alone", [(whole, painting)], "s")
    rows = (
        ("submit to first preview", f"{side}×{side}", _range(previews)),
        ("end of a job to the end of the next one's first evaluation", f"{SMALL}×{SMALL}", _range(gaps)),
        ("share of a default job that is not painting", f"{default_job}×{default_job}", f"{1 - painting / whole:.2%}"),
    )
    return Findings((first, rest), (Table("At a warm daemon", ("what", "layer", "median (from, to)"), rows),))


def evaluation(setting: Setting, side: int) -> float:
    """Seconds of one evaluation of the default recipe with its gradient, in this process."""
    as_the_worker_does()
    recipe = recipes.find("impasto")
    features = network(setting.state(), recipe, quicker())
    evaluate = step.evaluation(recipe, features, setting.content(side), setting.style(side))
    evaluate()
    return timed(evaluate)


def request(setting: Setting, side: int, settings: dict[str, str] | None = None) -> Request:
    """A job of the default recipe."""
    content, style = setting.content(side), setting.style(side)
    return Request(_picture(content), (Style(_picture(style)),), settings=settings or {})


def first_preview(client: Client, job: Request) -> float:
    """Seconds from submit to the first preview; the job is cancelled then, and the device free."""

    def seen(preview: Preview) -> None:
        raise _Seen

    began = time.perf_counter()
    accepted = client.submit(job, preview=PREVIEW)
    try:
        client.wait(accepted.job, on_preview=seen)
    except _Seen:
        seconds = time.perf_counter() - began
        _let_go(client, accepted.job)
        return seconds
    raise RuntimeError("the job ended without a preview")


def gap(client: Client, job: Request) -> float:
    """Seconds from the end of a job to the end of the first evaluation of another one like it, which was waiting."""
    first, second = client.submit(job), client.submit(job)
    client.wait(first.job)
    began, begun = time.perf_counter(), list[float]()

    def progressed(progress: Progress) -> None:
        if progress.step:
            begun.append(time.perf_counter() - began)

    client.wait(second.job, on_progress=progressed)
    for each in (first, second):
        client.acknowledge(each.job)
    return begun[0]


def job(client: Client, wanted: Request) -> tuple[float, float]:
    """Seconds from submit to the result in the client's hands, and those of them that the painter had."""
    began = time.perf_counter()
    result = client.stylize(wanted, preview=PREVIEW)
    seconds = time.perf_counter() - began
    client.acknowledge(result.job)
    painting = result.record["seconds"]
    assert isinstance(painting, float)
    return seconds, painting


def _let_go(client: Client, job: str) -> None:
    """Cancel and wait until the device is free."""
    try:
        client.cancel(job)
        client.wait(job)
    except ImpastoError:
        return  # cancelled, as it was asked to be
    raise RuntimeError("the job was over before it could be cancelled: choose a larger layer")


def _picture(rgb: Tensor) -> Picture:
    return to_preview(rgb, max(rgb.shape[-2:]))


def _saved(setting: Setting, path: Path) -> Path:
    torch.save(setting.state(), path)
    return path


def _range(seconds: list[float]) -> str:
    return f"{statistics.median(seconds):.3g} s ({min(seconds):.3g}, {max(seconds):.3g})"
