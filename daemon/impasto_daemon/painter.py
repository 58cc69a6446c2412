"""The real painter: a request in, iterates out, a picture and its record at the end.

It joins the rooms: `weights` finds a network, the `engine` paints, `tensors` turns pictures into tensors and back, all
of it on one `device`; `checkpoints` keep how jobs ended, for others to go on from. It keeps the networks between jobs.
It knows no sockets, and of a job's own name nothing until the painting is done.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

import torch
from impasto_protocol import __version__
from impasto_protocol.errors import Code, ImpastoError
from impasto_protocol.picture import Picture
from impasto_protocol.request import Request, same_proportions
from torch import Tensor

from . import device as devices
from . import weights as weights_files
from .checkpoints import Checkpoint, Checkpoints
from .engine import memory, recipes, stylize
from .engine.canvas import Commission, Manner
from .engine.features import VGG, Features
from .engine.idle import idle
from .engine.optimise import State
from .engine.plan import Means, Plan, chosen, plans, uses_half
from .engine.recipes import TEXTS, Recipe
from .engine.stylize import Painting
from .engine.wavelets import Wavelets
from .generators import Returning
from .painting import Iterate, Painted, PaintEvent, Preparing, forget
from .tensors import to_picture, to_preview, to_tensor

log = logging.getLogger(__name__)

RETRY_SECONDS = 600.0
"""How long a failed download is remembered, so that not every job waits for it to fail again."""
NO_WEIGHTS = (Code.MISSING_WEIGHTS, Code.BAD_WEIGHTS)
LOSSES_KEPT = 200
"""Entries of the losses' course in a record."""
WAY = (*TEXTS, "stand_in", "steps", "init", "blend", "noise", "noise_kind", "coarsest", "factor", "levels")
"""Fields of a recipe that say how its last size is reached, and for how long it is painted: whoever goes on from there
may change them."""


def open_painter(device: str = "auto", weights: str | None = None, offline: bool = False) -> Painter:
    """The painter of this process. device: `auto`, `cpu`, `cuda`, `cuda:1`, …; weights: a file to use and no other;
    offline: fetch nothing. Raises ImpastoError(BAD_REQUEST) for a device that is not here."""
    memory.keep_memory()
    return Painter(devices.chosen(device), Path(weights) if weights else None, offline)


@dataclass
class Told:
    """What a record tells of a painting's way: sentences, and the losses of each step."""

    notes: list[str] = field(default_factory=list)
    course: list[dict[str, float]] = field(default_factory=list)
    resumed: dict[str, object] = field(default_factory=dict)
    plan: dict[str, object] = field(default_factory=dict)

    def note(self, sentence: str) -> None:
        """A warning, for the log too."""
        log.warning(sentence)
        self.notes.append(sentence)


