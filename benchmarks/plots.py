"""Curves as pictures, with matplotlib: one panel for each plot that the curves belong to, logarithmic axes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from .measure import Curve

COLUMNS = 2
PANEL = (6.0, 4.2)
"""Width and height in inches."""


def save(curves: Sequence[Curve], path: Path) -> None:
    """Draw them all into one file."""
    plots = list(dict.fromkeys(curve.plot for curve in curves))
    if not plots:
        return
    columns = min(COLUMNS, len(plots))
    rows = -(-len(plots) // columns)
    with matplotlib.rc_context({"font.size": 9}):
        figure = Figure(figsize=(PANEL[0] * columns, PANEL[1] * rows), layout="constrained")
        for number, plot in enumerate(plots, 1):
            axes = figure.add_subplot(rows, columns, number)
            for curve in (each for each in curves if each.plot == plot):
                dashed = "--" if curve.name.endswith("predicted") else "-"
                axes.loglog(*zip(*curve.points), dashed, marker=".", markersize=3, linewidth=1, label=curve.name)
                axes.set(title=plot, xlabel=curve.x, ylabel=curve.y)
            axes.grid(True, which="both", alpha=0.3)
            axes.legend()
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=110)
