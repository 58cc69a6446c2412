"""What a batch says and computes, apart from GIMP."""

from __future__ import annotations

import contextlib
import gc
import importlib
import threading
import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest
from impasto_protocol.errors import Code, ImpastoError, bad_request
from impasto_protocol.messages import Result
from impasto_protocol.picture import Picture
from impasto_protocol.request import Request, Style

from tests.fakes.daemon import wait_for

pytestmark = pytest.mark.usefixtures("without_gimp")


def module(name: str) -> Any:
    return importlib.import_module(name)


@pytest.mark.parametrize(
    ("name", "painted"),
    [
        ("Frame 1 (100ms)", "Frame 1 (100ms) (replace)"),
        ("Frame 2 (100ms) (combine)", "Frame 2 (100ms) (replace)"),
        ("Frame 3 (COMBINE) (100ms)", "Frame 3 (100ms) (replace)"),
        ("Frame 4 (100ms)(replace)", "Frame 4 (100ms) (replace)"),
        ("Background", "Background (replace)"),
        ("(combine)", "(replace)"),
    ],
)
def test_a_painted_frame_keeps_its_name_and_time_and_replaces_the_one_before(name: str, painted: str) -> None:
    assert module("frames").frame_name(name) == painted
    assert module("frames").frame_name(painted) == painted


def test_what_is_hardly_different_is_begun_with_the_last_painting_and_what_has_changed_is_not() -> None:
    kept = module("frames").TAKEN_OVER
    assert kept[0] == kept[8] == 255 and kept[20] == kept[255] == 0
    assert sorted(kept, reverse=True) == list(kept)


def test_the_dialog_offers_exactly_what_can_be_painted() -> None:
    assert list(module("batch_row").WHAT) == list(module("sheets").WHAT)


def test_another_word_for_what_to_paint_is_refused_with_those_there_are() -> None:
    with pytest.raises(ImpastoError, match="selected-layers, visible-layers, all-images, frames") as caught:
        module("sheets").found("everything", None, [])
    assert caught.value.code is Code.BAD_REQUEST


def test_visible_layers_are_painted_from_the_bottom_up_those_in_groups_too() -> None:
    def layer(name: str, *children: Any, seen: bool = True) -> Any:
        made = MagicMock(get_visible=lambda: seen, is_group=lambda: bool(children), get_children=lambda: children)
        made.configure_mock(name=name)
        made.get_parasite.return_value = None
        return made

    group = layer("group", layer("second"), layer("first"))
    image = MagicMock()
    image.get_layers.return_value = [layer("third"), layer("hidden", layer("in it"), seen=False), group]
    (found,) = importlib.import_module("sheets").visible_layers(image, ())
    assert [each.name for each in found.layers] == ["first", "second", "third"]


def test_of_an_image_that_is_closed_nothing_is_painted() -> None:
    sheets, gone = importlib.import_module("sheets"), MagicMock(is_valid=lambda: False)
    for what in ("selected-layers", "visible-layers", "frames"):
        with pytest.raises(ImpastoError, match="nothing to paint"):
            sheets.found(what, gone, [gone])


def test_copies_that_are_only_shown_are_none_of_the_open_images() -> None:
    sheets, opened, copies = module("sheets"), MagicMock(), [MagicMock() for _ in range(2)]
    opened.get_parasite.return_value = None
    for copy, mark in zip(copies, (module("frames").MARK, module("canvas").MARK)):
        copy.get_parasite.side_effect = {mark: "marked"}.get
    sheets.Gimp.get_images.return_value = [*copies, opened]
    assert [found.image for found in sheets.all_images(None, [])] == [opened]


def batch(count: int, **facts: Any) -> Any:
    return module("batch").Batch(None, [], SimpleNamespace(count=count), **facts)


@pytest.mark.parametrize(("mode", "told"), [("INTERACTIVE", True), ("WITH_LAST_VALS", True), ("NONINTERACTIVE", False)])
def test_whoever_paints_again_with_the_same_values_is_told_what_came_of_it_and_a_script_is_not(
    mode: str, told: bool
) -> None:
    call = module("call")
    call.answered(MagicMock(), getattr(call.Gimp.RunMode, mode), MagicMock(), lambda: ["a note", "another"])
    assert call.Gimp.message.call_args_list == [(("a note\nanother",),)] * told


