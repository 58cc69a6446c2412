"""The documentation's pictures of GIMP: the dialog, the window while it paints, and the result. With a real daemon.

python -m tests.e2e.screenshots FOLDER [--weights FILE] [--max-size PIXELS]
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image

from .conftest import answers
from .studio import REPOSITORY, Gimp, Studio, patiently
from .window import Window, opened

CONTENT, STYLE = REPOSITORY / "examples" / "lake.jpg", REPOSITORY / "examples" / "swirls.jpg"
SIZE = (1120, 720)
PATIENCE = 1800
PREVIEW = 75.0
"""Seconds that the dialog's preview gets, beside those in which the display comes to rest."""


def main() -> None:
    parser = argparse.ArgumentParser(description="Make docs/images/dialog.png, painting.png and result.png.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--weights", type=Path, help="VGG19 weights; without them as the daemon finds or does without")
    parser.add_argument("--max-size", type=int, default=640)
    parser.add_argument("--after", type=float, default=20.0, help="seconds after which to look at the painting window")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="impasto-", dir="/tmp"))
    studio = Studio(Gimp.find(), folder)
    try:
        make(studio, options)
    finally:
        studio.clean()


def make(studio: Studio, options: argparse.Namespace) -> None:
    studio.prepare()
    studio.install_plug_in()
    for path in (CONTENT, STYLE):
        shutil.copy(path, studio.folder)
    command = [sys.executable, "-m", "impasto_daemon.cli", "daemon", "--endpoint", studio.endpoint]
    weights = ["--weights", str(options.weights)] if options.weights else []
    daemon = subprocess.Popen([*command, *weights])
    try:
        assert patiently(lambda: answers(studio.endpoint)), "the daemon did not start"
        with opened(studio, studio.folder / CONTENT.name, f"{SIZE[0]}x{SIZE[1]}") as window:
            photograph(window, studio.folder, options)
    finally:
        daemon.terminate()
        daemon.wait(20)


def photograph(window: Window, scratch: Path, options: argparse.Namespace) -> None:
    window.at_rest(0.7)
    window.fill_display(*SIZE)
    window.hands("mousemove", "0", "0")  # no brush over the picture
    window.open_filter()
    window.choose_style(scratch / STYLE.name)
    time.sleep(PREVIEW)
    publish(window.settled(scratch / "dialog.png"), options.folder / "dialog.png")
    window.set_number("g", options.max_size)
    window.paint()
    window.focus("^Painting ")
    time.sleep(options.after)
    publish(window.screenshot(scratch / "painting.png"), options.folder / "painting.png")
    assert patiently(lambda: len(window.layers()) == 2, PATIENCE), "no painting came"
    time.sleep(10)  # until the status bar has said what it had to say
    publish(window.settled(scratch / "result.png"), options.folder / "result.png")


def publish(screenshot: Path, path: Path) -> None:
    """Small enough for a README: 256 colours suffice for a picture of a window."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.open(screenshot).convert("RGB")
    picture.quantize(256, kmeans=4, dither=Image.Dither.FLOYDSTEINBERG).save(path, optimize=True)
    print(f"{path}: {path.stat().st_size // 1000} kB")


if __name__ == "__main__":
    main()
