"""The window during the painting: the picture as it becomes, how far it is, and what can be done about it.

Knows GTK and the job that it watches; knows nothing of the daemon, of pixels in layers, or of what comes after.
"""

from __future__ import annotations

from typing import Any

import gi
import lacking
import manual
import pixbufs
import progress as words
import sparkline

gi.require_version("GimpUi", "3.0")
gi.require_version("Gtk", "3.0")
from accessible import named  # noqa: E402
from canvas import Switch  # noqa: E402
from gi.repository import Gdk, GdkPixbuf, GimpUi, Gtk  # noqa: E402
from impasto_protocol.forecast import Forecast  # noqa: E402
from impasto_protocol.messages import Progress  # noqa: E402
from impasto_protocol.picture import Picture  # noqa: E402
from job import Job  # noqa: E402
from language import _  # noqa: E402
from notice import Notice  # noqa: E402

BECOMING, PROGRESS, LOSSES = (
    _("The picture as it becomes"),
    _("Progress"),
    _("The losses: how far the picture still is from what was asked"),
)
COLOURS = _("The layer's own colours come over it in the end.")
PICTURE = 480
"""Longest side in pixels of the picture in the window."""
LINE = (120, 32)
"""Width and height in pixels of the losses' line."""

BACKGROUND = 1
BUTTONS = {
    BACKGROUND: _("Run in _Background"),
    Gtk.ResponseType.OK: _("_Stop and Keep This"),
    Gtk.ResponseType.CANCEL: _("_Cancel"),
}
"""The window's answers, in their order."""


class Steered:
    """What a window has for one job and for a row of them: the picture, how far it is, and the buttons.

    Whoever derives lays it out, and says in `show` when the job can be steered.
    """

    is_seen = True

    def __init__(self, title: str, role: str, procedure: str) -> None:
        GimpUi.init("impasto")
        self._job: Job
        self._ending = ""
        self._lack: lacking.Lack | None = None
        self._size = (1, 1)
        self._aside = ""
        self._dialog = GimpUi.Dialog(title=title, role=role)
        manual.at_f1(self._dialog, procedure)
        for response, label in BUTTONS.items():
            self._dialog.add_button(label, response)
        self._dialog.connect("response", self._answered)
        self._picture = named(Gtk.Image(), BECOMING)
        self._bar = named(Gtk.ProgressBar(show_text=True, valign=Gtk.Align.CENTER), PROGRESS)
        self._about = Gtk.Label(xalign=0, wrap=True, selectable=True)
        self._notice = Notice()

    def say(self, sentence: str) -> None:
        self._bar.set_text(sentence)
        self._bar.pulse()

    def show(self, progress: Progress, forecast: Forecast | None) -> None:
        self._bar.set_text(self._ending or words.state(progress))
        if progress.steps:
            self._bar.set_fraction(words.share(progress))
        else:
            self._bar.pulse()
        self._lack = lacking.of_progress(progress, self._job.recipe) or self._lack
        if self._lack or progress.step:
            self._notice.say(self._lack)
        news = "" if progress.warning else progress.note
        self._about.set_text("\n".join(filter(None, (news or words.beside(progress, forecast), self._aside))))

    def preview(self, picture: Picture, step: int) -> None:
        iterate = pixbufs.of(picture)
        # The first ones are of coarser sizes: enlarged, so that the picture stays where it is.
        self._picture.set_from_pixbuf(iterate.scale_simple(*self._size, GdkPixbuf.InterpType.BILINEAR))

    def _start_with(self, source: Any) -> None:
        """The layer stands in the window until there is a preview of what it becomes."""
        before = thumbnail(source)
        self._size = before.get_width(), before.get_height()
        self._picture.set_from_pixbuf(before)

    def _lay_out(self, *widgets: Any) -> None:
        """One below the other; the first one that holds the picture takes what room there is."""
        content = self._dialog.get_content_area()
        content.set_border_width(12)
        content.set_spacing(12)
        for widget in widgets:
            content.pack_start(widget, widget in (self._picture, self._picture.get_parent()), True, 0)
        GimpUi.window_set_transient(self._dialog)

    def _answered(self, _dialog: Any, response: int) -> None:
        if response == BACKGROUND:
            self._go_away()
            return
        keep = response == Gtk.ResponseType.OK
        if keep:
            self._job.finish()
        else:
            self._job.cancel()
        self._dialog.set_sensitive(False)
        self._ending = _("Stopping") if keep else _("Cancelling")
        self.say(self._ending)

    def _go_away(self) -> None:
        """The job goes on without the window."""
        self._job.detach()

    def _steerable(self, yes: bool) -> None:
        for response in (BACKGROUND, Gtk.ResponseType.OK):
            self._dialog.set_response_sensitive(response, yes)


