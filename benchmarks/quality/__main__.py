"""`make quality`: every recipe on pairs of pictures, at equal processor time; a table, its data, and a contact sheet.

    python -m benchmarks.quality [CONTENT… --style STYLE…] [--weights FILE] -o FOLDER

Each content is painted in the manner of each style; without any, the project's own examples are. Without weights the
recipes that need a network are left out, and so are the figures that need one to judge.
"""

from __future__ import annotations

import argparse
import platform
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from impasto_daemon import pictures, weights
from impasto_daemon.engine import recipes as book
from impasto_daemon.engine.features import VGG
from impasto_daemon.engine.levels import fitted
from impasto_daemon.engine.rasters import fill_hidden, resize
from impasto_daemon.engine.recipe import Recipe
from impasto_daemon.engine.recipes import RECIPES
from impasto_daemon.tensors import to_tensor
from impasto_protocol.errors import Code, ImpastoError
from impasto_protocol.limits import Limits
from rich.console import Console
from torch import Tensor

from examples.demo import CONTENT, STYLE

from . import report, sheet
from .adapt import Entry, adapted
from .compare import LIKENESSES, Comparison, Plan
from .report import MODES, Report
from .runs import Pair

LARGEST_STYLE = 1024
"""Longest side of a style as it is handed to the engine, in pixels."""
WITHOUT = (
    "There is no weights file (--weights FILE, VGG19 with torchvision's names): recipes that need a network are left "
    "out, and so are the figures that it would judge."
)


def main() -> int:
    options = _parser().parse_args()
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 140)
    try:
        return compare(options, console)
    except ImpastoError as error:
        print(error, file=sys.stderr)
        return 1


def compare(options: argparse.Namespace, console: Console) -> int:
    """What the command line asks for: pictures, JSON and sheets in the folder, tables on the console."""
    torch.set_num_threads(1)
    networks: dict[str, VGG] = {}
    about: dict[str, object] = {"weights": "none"}
    if options.weights:
        networks["vgg19"] = VGG("vgg19", weights.load(options.weights), options.weights.name)
        about = {"weights": options.weights.name, "sha256": weights.sha256(options.weights)}
    else:
        console.print(WITHOUT)
    about |= {"longest side": options.size, "machine": f"{platform.machine()}, one thread, torch {torch.__version__}"}
    found = Report(about)
    entries = _entries(_asked(options), networks, found, console)
    if not entries:
        console.print("None of these recipes can be run here.")
        return 1
    plan = Plan(entries, options.seconds, options.published, _likeness(options.match, networks), options.seeds)
    options.output.mkdir(parents=True, exist_ok=True)
    comparison = Comparison(plan, networks, options.output, found, lambda line: console.print(line, soft_wrap=True))
    for pair in _pairs(options):
        comparison.run(pair)
    report.show(found, console)
    for mode in MODES:
        sheet.save([options.output], options.output / f"sheet-{mode.replace(', ', '-').replace(' ', '-')}.png", mode)
    console.print(f"Pictures, sheets and {report.FILE} are in {options.output}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("contents", type=Path, nargs="*", metavar="CONTENT", help="pictures to paint")
    parser.add_argument("--style", type=Path, action="append", default=[], help="a painting; can be given again")
    parser.add_argument("--weights", type=Path, metavar="FILE", help="VGG19's, whole or its first layers")
    parser.add_argument("--size", type=int, default=256, help="longest side to paint at, in pixels")
    parser.add_argument(
        "--seconds", type=float, default=0.0, help="processor time a painting (0: what the first recipe takes)"
    )
    parser.add_argument("--published", action="store_true", help="also at each recipe's own budget; may take long")
    parser.add_argument(
        "--match",
        nargs="?",
        const=LIKENESSES[0],
        choices=LIKENESSES,
        help="also at the first recipe's likeness to the content, by their content weights",
    )
    parser.add_argument("--seeds", type=int, default=1, help="paintings a recipe, to tell how far they differ")
    parser.add_argument("--recipes", default=",".join(RECIPES), metavar="A,B", help="the first one gives the time")
    parser.add_argument(
        "--variant",
        action="append",
        default=[],
        metavar="'NAME=RECIPE FIELD=VALUE …'",
        help="a recipe with settings of yours, under a name; can be given again",
    )
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER")
    return parser


def _asked(options: argparse.Namespace) -> dict[str, Recipe]:
    """Recipes by the names of their columns. Raises ImpastoError."""
    asked = {name: book.find(name) for name in options.recipes.split(",") if name}
    for text in options.variant:
        parts = [part.partition("=") for part in text.split()]
        if not parts or not all(equals for _, equals, _ in parts) or not parts[0][0].replace("-", "").isalnum():
            raise ImpastoError(Code.BAD_REQUEST, f"“{text}” is no variant: write 'NAME=RECIPE FIELD=VALUE …'.")
        (name, _, base), *settings = parts
        asked[name] = book.override(book.find(base), {key: _value(value) for key, _, value in settings})
    return asked


def _value(text: str) -> object:
    try:
        return float(text)
    except ValueError:
        return {"true": True, "false": False}.get(text, text)


def _entries(
    asked: Mapping[str, Recipe], networks: Mapping[str, VGG], found: Report, console: Console
) -> Sequence[Entry]:
    """Those that can be run, adapted to the layers there are; footnotes say what was changed, the console what was
    left out."""
    entries = []
    for name, recipe in asked.items():
        if recipe.features == "wavelets":
            entries.append(Entry(name, recipe))
            continue
        network = networks.get(recipe.features)
        entry = adapted(name, recipe, list(network.filters)) if network else None
        if entry is None or network is None:
            console.print(f"Left out: {name}, which needs weights of {recipe.features}.")
            continue
        entries.append(entry)
        if entry.changed:
            found.footnotes[name] = f"adapted to {network.origin}: {entry.changed}"
    return entries


def _likeness(asked: str | None, networks: Mapping[str, VGG]) -> str:
    """The figure to match by: without a network the one that needs none."""
    return "" if asked is None else asked if networks else LIKENESSES[-1]


def _pairs(options: argparse.Namespace) -> list[Pair]:
    contents, styles = options.contents or [CONTENT], options.style or [STYLE]
    return [
        Pair(content.stem, style.stem, _read(content, options.size), _read(style, LARGEST_STYLE))
        for content in contents
        for style in styles
    ]


def _read(path: Path, longest: int) -> Tensor:
    """A file's picture, (1, 3, H, W), no side longer than that. Raises ImpastoError."""
    rgb = to_tensor(pictures.load(path, Limits()), str(path))
    rgb = rgb if rgb.shape[1] == 3 else fill_hidden(rgb)
    height, width = rgb.shape[-2:]
    return resize(rgb, *fitted(height, width, min(1.0, longest / max(height, width))))


if __name__ == "__main__":
    sys.exit(main())
