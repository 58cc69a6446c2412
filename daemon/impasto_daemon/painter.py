"""The real painter: a request in, iterates out, a picture and its record at the end.

It joins the rooms: `weights` finds a network, the `engine` paints, `tensors` turns pictures into tensors and back, all
of it on one `device`. It keeps the network between jobs. It knows no sockets and no job ids.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path

import torch
from impasto_protocol.errors import Code, ImpastoError
from impasto_protocol.picture import Picture
from impasto_protocol.request import Request
from torch import Tensor

from . import device as devices
from . import weights as weights_files
from .engine import recipes, stylize
from .engine.features import VGG, Features
from .engine.recipes import Recipe
from .engine.wavelets import Wavelets
from .generators import Returning
from .painting import Iterate, Painted, PaintEvent, Preparing
from .tensors import to_picture, to_preview, to_tensor

log = logging.getLogger(__name__)

RETRY_SECONDS = 600.0
"""How long a failed download is remembered, so that not every job waits for it to fail again."""
NO_WEIGHTS = (Code.MISSING_WEIGHTS, Code.BAD_WEIGHTS)
LOSSES_KEPT = 200
"""Entries of the losses' course in a record."""


def open_painter(device: str = "auto", weights: str | None = None, offline: bool = False) -> Painter:
    """The painter of this process. device: `auto`, `cpu`, `cuda`, `cuda:1`, …; weights: a file to use and no other;
    offline: fetch nothing. Raises ImpastoError(BAD_REQUEST) for a device that is not here."""
    devices.keep_memory()
    return Painter(devices.chosen(device), Path(weights) if weights else None, offline)


