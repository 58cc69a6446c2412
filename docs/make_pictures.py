"""`make pictures`: makes the documentation's pictures again, with the command line and the real GIMP.

python -m docs.make_pictures [--weights FILE] [--skip-gimp]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from examples.demo import CONTENT, STYLE

IMAGES = Path(__file__).parent / "images"
HEIGHT = 320
"""Of the example's three panels, in pixels."""


def main() -> None:
    parser = argparse.ArgumentParser(description="Make the documentation's pictures.")
    parser.add_argument("--weights", type=Path, help="VGG19 weights; without them the weight-free features paint")
    parser.add_argument("--skip-gimp", action="store_true", help="leave the screenshots as they are")
    options = parser.parse_args()
    IMAGES.mkdir(exist_ok=True)
    example(options.weights)
    if not options.skip_gimp:
        weights = ["--weights", str(options.weights)] if options.weights else []
        subprocess.run([sys.executable, "-m", "tests.e2e.screenshots", str(IMAGES), *weights], check=True)


def example(weights: Path | None) -> None:
    """Content, style and result beside each other."""
    how = ["--weights", str(weights)] if weights else ["--recipe", "wavelets"]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.png"
        command = ["stylize", str(CONTENT), "--style", str(STYLE), "-o", str(out), *how]
        subprocess.run([sys.executable, "-m", "impasto_daemon.cli", *command], check=True)
        side_by_side((CONTENT, STYLE, out), IMAGES / "example.jpg")


def side_by_side(paths: Sequence[Path], target: Path) -> None:
    """One picture of several, each as high as the others."""
    panels, gap = [_panel(path) for path in paths], 8
    sheet = Image.new("RGB", (sum(p.width for p in panels) + gap * (len(panels) - 1), HEIGHT), "white")
    left = 0
    for panel in panels:
        sheet.paste(panel, (left, 0))
        left += panel.width + gap
    sheet.save(target, quality=90)


def _panel(path: Path) -> Image.Image:
    with Image.open(path) as picture:
        width = round(picture.width * HEIGHT / picture.height)
        return picture.convert("RGB").resize((width, HEIGHT), Image.Resampling.LANCZOS)


if __name__ == "__main__":
    main()
