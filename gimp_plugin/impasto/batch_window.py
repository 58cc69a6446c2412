"""The window of a batch: one for all of its paintings, with the one that is painted now.

Knows GTK and the job that it watches; nothing of layers but how they look, or of what comes after.
"""

from __future__ import annotations

from typing import Any

import gi

gi.require_version("Gtk", "3.0")
from gi.repository import Gtk  # noqa: E402
from impasto_protocol.forecast import Forecast  # noqa: E402
from impasto_protocol.messages import Progress  # noqa: E402
from job import Job, Nobody, Watcher  # noqa: E402
from language import _  # noqa: E402
from window import PICTURE, Steered  # noqa: E402


class Away(Nobody):
    """Who watches what is painted while the window is away: each painting is in the background from its beginning."""

    is_seen = True  # while it was there, the window said what is lacking

    def begin(self, job: Job) -> None:
        job.detach()


class Window(Steered):
    """A `job.Watcher` of one job after the other."""

    preview_side = PICTURE

    def __init__(self) -> None:
        super().__init__(_("Painting in a Row"), "impasto-batch", "plug-in-impasto-batch")
        self._hidden = False
        self._turn = Gtk.Label(xalign=0, ellipsize=3)
        # As large as any picture will be in it: the window is not to change with each.
        self._picture.set_size_request(PICTURE, PICTURE)
        self._lay_out(self._turn, self._picture, self._bar, self._about, self._notice.box)

    def turn(self, sentence: str, source: Any) -> Watcher:
        """Who watches the next painting, whose turn it is by this sentence. source: a layer that looks like it."""
        if self._hidden:
            return Away()
        self._turn.set_text(sentence)
        self._start_with(source)
        return self

    def begin(self, job: Job) -> None:
        self._job, self._ending, self._lack = job, "", None
        self._dialog.set_sensitive(True)
        self._steerable(False)
        self._bar.set_fraction(0)
        self.say(_("Getting ready"))
        self._dialog.show_all()

    def show(self, progress: Progress, forecast: Forecast | None) -> None:
        super().show(progress, forecast)
        self._steerable(progress.step > 0 and self._job.is_steered)

    def end(self) -> None:
        """The next one comes into the same window."""

    def close(self) -> None:
        """There is no next one."""
        self._dialog.destroy()

    def _go_away(self) -> None:
        self._hidden = True
        self._dialog.hide()
        super()._go_away()