class Painter:
    """See painting.Painter. Not for more than one job at a time."""

    def __init__(self, device: str, weights: Path | None, offline: bool) -> None:
        self.device, self.weights_path, self.offline = device, weights, offline
        self._networks: dict[str, VGG] = {}
        self._halved: dict[str, VGG] = {}
        self._weights: dict[str, dict[str, str]] = {}
        self._gave_up: dict[str, tuple[float, str]] = {}
        self._checkpoints = Checkpoints()
        self._painting = ""
        self._means = self._looked_around(*_speeds(device))

    def about(self) -> Mapping[str, object]:
        files = [facts["file"] for facts in self._weights.values()]
        return {
            **asdict(self._means),
            "torch": torch.__version__,
            "features": ", ".join(self._networks),
            "weights": ", ".join(files) or str(self.weights_path or ""),
            "painting": self._painting,
        }

    def _looked_around(self, flops: float, half: float) -> Means:
        """What the device can do now."""
        device, host = devices.described(self.device), memory.free_in_machine()
        return Means(device, memory.free(self.device), host, flops, half)

    def paint(self, request: Request) -> Generator[PaintEvent, None, None]:
        try:
            yield from self._paint(request)
            return
        except (RuntimeError, MemoryError) as reason:
            if not memory.lacks_memory(reason):
                raise
            log.warning("Out of memory: %s", reason)
        finally:
            self._painting = ""
        # Out here no traceback holds the job's tensors any more.
        memory.release_memory()
        raise _out_of_memory(request)

    def _paint(self, request: Request) -> Generator[PaintEvent, None, None]:
        began = time.monotonic()
        self._means = self._looked_around(self._means.flops, self._means.half)
        asked = recipes.override(recipes.find(request.recipe), request.settings)
        commission, described, told = _commission(request), request.describe(), Told()
        recipe, picture = asked, request.content
        keep: Callable[[str], None] = forget
        if request.strength == 0:
            self._kept(request)
            told.notes.append("Strength 0 leaves the picture as it is: nothing was optimised.")
        else:
            recipe, features = yield from self._prepare(asked, request, told)
            devices.allow_tf32(recipe.precision == "tf32")
            half = uses_half(recipe, self._means)
            mark = fingerprint(described, recipe, self._weights.get(recipe.features, {}), self.device, half)
            before = _earlier(request, self._kept(request), mark, told)
            told.notes += _idle(request, recipe)
            ways = self._ways(request, recipe)
            told.plan = {**asdict(ways[0]), "device": self._means.device}
            painting = yield from self._optimise(commission, recipe, features, before, ways, told)
            picture = to_picture(painting.picture, request.content)
            if painting.last is not None:
                keep = partial(self._keep, Checkpoint(mark, painting.last, painting.state))
        record = {
            "request": described,
            **self._record(recipe, told),
            "stand_in": recipe.name if recipe.name != asked.name else "",
            "seconds": round(time.monotonic() - began, 2),
        }
        self._painting = ""
        yield Painted(picture, record, keep)

    # Features and weights -------------------------------------------------------------------------------------

    def _prepare(
        self, asked: Recipe, request: Request, told: Told
    ) -> Generator[Preparing, None, tuple[Recipe, Features]]:
        """The recipe that is painted with (the one asked for, or its stand-in) and its features, on the device."""
        self._painting = asked.name
        if asked.features == "wavelets":
            return asked, self._wavelets(asked)
        try:
            network = yield from self._network(asked.features)
        except ImpastoError as reason:
            if not asked.stand_in or reason.code not in NO_WEIGHTS or self.weights_path:
                raise
            recipe, dropped = _stand_in(asked, request.settings)
            self._painting = f"{recipe.name}, which stands in for {asked.name}"
            note = (
                f"NOT painted with {asked.features.upper()}: its weights cannot be had ({reason}) The recipe "
                f"“{recipe.name}”, which needs none, stands in for “{asked.name}”."
            )
            if dropped:
                note += f" Settings that are the network's own are left out: {', '.join(dropped)}."
            told.note(note)
            yield Preparing(note)
            return recipe, self._wavelets(recipe)
        network.check(_looked_at(asked, request))
        if uses_half(asked, self._means):
            network = self._in_half(asked.features, network)
        return asked, network.with_options(asked.pooling, asked.padding, wrap=asked.seamless)

    def _in_half(self, name: str, network: VGG) -> VGG:
        if name not in self._halved:
            self._halved[name] = network.in_precision(torch.bfloat16)
        return self._halved[name]

    def _wavelets(self, recipe: Recipe) -> Features:
        return Wavelets(self.device).with_options(wrap=recipe.seamless)

    def _network(self, name: str) -> Generator[Preparing, None, VGG]:
        """A network on the device: resident, or found, fetched, checked and loaded."""
        if name not in self._networks:
            path = self.weights_path or (yield from self._find_or_fetch(name))
            yield Preparing(f"Loading {name.upper()} from {path.name} …")
            state = weights_files.load(path, name, given=self.weights_path is not None)
            self._weights[name] = {"file": path.name, "sha256": weights_files.sha256(path)}
            self._networks[name] = VGG(name, state, path.name, self.device)
            log.info("%s loaded from %s to %s", name.upper(), path, self.device)
        return self._networks[name]

    def _find_or_fetch(self, network: str) -> Generator[Preparing, None, Path]:
        item = weights_files.known()[network]
        here = weights_files.find_sound(item)
        if here:
            return here
        damaged = weights_files.find(item)
        if self.offline:
            if damaged:
                raise weights_files.damaged(damaged, "its checksum is wrong", network)
            raise ImpastoError(
                Code.MISSING_WEIGHTS,
                f"{item.file} is not on this machine, and the daemon was started with --offline.",
                file=item.file,
            )
        when, why = self._gave_up.get(network, (-math.inf, ""))
        if time.monotonic() - when < RETRY_SECONDS:
            raise ImpastoError(Code.MISSING_WEIGHTS, why, file=item.file)
        if damaged:
            log.warning("%s is damaged: fetching it again", damaged)
        try:
            return (yield from _fetch(item))
        except ImpastoError as reason:
            self._gave_up[network] = (time.monotonic(), str(reason))
            raise

    # Painting -------------------------------------------------------------------------------------------------

    def _optimise(
        self,
        commission: Commission,
        recipe: Recipe,
        features: Features,
        before: Earlier,
        ways: Sequence[Plan],
        told: Told,
    ) -> Generator[Iterate, None, Painting]:
        walk = Returning(
            stylize.paint(
                commission, features, recipe, self.device, resume=before.state, start=before.picture, ways=ways
            )
        )
        for step in walk:
            losses = {name: value for name, value in step.losses.items() if math.isfinite(value)}
            told.course.append({"step": step.step, **{name: _short(value) for name, value in losses.items()}})
            if step.note:
                told.note(step.note)
            yield Iterate(step.step, step.steps, step.done, losses, _preview(step.picture))
        return walk.value

    def _ways(self, request: Request, recipe: Recipe) -> Sequence[Plan]:
        """The plans from the first that fits on, the others for when memory runs out all the same. Raises
        ImpastoError(OUT_OF_MEMORY) with the figures where none fits."""
        content = request.content
        found = plans(
            content.height,
            content.width,
            recipe,
            self._means,
            max_size=request.max_size,
            styles=[(style.picture.height, style.picture.width) for style in request.styles],
            channels=content.channels,
            masks=len(request.masks),
        )
        return found[found.index(chosen(found, self._means)) :]

    def _kept(self, request: Request) -> Checkpoint | None:
        """What is kept of the job to go on from; None where none is named. Raises ImpastoError: UNKNOWN_JOB where
        nothing is kept of it, BAD_REQUEST where it painted something of other proportions."""
        if not request.resume:
            return None
        kept = self._checkpoints.load(request.resume, self.device)
        if kept is None:
            raise ImpastoError(
                Code.UNKNOWN_JOB,
                f"Nothing is kept of a job {request.resume} to go on from: there was none of that name, it did not end "
                "well, or it had to make room for newer ones. Name another job, or paint from the beginning.",
                resume=request.resume,
            )
        height, width = kept.picture.shape[-2:]
        if not same_proportions((width, height), (request.content.width, request.content.height)):
            raise ImpastoError(
                Code.BAD_REQUEST,
                f"Job {request.resume} painted a picture of other proportions than this content: paint this one from "
                "the beginning.",
                field="resume",
            )
        return kept

    def _keep(self, checkpoint: Checkpoint, job: str) -> None:
        """Keep how a painting ended under a job's name."""
        self._checkpoints.save(job, checkpoint)

    def _precision(self, recipe: Recipe) -> str:
        """Of activations."""
        if uses_half(recipe, self._means):
            return "bfloat16"
        return "tf32" if recipe.precision == "tf32" and self.device.startswith("cuda") else "float32"

    def _record(self, recipe: Recipe, told: Told) -> dict[str, object]:
        features = recipe.features if told.course else ""
        return {
            "recipe": recipe.describe(),
            "features": features,
            "precision": self._precision(recipe) if features else "float32",
            "weights": dict(self._weights.get(features, {})),
            "device": devices.described(self.device),
            "torch": torch.__version__,
            "steps": len(told.course),
            "plan": told.plan,
            "losses": _thinned(told.course),
            "resumed": told.resumed,
            "notes": told.notes,
        }


