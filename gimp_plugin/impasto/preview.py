"""The dialog's preview: a part of the layer, painted anew whenever a value changes; what was under way is cancelled.

Knows GTK, and the job that paints; which part, and with which strokes, is `part`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import colours
import gi
import headlines
import lacking
import part
import pixbufs
import pixels
import progress as words
import styles

gi.require_version("Gtk", "3.0")
from accessible import named, shows_focus  # noqa: E402
from gi.repository import Gdk, GLib, Gtk  # noqa: E402
from impasto_protocol import __version__  # noqa: E402
from impasto_protocol.errors import ImpastoError  # noqa: E402
from impasto_protocol.forecast import Forecast  # noqa: E402
from impasto_protocol.messages import Progress  # noqa: E402
from impasto_protocol.picture import Picture  # noqa: E402
from impasto_protocol.request import Request, Scalar  # noqa: E402
from job import GivenUp, Job  # noqa: E402
from language import _  # noqa: E402
from notice import Notice  # noqa: E402
from recipe_names import short  # noqa: E402
from styles import Chosen  # noqa: E402

AGENT = f"impasto-gimp-preview/{__version__}"
PATIENCE = 400
"""Milliseconds without a change after which a new one is begun."""
VALUES = (
    *("recipe", "strength", "stroke-size", "max-size", "seed", "preview", "source-layer", "paint"),
    *(*styles.ARGUMENTS, *styles.WEIGHTS),
)
"""The filter's arguments that a preview depends on. Whether colours are kept is a way to look at the same painting,
unless the painter keeps them."""
SETTLED = 0.03
"""A preview ends when little more would change: see the recipes' `settle`."""
LINES = 40
"""Pixels of height that are kept for sentences."""
DRAG = _("Drag the picture, or use the arrow keys, to see another part")
CHOOSE = _("Choose a style picture to see a preview.")
PART, WHOLE = _("A part of the layer, painted with {recipe}"), _("The layer, painted with {recipe}")
UNCHANGED = _("At strength 0 the layer stays as it is.")
ARROWS = {Gdk.KEY_Left: (-1, 0), Gdk.KEY_Right: (1, 0), Gdk.KEY_Up: (0, -1), Gdk.KEY_Down: (0, 1)}