@pytest.mark.parametrize(("grey", "wanted"), [(True, True), (True, False), (False, True)])
def test_of_a_grey_image_it_is_told_that_there_are_no_colours_to_keep(grey: bool, wanted: bool) -> None:
    sheets, image, config = module("sheets"), MagicMock(), MagicMock()
    image.get_base_type.return_value = sheets.Gimp.ImageBaseType.GRAY if grey else sheets.Gimp.ImageBaseType.RGB
    config.get_property.return_value = wanted
    notes = sheets.of_layers(image, [], {}, config).notes
    assert [note.startswith("A greyscale image has no colours to keep") for note in notes] == [True] * (grey and wanted)


def test_a_batch_that_left_nothing_out_has_nothing_to_tell_but_its_painters_notes() -> None:
    assert batch(2, kept=2, notes=["a stand-in", "a stand-in"]).told() == ["a stand-in"]


def test_what_is_left_out_is_told_with_its_name_and_reason() -> None:
    left_out = [("sky", ImpastoError(Code.BAD_REQUEST, "It is empty.")), ("", ImpastoError(Code.DAEMON_LOST, "Gone."))]
    assert batch(4, kept=2, left_out=left_out).told() == [
        "2 of 4 are painted.",
        "Not painted: sky. It is empty.",
        "Gone.",
    ]


def test_what_is_left_out_for_the_same_reason_is_told_together() -> None:
    empty = [(name, ImpastoError(Code.BAD_REQUEST, "It is empty.")) for name in ("sky", "sea")]
    closed = [(name, module("finished")._not_placed(name * 8, bad_request("It was closed."))) for name in ("a", "b")]
    told = batch(5, kept=1, left_out=[*empty, *closed]).told()
    assert told[1:] == [
        "Not painted: sky, sea. It is empty.",
        "Painted, but not put into the image: a, b. It was closed. Nothing is lost, the daemon keeps it for a day: "
        "choose Filters ▸ Artistic ▸ Neural Style Paintings…",
    ]


def test_whoever_cancels_before_anything_is_painted_is_told_nothing() -> None:
    with pytest.raises(module("job").GivenUp):
        batch(3, stopped=True).told()
    assert batch(3, kept=1, stopped=True).told() == ["1 of 3 are painted."]


def test_where_nothing_was_painted_the_first_reason_names_the_error() -> None:
    left_out = [("sky", ImpastoError(Code.TOO_LARGE, "It is huge.")), ("sea", ImpastoError(Code.BAD_REQUEST, "Empty."))]
    with pytest.raises(ImpastoError, match=r"Not painted: sky\. It is huge\.\nNot painted: sea\. Empty\.") as caught:
        batch(2, left_out=left_out).told()
    assert caught.value.code is Code.TOO_LARGE


PIXEL = Picture(1, 1, 3, "u8", b"abc")
REQUEST = Request(PIXEL, (Style(PIXEL),), seed=7)


def painted(
    monkeypatch: pytest.MonkeyPatch, requests: list[Request], refuse: Callable[[Request], None], notes: Any = ()
) -> Any:
    """A batch of these requests, by a daemon that refuses some; its `asked` are those it has painted."""
    asked: list[Request] = []

    def job(request: Request) -> Any:
        def wait(*_: object) -> Result:
            refuse(request)
            asked.append(request)
            return Result(job="j", record={"stand_in": "wavelets"}, pictures=(PIXEL,))

        made = MagicMock(wait=wait, recipe=request.recipe)
        made.__exit__.return_value = False
        return made

    sheets, life = module("sheets"), module("finished")
    monkeypatch.setattr(life, "Job", job)
    monkeypatch.setattr(life, "Held", lambda *_: contextlib.nullcontext())
    monkeypatch.setattr(life, "Slip", MagicMock())

    def piece(number: int, request: Request) -> Any:
        return sheets.Piece(f"layer {number}", lambda: request, lambda: None, lambda _result: None, {})

    pieces = [piece(number, request) for number, request in enumerate(requests)]
    made = sheets.Sheet("image", None, pieces, True, contextlib.nullcontext, lambda _stopped: None, notes)
    found = batch(len(requests))
    found.turns.watcher = lambda *_: module("job").Nobody()
    found.paint([made])
    found.asked = asked
    return found


def test_what_is_to_be_known_of_a_sheet_is_told_once_and_of_those_that_are_painted_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(_request: Request) -> None:
        raise ImpastoError(Code.OUT_OF_MEMORY, "It cannot be.")

    assert painted(monkeypatch, [REQUEST] * 2, lambda _request: None, ["no colours"]).told() == ["no colours"]
    assert painted(monkeypatch, [REQUEST], refuse, ["no colours"]).notes == []


