"""Several paintings in a row: what is to be painted is asked for, painted one after the other, and put into its place.

A painting that cannot be is left out, and told of at the end; whoever cancels keeps what is painted by then. What each
is made of, and where it goes, is known by its sheet (`sheets`, `frames`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import call
import finished
import headlines
import last_values
import progress
import record
import sheets
import styles
from finished import Finished, Order
from frames import Frames
from gi.repository import Gimp, GObject
from impasto_protocol.errors import Code, ImpastoError
from impasto_protocol.request import Request
from job import GivenUp, Watcher
from language import _, listed
from order import LIMITS
from row import Row
from sheets import Found, Over, Piece, Sheet
from styles import Chosen
from subject import Subject

OF_ONE = frozenset({Code.BAD_REQUEST, Code.TOO_LARGE, Code.OUT_OF_MEMORY, Code.DIVERGED, Code.WORKER_DIED})
"""What is wrong with one painting and need not be with the next; anything else ends the batch."""

TOGETHER = 64
"""As many paintings of an image at most come to their places in one step: each that waits for the others takes
memory and open files."""


def run(procedure: Any, run_mode: Any, image: Any, drawables: list[Any], config: Any) -> Any:
    """One call of the procedure for batches, in any run mode: its return values."""
    images: list[Any] = []

    def work() -> list[str]:
        ask(procedure, run_mode, image, drawables, config)
        chosen = record.copied(styles.chosen(config, image, LIMITS))
        found = sheets.found(config.get_property("paint"), image, drawables)
        made = [sheet(each, chosen, config, call.is_watched(run_mode)) for each in found]
        notes = painted(procedure.get_plug_in(), made, chosen, run_mode)
        images.extend(each.image for each in made if each.image.is_valid())
        return notes

    values = call.answered(procedure, run_mode, image, work)
    if not images:
        return values
    success = GObject.Value(Gimp.PDBStatusType, Gimp.PDBStatusType.SUCCESS)
    return Gimp.ValueArray.new_from_values([success, GObject.Value(Gimp.Image, images[-1])])


def sheet(found: Found, chosen: Mapping[int, Chosen], config: Any, show: bool) -> Sheet:
    """The sheet of what was found. show: a new image is shown while it is painted."""
    if found.frames:
        return Frames(found.image, found.layers, chosen, config, show).sheet()
    return sheets.of_layers(found.image, found.layers, chosen, config)


def of_selected(procedure: Any, run_mode: Any, image: Any, drawables: list[Any], config: Any) -> list[str]:
    """What the filter itself does where several layers are selected; what the artist should know. Raises as `painted`
    does."""
    ask(procedure, run_mode, image, drawables, config)
    chosen = record.copied(styles.chosen(config, image, LIMITS))
    found = sheets.found("selected-layers", image, drawables)
    made = [sheets.of_layers(each.image, each.layers, chosen, config) for each in found]
    return painted(procedure.get_plug_in(), made, chosen, run_mode)


def ask(procedure: Any, run_mode: Any, image: Any, drawables: list[Any], config: Any) -> None:
    """Have an artist fill in the arguments; where `paint` is one of them, the dialog has a row for it."""
    asks_what = config.find_property("paint") is not None
    row = Row(image, drawables, lambda: config.get_property("paint") if asks_what else "selected-layers")
    subject = Subject(
        source=row.first,
        chosen=lambda: styles.chosen(config, image, LIMITS),
        outlines=lambda chosen: row.outlines(chosen, config),
        count=row.count if asks_what else None,
        settings=lambda: row.settings(config),
    )
    with contextlib.closing(row):
        last_values.ask(procedure, run_mode, config, subject)


def painted(plug_in: Any, made: Sequence[Sheet], chosen: Mapping[int, Chosen], run_mode: Any) -> list[str]:
    """Paint them; what the artist should know. Raises ImpastoError where nothing was painted, or GivenUp."""
    used = list(chosen.values())
    batch = Batch(plug_in, used, Turns(sum(len(sheet.pieces) for sheet in made), run_mode))
    try:
        batch.paint(made)
    finally:
        batch.turns.close()
        for sheet in made:
            sheet.close(batch.stopped)
    if batch.kept:
        styles.remember(used)
    for sentence in batch.unseen:
        Gimp.message(sentence)
    notes = batch.told()
    if batch.left_out and not call.is_watched(run_mode):
        Gimp.message("\n".join(notes))  # an artist is told anyway
    return notes


class Turns:
    """The watchers of a batch's jobs, one after the other: its window's, or the status bar's for a script."""

    def __init__(self, count: int, run_mode: Any) -> None:
        self.count = count
        self._shown = call.shows_windows(run_mode)
        self._window: Any = None

    def watcher(self, number: int, piece: Piece) -> Watcher:
        """Of the painting of this number, from 1 on."""
        turn = _("{number} of {all}: {name}").format(number=number, all=self.count, name=piece.name)
        if not self._shown:
            return progress.StatusBar(turn)
        if self._window is None:
            import batch_window

            self._window = batch_window.Window()
        watcher: Watcher = self._window.turn(turn, piece.source())
        return watcher

    def close(self) -> None:
        if self._window is not None:
            self._window.close()


