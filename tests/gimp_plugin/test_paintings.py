"""The window of paintings: what it makes of its slips and daemons, and that GTK never waits for one of these."""

from __future__ import annotations

import importlib
import json
import queue
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any
from unittest.mock import MagicMock

import pytest
from impasto_protocol.errors import Code, ImpastoError
from impasto_protocol.jobstate import State
from impasto_protocol.messages import Result
from impasto_protocol.picture import Picture

pytestmark = pytest.mark.usefixtures("without_gimp")

ENDPOINT = "ipc:///a"
RECORD = {"request": {"styles": [{"sha256": "ab" * 32}]}}


def module(name: str) -> Any:
    return importlib.import_module(name)


class Daemon:
    """A client whose daemon knows these jobs; one of None does not answer. It is counted how often it is asked."""

    def __init__(self, rows: tuple[dict[str, Any], ...] | None) -> None:
        self.rows = rows
        self.called = 0

    def __call__(self, *_: object) -> Daemon:
        self.called += 1
        return self

    def jobs(self) -> tuple[dict[str, Any], ...]:
        if self.rows is None:
            raise ImpastoError(Code.TIMED_OUT, "It did not answer.")
        return self.rows

    def fetch(self, job: str) -> Result:
        return Result(job=job, record=RECORD, pictures=(Picture(1, 1, 3, "u8", b"abc"),))

    def acknowledge(self, _job: str) -> None: ...

    def close(self) -> None: ...


def paintings(
    monkeypatch: pytest.MonkeyPatch,
    folder: Path,
    rows: tuple[dict[str, Any], ...] | None,
    about: Mapping[str, Any] = MappingProxyType({}),
) -> tuple[Any, Daemon]:
    """Those of a profile with slips for two jobs of one daemon; and that daemon. about: what the slips say beyond."""
    slips, found, daemon = module("slips"), module("paintings"), Daemon(rows)
    for job in ("1", "2"):
        slips.Held(slips.Slip(job, ENDPOINT, "a layer", "an image", ("style.png",)), folder, dict(about)).leave()
    monkeypatch.setattr(found.daemon_start, "connect", daemon)
    return found.Paintings(folder), daemon


