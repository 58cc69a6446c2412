"""Which features paint a request: those of a network, resident or found, fetched, checked and loaded; or, where its
weights cannot be had, those of the recipe that stands in.

Knows recipes, requests and weights' files; paints nothing.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from impasto_protocol.errors import Code, ImpastoError
from impasto_protocol.request import Request

from . import weights as weights_files
from .engine import recipes
from .engine.features import VGG, Features
from .engine.recipe import NETWORK_S_OWN, Recipe
from .engine.wavelets import Wavelets
from .generators import Returning
from .painting import Preparing

log = logging.getLogger(__name__)

RETRY_SECONDS = 600.0
"""How long a failed download is remembered, so that not every job waits for it to fail again."""
NO_WEIGHTS = (Code.MISSING_WEIGHTS, Code.BAD_WEIGHTS)


@dataclass(frozen=True)
class Chosen:
    """What a request is painted with: the recipe asked for, or its stand-in, and features on the device.

    weights: file and SHA-256; empty where there are none. note: why something stands in.
    """

    recipe: Recipe
    features: Features
    weights: Mapping[str, str] = field(default_factory=dict)
    note: str = ""


class Networks:
    """Networks on a device, resident once loaded. given: a weights file to use and no other; offline: fetch nothing."""

    def __init__(self, device: str, given: Path | None, offline: bool) -> None:
        self._device, self._given, self._offline = device, given, offline
        self._loaded: dict[str, VGG] = {}
        self._halved: dict[str, VGG] = {}
        self._weights: dict[str, dict[str, str]] = {}
        self._gave_up: dict[str, tuple[float, str]] = {}

    def about(self) -> Mapping[str, object]:
        """Which are loaded, and from which files."""
        files = [facts["file"] for facts in self._weights.values()]
        return {"features": ", ".join(self._loaded), "weights": ", ".join(files) or str(self._given or "")}

    def choose(self, asked: Recipe, request: Request, half: bool) -> Generator[Preparing, None, Chosen]:
        """What this request is painted with. half: whether a network is to work in half precision. Raises ImpastoError
        where there is neither the network nor a recipe that stands in."""
        name = asked.features
        if name == "wavelets":
            wavelets = self._wavelets(asked)
            wavelets.check(_looked_at(asked, request))
            return Chosen(asked, wavelets)
        try:
            network = yield from self._network(name)
        except ImpastoError as reason:
            if not asked.stand_in or reason.code not in NO_WEIGHTS or self._given:
                raise
            return self._stand_in(asked, request, reason)
        network.check(_looked_at(asked, request))
        if half:
            network = self._in_half(name, network)
        return Chosen(asked, network.with_options(asked.pooling, asked.padding, asked.seamless), self._weights[name])

    def _stand_in(self, asked: Recipe, request: Request, reason: ImpastoError) -> Chosen:
        """The recipe that stands in, with those of the user's settings that are not the network's own."""
        fitting = {name: value for name, value in request.settings.items() if name not in NETWORK_S_OWN}
        recipe = recipes.override(recipes.find(asked.stand_in), fitting)
        note = (
            f"NOT painted with {asked.features.upper()}: the recipe “{recipe.name}” stands in for “{asked.name}”. "
            f"{reason}"
        )
        if dropped := [name for name in request.settings if name not in fitting]:
            note += f" Settings that are the network's own are left out: {', '.join(dropped)}."
        return Chosen(recipe, self._wavelets(recipe), note=note)

    def _wavelets(self, recipe: Recipe) -> Wavelets:
        return Wavelets(self._device).with_options(wrap=recipe.seamless)

    def _in_half(self, name: str, network: VGG) -> VGG:
        if name not in self._halved:
            self._halved[name] = network.in_precision(torch.bfloat16)
        return self._halved[name]

    def _network(self, name: str) -> Generator[Preparing, None, VGG]:
        if name not in self._loaded:
            path = self._given or (yield from self._find_or_fetch(name))
            yield Preparing(f"Loading {name.upper()} from {path.name} …")
            state = weights_files.load(path, name, given=self._given is not None)
            self._weights[name] = {"file": path.name, "sha256": weights_files.sha256(path)}
            self._loaded[name] = VGG(name, state, path.name, self._device)
            log.info("%s loaded from %s to %s", name.upper(), path, self._device)
        return self._loaded[name]

    def _find_or_fetch(self, network: str) -> Generator[Preparing, None, Path]:
        item = weights_files.known()[network]
        here = weights_files.find_sound(item)
        if here:
            return here
        damaged = weights_files.find(item)
        if self._offline:
            if damaged:
                raise weights_files.damaged(damaged, "its checksum is wrong", network)
            raise ImpastoError(
                Code.MISSING_WEIGHTS,
                f"`{weights_files.fetch_command(network)}` brings {item.file}: it is not on this machine, and the "
                "daemon was started with --offline.",
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


def _looked_at(recipe: Recipe, request: Request) -> tuple[str, ...]:
    """The layers that painting looks at: the content's are left out where the style alone counts."""
    kept = recipe.content_weight and (request.strength < 100 or request.masks)
    return (*(recipe.content_layers if kept else ()), *recipe.layer_weights)


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