class Painter:
    """See painting.Painter. Not for more than one job at a time."""

    def __init__(self, device: str, weights: Path | None, offline: bool) -> None:
        self.device, self.weights_path, self.offline = device, weights, offline
        self._network: VGG | None = None
        self._weights: dict[str, object] = {}
        self._gave_up: tuple[float, str] | None = None

    def about(self) -> Mapping[str, object]:
        described: dict[str, object] = {"device": devices.described(self.device), "torch": torch.__version__}
        if self._network is not None:
            return {**described, "features": "vgg19", "weights": self._weights.get("file", "")}
        return {**described, "features": "", "weights": str(self.weights_path or "")}

    def paint(self, request: Request) -> Generator[PaintEvent, None, None]:
        try:
            yield from self._paint(request)
            return
        except (RuntimeError, MemoryError) as reason:
            if not devices.lacks_memory(reason):
                raise
            log.warning("Out of memory: %s", reason)
        # Out here no traceback holds the job's tensors any more.
        devices.release_memory()
        raise _out_of_memory(request)

    def _paint(self, request: Request) -> Generator[PaintEvent, None, None]:
        began = time.monotonic()
        asked = recipes.override(recipes.find(request.recipe), request.settings)
        content = to_tensor(request.content, "The layer")
        notes: list[str] = []
        course: list[dict[str, float]] = []
        if request.strength == 0:
            recipe, result = asked, request.content
            notes.append("Strength 0 leaves the picture as it is: nothing was optimised.")
        else:
            recipe, features = yield from self._prepare(asked, request, notes)
            result = yield from self._optimise(request, content, recipe, features, course, notes)
        record = self._record(request, recipe, course, notes)
        record["stand_in"] = recipe.name if recipe.name != asked.name else ""
        record["seconds"] = round(time.monotonic() - began, 2)
        yield Painted(result, record)

    def _prepare(
        self, asked: Recipe, request: Request, notes: list[str]
    ) -> Generator[Preparing, None, tuple[Recipe, Features]]:
        """The recipe that is painted with (the one asked for, or its stand-in) and its features, on the device."""
        if asked.features == "wavelets":
            return asked, Wavelets(self.device)
        try:
            network = yield from self._vgg19()
        except ImpastoError as reason:
            if not asked.stand_in or reason.code not in NO_WEIGHTS or self.weights_path:
                raise
            recipe = _stand_in(asked, request.settings)
            note = (
                f"NOT painted with VGG19: its weights cannot be had ({reason}) The recipe “{recipe.name}”, which needs "
                f"none, stands in for “{asked.name}”."
            )
            log.warning(note)
            notes.append(note)
            yield Preparing(note)
            return recipe, Wavelets(self.device)
        network.check((*asked.content_layers, *asked.style_layers))
        return asked, network.with_options(asked.pooling, asked.padding)

    def _vgg19(self) -> Generator[Preparing, None, VGG]:
        """VGG19 on the device: resident, or found, fetched, checked and loaded."""
        if self._network is None:
            path = self.weights_path or (yield from self._find_or_fetch())
            yield Preparing(f"Loading VGG19 from {path.name} …")
            state = weights_files.load(path, given=self.weights_path is not None)
            self._network = VGG("vgg19", state, path.name, self.device)
            self._weights = {"file": path.name, "sha256": weights_files.sha256(path)}
            log.info("VGG19 loaded from %s to %s", path, self.device)
        return self._network

    def _find_or_fetch(self) -> Generator[Preparing, None, Path]:
        item = weights_files.known()["vgg19"]
        here = weights_files.find_sound(item)
        if here:
            return here
        damaged = weights_files.find(item)
        if self.offline:
            if damaged:
                raise weights_files.damaged(damaged, "its checksum is wrong")
            raise ImpastoError(
                Code.MISSING_WEIGHTS,
                f"{item.file} is not on this machine, and the daemon was started with --offline.",
                file=item.file,
            )
        if self._gave_up and time.monotonic() - self._gave_up[0] < RETRY_SECONDS:
            raise ImpastoError(Code.MISSING_WEIGHTS, self._gave_up[1], file=item.file)
        if damaged:
            log.warning("%s is damaged: fetching it again", damaged)
        try:
            return (yield from _fetch(item))
        except ImpastoError as reason:
            self._gave_up = (time.monotonic(), str(reason))
            raise

    def _optimise(
        self,
        request: Request,
        content: Tensor,
        recipe: Recipe,
        features: Features,
        course: list[dict[str, float]],
        notes: list[str],
    ) -> Generator[Iterate, None, Picture]:
        walk = Returning(
            stylize.paint(
                content,
                [(to_tensor(style.picture, "A style picture"), style.weight) for style in request.styles],
                features,
                recipe,
                request.strength,
                request.max_size,
                request.seed,
                self.device,
            )
        )
        for step in walk:
            losses = {name: value for name, value in step.losses.items() if math.isfinite(value)}
            course.append({"step": step.step, **{name: _short(value) for name, value in losses.items()}})
            if step.note:
                log.warning(step.note)
                notes.append(step.note)
            yield Iterate(step.step, step.steps, step.done, losses, _preview(step.picture))
        return to_picture(walk.value, request.content)

    def _record(
        self, request: Request, recipe: Recipe, course: Sequence[dict[str, float]], notes: list[str]
    ) -> dict[str, object]:
        return {
            "request": request.describe(),
            "recipe": recipe.describe(),
            "features": recipe.features if course else "",
            "weights": dict(self._weights) if course and recipe.features == "vgg19" else {},
            "device": devices.described(self.device),
            "torch": torch.__version__,
            "steps": len(course),
            "losses": _thinned(course),
            "notes": notes,
        }


def _stand_in(asked: Recipe, settings: Mapping[str, object]) -> Recipe:
    """The recipe that stands in, with those of the user's settings that do not name the network or its layers."""
    own = ("features", "pooling", "padding", "content_layers", "style_layers", "style_weights")
    return recipes.override(recipes.find(asked.stand_in), {k: v for k, v in settings.items() if k not in own})


def _fetch(item: weights_files.Known) -> Generator[Preparing, None, Path]:
    """Download with a note every five per cent or so."""
    fetching, told = Returning(weights_files.fetch(item)), -1
    for progress in fetching:
        twentieth = 20 * progress.done // progress.total if progress.total else progress.done >> 25
        if twentieth != told:
            told = twentieth
            of = f" of {progress.total >> 20}" if progress.total else ""
            yield Preparing(f"Fetching VGG19's weights: {progress.done >> 20}{of} MB")
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