@dataclass
class Batch:
    """kept: how many are in their places; left_out: the others, each with a reason; notes: of those that are painted;
    unseen: what their painter lacked, where no window has said so; stopped: there is no more to come."""

    plug_in: Any
    used: Sequence[Chosen]
    turns: Turns
    begun: int = 0
    kept: int = 0
    stopped: bool = False
    starts: bool = True
    left_out: list[tuple[str, ImpastoError]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    unseen: set[str] = field(default_factory=set)

    def paint(self, made: Sequence[Sheet]) -> None:
        """All of them, one after the other, until one ends the batch."""
        try:
            for sheet in made:
                self._sheet(sheet)
        except GivenUp:
            self.stopped = True
        except ImpastoError as error:
            self.stopped = True
            self.left_out.append(("", error))

    def told(self) -> list[str]:
        """What the artist should know. Raises ImpastoError, or GivenUp, where nothing was painted."""
        alike: dict[str, list[tuple[str, ImpastoError]]] = {}
        for each in self.left_out:
            alike.setdefault(_reason(each[1]), []).append(each)
        reasons = [_because([name for name, _error in some if name], some[0][1]) for some in alike.values()]
        if not self.kept:
            if self.stopped and not reasons:
                raise GivenUp
            code = self.left_out[0][1].code if reasons else Code.BAD_REQUEST
            raise ImpastoError(code, "\n".join(reasons) or _("There is nothing to paint."))
        count = self.turns.count
        some = [_("{number} of {all} are painted.").format(number=self.kept, all=count)] if self.kept < count else []
        return [*some, *reasons, *dict.fromkeys(self.notes)]

    def _sheet(self, sheet: Sheet) -> None:
        """Those of one image."""
        size = TOGETHER if sheet.together else 1
        for first in range(0, len(sheet.pieces), size):
            self._together(sheet, sheet.pieces[first : first + size])

    def _together(self, sheet: Sheet, pieces: Sequence[Piece]) -> None:
        """Those that come to their places in one step; the daemon keeps each until then, and nothing is held after."""
        waiting: list[Finished] = []
        with contextlib.ExitStack() as jobs:
            try:
                for piece in pieces:
                    self.begun += 1
                    waiting += self._piece(sheet, piece, jobs)
            finally:
                self._put(sheet, waiting)

    def _piece(self, sheet: Sheet, piece: Piece, jobs: contextlib.ExitStack) -> list[Finished]:
        """One painting, or none where it is left out. Raises GivenUp, and ImpastoError where others would fail too."""
        try:
            asked = Order(self._begun(piece.request()), self.used, piece.about, piece.name, sheet.name, piece.place)
            watcher = self.turns.watcher(self.begun, piece)
            return [jobs.enter_context(finished.painting(self.plug_in, asked, watcher))]
        except ImpastoError as error:
            if error.problem.details.get("feature") == "start":
                self._do_without_start()
                return self._piece(sheet, piece, jobs)
            if isinstance(error, Over) or error.code not in OF_ONE:
                raise
            self._leave_out(piece.name, error)
            return []

    def _begun(self, request: Request) -> Request:
        """With its start, which makes the seed idle, or without."""
        if request.start is None:
            return request
        return replace(request, seed=0) if self.starts else replace(request, start=None)

    def _do_without_start(self) -> None:
        self.starts = False
        self.notes.append(
            _(
                "Impasto's daemon is too old to begin a frame with the painting of the one before: each was painted "
                "afresh."
            )
        )

    def _put(self, sheet: Sheet, waiting: list[Finished]) -> None:
        """Into their places, in one undo step; what cannot be is left with the daemon, and with its slip."""
        if not waiting:
            return
        with sheet.step():
            for each in waiting:
                try:
                    self.notes += [*each.place(), *sheet.notes]
                    self.kept += 1
                    self.unseen |= {each.unseen.sentence} if each.unseen else set()
                except ImpastoError as error:
                    self._leave_out(each.layer, error)
        waiting.clear()
        Gimp.displays_flush()

    def _leave_out(self, name: str, error: ImpastoError) -> None:
        self.left_out.append((name, ImpastoError.of(error.problem)))  # without the traceback, which holds the pixels


def _because(names: list[str], error: ImpastoError) -> str:
    """Why these are left out."""
    if not names:
        return headlines.told(error)
    if "unplaced" in error.problem.details:
        return _(
            "Painted, but not put into the image: {names}. {reason}. Nothing is lost, the daemon keeps it for a day: "
            "choose Filters ▸ Artistic ▸ Neural Style Paintings…"
        ).format(names=listed(names), reason=_reason(error))
    why = headlines.told(error).replace("\n", " ")
    return _("Not painted: {name}. {why}").format(name=listed(names), why=why)


def _reason(error: ImpastoError) -> str:
    """What those that are told together have in common."""
    return str(error.problem.details.get("unplaced") or error)
