"""The painting as it becomes, on a canvas of GIMP's own: in a copy of the image, which is shown while it paints.

A layer in the image itself would damage the artist's history, even one that is put in and taken out with undo frozen:
GIMP's undo steps count layers by their position, so one that is undone or made meanwhile brings a layer back in a wrong
place, and undoing the deletion of that layer, or a flattening, brings it back for good. The copy shares its pixels
with the image, has no undo, and never counts as changed, so GIMP asks nothing about it when it is closed or GIMP ends.

Knows GIMP's images and one check button; knows nothing of jobs but a name, and nothing of the window that it is in.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gi
import pixbufs
import pixels
import slips
from language import _

gi.require_version("Gtk", "3.0")
from gi.repository import GdkPixbuf, Gimp, Gio, GLib, Gtk  # noqa: E402
from impasto_protocol.errors import ImpastoError  # noqa: E402
from impasto_protocol.picture import Picture  # noqa: E402

WANTED = "impasto-canvas-wanted"
"""GIMP keeps a parasite of this name for as long as the artist wants a canvas. The arguments of the last call would
not know: GIMP keeps them of a call with the dialog alone, and only where that succeeds."""
SIDE = 1024
"""Longest side in pixels of the previews that are wanted for it."""
REST = 5
"""After a frame, this many times as long as it took belongs to the artist."""
AFTERWARDS = 200
"""Milliseconds after which GIMP has taken the focus: it does so when it has answered already."""
MARK = "impasto-canvas"
"""The parasite of such a copy. Also a folder in the artist's own that nobody makes: GIMP calls an image after its file,
and to one that lies there nothing is ever saved."""
KEPT = "impasto-canvas-of-"
"""GIMP itself keeps a parasite of this name and the job's, with the image's number and the display's, 0 for none, until
the canvas is closed or GIMP ends. The image's own would not do: any file that is opened may bring one."""


class Canvas:
    """A copy of the layer's image in a display of its own, with the painting above the layer.

    like: the layer whose size and place the painting has; job: its name. Raises ValueError where the layer is gone.
    """

    def __init__(self, layer: Any, like: Any, job: str) -> None:
        if not (layer.is_valid() and like.is_valid()):
            raise ValueError("the image was closed")
        image = layer.get_image()
        ids = [each.get_id() for each in _all(image.get_layers())]
        where = [ids.index(each.get_id()) for each in (layer, like)]
        self._name = _("Painting {name}").format(name=like.get_name())
        self._image = image.duplicate()
        self._image.attach_parasite(Gimp.Parasite.new(MARK, 0, b"yes"))  # 0: it is not saved
        self._kept = f"{KEPT}{job}"
        _keep(self._kept, self._image.get_id())
        _call(self._image, _("Live preview of {name}").format(name=like.get_name()))
        copies = _all(self._image.get_layers())
        self._layer, self._like = (copies[index] for index in where)
        self._painting: Any = None
        self._rests_until = 0.0
        self._image.undo_disable()
        self._image.clean_all()
        self._display = Gimp.Display.new(self._image)
        _keep(self._kept, self._image.get_id(), self._display.get_id())

    @property
    def is_open(self) -> bool:
        """Until it, or the artist, closes it."""
        return bool(self._image.is_valid() and self._display.is_valid())

    def show(self, picture: Picture) -> None:
        """The iterate, enlarged to the layer's size. One that comes too soon for GIMP is left out."""
        began = time.monotonic()
        if began < self._rests_until or not (self.is_open and self._like.is_valid()):
            return
        with _silence():
            before, self._painting = self._painting, self._made(picture)
            pixels.insert_above(self._image, self._layer, self._painting)
            pixels.show_selected(self._painting)
            if before is not None and before.is_valid():
                self._image.remove_layer(before)
            self._image.clean_all()
            Gimp.displays_flush()
        now = time.monotonic()
        self._rests_until = now + REST * (now - began)

    def close(self) -> None:
        """Take it away."""
        with _silence():
            if self.is_open:
                self._display.delete()
            Gimp.detach_parasite(self._kept)

    def _made(self, picture: Picture) -> Any:
        """A layer of the copy's with the picture, not yet inserted."""
        _offsets, size = pixels.extent(self._like)
        # Enlarged here, for GIMP itself takes several times as long, in which it does nothing else.
        large = pixbufs.of(picture).scale_simple(*size, GdkPixbuf.InterpType.BILINEAR)
        return pixels.new_layer(self._image, self._like, pixbufs.picture(large), self._name)


