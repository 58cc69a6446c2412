"""The window that stays when the painting is finished: a slider over the iterates that the daemon has kept, one of
which becomes the layer.

Knows GTK and the job. What the slider shows are the previews that came during the painting, so that nothing is waited
for; an iterate is fetched once it is chosen.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import gi
import headlines
import pixels
from window import BACKGROUND, Window, thumbnail

gi.require_version("Gtk", "3.0")
from gi.repository import Gimp, GLib, Gtk  # noqa: E402
from impasto_protocol.errors import ImpastoError  # noqa: E402
from impasto_protocol.messages import Result  # noqa: E402
from impasto_protocol.picture import Picture  # noqa: E402
from job import GivenUp, Job  # noqa: E402
from language import _  # noqa: E402

ITERATES = 12
"""So many are asked for: the slider has a stop for each, and one for the finished painting."""
FINISHED = 0
"""The step that stands for the finished painting."""


class Scrubber(Window):
    """A `window.Window` that is a `job.Chooser` too. Whoever closes it without a choice, with Esc too, has the finished
    painting; a button of its own throws everything away."""

    iterates = ITERATES

    def begin(self, job: Job) -> None:
        self._seen: dict[int, Any] = {}
        self._asked: set[int] = set()
        self._loop: Any = None
        super().begin(job)

    def preview(self, picture: Picture, step: int) -> None:
        super().preview(picture, step)
        if step in self._job.kept:
            self._seen[step] = self._picture.get_pixbuf()

    def choose(self, result: Result) -> Result:
        """The one that the artist wants. Raises GivenUp."""
        if self._ending or not result.iterates:  # who stopped it has chosen
            if not self._job.keeps_iterates:
                Gimp.message(_("Impasto's daemon is too old to keep stages of a painting: the finished one was taken."))
            return result
        self._finished = result
        self._chosen: Result | None = result
        self._steps = (*result.iterates, FINISHED)
        self._seen[FINISHED] = _small(result.pictures[0])
        self._lay_out_slider()
        self._loop = GLib.MainLoop()
        self._loop.run()
        if self._chosen is None:
            self._job.acknowledge()  # the daemon need not keep it for anybody
            raise GivenUp
        return self._chosen

    def _lay_out_slider(self) -> None:
        """The slider in the place of the progress, and what can be done now."""
        self._slider = Gtk.Scale.new_with_range(Gtk.Orientation.HORIZONTAL, 0, len(self._steps) - 1, 1)
        self._slider.set_draw_value(False)
        for place in range(len(self._steps)):
            self._slider.add_mark(place, Gtk.PositionType.BOTTOM, None)
        label = Gtk.Label.new_with_mnemonic(_("_Stage"))
        label.set_mnemonic_widget(self._slider)
        row = self._bar.get_parent()
        row.pack_start(label, False, False, 0)
        row.pack_start(self._slider, True, True, 0)
        row.show_all()
        self._canvas.close()
        for widget in (self._bar, self._line, self._canvas.button, self._dialog.get_widget_for_response(BACKGROUND)):
            widget.hide()
        self._dialog.get_widget_for_response(Gtk.ResponseType.OK).set_label(_("_Keep This"))
        self._dialog.get_widget_for_response(Gtk.ResponseType.CANCEL).set_label(_("_Throw Away"))
        self._dialog.set_response_sensitive(Gtk.ResponseType.OK, True)
        self._dialog.set_default_response(Gtk.ResponseType.OK)
        self._slider.connect("value-changed", self._moved)
        self._slider.set_value(len(self._steps) - 1)
        self._moved()
        self._slider.grab_focus()

    @property
    def _at(self) -> int:
        """The step where the slider stands."""
        step: int = self._steps[round(self._slider.get_value())]
        return step

    def _moved(self, *_slider: object) -> None:
        step, steps = self._at, self._finished.record.get("steps", 0)
        where = _("Step {step} of {steps}").format(step=step, steps=steps) if step else _("The finished painting")
        self._about.set_text(where)
        if step in self._seen:
            self._picture.set_from_pixbuf(self._seen[step])
        elif step not in self._asked:
            self._asked.add(step)
            self._job.fetch(step, self._come)

    def _come(self, found: Result | ImpastoError) -> None:
        """An iterate of which there was no preview."""
        if isinstance(found, Result):
            self._seen[found.step] = _small(found.pictures[0])
            if self._at == found.step:
                self._moved()

    def _answered(self, dialog: Any, response: int) -> None:
        if self._loop is None:
            super()._answered(dialog, response)
        elif response == Gtk.ResponseType.OK and self._at != FINISHED:
            dialog.set_sensitive(False)
            self._about.set_text(_("Fetching this stage"))
            self._job.fetch(self._at, self._fetched)
        else:
            self._chosen = None if response == Gtk.ResponseType.CANCEL else self._finished
            self._loop.quit()

    def _fetched(self, found: Result | ImpastoError) -> None:
        if isinstance(found, ImpastoError):  # another one can still be had, the finished painting to begin with
            self._about.set_text(headlines.told(found))
            self._dialog.set_sensitive(True)
        else:
            self._chosen = replace(found, record=self._finished.record)
            self._loop.quit()


def _small(picture: Picture) -> Any:
    """As the previews are."""
    image, layer = pixels.new_image(picture, "")
    try:
        return thumbnail(layer)
    finally:
        image.delete()