def test_what_the_painter_lacked_is_said_once_where_nobody_has_seen_a_window(monkeypatch: pytest.MonkeyPatch) -> None:
    found = painted(monkeypatch, [REQUEST] * 3, lambda _request: None)
    (sentence,) = found.unseen
    assert sentence.startswith("Painted with Wavelets instead of Impasto")


def test_an_older_daemon_paints_each_frame_afresh_and_that_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(request: Request) -> None:
        if request.start:
            raise ImpastoError(Code.VERSION_MISMATCH, "This daemon is older.", feature="start")

    found = painted(monkeypatch, [REQUEST, *[replace(REQUEST, start=PIXEL)] * 2], refuse)
    assert found.asked == [REQUEST] * 3 and found.kept == 3
    (note,) = found.told()
    assert note.startswith("Impasto's daemon is too old to begin a frame with the painting of the one before")


def test_a_start_makes_the_seed_idle_and_so_it_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    found = painted(monkeypatch, [REQUEST, replace(REQUEST, start=PIXEL)], lambda _: None)
    assert [request.seed for request in found.asked] == [7, 0]


@pytest.mark.parametrize(("code", "kept"), [(Code.OUT_OF_MEMORY, 2), (Code.UNKNOWN_RECIPE, 1)])
def test_one_that_fails_is_left_out_and_only_what_all_would_meet_with_ends_the_batch(
    monkeypatch: pytest.MonkeyPatch, code: Code, kept: int
) -> None:
    def refuse(request: Request) -> None:
        if request.strength == 1:
            raise ImpastoError(code, "It cannot be.")

    found = painted(monkeypatch, [REQUEST, replace(REQUEST, strength=1), REQUEST], refuse)
    assert found.kept == kept and "It cannot be." in found.told()[1]


def test_a_headline_is_in_the_line_that_says_what_is_not_painted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module("headlines"), "is_english", False)
    left_out = [("sky", ImpastoError(Code.OUT_OF_MEMORY, "It needs 9 GB."))]
    (_, told) = batch(2, kept=1, left_out=left_out).told()
    assert told.startswith("Not painted: sky. There is not enough memory.") and told.endswith(" It needs 9 GB.")
    assert "\n" not in told


class Daemon:
    """A client whose daemon paints each at once."""

    welcome = SimpleNamespace(heartbeat=60.0)

    def offers(self, _feature: str) -> bool:
        return True

    def stylize(self, *_: object, job: str, **__: object) -> Result:
        return Result(job=job, pictures=(Picture(1, 1, 3, "u8", b"abc"),))

    def acknowledge(self, job: str) -> None: ...

    def close(self) -> None: ...


@pytest.mark.parametrize(("together", "most"), [(False, 0), (True, 2)])
def test_what_is_in_its_place_is_let_go_of_and_what_waits_keeps_no_pixels_but_its_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, together: bool, most: int
) -> None:
    batches, sheets, jobs = module("batch"), module("sheets"), module("job")
    monkeypatch.setattr(batches, "TOGETHER", 3)
    monkeypatch.setattr(module("finished").Gimp, "directory", lambda: str(tmp_path))
    monkeypatch.setattr(jobs.daemon_start, "connect", lambda *_, **__: Daemon())
    over = threading.Semaphore(0)
    jobs.GLib.MainLoop.return_value.run.side_effect = lambda: over.acquire(timeout=5)
    jobs.GLib.MainLoop.return_value.quit.side_effect = over.release
    jobs.GLib.idle_add.side_effect = lambda call: call()
    made: weakref.WeakSet[Any] = weakref.WeakSet()
    asked: list[weakref.ref[Request]] = []
    held: list[tuple[int, int, int]] = []

    def request() -> Request:
        with contextlib.suppress(AssertionError):  # of what is let go of, a thread may be about to end
            wait_for(lambda: gc.collect() is not None and len(made) <= most, 2)
        slips = len(list(tmp_path.glob("*/*.json")))
        held.append((len(made), slips, sum(each() is not None for each in asked)))
        asked.append(weakref.ref(new := replace(REQUEST)))
        return new

    def job(request: Request) -> Any:
        made.add(new := jobs.Job(request))
        return new

    monkeypatch.setattr(module("finished"), "Job", job)
    pieces = [sheets.Piece("a layer", request, lambda: None, lambda _result: None, {})] * 7
    found = batch(len(pieces))
    found.plug_in, found.used = MagicMock(), [SimpleNamespace(name="style.png", path=None)]
    found.turns.watcher = lambda *_: jobs.Nobody()
    found.paint([sheets.Sheet("image", None, pieces, together, contextlib.nullcontext, lambda _stopped: None)])
    assert found.kept == 7 and not found.left_out
    assert max(jobs for jobs, _, _ in held) == max(slips for _, slips, _ in held) == most
    assert max(requests for _, _, requests in held) == 0