def test_a_daemon_that_did_not_answer_is_left_alone_for_a_while(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found, daemon = paintings(monkeypatch, tmp_path, None)
    clock = MagicMock(return_value=1.0)
    monkeypatch.setattr(module("paintings").time, "monotonic", clock)
    assert found.look() == [] and found.look() == [] and daemon.called == 1
    clock.return_value += module("paintings").ALONE
    daemon.rows = ({"job": "1", "state": "running"}, {"job": "2", "state": "running"})
    assert [painting.state for painting in found.look()] == [State.RUNNING] * 2 and daemon.called == 2
    assert len(found.look()) == 2 and daemon.called == 2, "one that answers keeps its conversation"


def test_what_a_newer_daemon_calls_by_another_word_is_under_way(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found, _ = paintings(monkeypatch, tmp_path, ({"job": "1", "state": "varnishing"},))
    (painting,) = found.look()
    assert not painting.state.terminal and not painting.waits
    assert painting.sentence() == "Style (style transfer), a layer of an image: Preparing to paint"


ORIGINAL = {"sha256": "cd" * 32, "width": 900, "height": 600}
ABOUT = {
    "source": {"tattoo": 7, "name": "lake"},
    "styles": [{"style": "style.png", "copy_of": ORIGINAL}],
    "copies": ["iVBOR"],
    "files": ["/home/me/style.png"],
}


def opened(monkeypatch: pytest.MonkeyPatch, folder: Path, about: Mapping[str, Any]) -> dict[str, bytes]:
    """The parasites of the layer that a painting becomes."""
    found, _ = paintings(monkeypatch, folder, ({"job": "1", "state": "succeeded", "kept": True},), about)
    (painting,) = found.look()
    parasite = module("record").Gimp.Parasite.new
    monkeypatch.setattr(module("pixels"), "new_image", MagicMock(return_value=("an image", MagicMock())))
    fetched = found.fetch(painting)
    fetched.open()
    assert painting.found.path.exists(), "until it is in GIMP"
    found.taken(painting)
    assert not painting.found.path.exists()
    return {each.args[0]: each.args[2] for each in parasite.call_args_list}


def test_a_painting_that_is_opened_is_as_alive_as_any_other(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    remembered = MagicMock()
    monkeypatch.setattr(module("paintings").style_memory, "remember", remembered)
    parasites = opened(monkeypatch, tmp_path, ABOUT)
    kept = json.loads(parasites["impasto"])
    assert (kept["job"], kept["style"], kept["copy_of"], kept["record"]) == ("1", "style.png", ORIGINAL, RECORD)
    assert kept["source"] == {"tattoo": 0, "name": "lake"}, "the number is any layer's in an image of its own"
    assert parasites["impasto-style"] == b"iVBOR"
    remembered.assert_called_once_with("ab" * 32, Path("/home/me/style.png"))


@pytest.mark.parametrize("about", [{}, {**ABOUT, "styles": 5}, {**ABOUT, "copies": ["é"]}, {**ABOUT, "source": None}])
def test_one_whose_slip_is_an_older_one_or_damaged_says_how_it_was_painted_all_the_same(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, about: Mapping[str, Any]
) -> None:
    parasites = opened(monkeypatch, tmp_path, about)
    kept = json.loads(parasites["impasto"])
    assert (kept["job"], kept["style"], kept["record"]) == ("1", "style.png", RECORD)


def test_one_that_is_opened_says_once_where_another_recipe_stood_in(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    lacking = {"request": {"recipe": "gatys", "styles": [{"sha256": "ab" * 32}]}, "stand_in": "wavelets"}
    said = module("paintings").Gimp.message
    opened(monkeypatch, tmp_path, ABOUT)
    said.assert_not_called()
    monkeypatch.setitem(globals(), "RECORD", lacking)
    opened(monkeypatch, tmp_path, ABOUT)
    (sentence,) = said.call_args.args
    said.assert_called_once()
    assert sentence.startswith(
        "Painted with Wavelets instead of Gatys 2016: VGG19's weights are missing on this machine."
    )


class Slow:
    """Paintings of a daemon that takes its time, until it is let."""

    def __init__(self) -> None:
        self.may_answer, self.asked, self.closed = threading.Event(), threading.Event(), threading.Event()
        self.threads: list[threading.Thread] = []

    def look(self) -> list[Any]:
        self.threads.append(threading.current_thread())
        self.asked.set()
        assert self.may_answer.wait(5)
        return []

    def leave(self) -> None: ...

    def close(self) -> None:
        self.threads.append(threading.current_thread())
        self.closed.set()


def test_gtk_does_not_wait_for_a_daemon() -> None:
    found, slow = module("paintings_window"), Slow()
    window = found.Window(slow)
    window._dialog.run = lambda: slow.asked.wait(5)
    window.run()  # comes back though there is no answer yet
    slow.may_answer.set()
    assert slow.closed.wait(5)
    (thread,) = set(slow.threads)
    assert thread is not threading.main_thread()
    thread.join(5)
    for (refresh,), _ in found.GLib.idle_add.call_args_list:
        assert refresh() is False and window._shown is None, "its widgets are gone"


class Gallery:
    """The window, with GTK's loop in the test's hands; and paintings of a daemon that answers when it is let."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        rows = ({"job": "1", "state": "succeeded", "kept": True}, {"job": "2", "state": "running"})
        self.found, _ = paintings(monkeypatch, folder, rows)
        self.module, self.idle = module("paintings_window"), queue.SimpleQueue[Callable[[], bool]]()
        self.may_answer, self.opened, self.buttons = threading.Event(), MagicMock(), dict[str, MagicMock]()
        monkeypatch.setattr(self.found, "fetch", self.fetch)
        for name in ("Box", "Label"):
            monkeypatch.setattr(self.module.Gtk, name, lambda **_: MagicMock())
        monkeypatch.setattr(self.module.Gtk.Button, "new_with_mnemonic", self.button)
        monkeypatch.setattr(self.module.GLib, "idle_add", self.idle.put)
        monkeypatch.setattr(self.module, "EVERY", 0.01)
        self.window = self.module.Window(self.found)

    def button(self, label: str) -> MagicMock:
        return self.buttons.setdefault(label, MagicMock())

    def fetch(self, _painting: object) -> Any:
        assert threading.current_thread() is not threading.main_thread() and self.may_answer.wait(5)
        return self.opened

    def run(self, artist: Callable[[], None]) -> None:
        """Open the window, and close it when the artist has done this."""
        self.window._dialog.run = artist
        self.window.run()

    def until(self, seen: Callable[[], bool]) -> None:
        """GTK's loop."""
        while not seen():
            assert self.idle.get(timeout=5)() is False

    def press(self, label: str) -> None:
        _signal, handler, errand = self.buttons[label].connect.call_args.args
        handler(None, errand)

    def row(self, number: int) -> tuple[str, bool]:
        """What is read in it, and whether it can be pressed."""
        sentence, buttons = self.window._rows[number]
        return sentence.set_text.call_args.args[0].split(": ")[1], buttons.set_sensitive.call_args.args[0]


def test_what_is_pressed_is_asked_in_the_thread_while_its_row_says_so_and_its_image_is_made_by_gtks(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    gallery = Gallery(monkeypatch, tmp_path)
    threads: list[threading.Thread] = []
    gallery.opened.open = lambda: threads.append(threading.current_thread())

    def artist() -> None:
        gallery.until(lambda: len(gallery.window._rows) == 2)
        assert gallery.row(0) == ("finished", True)
        gallery.press("_Open as Image")
        assert gallery.row(0) == ("Opening", False) and gallery.row(1) == ("Preparing to paint", True)
        gallery.may_answer.set()
        gallery.until(lambda: len(gallery.window._rows) == 1)
        assert gallery.row(0) == ("Preparing to paint", True)

    gallery.run(artist)
    assert threads == [threading.main_thread()] and not (tmp_path / "impasto-paintings" / "1.json").exists()


def test_a_window_that_is_closed_while_a_painting_is_fetched_leaves_it_to_the_daemon(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    gallery = Gallery(monkeypatch, tmp_path)
    taken, closed = MagicMock(), threading.Event()
    monkeypatch.setattr(gallery.found, "taken", taken)
    monkeypatch.setattr(gallery.found, "close", closed.set)

    def artist() -> None:
        gallery.until(lambda: len(gallery.window._rows) == 2)
        gallery.press("_Open as Image")
        gallery.may_answer.set()

    gallery.run(artist)
    assert closed.is_set(), "what was pressed is waited for"
    while not gallery.idle.empty():
        gallery.idle.get()()
    assert not gallery.opened.open.called and not taken.called and (tmp_path / "impasto-paintings" / "1.json").exists()


def test_what_nobody_foresaw_is_told_and_the_window_goes_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gallery = Gallery(monkeypatch, tmp_path)
    look, told = gallery.found.look, MagicMock()
    monkeypatch.setattr(gallery.found, "look", MagicMock(side_effect=KeyError("job")))
    monkeypatch.setattr(gallery.module.Gimp, "message", told)
    gallery.opened.open.side_effect = MemoryError("too large")

    def artist() -> None:
        for _ in range(3):
            assert gallery.idle.get(timeout=5)() is False
        (sentence,) = gallery.window._shown
        assert sentence == "Something unforeseen happened in Impasto's plug-in: KeyError('job')."
        monkeypatch.setattr(gallery.found, "look", look)
        gallery.until(lambda: len(gallery.window._rows) == 2)
        gallery.may_answer.set()
        gallery.press("_Open as Image")
        gallery.until(lambda: told.called)
        assert gallery.row(0) == ("finished", True), "it can be tried again"

    gallery.run(artist)
    told.assert_called_once_with("Something unforeseen happened in Impasto's plug-in: MemoryError('too large').")
    logged = capsys.readouterr().err
    assert logged.count("KeyError") == logged.count("MemoryError: too large") == 1


def test_a_finished_painting_that_its_own_gimp_is_putting_into_its_place_is_not_offered(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    rows = tuple({"job": job, "state": "succeeded", "kept": True} for job in ("1", "2"))
    seen, _ = paintings(monkeypatch, tmp_path, rows)
    slips = module("slips")
    with slips.Held(slips.Slip("2", ENDPOINT, "a layer", "an image", ("style.png",)), tmp_path, {}):
        assert [each.found.slip.job for each in seen.look()] == ["1"]
