"""What a job will take, reckoned before it starts: by what the worker last said of its device, and the engine's plans.

The supervisor has no torch, and no worker before the first job: what a worker said is kept in a small file, for the
next daemon too. A forecast is a courtesy: where something is missing or fails, there is none, and the job goes its way.
Knows recipes and plans; no sockets, no jobs, no device.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeGuard

from impasto_protocol import schema
from impasto_protocol.errors import ImpastoError, ProtocolError
from impasto_protocol.forecast import Forecast
from impasto_protocol.limits import NAME
from impasto_protocol.request import Outline

from . import files
from .engine import host_memory, recipes
from .engine.plan import Means, fits, holds, plans
from .engine.recipe import NETWORK_S_OWN, Recipe
from .planning import task_of

WORTH_WRITING = 0.1
"""Relative change of a fact that makes it worth a write."""


def _bytes_or_nothing(value: object, name: str) -> int | None:
    return None if value is None else schema.integer()(value, name)


FACTS: Mapping[str, schema.Reader] = {
    "device": schema.text(NAME),
    "memory": _bytes_or_nothing,
    "host": _bytes_or_nothing,
    "flops": schema.number(0),
    "half": schema.number(0),
}
"""What a worker says of its device, as `Means` has it."""

logger = logging.getLogger("impasto.forecasting")


def forecast(outline: Outline, means: Means, stand_ins: Mapping[str, str] | None = None) -> Forecast | None:
    """What such a request will take on such a device; None where nothing is optimised. Where memory lacks, the figures
    are those of the plan that takes least: there may be more when the job starts.

    stand_ins: for recipes by name, the one that is painted with instead. Raises ImpastoError for what no worker could
    paint.
    """
    if outline.strength == 0:
        return None
    found = plans(task_of(outline), _painted(outline, stand_ins or {}), means)
    best = next((each for each in found if fits(each, means)), found[-1])
    free = None if holds(best, means) else means.memory
    return Forecast(best.width, best.height, best.tiles, best.evaluations, best.bytes, best.seconds, means.device, free)


def _painted(outline: Outline, stand_ins: Mapping[str, str]) -> Recipe:
    """The recipe that such a request will be painted with. Raises ImpastoError."""
    name, settings = outline.recipe, outline.settings
    if name in stand_ins:
        name = stand_ins[name]
        settings = {key: value for key, value in settings.items() if key not in NETWORK_S_OWN}
    return recipes.override(recipes.find(name), settings)


class Forecaster:
    """Remembers what workers said, for one daemon and those after it. asked: the device that the daemon was told to
    take, which is the name that its facts are kept under."""

    def __init__(self, asked: str, path: Path | None = None) -> None:
        self._asked = asked
        self._path = path or facts_path()
        kept = _read(self._path)
        self._facts = _facts(_map(_map(kept.get("devices")).get(asked)))
        stand_ins = _map(kept.get("stand_ins"))
        self._stand_ins = {name: other for name, other in stand_ins.items() if _is_recipe(name) and _is_recipe(other)}
        self._written = self._facts

    def forecast(self, outline: Outline) -> Mapping[str, Any]:
        """For `accepted` and `foreseen`: empty where it cannot be said. Never raises."""
        try:
            facts = self.facts()
            foreseen = forecast(outline, Means(**facts), self._stand_ins) if facts else None
        except ImpastoError:
            return {}  # a painter of other recipes than ours
        except Exception:
            logger.exception("a forecast failed")
            return {}
        return foreseen.as_map() if foreseen else {}

    def facts(self) -> dict[str, Any]:
        """What the device can do; empty before a worker has said so. The machine's own memory is looked at afresh."""
        facts = dict(self._facts)
        if facts and not host_memory.limited() and (free := host_memory.free()) is not None:
            facts["host"] = free
            if on_cpu(facts["device"]):
                facts["memory"] = free
        return facts

    def learn(self, about: Mapping[str, Any]) -> None:
        """A worker says how it is."""
        facts = _facts(about)
        if facts:
            self._facts = facts
            if not _alike(facts, self._written):
                self._write()

    def learn_of_painting(self, record: Mapping[str, Any]) -> None:
        """A job's record tells whether another recipe had to stand in for the one asked for."""
        asked, stand_in = _map(record.get("request")).get("recipe"), record.get("stand_in")
        if not record.get("features") or not _is_recipe(asked):
            return  # nothing was optimised, or by a painter of other recipes
        stand_ins = {name: other for name, other in self._stand_ins.items() if name != asked}
        if _is_recipe(stand_in):
            stand_ins[asked] = stand_in
        if stand_ins != self._stand_ins:
            self._stand_ins = stand_ins
            self._write()

    def _write(self) -> None:
        self._written = self._facts
        devices = {**_map(_read(self._path).get("devices")), self._asked: self._facts}
        try:
            _write(self._path, {"devices": devices, "stand_ins": self._stand_ins})
        except OSError as error:
            logger.warning("%s cannot be written: %s", self._path, error.strerror)


def facts_path() -> Path:
    """Where what workers say of their devices is kept."""
    return files.state_folder() / "devices.json"


def on_cpu(device: str) -> bool:
    """Whether a device, as it is described, has the machine's own memory."""
    return device.startswith("cpu")


def _facts(about: Mapping[str, Any]) -> dict[str, Any]:
    """The facts in what a worker said, or a file; empty where one is missing or is none."""
    try:
        return {name: read(about[name], name) for name, read in FACTS.items()}
    except (KeyError, ProtocolError):
        return {}


def _alike(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    if one.keys() != other.keys() or one["device"] != other["device"]:
        return False
    return all(math.isclose(one[name], other[name], rel_tol=WORTH_WRITING) for name in one if name != "device")


def _is_recipe(name: object) -> TypeGuard[str]:
    return isinstance(name, str) and name in recipes.RECIPES


def _map(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _read(path: Path) -> Mapping[str, Any]:
    """A file of JSON as a map; empty where there is none, or a damaged one."""
    try:
        return _map(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, RecursionError):
        return {}


def _write(path: Path, values: Mapping[str, Any]) -> None:
    """All of it or nothing, for this user alone. Raises OSError."""
    files.sweep(files.private(path.parent))
    with files.whole(path) as file:
        file.write(json.dumps(values).encode())
