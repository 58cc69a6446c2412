"""An artist leaves a painting that is under way in every way there is, in a real GIMP: `make leaving`.

Each way is walked twice, without the canvas and with it, by keys alone where a person has keys for it. Afterwards GIMP
is there (but where it was ended) and says nothing that it should not, the image has what it should have, and there is
no canvas, no window, no process of the plug-in, no slip and no job left that nobody wants.
"""

from __future__ import annotations

import contextlib
import os
import signal
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from impasto_protocol.zmq_client import Client

from . import calls, painter, styles
from .conftest import running_daemon
from .studio import Gimp, Studio, patiently
from .window import Window, opened

PAINTING = "^Painting "
MESSAGE = "^GIMP Message$"
WANTED = "impasto-canvas-wanted"
"""The parasite in which GIMP remembers the wish for a canvas."""
QUESTION = "^(Quit|Close) "


@dataclass(frozen=True)
class Walk:
    """One GIMP, its image in front, and whether the painting is seen on a canvas."""

    window: Window
    studio: Studio
    canvas: bool

    def start(self) -> None:
        """Repeat with the last values: a painting that takes 40 seconds."""
        self.image("ctrl+f")
        assert self.window.shows(PAINTING)
        assert patiently(lambda: self.state() == "running"), self.state()

    def begin(self) -> None:
        """The same, and seen."""
        self.start()
        if bool(self.window.tell(f"Gimp.get_parasite({WANTED!r}) or ''")) != self.canvas:
            self.window.focus(PAINTING)
            self.window.key("alt+v")
        assert patiently(lambda: self.on_canvas() == self.canvas), self.window.images()
        if self.canvas:
            time.sleep(0.5)  # until the window has the focus back

    def on_canvas(self) -> bool:
        """Whether the painting is seen there."""
        return any(str(name).startswith("Painting ") for layers in self.window.images() for name in layers)

    def press(self, key: str, title: str = PAINTING) -> None:
        """In a window, which goes by that. A button that cannot be pressed yet is pressed again."""

        def gone() -> bool:
            for number in self.window.find(title)[-1:]:
                self.window.hands("windowactivate", "--sync", number)
                self.window.key(key)
            return patiently(lambda: not self.window.find(title), 1.0)

        assert patiently(gone), f"{key} does not end {title}"

    def image(self, *keys: str) -> None:
        """Keys in the artist's own image, whatever is in front."""
        self.window.focus("GIMP$")
        self.window.key("alt+1", *keys)

    def state(self) -> str:
        """Of the last painting."""
        with Client(self.studio.endpoint, agent="impasto-tests") as client:
            return str(client.jobs()[-1]["state"])

    def left(self, state: str, layers: int) -> None:
        """Nothing is left over: the job is in this state, and the one image has so many layers."""
        assert patiently(lambda: self.state() == state), self.state()
        assert patiently(lambda: not self.window.find(PAINTING)), "its window is still there"
        assert patiently(lambda: [len(image) for image in self.window.images()] == [layers]), self.window.images()
        assert not self.window.find(MESSAGE), "GIMP says something"
        self.gone()

    def gone(self) -> None:
        """No process of the plug-in, and no slip."""
        assert patiently(lambda: not calls.plug_ins(self.studio)), "the plug-in still runs"
        assert not self.slips()

    def slips(self) -> list[Path]:
        return list((self.studio.profile / "impasto-paintings").glob("*.json"))

    def discard(self) -> None:
        """Where GIMP asks whether what was changed should be saved."""
        if self.window.shows(QUESTION, 2):
            self.press("alt+d", QUESTION)

    def gimps(self) -> list[int]:
        """GIMP's own process."""
        program, found = self.studio.gimp.console.replace("-console", ""), []
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                here = os.fsencode(self.studio.folder) in (folder / "environ").read_bytes()
                found += [int(folder.name)] if here and (folder / "comm").read_text().strip() == program else []
        return found

    def ended(self) -> None:
        """GIMP has, with all its plug-ins, and the daemon has let go of the painting."""
        assert patiently(lambda: not self.gimps()), "GIMP is still there"
        assert patiently(lambda: self.state() == "cancelled"), self.state()
        assert patiently(lambda: not calls.plug_ins(self.studio)), "the plug-in still runs"


def by_key(key: str) -> Callable[[Walk], None]:
    """Cancelled in the window."""

    def walk(at: Walk) -> None:
        at.begin()
        at.press(key)
        at.left("cancelled", 1)

    return walk


def stop_and_keep(at: Walk) -> None:
    at.begin()
    at.press("alt+s")
    at.left("succeeded", 2)
    undo_redo(at)


def undo_redo(at: Walk) -> None:
    """One step takes the painting away, one brings it back, and the next repeat works as the first."""
    for key, layers in (("ctrl+z", 1), ("ctrl+y", 2), ("ctrl+z", 1)):
        at.image(key)
        at.left("succeeded", layers)
    by_key("Escape")(at)


