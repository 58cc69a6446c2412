"""What a comparison found: rows of data, kept as JSON beside their pictures, and printed as tables.

Knows files and the console; no torch.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

EQUAL, PUBLISHED, MATCHED = "equal seconds", "published budget", "equal seconds, equal likeness"
MODES = (EQUAL, PUBLISHED, MATCHED)
FILE = "results.json"

Scores = Mapping[str, float | None]

COLUMNS = (
    ("held_out", "held-out", 3),
    ("patches", "patches", 3),
    ("gram", "gram", 4),
    ("correlation", "conv3_4", 2),
    ("ssim", "SSIM", 2),
    ("colour", "colour", 3),
    ("grain", "grain", 2),
    ("speckle", "speckle", 2),
    ("grid", "grid", 2),
    ("border", "border", 2),
    ("variation", "seeds", 3),
)
"""Figures of a table: name in the data, heading, digits."""


@dataclass(frozen=True)
class Row:
    """One painting. picture: its file's name; factor: on the recipe's content weight; scores: None where unknown.

    curve: of a search for equal likeness, everything tried as (factor, likeness, held-out distance).
    """

    content: str
    style: str
    recipe: str
    mode: str
    picture: str
    seconds: float
    evaluations: int
    scores: Scores
    factor: float = 1.0
    curve: Sequence[Sequence[float | None]] = ()

    @property
    def pair(self) -> str:
        return f"{self.content}, {self.style}"


@dataclass
class Report:
    """Rows in the order they were made, and what is to be said of them. `about`: weights, size and the like."""

    about: dict[str, object]
    footnotes: dict[str, str] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)

    def save(self, folder: Path) -> None:
        (folder / FILE).write_text(json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def load(folder: Path) -> Report:
    """A report that was saved there. Raises OSError, ValueError."""
    data = json.loads((folder / FILE).read_text(encoding="utf-8"))
    return Report(data["about"], data["footnotes"], [Row(**row) for row in data["rows"]])


def name_of(recipe: str, footnotes: Mapping[str, str]) -> str:
    """The recipe's name, with a star where a footnote belongs to it."""
    return f"{recipe}*" if recipe in footnotes else recipe


def show(report: Report, console: Console) -> None:
    """A table for each mode: the mean over the pairs, then every pair; then footnotes."""
    for mode in MODES:
        rows = [row for row in report.rows if row.mode == mode]
        pairs = list(dict.fromkeys(row.pair for row in rows))
        if len(pairs) > 1:
            console.print(_table(f"Mean of {len(pairs)} pairs, {mode}", means(rows), report.footnotes))
        for pair in pairs:
            here = [row for row in rows if row.pair == pair]
            console.print(_table(f"{pair}, {mode}", here, report.footnotes))
    for recipe, note in report.footnotes.items():
        console.print(f"* {recipe}: {note}")
    for name, value in report.about.items():
        console.print(f"{name}: {value}")


def means(rows: Iterable[Row]) -> list[Row]:
    """One row a recipe: the mean over its pairs of every figure that all of them have."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.recipe, []).append(row)
    return [_mean(several) for several in found.values()]


def _mean(rows: Sequence[Row]) -> Row:
    first = rows[0]
    scores: dict[str, float | None] = {}
    for name in first.scores:
        values = [row.scores.get(name) for row in rows]
        known = [value for value in values if value is not None]
        scores[name] = statistics.fmean(known) if len(known) == len(values) else None
    seconds = statistics.fmean(row.seconds for row in rows)
    evaluations = round(statistics.fmean(row.evaluations for row in rows))
    return Row("", "", first.recipe, first.mode, "", seconds, evaluations, scores)


def _table(title: str, rows: Sequence[Row], footnotes: Mapping[str, str]) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    table.add_column("recipe", no_wrap=True)
    shown = [column for column in COLUMNS if any(row.scores.get(column[0]) is not None for row in rows)]
    for heading in (*(heading for _, heading, _ in shown), "seconds", "evals"):
        table.add_column(heading, justify="right", no_wrap=True)
    best = min((row.scores.get("held_out") or 9.0 for row in rows), default=9.0)
    for row in rows:
        figures = [_figure(row.scores.get(name), digits) for name, _, digits in shown]
        style = "bold" if row.scores.get("held_out") == best else ""
        name = name_of(row.recipe, footnotes)
        table.add_row(name, *figures, f"{row.seconds:.1f}", str(row.evaluations), style=style)
    return table


def _figure(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def markdown(rows: Sequence[Row], footnotes: Mapping[str, str]) -> str:
    """A table for the documentation: held-out distance (patches where there is none) pair by pair, then the means of
    all figures. Rows of one mode; a recipe that lacks a pair has a dash there and no means."""
    judged = "held_out" if any(row.scores.get("held_out") is not None for row in rows) else "patches"
    pairs = list(dict.fromkeys(row.pair for row in rows))
    shown = [column for column in COLUMNS if any(row.scores.get(column[0]) is not None for row in rows)]
    headings = ["recipe", *pairs, *(f"mean {heading}" for _, heading, _ in shown)]
    lines = [f"| {' | '.join(headings)} |", "| --- |" + " ---: |" * (len(headings) - 1)]
    for mean in means(rows):
        own = {row.pair: row.scores.get(judged) for row in rows if row.recipe == mean.recipe}
        figures = [_figure(own.get(pair), 3) for pair in pairs]
        whole = mean.scores if len(own) == len(pairs) else {}
        figures += [_figure(whole.get(name), digits) for name, _, digits in shown]
        name = f"`{mean.recipe}`{'*' if mean.recipe in footnotes else ''}"
        lines.append(f"| {name} | {' | '.join(figures)} |")
    return "\n".join(lines)
