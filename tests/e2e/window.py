"""GIMP in a window on a display that nobody sees, and hands for it: keys, clicks and screenshots.

Xvfb is the display, openbox the window manager, xdotool the hands. Windows lie elsewhere in every run, so keys are
used.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, ImageChops

from .studio import REPOSITORY, Studio, patiently

PROGRAMS = ("Xvfb", "openbox", "xdotool", "import")
FILTER = "neural style transfer"
DIALOG = "^Neural Style Transfer$"
RESTYLE = "restyle layer"
RESTYLE_DIALOG = "^Restyle Layer$"
FRAME = 24
"""Pixels that the window manager adds above and below a window, together."""
STILL = 0.3
"""Seconds in which nothing may move on a display that is at rest."""
STEADY = "[Settings]\ngtk-cursor-blink=0\ngtk-enable-animations=0\n"
"""GTK's settings for a display that comes to rest."""

BROWSER = """\
[Desktop Entry]
Type=Application
Name=Browser
Exec=sh -c 'echo "$0" >> "{folder}/browsed"' %u
MimeType={kinds};
"""
"""A browser that writes down what it is asked to show."""
SHOWN = ("text/html", "x-scheme-handler/file", "x-scheme-handler/https")

WATCH = """
import json, os, time
from pathlib import Path
from gi.repository import Gimp, Gio
folder = Path({folder!r})
# The filter opens a style as an image for a moment: one that is gone again is nothing to tell the artist.
Gimp.get_plug_in().set_pdb_error_handler(Gimp.PDBErrorHandler.PLUGIN)
while not (folder / "watch.stop").exists():
    if (folder / "watch.do").exists():
        exec((folder / "watch.do").read_text())
        (folder / "watch.do").unlink()
    layers = [[layer.get_name() for layer in image.get_layers() or ()] for image in Gimp.get_images()]
    (folder / "watch.new").write_text(json.dumps(layers))
    os.replace(folder / "watch.new", folder / "watch.json")
    time.sleep(0.1)
"""
"""Runs inside GIMP beside all else: tells the layers of each image ten times a second, and does what is asked."""


@dataclass
class Window:
    """One GIMP window with one image."""

    studio: Studio
    display: str
    title: str

    def run(self, *argv: str | Path) -> str:
        return self.studio.start(*argv, DISPLAY=self.display).communicate(timeout=30)[0]

    def hands(self, *argv: str | Path) -> str:
        return self.run("xdotool", *argv)

    def key(self, *keys: str) -> None:
        self.hands("key", "--delay", "60", *keys)

    def type(self, text: str) -> None:
        self.hands("type", "--delay", "30", text)

    def find(self, title: str) -> list[str]:
        """The windows of this title. A window that goes meanwhile, any window, ends the search: it is begun again."""
        for _ in range(10):
            said = self.hands("search", "--onlyvisible", "--name", title)
            if "X Error" not in said:
                break
        return [line for line in said.split("\n") if line.isdigit()]

    def shows(self, title: str, seconds: float = 30) -> bool:
        return patiently(lambda: bool(self.find(title)), seconds)

    def focus(self, title: str | None = None) -> None:
        """Bring a window to the front."""
        found: list[str] = []

        def there() -> bool:
            found[:] = self.find(title or self.title)
            return bool(found)

        assert patiently(there, 30), f"no window {title or self.title!r}"
        self.hands("windowactivate", "--sync", found[-1])

    def is_active(self, title: str) -> bool:
        """Whether keys go to the window of this title."""
        return self.hands("getactivewindow").strip() in self.find(title)

    def layers(self) -> list[str]:
        """The names of the image's layers, top first."""
        images = self.images()
        return images[0] if images else []

    def images(self) -> list[list[str]]:
        """The same of each image."""
        found: list[list[str]] = json.loads((self.studio.folder / "watch.json").read_text())
        return found

    def do(self, script: str) -> None:
        """Have GIMP run a line of Python while it does whatever it does."""
        order = self.studio.folder / "watch.do"
        fresh = self.studio.folder / "order.new"  # the watch has a fresh file of its own: never one name for both
        fresh.write_text(script)
        fresh.replace(order)
        assert patiently(lambda: not order.exists()), f"GIMP did not do {script!r}"

    def tell(self, expression: str) -> str:
        """What an expression comes to inside GIMP, as text."""
        self.do(f"(folder / 'told').write_text(str({expression}))")
        return (self.studio.folder / "told").read_text()

    def screenshot(self, path: Path, window: str = "root") -> Path:
        """What the display shows, or one of its windows."""
        here = self.studio.folder / "screenshot.png"
        self.run("import", "-window", window, f"png:{here}")
        path.parent.mkdir(parents=True, exist_ok=True)
        here.replace(path) if path.parent.samefile(here.parent) else path.write_bytes(here.read_bytes())
        return path

    def fill_display(self, width: int, height: int) -> None:
        """GIMP's window as large as the display, its image fitted in."""
        window = self.find(self.title)[-1]
        self.hands("windowmove", window, "0", "0", "windowsize", window, str(width), str(height - FRAME))
        self.focus()
        self.key("ctrl+shift+j")

    def settled(self, path: Path, still: float = STILL) -> Path:
        """A screenshot once nothing moves any more."""
        self.at_rest(still)
        return self.screenshot(path)

    def at_rest(self, still: float = STILL) -> None:
        """Wait until nothing moves on the display."""

        def resting() -> bool:
            before = self.seen()
            time.sleep(still)
            return not difference(before, self.seen())

        assert patiently(resting, 30), "GIMP's window does not come to rest"

    @contextlib.contextmanager
    def answered(self) -> Iterator[None]:
        """Wait until what the block does has changed the display, and the display is at rest again."""
        before = self.seen()
        yield
        assert patiently(lambda: bool(difference(before, self.seen()))), "GIMP's window does not answer"
        self.at_rest()

    def seen(self) -> Image.Image:
        """The display now."""
        here = self.studio.folder / "seen.bmp"
        self.run("import", "-window", "root", f"bmp:{here}")
        with Image.open(here) as picture:
            return picture.convert("RGB")

    # What an artist does ----------------------------------------------------------------------------------

    def open_filter(self, name: str = FILTER, dialog: str = DIALOG) -> None:
        """Through GIMP's search for actions, which finds what is in the menus."""
        self.focus()
        self.key("slash")
        assert self.shows("Search Actions"), "the search for actions did not open"
        with self.answered():
            self.type(name)
        self.key("Down", "Return")
        assert self.shows(dialog), "the filter's dialog did not open"
        self.at_rest()

    def reopen_filter(self) -> None:
        """Re-Show Last: the same dialog with the last values."""
        self.focus()
        self.key("ctrl+shift+f")
        assert self.shows(DIALOG), "the filter's dialog did not open again"
        self.at_rest()

    def choose_style(self, path: Path) -> None:
        self.key("alt+f", "space")
        assert self.shows("Choose a style picture")
        self.at_rest()
        with self.answered():
            self.type("/")  # turns the list of recent files into a field for a path
        self.key("ctrl+a")
        with self.answered():
            self.type(str(path))
        self.key("Return")
        assert patiently(lambda: not self.find("Choose a style picture")), f"{path} could not be chosen"
        self.at_rest()

    def choose_latest_style(self) -> None:
        """The first of the small pictures behind the button beside the file."""
        with self.answered():
            self.key("alt+f", "Tab", "space")
        with self.answered():
            self.key("Return")

    def add_latest_style(self) -> None:
        """As one more."""
        with self.answered():
            self.key("alt+d")
        with self.answered():
            self.key("Tab", "Tab", "Tab", "space")
        with self.answered():
            self.key("Return")

    def set_number(self, key: str, value: int) -> None:
        """Type into the field with this mnemonic."""
        self.key(f"alt+{key}", "ctrl+a")
        self.type(str(value))
        self.key("Tab")

    def browsed(self) -> list[str]:
        """What a browser was asked to show so far."""
        path = self.studio.folder / "browsed"
        return path.read_text().split() if path.exists() else []

    def paint(self) -> None:
        self.key("alt+p")
        assert patiently(lambda: not self.find(f"{DIALOG}|{RESTYLE_DIALOG}")), "the dialog did not close"


