"""Going on from an earlier job: what is kept of it, and whether its walk may go on as if it had not ended."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from impasto_protocol import __version__
from impasto_protocol.errors import Code, ImpastoError, nothing_kept
from impasto_protocol.request import Request, same_proportions
from torch import Tensor

from . import device as devices
from .checkpoints import Checkpoint, Checkpoints
from .engine.optimise import State
from .engine.plan import Plan
from .engine.recipe import TEXTS, Recipe

WAY = (*TEXTS, "stand_in", "steps", "init", "blend", "noise", "noise_kind", "coarsest", "factor", "levels", "settle")
"""Fields of a recipe that say how its last size is reached, and for how long it is painted: whoever goes on from there
may change them."""


@dataclass(frozen=True)
class Earlier:
    """What a painting goes on from: a walk's state, or a picture, or neither.

    about: for the record, which job that is and whether it goes on exactly; notes: why not.
    """

    state: State | None = None
    picture: Tensor | None = None
    about: Mapping[str, object] = field(default_factory=dict)
    notes: Sequence[str] = ()


def kept(checkpoints: Checkpoints, request: Request, device: str) -> Checkpoint | None:
    """What is kept of the job to go on from; None where none is named. Raises ImpastoError: UNKNOWN_JOB where nothing
    is kept of it, BAD_REQUEST where it painted something of other proportions."""
    if not request.resume:
        return None
    found = checkpoints.load(request.resume, device)
    if found is None:
        raise nothing_kept(request.resume)
    height, width = found.picture.shape[-2:]
    if not same_proportions((width, height), (request.content.width, request.content.height)):
        raise ImpastoError(
            Code.BAD_REQUEST,
            f"Job {request.resume} painted a picture of other proportions than this content: paint this one from "
            "the beginning.",
            field="resume",
        )
    return found


def way_of(plan: Plan) -> str:
    """What of a plan decides over the samples."""
    return f"tile {plan.tile}, history {plan.history}{', half' * plan.half_pairs}"


def earlier(checkpoints: Checkpoints, request: Request, device: str, mark: Callable[[], str], plan: Plan) -> Earlier:
    """What there is to go on from for a request that is painted by this plan. mark: makes its fingerprint. Raises
    ImpastoError as `kept` does."""
    found = kept(checkpoints, request, device)
    if found is None:
        return Earlier()
    same = found.fingerprint == mark()
    if same and found.state is not None:
        exactly = found.way == way_of(plan)
        note = f"Job {request.resume} had other memory to paint with: this goes on from its state, but in another way."
        return Earlier(found.state, about={"job": request.resume, "exactly": exactly}, notes=[] if exactly else [note])
    why = (
        f"Job {request.resume} was stopped before its end, or its optimiser's memory was too large to keep"
        if same
        else f"The request, or what it is painted with, has changed since job {request.resume}"
    )
    note = f"{why}: this goes on from what that one painted, with a fresh optimiser."
    return Earlier(picture=found.picture, about={"job": request.resume, "exactly": False}, notes=[note])


def fingerprint(
    request: Mapping[str, object], recipe: Recipe, weights: Mapping[str, str], device: str, half: bool = False
) -> str:
    """SHA-256 of what the last size is painted towards, and how. Equal ones: a walk may go on as if it had not ended.

    request: as it describes itself; weights: of the recipe's network; half: whether it works in half precision. The
    features' code counts by Impasto's version; on a CPU the number of threads decides in which order sums are made.
    """
    asked = {
        key: value for key, value in request.items() if key not in ("recipe", "settings", "seed", "resume", "start")
    }
    fields = {key: value for key, value in recipe.describe().items() if key not in WAY}
    threads = torch.get_num_threads() if device == "cpu" else 0
    machine = [__version__, torch.__version__, devices.described(device), threads, half]
    text = json.dumps([machine, asked, fields, weights.get("sha256", "")], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