class Window(Steered):
    """A `job.Watcher` with a window of its own. GIMP stays usable behind it.

    source: the layer that is painted. It stands in the window until there is a preview of what it becomes. place: the
    layer that it comes to lie above on a canvas. keeps: the layer's colours are laid over the painting in the end.
    """

    def __init__(self, source: Any, place: Any, keeps: bool = False) -> None:
        title = _("Painting {name}").format(name=source.get_name())
        super().__init__(title, "impasto-painting", "plug-in-impasto-style-transfer")
        self._canvas = Switch(place, source)
        self._canvas.seen = self._make_room
        self.preview_side = self._canvas.side(PICTURE)
        self._losses: list[float] = []
        self._step = 0
        self._line = named(Gtk.Image(tooltip_text=LOSSES), LOSSES)
        self._aside = COLOURS if keeps and not source.is_gray() else ""
        self._start_with(source)

    def begin(self, job: Job) -> None:
        """Show the window; Esc and closing it cancel the job as its button does."""
        self._job = job
        self._steerable(False)
        self._frame = _framed(self._picture)
        self._lay_out(self._frame, self._course(), self._about, self._notice.box, self._canvas.button)
        self._canvas.begin(job.name)
        self.say(_("Getting ready"))
        self._dialog.show_all()

    def show(self, progress: Progress, forecast: Forecast | None) -> None:
        super().show(progress, forecast)
        if progress.step > self._step:
            self._steerable(self._job.is_steered)
            self._step = progress.step
            self._losses.append(progress.losses.get("total", 0.0))
            self._draw()

    def preview(self, picture: Picture, step: int) -> None:
        super().preview(picture, step)
        self._canvas.show(picture)

    def end(self) -> None:
        self._canvas.close()
        self._dialog.destroy()

    def _make_room(self, on_canvas: bool) -> None:
        """What is seen on a canvas is not seen here as well: the window is small then, and in the display's corner."""
        dialog = self._dialog
        if on_canvas:
            self._place = dialog.get_position()
            frame, inside = dialog.get_window().get_frame_extents(), dialog.get_size()
        self._frame.set_visible(not on_canvas)
        if on_canvas:
            least = dialog.get_preferred_size()[0]
            size = least.width + frame.width - inside.width, least.height + frame.height - inside.height
            area = Gdk.Display.get_default().get_monitor_at_window(dialog.get_window()).get_workarea()
            dialog.resize(least.width, least.height)
            dialog.move(area.x + area.width - size[0], area.y + area.height - size[1])
        else:
            dialog.move(*self._place)

    def _course(self) -> Any:
        row = Gtk.Box(orientation=Gtk.Orientation.HORIZONTAL, spacing=12)
        self._line.set_size_request(*LINE)
        row.pack_start(self._bar, True, True, 0)
        row.pack_start(self._line, False, False, 0)
        return row

    def _draw(self) -> None:
        ink = self._line.get_style_context().get_color(Gtk.StateFlags.NORMAL)
        colour = (round(255 * ink.red), round(255 * ink.green), round(255 * ink.blue))
        self._line.set_from_pixbuf(pixbufs.made(sparkline.drawn(self._losses, *LINE, colour), *LINE, channels=4))


def thumbnail(layer: Any) -> Any:
    """The layer as it looks, no larger than the window's picture."""
    size = pixbufs.fitting(layer.get_width(), layer.get_height(), PICTURE)
    return layer.get_thumbnail(*size, 1)  # 1: with small checks where it is transparent


def _framed(widget: Any) -> Any:
    frame = Gtk.Frame()
    frame.add(widget)
    return frame