def difference(one: Image.Image, other: Image.Image) -> tuple[int, ...]:
    """Left, top, right and bottom of where two pictures differ; nothing where they do not."""
    return ImageChops.difference(one, other).getbbox() or ()


@contextlib.contextmanager
def opened(studio: Studio, content: Path, size: str = "1280x860") -> Iterator[Window]:
    """GIMP with this file in its window."""
    processes: list[subprocess.Popen[str]] = []

    def start(*argv: str | Path, **more: Any) -> subprocess.Popen[str]:
        processes.append(studio.start(*argv, **more))
        return processes[-1]

    settings = studio.folder / ".config" / "gtk-3.0" / "settings.ini"
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text(STEADY)
    browser = studio.folder / ".local/share/applications/browser.desktop"
    browser.parent.mkdir(parents=True, exist_ok=True)
    browser.write_text(BROWSER.format(folder=studio.folder, kinds=";".join(SHOWN)))
    defaults = "".join(f"{kind}=browser.desktop\n" for kind in SHOWN)
    (studio.folder / ".config" / "mimeapps.list").write_text(f"[Default Applications]\n{defaults}")
    log = (studio.folder / "window.log").open("w+")  # a pipe that nobody reads would stop GIMP once full
    try:
        xvfb = start("Xvfb", "-displayfd", "1", "-screen", "0", f"{size}x24", "-nolisten", "tcp")
        assert xvfb.stdout is not None
        # It may grumble about keyboards before it says its number.
        number = next((line.strip() for line in xvfb.stdout if line.strip().isdigit()), None)
        assert number, "Xvfb did not start"
        display = f":{number}"
        start("openbox", log=log, DISPLAY=display)
        for old in ("watch.json", "watch.stop", "watch.do"):
            (studio.folder / old).unlink(missing_ok=True)
        watch = studio.folder / "watch.py"
        watch.write_text(WATCH.format(folder=str(studio.folder)))
        program = studio.gimp.console.replace("-console", "")
        batch = ["--batch-interpreter", "python-fu-eval", "-b", f"exec(open({str(watch)!r}).read())"]
        start(program, "--no-splash", content, *batch, log=log, DISPLAY=display)
        window = Window(studio, display, content.stem)
        ready = patiently(lambda: bool((studio.folder / "watch.json").exists() and window.layers()), 60)
        assert ready, f"GIMP did not open its window: {Path(log.name).read_text()[-2000:]}"
        yield window
    except BaseException:
        with contextlib.suppress(UnboundLocalError):  # the display did not even start
            window.screenshot(REPOSITORY / "artifacts" / "failed.png")
        print(Path(log.name).read_text()[-5000:])
        raise
    finally:
        (studio.folder / "watch.stop").touch()
        for process in reversed(processes):
            process.kill()
            process.communicate(timeout=10)
        log.close()