@dataclass(frozen=True)
class Earlier:
    """What a painting goes on from: a walk's state, or a picture, or neither."""

    state: State | None = None
    picture: Tensor | None = None


def _earlier(request: Request, kept: Checkpoint | None, mark: str, told: Told) -> Earlier:
    """What there is to go on from, with a word about it where that is not the walk itself."""
    if kept is None:
        return Earlier()
    same = kept.fingerprint == mark
    told.resumed = {"job": request.resume, "exactly": same and kept.state is not None}
    if same and kept.state is not None:
        return Earlier(state=kept.state)
    why = (
        f"The optimiser's memory of job {request.resume} was too large to keep"
        if same
        else f"The request, or what it is painted with, has changed since job {request.resume}"
    )
    told.notes.append(f"{why}: this goes on from what that one painted, with a fresh optimiser.")
    return Earlier(picture=kept.picture)


def fingerprint(
    request: Mapping[str, object], recipe: Recipe, weights: Mapping[str, str], device: str, half: bool = False
) -> str:
    """SHA-256 of what the last size is painted towards, and how. Equal ones: a walk may go on as if it had not ended.

    request: as it describes itself; weights: of the recipe's network; half: whether it
    works in half precision. The features' code counts by Impasto's version;
    on a CPU the number of threads decides in which order sums are made.
    """
    asked = {key: value for key, value in request.items() if key not in ("recipe", "settings", "seed", "resume")}
    fields = {key: value for key, value in recipe.describe().items() if key not in WAY}
    threads = torch.get_num_threads() if device == "cpu" else 0
    machine = [__version__, torch.__version__, devices.described(device), threads, half]
    text = json.dumps([machine, asked, fields, weights.get("sha256", "")], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _speeds(device: str) -> tuple[float, float]:
    """Of convolutions in full and in half precision."""
    full = devices.speed(device)
    return full, devices.half_speed(device, full)


def _commission(request: Request) -> Commission:
    """The request in tensors. Raises ImpastoError(BAD_REQUEST) where samples are no numbers."""
    manners = [
        Manner(
            to_tensor(style.picture, "A style picture"),
            style.weight,
            None if style.mask is None else to_tensor(style.mask, "The mask of a style"),
        )
        for style in request.styles
    ]
    mask = None if request.content_mask is None else to_tensor(request.content_mask, "The content mask")
    content = to_tensor(request.content, "The layer")
    return Commission(content, manners, request.strength, request.max_size, request.seed, mask)


def _looked_at(recipe: Recipe, request: Request) -> tuple[str, ...]:
    """The layers that painting looks at: the content's are left out where the style alone counts."""
    kept = recipe.content_weight and (request.strength < 100 or request.masks)
    return (*(recipe.content_layers if kept else ()), *recipe.layer_weights)


def _idle(request: Request, recipe: Recipe) -> list[str]:
    """A sentence for each setting that the user gave and that does nothing here."""
    resumed = bool(request.resume)
    given = [name for name in request.settings if recipe.name == request.recipe or name not in NETWORK_S_OWN]
    found = idle(given, recipe, resumed)
    if resumed and request.seed:
        found["seed"] = "the last size of an earlier painting is gone on from"
    return [f"The setting {name} does nothing here: {why}." for name, why in found.items()]


NETWORK_S_OWN = (
    *("features", "pooling", "padding", "pixel_deviation", "activation_mean"),
    *("content_layers", "style_layers", "style_weights"),
)
"""Settings that mean a network, or are numbers for it: of no use to the recipe that stands in."""


def _stand_in(asked: Recipe, settings: Mapping[str, object]) -> tuple[Recipe, list[str]]:
    """The recipe that stands in, with those of the user's settings that are not the network's own; and the others."""
    fitting = {name: value for name, value in settings.items() if name not in NETWORK_S_OWN}
    return recipes.override(recipes.find(asked.stand_in), fitting), [name for name in settings if name not in fitting]


def _fetch(item: weights_files.Known) -> Generator[Preparing, None, Path]:
    """Download with a note every five per cent or so."""
    fetching, told = Returning(weights_files.fetch(item)), -1
    for progress in fetching:
        twentieth = 20 * progress.done // progress.total if progress.total else progress.done >> 25
        if twentieth != told:
            told = twentieth
            of = f" of {progress.total >> 20}" if progress.total else ""
            yield Preparing(f"Fetching {item.network.upper()}'s weights: {progress.done >> 20}{of} MB")
    return fetching.value


def _preview(picture: Callable[[], Tensor]) -> Callable[[int], Picture]:
    return lambda longest: to_preview(picture(), longest)


def _out_of_memory(request: Request) -> ImpastoError:
    """The sentence with a remedy for a device that has too little memory."""
    longest = max(request.content.width, request.content.height)
    size = min(longest, request.max_size or longest)
    return ImpastoError(
        Code.OUT_OF_MEMORY,
        f"The memory of this machine does not suffice for {size} pixels. Choose a smaller max-size, for example "
        f"{max(64, size * 2 // 3)}; the result has the layer's full size all the same.",
        max_size=size,
    )


def _short(value: float) -> float:
    """Six digits are enough for a record."""
    return float(f"{value:.6g}")


def _thinned(course: Sequence[dict[str, float]]) -> list[dict[str, float]]:
    """At most LOSSES_KEPT entries, evenly spaced, the last one among them."""
    if len(course) <= LOSSES_KEPT:
        return list(course)
    last = len(course) - 1
    return [course[round(i * last / (LOSSES_KEPT - 1))] for i in range(LOSSES_KEPT)]
