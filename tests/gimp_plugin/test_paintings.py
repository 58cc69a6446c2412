"""The window of paintings: what it makes of its slips and daemons, and that GTK never waits for one of these."""

from __future__ import annotations

import importlib
import json
import threading
from collections.abc import Mapping
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
    found.open(painting)
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

    def close(self) -> None:
        self.threads.append(threading.current_thread())
        self.closed.set()


def test_gtk_does_not_wait_for_a_daemon() -> None:
    found, slow = module("paintings"), Slow()
    window = found.Window(slow)
    window._dialog.run = lambda: slow.asked.wait(5)
    window.run()  # comes back though there is no answer yet
    slow.may_answer.set()
    assert slow.closed.wait(5)
    (thread,) = set(slow.threads)
    assert thread is not threading.main_thread()
    thread.join(5)
    refresh, now = found.GLib.idle_add.call_args.args
    assert refresh(now) is False and window._shown is None, "its widgets are gone"


def test_a_finished_painting_that_its_own_gimp_is_putting_into_its_place_is_not_offered(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    rows = tuple({"job": job, "state": "succeeded", "kept": True} for job in ("1", "2"))
    seen, _ = paintings(monkeypatch, tmp_path, rows)
    slips = module("slips")
    with slips.Held(slips.Slip("2", ENDPOINT, "a layer", "an image", ("style.png",)), tmp_path, {}):
        assert [each.found.slip.job for each in seen.look()] == ["1"]