class Switch:
    """The check button that opens the canvas and closes it. GIMP remembers how it stood.

    layer, like: as `Canvas` has them. button: to be put into a window. `seen` is called when the canvas opens, with
    True, and when it is closed.
    """

    def __init__(self, layer: Any, like: Any) -> None:
        self._layer, self._like = layer, like
        self._job = ""
        self._picture: Picture | None = None
        self._canvas: Canvas | None = None
        self.seen: Callable[[bool], object] = lambda _: None
        self.button = Gtk.CheckButton.new_with_mnemonic(_("Show on a Can_vas"))
        self.button.set_tooltip_text(
            _("In a copy of the image, which is closed when the painting is over. Your image stays as it is.")
        )
        self.button.set_active(Gimp.get_parasite(WANTED) is not None)
        self.button.connect("toggled", self._toggled)

    def side(self, usual: int) -> int:
        """Longest side in pixels of the previews wanted, where without a canvas they are of the usual one."""
        return max(SIDE, usual) if self.button.get_active() else usual

    def begin(self, job: str) -> None:
        """The painting of this name is about to begin. What a plug-in that was killed has left is swept up."""
        self._job = job
        with _silence():
            sweep(Path(Gimp.directory()), job)

    def show(self, picture: Picture) -> None:
        """The iterate, small."""
        self._picture = picture
        if self._is_closed():
            self.button.set_active(False)
        elif self.button.get_active():
            self._shown(picture)

    def close(self) -> None:
        """The painting is over: the artist's image comes back to the front."""
        if self._is_closed():
            self.button.set_active(False)
        elif self._canvas is not None:
            self._put_away()
            _go_home()

    def _is_closed(self) -> bool:
        """By the artist, who does not want it then."""
        return self._canvas is not None and not self._canvas.is_open

    def _put_away(self) -> None:
        if self._canvas is not None:
            self._canvas.close()
            self._canvas = None
            self.seen(False)

    def _toggled(self, _button: Any) -> None:
        if not self.button.get_active():
            Gimp.detach_parasite(WANTED)
            with self._focus_kept():
                self._put_away()
            return
        Gimp.attach_parasite(Gimp.Parasite.new(WANTED, Gimp.PARASITE_PERSISTENT, b"yes"))
        if self._picture is not None:
            self._shown(self._picture)

    def _shown(self, picture: Picture) -> None:
        try:
            (self._canvas or self._opened()).show(picture)
        except (ValueError, ImpastoError):  # the artist has just closed or deleted something
            self.button.set_active(False)

    def _opened(self) -> Canvas:
        """To an artist who is at work elsewhere her image comes back to the front, and the canvas waits beside it."""
        with self._focus_kept() as is_looked_at:
            canvas = self._canvas = Canvas(self._layer, self._like, self._job)
            self.seen(True)
            if not is_looked_at:
                _go_home()
        return canvas

    @contextlib.contextmanager
    def _focus_kept(self) -> Iterator[bool]:
        """GIMP gives the focus to what it opens, and takes it when it closes that: an artist who looks at this window
        keeps it here. Whether she does."""
        window = self.button.get_toplevel()
        is_looked_at = bool(window.is_active())
        yield is_looked_at
        if is_looked_at:
            GLib.timeout_add(AFTERWARDS, _present, window)


def _present(window: Any) -> bool:
    if window.get_mapped():
        window.present()
    return False


def sweep(profile: Path, own: str) -> None:
    """Close the canvases of paintings for which no process waits any more. own: the job of a painting of this process;
    where no slip tells even of that, as where the profile cannot be written, slips say nothing of others either."""
    alive = {f"{KEPT}{found.slip.job}" for found in slips.found(profile) if found.held}
    if f"{KEPT}{own}" not in alive:
        return
    for name in Gimp.get_parasite_list():
        if name.startswith(KEPT) and name not in alive:
            _close(Gimp.get_parasite(name))
            Gimp.detach_parasite(name)


def _close(kept: Any) -> None:
    """The canvas of which this parasite tells, if it is still there."""
    with contextlib.suppress(ValueError):
        image, display = map(int, bytes(kept.get_data() if kept else b"").split())
        if Gimp.Image.id_is_valid(image):
            shown = Gimp.Display.id_is_valid(display)
            (Gimp.Display.get_by_id(display) if shown else Gimp.Image.get_by_id(image)).delete()


def _keep(name: str, image: int, display: int = 0) -> None:
    """Should this process be killed, others know what to do with the image."""
    Gimp.attach_parasite(Gimp.Parasite.new(name, 0, f"{image} {display}".encode()))  # 0: it is not saved


def _go_home() -> None:
    """Bring the artist's image to the front."""
    home = Gimp.default_display()
    with _silence():
        if home is not None and home.is_valid():
            home.present()


def _call(image: Any, name: str) -> None:
    """Give it a name for its title and its tab. GIMP takes only one of an XCF."""
    file = Path(Path.home(), MARK, f"{name.replace(os.sep, '-')}.xcf")
    with _silence():
        image.set_file(Gio.File.new_for_path(str(file)))


def _all(layers: list[Any]) -> list[Any]:
    """These layers and those in their groups, in the order in which the dock shows them."""
    return [each for layer in layers for each in (layer, *(_all(layer.get_children()) if layer.is_group() else ()))]


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """The artist may close the copy at any moment: what GIMP then has against a call is not for dialogs."""
    plug_in = Gimp.get_plug_in()
    plug_in.set_pdb_error_handler(Gimp.PDBErrorHandler.PLUGIN)
    try:
        yield
    finally:
        plug_in.set_pdb_error_handler(Gimp.PDBErrorHandler.INTERNAL)
