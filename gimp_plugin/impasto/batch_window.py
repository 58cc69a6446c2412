"""The window of a batch: one for all of its paintings, with the one that is painted now.

Knows GTK and the job that it watches; nothing of layers but how they look, or of what comes after.
"""

from __future__ import annotations

from typing import Any

import gi
import manual
import pixbufs
import progress as words
import window

gi.require_version("GimpUi", "3.0")
gi.require_version("Gtk", "3.0")
from accessible import named  # noqa: E402
from gi.repository import GdkPixbuf, GimpUi, Gtk  # noqa: E402
from impasto_protocol.forecast import Forecast  # noqa: E402
from impasto_protocol.messages import Progress  # noqa: E402
from impasto_protocol.picture import Picture  # noqa: E402
from job import Job, Nobody, Watcher  # noqa: E402
from language import _  # noqa: E402


class Away(Nobody):
    """Who watches what is painted while the window is away: each painting is in the background from its beginning."""

    def begin(self, job: Job) -> None:
        job.detach()


class Window:
    """A `job.Watcher` of one job after the other."""

    preview_side = window.PICTURE

    def __init__(self) -> None:
        GimpUi.init("impasto")
        self._job: Job
        self._ending = self._warning = ""
        self._size = (1, 1)
        self._hidden = False
        self._dialog = GimpUi.Dialog(title=_("Painting in a Row"), role="impasto-batch")
        manual.at_f1(self._dialog, "plug-in-impasto-batch")
        for response, label in window.BUTTONS.items():
            self._dialog.add_button(label, response)
        self._dialog.connect("response", self._answered)
        self._turn = Gtk.Label(xalign=0, ellipsize=3)
        # As large as any picture will be in it: the window is not to change with each.
        self._picture = named(Gtk.Image(width_request=window.PICTURE, height_request=window.PICTURE), window.BECOMING)
        self._bar = named(Gtk.ProgressBar(show_text=True), window.PROGRESS)
        self._about = Gtk.Label(xalign=0, wrap=True, selectable=True)
        content = self._dialog.get_content_area()
        content.set_border_width(12)
        content.set_spacing(12)
        for widget in (self._turn, self._picture, self._bar, self._about):
            content.pack_start(widget, widget is self._picture, True, 0)
        GimpUi.window_set_transient(self._dialog)

    def turn(self, sentence: str, source: Any) -> Watcher:
        """Who watches the next painting, whose turn it is by this sentence. source: a layer that looks like it."""
        if self._hidden:
            return Away()
        self._turn.set_text(sentence)
        before = window.thumbnail(source)
        self._size = before.get_width(), before.get_height()
        self._picture.set_from_pixbuf(before)
        return self

    def begin(self, job: Job) -> None:
        self._job, self._ending = job, ""
        self._dialog.set_sensitive(True)
        self._steerable(False)
        self._bar.set_fraction(0)
        self.say(_("Looking for the daemon"))
        self._dialog.show_all()

    def say(self, sentence: str) -> None:
        self._bar.set_text(sentence)
        self._bar.pulse()

    def show(self, progress: Progress, forecast: Forecast | None) -> None:
        self._bar.set_text(self._ending or words.state(progress))
        if progress.steps:
            self._bar.set_fraction(words.share(progress))
        else:
            self._bar.pulse()
        self._warning = progress.note if progress.warning else self._warning
        self._about.set_text(self._warning or progress.note or (words.foreseen(forecast) if forecast else ""))
        self._steerable(progress.step > 0 and self._job.is_steered)

    def preview(self, picture: Picture, step: int) -> None:
        iterate = pixbufs.of(picture)
        self._picture.set_from_pixbuf(iterate.scale_simple(*self._size, GdkPixbuf.InterpType.BILINEAR))

    def end(self) -> None:
        """The next one comes into the same window."""

    def close(self) -> None:
        """There is no next one."""
        self._dialog.destroy()

    def _answered(self, _dialog: Any, response: int) -> None:
        if response == window.BACKGROUND:
            self._hidden = True
            self._dialog.hide()
            self._job.detach()
            return
        keep = response == Gtk.ResponseType.OK
        if keep:
            self._job.finish()
        else:
            self._job.cancel()
        self._dialog.set_sensitive(False)
        self._ending = _("Stopping") if keep else _("Cancelling")
        self.say(self._ending)

    def _steerable(self, yes: bool) -> None:
        for response in (window.BACKGROUND, Gtk.ResponseType.OK):
            self._dialog.set_response_sensitive(response, yes)
