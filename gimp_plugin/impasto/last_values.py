"""What an artist chose last, for the next dialog and for Ctrl+F: the filter's for a batch, a batch's for the filter.

GIMP itself keeps last values too, but of each procedure by itself, and of a painting alone that was finished: after a
cancel, all would have to be chosen again. Ours are kept as GIMP's own parasite, so that they are there after the next
start.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping
from typing import Any

import call
import styles
from gi.repository import Gimp, Gio
from subject import Subject

PARASITE = "impasto-last-values"
NAMES = (
    *("recipe", "strength", "stroke-size", "max-size", "seed", "keep-colours", "preview", "choose", "paint"),
    *styles.WEIGHTS,
)
"""The arguments that are kept beside the styles; `paint` is a batch's alone."""


def ask(procedure: Any, run_mode: Any, config: Any, subject: Subject) -> None:
    """As `call.ask`, with a dialog that begins with what was chosen last; without one, that is painted with again."""
    if run_mode != Gimp.RunMode.NONINTERACTIVE:
        fill(config)
        call.ask(procedure, run_mode, config, subject)
        keep(config)


def keep(config: Any) -> None:
    """These arguments, for `fill`. Those that this procedure has not stay as they were kept before."""
    values = {name: value for name, value in _kept().items() if name in NAMES and not _has(config, name)}
    values |= {name: config.get_property(name) for name in NAMES if _has(config, name)}
    for number in styles.NUMBERS:
        for kind in styles.given(config, number):
            name = styles.argument(kind, number)
            values[name] = WRITTEN[kind](config.get_property(name))
    data = json.dumps(values).encode("ascii")
    Gimp.attach_parasite(Gimp.Parasite.new(PARASITE, Gimp.PARASITE_PERSISTENT, data))


def fill(config: Any) -> None:
    """Set these arguments to what was kept last, if anything was. A style's layer that is gone is none any more."""
    values = _kept()
    if not values:
        return
    with contextlib.suppress(ValueError, TypeError, AttributeError):
        for number in styles.NUMBERS:
            for kind in styles.KINDS:
                name = styles.argument(kind, number)
                config.set_property(name, READ[kind](values[name]) if name in values else None)
        for name in NAMES:
            if name in values and _has(config, name):
                config.set_property(name, values[name])


def _kept() -> dict[str, Any]:
    """What was kept last; nothing where that is damaged."""
    parasite = Gimp.get_parasite(PARASITE)
    if parasite is not None:
        with contextlib.suppress(ValueError, RecursionError):
            values = json.loads(bytes(parasite.get_data()))
            if isinstance(values, dict):
                return values
    return {}


def _has(config: Any, name: str) -> bool:
    return config.find_property(name) is not None


def _layer_written(layer: Any) -> list[int]:
    """Its number means something to this GIMP alone."""
    return [Gimp.getpid(), layer.get_id()]


def _layer(written: list[int]) -> Any:
    process, number = written
    return Gimp.Layer.get_by_id(number) if process == Gimp.getpid() and Gimp.Layer.id_is_valid(number) else None


WRITTEN: Mapping[str, Callable[[Any], Any]] = {
    "style-file": lambda file: file.get_uri(),
    "style-layer": _layer_written,
    "style-pattern": lambda pattern: pattern.get_name(),
}
READ: Mapping[str, Callable[[Any], Any]] = {
    "style-file": Gio.File.new_for_uri,
    "style-layer": _layer,
    "style-pattern": Gimp.Pattern.get_by_name,
}