def test_each_painting_whose_turn_comes_while_the_window_is_away_is_left_to_the_daemon(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    windows, window = module("batch_window"), module("window")
    monkeypatch.setattr(window, "thumbnail", MagicMock())
    opened, jobs = windows.Window(), [MagicMock() for _ in range(3)]
    for job in jobs:
        opened.turn("its turn", MagicMock()).begin(job)
        if job is jobs[1]:
            opened._answered(None, window.BACKGROUND)
    assert [job.detach.called for job in jobs] == [False, True, True]


def frames(monkeypatch: pytest.MonkeyPatch, show: bool) -> tuple[Any, Any, Any]:
    """The frames of an image; the image that becomes of them; the display that shows it."""
    module_, image, made = module("frames"), MagicMock(), MagicMock()
    image.get_floating_sel.return_value = None
    image.get_width.return_value = image.get_height.return_value = 1
    monkeypatch.setattr(module_, "emptied", lambda _image: made)
    monkeypatch.setattr(module_.order, "requested", lambda *_: REQUEST)
    return module_.Frames(image, [MagicMock()], {}, MagicMock(), show), made, module_.Gimp.Display.new.return_value


@pytest.mark.parametrize("begun", [False, True])
@pytest.mark.parametrize("show", [False, True])
def test_where_no_frame_is_painted_nothing_of_the_new_image_is_left(
    monkeypatch: pytest.MonkeyPatch, show: bool, begun: bool
) -> None:
    made, image, display = frames(monkeypatch, show)
    if begun:
        made._names = ["Frame 1"]
        made._played.get_layers.return_value = []
        made.sheet().pieces[0].request()
    made.sheet().close(False)
    assert made._played.delete.called
    assert display.delete.called == (show and begun)
    assert image.delete.called != display.delete.called, "GIMP deletes an image with its display"


def test_when_the_image_that_frames_go_into_is_closed_the_batch_ends_and_says_so_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made, image, _ = frames(monkeypatch, False)
    made._names = ["Frame 1", "Frame 2"]
    image.is_valid.return_value = False
    found = batch(2)
    found.paint([made.sheet()])
    assert found.stopped and found.begun == 1
    with pytest.raises(ImpastoError, match=r"^The image was closed meanwhile\.$") as caught:
        found.told()
    assert caught.value.code is Code.BAD_REQUEST, "nobody has cancelled it"


def test_an_animation_that_is_too_large_is_refused_before_it_is_copied() -> None:
    image = MagicMock()
    image.get_floating_sel.return_value = None
    image.get_width.return_value = image.get_height.return_value = 100_000
    with pytest.raises(ImpastoError) as caught:
        module("frames").Frames(image, [], {}, MagicMock(), False)
    assert caught.value.code is Code.TOO_LARGE and not image.duplicate.called


def test_a_copy_that_cannot_be_made_into_frames_does_not_stay() -> None:
    image = MagicMock()
    image.duplicate.return_value.get_layers.side_effect = RuntimeError
    with pytest.raises(RuntimeError):
        module("frames").emptied(image)
    assert image.duplicate.return_value.delete.called


def test_a_half_transparent_frame_begins_with_as_much_of_the_last_painting_as_both_leave(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made, _, _ = frames(monkeypatch, False)
    made._painted, made._layers = [0], {0: None}
    monkeypatch.setattr(module("pixels"), "read_eight_bit", lambda _: Picture(2, 1, 4, "u8", b"abc\x80def\xff"))
    half = next(value for value, kept in enumerate(module("frames").TAKEN_OVER) if kept < 128)
    monkeypatch.setattr(made, "_changed", lambda *_: bytes([half, 0]))
    assert made._start(1).data[3::4] == bytes([module("frames").TAKEN_OVER[half], 255])