def background(at: Walk) -> None:
    """Unseen from then on, the canvas too, and stopped from anywhere."""
    at.begin()
    at.press("alt+b")
    assert patiently(lambda: not at.on_canvas())
    assert at.state() == "running"
    with Client(at.studio.endpoint, agent="impasto-tests") as client:
        client.cancel(client.jobs()[-1]["job"])
    at.left("cancelled", 1)


def undo_the_source(at: Walk) -> None:
    """A layer that was made, painted from, and undone meanwhile: the painting comes to lie on top."""
    at.image("ctrl+shift+d")
    assert patiently(lambda: len(at.window.layers()) == 2), at.window.layers()
    at.begin()
    at.image("ctrl+z")
    assert patiently(lambda: 1 in map(len, at.window.images())), at.window.images()
    at.press("alt+s")
    at.left("succeeded", 2)
    at.image("ctrl+z")
    at.left("succeeded", 1)


def close_the_canvas(at: Walk) -> None:
    """That is all that it ends."""
    at.begin()
    if at.canvas:
        at.window.focus("GIMP$")
        at.window.key("ctrl+w")
        assert patiently(lambda: not at.on_canvas()), "GIMP closes it without a question"
    assert at.state() == "running"
    at.press("Escape")
    at.left("cancelled", 1)


def hide_the_canvas(at: Walk) -> None:
    """With the button that shows it, and shown again."""
    at.begin()
    for shown in (False, True) if at.canvas else ():
        time.sleep(0.5)  # until GIMP has brought the image to the front
        at.window.focus(PAINTING)
        at.window.key("alt+v")
        assert patiently(at.on_canvas if shown else lambda: not at.on_canvas()), at.window.images()
    at.press("Escape")
    at.left("cancelled", 1)


def kill_the_plug_in(at: Walk) -> None:
    """GIMP says that it crashed, and the next painting sweeps up the canvas; the slip is for the next start of GIMP."""
    at.begin()
    for process in calls.plug_ins(at.studio):
        os.kill(process, signal.SIGKILL)
    assert patiently(lambda: at.state() == "cancelled"), at.state()
    at.press("Escape", MESSAGE)
    assert at.on_canvas() == at.canvas
    (slip,) = at.slips()
    slip.unlink()
    by_key("Escape")(at)


def close_the_image(at: Walk) -> None:
    """The painting is kept for a day, and its slip as well."""
    at.begin()
    at.image("ctrl+w")
    at.discard()
    at.press("alt+s")
    assert at.window.shows(MESSAGE), "GIMP says where the painting is"
    assert at.state() == "succeeded"
    assert patiently(lambda: not at.window.images()), at.window.images()
    assert patiently(lambda: not calls.plug_ins(at.studio))
    (slip,) = at.slips()
    slip.unlink()


def quit_gimp(at: Walk) -> None:
    at.begin()
    at.image("ctrl+q")
    at.discard()
    at.ended()


def kill_gimp(at: Walk) -> None:
    at.begin()
    for process in at.gimps():
        os.kill(process, signal.SIGKILL)
    at.ended()


WAYS: dict[str, Callable[[Walk], None]] = {
    "Cancel": by_key("alt+c"),
    "Esc": by_key("Escape"),
    "its window is closed": by_key("alt+F4"),
    "Stop and Keep This, undo, redo, undo, repeat": stop_and_keep,
    "Run in Background": background,
    "the source is undone": undo_the_source,
    "the canvas is closed": close_the_canvas,
    "the canvas is hidden and shown": hide_the_canvas,
    "the plug-in is killed": kill_the_plug_in,
}
"""Which leave GIMP and its image as they were."""
LAST: dict[str, Callable[[Walk], None]] = {
    "the image is closed": close_the_image,
    "GIMP is quit": quit_gimp,
    "GIMP is killed": kill_gimp,
}
"""Which do not."""


def prepare(at: Walk) -> None:
    """The values of a painting that takes long, to be repeated."""
    at.window.at_rest(0.7)  # docks find their size only by and by
    at.window.open_filter()
    at.window.choose_style(at.studio.folder / "a_style.png")
    at.window.set_number("e", painter.SLOW)
    at.window.paint()
    at.window.focus(PAINTING)
    assert patiently(lambda: at.state() == "running")
    at.press("alt+s")
    at.left("succeeded", 2)
    at.image("ctrl+z")
    at.left("succeeded", 1)


def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="leaving-", dir="/tmp"))
    studio = Studio(Gimp.find(), folder)
    try:
        studio.prepare()
        studio.install_plug_in()
        content = folder / "harbour.png"
        styles.picture().resize((600, 400)).save(content)
        styles.picture().save(folder / "a_style.png")
        with running_daemon(studio):
            for canvas in (False, True):
                for ways in (WAYS, *({name: way} for name, way in LAST.items())):
                    with opened(studio, content) as window:
                        walk(Walk(window, studio, canvas), ways)
    finally:
        studio.clean()


def walk(at: Walk, ways: Mapping[str, Callable[[Walk], None]]) -> None:
    """These ways one after the other, in one GIMP."""
    prepare(at)
    for name, way in ways.items():
        way(at)
        print(f"clean: {name}{', with the canvas' if at.canvas else ''}", flush=True)


if __name__ == "__main__":
    main()
