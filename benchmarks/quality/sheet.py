"""A contact sheet: a row a pair, the content and the style at the left, then what each recipe made of them.

    python -m benchmarks.quality.sheet FOLDER… -o FILE [--mode MODE] [--recipes a,b] [--height PIXELS]

puts the results of several comparisons on one sheet, and prints their table for the documentation. Knows pictures'
files and rows of a report; no torch.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from . import report
from .report import MODES, Row

GAP = 8
TEXT = 13
"""Height of captions, in pixels."""
LINES = 2
"""Of a caption."""


@dataclass(frozen=True)
class Panel:
    """A picture's file with the lines under it."""

    path: Path
    caption: Sequence[str]


@dataclass(frozen=True)
class Found:
    """A row of a report and the folder that its picture is in."""

    row: Row
    folder: Path


def draw(headings: Sequence[str], rows: Sequence[Sequence[Panel | None]], height: int) -> Image.Image:
    """The sheet; every panel is `height` pixels high, columns are as wide as their widest panel. None leaves a gap."""
    pictures = [[_load(panel, height) for panel in row] for row in rows]
    widths = [max(picture.width for picture in column if picture) for column in zip(*pictures)]
    font, below = ImageFont.load_default(TEXT), LINES * (TEXT + 3)
    size = (sum(widths) + GAP * (len(widths) + 1), (height + below + GAP) * len(rows) + TEXT + 2 * GAP)
    sheet = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(sheet)
    lefts = [GAP + sum(widths[:i]) + GAP * i for i in range(len(widths))]
    for left, heading in zip(lefts, headings):
        pen.text((left, GAP // 2), heading, "black", font)
    for i, (panels, shown) in enumerate(zip(rows, pictures)):
        top = TEXT + 2 * GAP + i * (height + below + GAP)
        for left, panel, picture in zip(lefts, panels, shown):
            if panel and picture:
                sheet.paste(picture, (left, top))
                pen.multiline_text((left, top + height + 1), "\n".join(panel.caption), "black", font, spacing=2)
    return sheet


def _load(panel: Panel | None, height: int) -> Image.Image | None:
    if panel is None:
        return None
    with Image.open(panel.path) as picture:
        width = max(1, round(picture.width * height / picture.height))
        return picture.convert("RGB").resize((width, height), Image.Resampling.LANCZOS)


def of_rows(found: Sequence[Found], recipes: Sequence[str], footnotes: Mapping[str, str], height: int) -> Image.Image:
    """The sheet of these rows, all of one mode: a column for each of `recipes`, in their order."""
    pairs = {(each.row.content, each.row.style): each.folder for each in found}
    rows: list[list[Panel | None]] = []
    for (content, style), folder in pairs.items():
        here = {each.row.recipe: each for each in found if (each.row.content, each.row.style) == (content, style)}
        first: list[Panel | None] = [
            Panel(folder / f"content-{content}.png", [content]),
            Panel(folder / f"style-{style}.png", [style]),
        ]
        rows.append(first + [_panel(here.get(recipe)) for recipe in recipes])
    return draw(["content", "style", *(report.name_of(recipe, footnotes) for recipe in recipes)], rows, height)


def _panel(found: Found | None) -> Panel | None:
    if found is None:
        return None
    scores, row = found.row.scores, found.row
    distance = ("style", scores.get("held_out")) if scores.get("held_out") is not None else ("patch", scores["patches"])
    likeness = scores.get("correlation") if scores.get("correlation") is not None else scores["ssim"]
    caption = [f"{distance[0]} {distance[1]:.3f}, content {likeness:.2f}", f"{row.seconds:.0f} s"]
    return Panel(found.folder / row.picture, caption)


def save(folders: Sequence[Path], target: Path, mode: str, recipes: Sequence[str] = (), height: int = 192) -> str:
    """Draw the sheet of the reports in these folders; returns their table. JPEG is made small enough for a page. Where
    there is no row of that mode, there is no file and the table is empty."""
    reports = [(folder, report.load(folder)) for folder in folders]
    found = [Found(row, folder) for folder, each in reports for row in each.rows if row.mode == mode]
    if not found:
        return ""
    names = recipes or list(dict.fromkeys(each.row.recipe for each in found))
    footnotes = {name: note for _, each in reports for name, note in each.footnotes.items()}
    sheet = of_rows(found, names, footnotes, height)
    sheet.save(target, quality=85) if target.suffix in (".jpg", ".jpeg") else sheet.save(target)
    return report.markdown([each.row for each in found if each.row.recipe in names], footnotes)


def main() -> None:
    parser = argparse.ArgumentParser(description="Put the pictures of comparisons on one sheet.")
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE")
    parser.add_argument("--mode", choices=MODES, default=MODES[0])
    parser.add_argument("--recipes", default="", metavar="A,B", help="these columns alone, in this order")
    parser.add_argument("--height", type=int, default=192, metavar="PIXELS", help="of a picture")
    options = parser.parse_args()
    recipes = [name for name in options.recipes.split(",") if name]
    print(save(options.folders, options.output, options.mode, recipes, options.height))


if __name__ == "__main__":
    main()