class Preview:
    """A part of a layer in a box of its own, painted with the values in the dialog's `config`.

    source: gives the layer; of None nothing is shown. chosen: gives the styles by their numbers, or raises
    ImpastoError. settings: what is asked for beside the arguments, where the painter keeps the colours. `learnt` is
    called when the daemon may know more than before of its device, or of what stands in for the recipe.
    """

    def __init__(
        self,
        source: Callable[[], Any],
        config: Any,
        chosen: Callable[[], dict[int, Chosen]],
        settings: Callable[[], Mapping[str, Scalar]] = dict,
    ) -> None:
        self._given, self._config, self._chosen_styles, self._settings = source, config, chosen, settings
        self._asked: Mapping[str, Scalar] = {}
        self._is_grey = False
        self._source: Any = None
        self._size, self._centre = (1, 1), (0.0, 0.0)
        self._look()
        self._grip = (0.0, 0.0)
        self._job: Job | None = None
        self._content: Picture
        self._painted: Picture | None = None
        self._timer = 0
        self._read: tuple[tuple[Any, ...], dict[int, Chosen]] | None = None
        self._picture = Gtk.Image(width_request=part.SIDE, height_request=part.SIDE, tooltip_text=DRAG)
        self._about = Gtk.Label(xalign=0, wrap=True, max_width_chars=30, height_request=LINES)
        self._notice, self._recipe = Notice(), ""
        self.learnt: Callable[[], object] = lambda: None
        self._handlers = [config.connect(f"notify::{name}", self._changed) for name in VALUES]
        self._handlers.append(config.connect(f"notify::{colours.ARGUMENT}", self._colours_changed))
        self.box = self._laid_out()
        self._changed()

    def close(self) -> None:
        """Let go of what is under way."""
        for handler in self._handlers:
            self._config.disconnect(handler)
        self.learnt = lambda: None
        self._stop()

    def say(self, job: Job, sentence: str) -> None:
        """Of the job under way; what another one says comes late."""
        if job is self._job:
            self._about.set_text(sentence)

    def warn(self, job: Job, lack: lacking.Lack | None) -> None:
        """As `say`, of what the painter lacks: it stays until another recipe is chosen, or nothing is lacking."""
        if job is self._job:
            self._notice.say(lack)

    def show(self, job: Job, picture: Picture) -> None:
        """As `say`."""
        if job is self._job:
            self._painted = picture
            self._look_again()

    def chosen(self) -> dict[int, Chosen]:
        """The styles that are chosen, read once. Raises ImpastoError."""
        named = (
            self._source,
            *styles.weighty(self._config),
            *(self._config.get_property(name) for name in styles.ARGUMENTS),
        )
        if self._read is None or self._read[0] != named:
            self._read = named, self._chosen_styles()
        return self._read[1]

    def _changed(self, *_: object) -> None:
        """Begin afresh once nothing has changed for a moment."""
        self._stop()
        self._timer = GLib.timeout_add(PATIENCE, self._start)

    def _stop(self) -> None:
        if self._timer:
            GLib.source_remove(self._timer)
            self._timer = 0
        if self._job is not None:
            self._job.cancel()
            self._job.acknowledge()  # nobody wants a picture that has come meanwhile
            self._job.settle()
            self._job = None

    def _colours_changed(self, *_: object) -> None:
        if self._settings() == self._asked:
            self._look_again()
        else:
            self._changed()

    def _look_again(self) -> None:
        """At what is painted by now, as the layer will look: in greys, or with its own colours where they are kept."""
        if self._painted is None:
            return
        picture = self._painted
        if self._is_grey:
            picture = colours.greys(picture)
        elif self._config.get_property(colours.ARGUMENT) and not self._asked:
            picture = colours.seen(picture, self._content)
        side = max(self._part().width, self._part().height) * self._scale()
        # The first ones are of coarser sizes: enlarged, so that the picture stays where it is.
        self._picture.set_from_pixbuf(pixbufs.fitted(pixbufs.of(picture), round(side), enlarge=True))

    def _look(self) -> None:
        """At the layer that is to be painted now: of another one than before, at its middle."""
        source, before = self._given(), self._source
        self._source = source
        if source is not None and (before is None or source.get_id() != before.get_id()):
            self._size = source.get_width(), source.get_height()
            self._centre = _middle(source)

    def _start(self) -> bool:
        self._timer = 0
        self._look()
        self.box.set_visible(self._source is not None and self._config.get_property("preview"))
        if self.box.get_visible():
            try:
                content = self._content = pixels.read_small(self._source, self._part().box, self._scale())
            except ImpastoError as error:
                self._about.set_text(headlines.told(error))
                return False
            self._painted, self._is_grey = None, not colours.are_in(self._source.get_image())
            self._picture.set_from_pixbuf(pixbufs.of(content))
            self._about.set_text("")
            if self._recipe != self._config.get_property("recipe"):
                self._recipe = self._config.get_property("recipe")
                self._notice.say(None)
            self._paint(content)
        return False

    def _paint(self, content: Picture) -> None:
        try:
            job = self._job = Job(self._request(content), AGENT)
        except ImpastoError as error:
            self._about.set_text(CHOOSE if isinstance(error, styles.NoStyle) else headlines.told(error))
            return
        job.start(_Watcher(self), lambda: self._over(job))

    def _over(self, job: Job) -> None:
        try:
            result = job.result()
            self.show(job, result.pictures[0])
            self.warn(job, lacking.of_record(result.record, job.recipe))
            self.say(job, self._seen(result.record, job.recipe))
        except GivenUp:
            pass
        except ImpastoError as error:
            self.say(job, headlines.told(error))
        job.acknowledge()
        job.settle()
        self.learnt()

    def _seen(self, record: Mapping[str, Any], asked: str) -> str:
        """What the picture is, once it is finished."""
        if not self._config.get_property("strength"):
            return UNCHANGED
        shown = self._part()
        sentence = WHOLE if (shown.width, shown.height) == self._size else PART
        return sentence.format(recipe=short(str(record.get("stand_in") or asked)))

    def _request(self, content: Picture) -> Request:
        value, chosen, self._asked = self._config.get_property, self.chosen(), dict(self._settings())
        whole = self._size[0] * self._scale(), self._size[1] * self._scale()
        sizes = [style.picture.size for style in chosen.values()]
        return Request(
            content=content,
            styles=styles.weighed(self._config, chosen),
            recipe=value("recipe"),
            strength=value("strength"),
            max_size=0,
            seed=value("seed"),
            settings={
                **part.strokes(whole, content.size, sizes, value("stroke-size")),
                **self._asked,
                "settle": SETTLED,
            },
        )

    def _scale(self) -> float:
        return part.scale(*self._size, self._config.get_property("max-size"))

    def _part(self) -> part.Part:
        return part.around(self._centre, *self._size, self._config.get_property("max-size"))

    def _laid_out(self) -> Any:
        frame, pad = Gtk.Frame(halign=Gtk.Align.CENTER), Gtk.EventBox()
        pad.add_events(Gdk.EventMask.BUTTON_PRESS_MASK | Gdk.EventMask.BUTTON_RELEASE_MASK)
        pad.connect("button-press-event", self._gripped)
        pad.connect("button-release-event", self._let_go)
        pad.connect("key-press-event", self._key_pressed)
        pad.set_can_focus(True)
        shows_focus(frame, named(pad, _("Preview")))
        pad.add(named(self._picture, DRAG))
        frame.add(pad)
        box = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=6, no_show_all=True)
        for widget in (frame, self._about):
            widget.show_all()
            box.pack_start(widget, False, False, 0)
        box.pack_start(self._notice.box, False, False, 0)
        return box

    def _gripped(self, _pad: Any, event: Any) -> None:
        self._grip = event.x, event.y

    def _let_go(self, _pad: Any, event: Any) -> None:
        """The part moves as the picture was dragged."""
        zoom = 1 / self._scale()
        self._move((self._grip[0] - event.x) * zoom, (self._grip[1] - event.y) * zoom)

    def _key_pressed(self, _pad: Any, event: Any) -> bool:
        """By a quarter of what is seen."""
        if event.keyval not in ARROWS:
            return False
        right, down = ARROWS[event.keyval]
        self._move(right * self._part().width / 4, down * self._part().height / 4)
        return True

    def _move(self, right: float, down: float) -> None:
        """In the layer's pixels."""
        seen = self._part()
        self._centre = seen.left + seen.width / 2 + right, seen.top + seen.height / 2 + down
        self._changed()


class _Watcher:
    """The preview as a `job.Watcher`."""

    is_seen = True
    preview_side = part.SIDE

    def __init__(self, preview: Preview) -> None:
        self._preview = preview
        self._job: Job
        self._is_painting = False

    def begin(self, job: Job) -> None:
        self._job = job

    def say(self, sentence: str) -> None:
        self._preview.say(self._job, sentence)

    def show(self, progress: Progress, forecast: Forecast | None) -> None:
        if lack := lacking.of_progress(progress, self._job.recipe):
            self._preview.warn(self._job, lack)
        self.say((not progress.warning and progress.note) or words.state(progress))
        if progress.step and not self._is_painting:
            self._is_painting = True
            self._preview.learnt()  # the worker has told of its device by now

    def preview(self, picture: Picture, step: int) -> None:
        self._preview.show(self._job, picture)

    def end(self) -> None: ...


def _middle(source: Any) -> tuple[float, float]:
    """Of what is selected of the layer, else of the layer, in its own pixels."""
    inside, left, top, width, height = source.mask_intersect()
    if not inside:
        return source.get_width() / 2, source.get_height() / 2
    return left + width / 2, top + height / 2
