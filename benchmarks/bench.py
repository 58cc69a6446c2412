"""`make bench`: prints ratios and tables, and stores them as JSON and as a plot.

    python -m benchmarks.bench [--only A,B] [--weights FILE] [--content FILE]… [--style FILE]… [--sizes 256,512] …

What is measured is a module each; this is their list.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path

import torch

from . import convergence, idle, memory, plots, preview, step, transports, wire
from .measure import Curve, Findings
from .setting import STARTS, Setting

MEASURES: Mapping[str, Callable[[Setting], Findings]] = {
    "wire": wire.measure,
    "transports": transports.measure,
    "idle": idle.measure,
    "step": step.measure,
    "preview": preview.measure,
    "memory": memory.measure,
    "convergence": convergence.measure,
}
"""By name, the quick ones first."""
ARTIFACTS = Path("artifacts") / "bench"


def main(arguments: list[str] | None = None) -> None:
    options = _parser().parse_args(arguments)
    setting = _setting(options)
    machine = f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}, on the CPU"
    print(f"{machine}; VGG19 with {setting.origin}", flush=True)
    stored: dict[str, object] = {"machine": machine, "weights": setting.origin}
    curves: list[Curve] = []
    for name in options.only:
        found = MEASURES[name](setting)
        print(f"\n## {name}\n", *(f"- {each}" for each in found.ratios), sep="\n")
        print(*(f"\n{each}" for each in found.tables), sep="\n", flush=True)
        stored[name] = asdict(found)
        curves += found.curves
        _store(options.json, stored)  # what was measured stays, whatever the next one does
        plots.save(curves, options.plot)
    print(f"\nStored: {options.json}" + (f", {options.plot}" if curves else ""))


def _store(path: Path, stored: Mapping[str, object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(stored, indent=1) + "\n")


def _setting(options: argparse.Namespace) -> Setting:
    asked = {
        "contents": tuple(options.content or ()),
        "styles": tuple(options.style or ()),
        "sizes": options.sizes,
        "starts": tuple(options.starts),
    }
    given = {name: value for name, value in asked.items() if value}
    return Setting(options.weights, repeat=options.repeat, evaluations=options.evaluations, **given)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make bench", description="Measure Impasto as ratios in one run.")
    parser.add_argument("--only", type=_names, default=list(MEASURES), metavar="A,B", help=", ".join(MEASURES))
    parser.add_argument("--weights", type=Path, metavar="FILE", help="VGG19's, or its first layers (random without)")
    parser.add_argument("--content", type=Path, action="append", metavar="FILE", help="can be given again")
    parser.add_argument("--style", type=Path, action="append", metavar="FILE", help="can be given again")
    parser.add_argument("--sizes", type=_sizes, default=(), metavar="A,B", help="sides in pixels, of every measure")
    parser.add_argument("--starts", nargs="+", choices=STARTS, default=STARTS, help="of convergence")
    parser.add_argument("--repeat", type=int, default=1, metavar="N", help="seeds a pair of pictures, for convergence")
    parser.add_argument("--evaluations", type=int, default=300, metavar="N", help="the plain method's budget")
    parser.add_argument("--json", type=Path, default=ARTIFACTS / "bench.json", metavar="FILE")
    parser.add_argument("--plot", type=Path, default=ARTIFACTS / "bench.png", metavar="FILE")
    return parser


def _names(text: str) -> list[str]:
    names = text.split(",")
    for name in names:
        if name not in MEASURES:
            raise argparse.ArgumentTypeError(f"there is no measure “{name}”: choose among {', '.join(MEASURES)}")
    return names


def _sizes(text: str) -> tuple[int, ...]:
    return tuple(int(each) for each in text.split(","))


if __name__ == "__main__":
    main()
