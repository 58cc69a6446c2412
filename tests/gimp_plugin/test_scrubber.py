"""When the painting is finished the artist may choose an earlier iterate: one that the daemon has kept."""

from __future__ import annotations

import importlib
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest
from impasto_protocol.errors import Code, ImpastoError
from impasto_protocol.messages import Preview, Result
from impasto_protocol.picture import Picture
from impasto_protocol.request import Request, Style

pytestmark = pytest.mark.usefixtures("without_gimp")

PIXEL = Picture(1, 1, 3, "u8", b"abc")
REQUEST = Request(PIXEL, (Style(PIXEL),))
OK, CANCEL, CLOSED = "ok", "cancel", "closed"


class Daemon:
    """A client whose daemon keeps the iterates of two steps; it says what is done. gone: those that cannot be had."""

    welcome = SimpleNamespace(heartbeat=0.01)

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.gone: set[int] = set()
        self.features = {"steer", "iterates"}
        self.iterates: tuple[int, ...] = (14, 28)

    def offers(self, feature: str) -> bool:
        return feature in self.features

    def stylize(self, *_: object, iterates: int, on_preview: Callable[[Preview], None], **__: object) -> Result:
        self.heard.append(f"keep {iterates}")
        for step in (3, 14):
            on_preview(Preview(job="j", step=step, kept=step == 14, pictures=(PIXEL,)))
        return Result(job="j", record={"steps": 40}, iterates=self.iterates, pictures=(PIXEL,))

    def fetch(self, _job: str, step: int) -> Result:
        self.heard.append(f"fetch {step}")
        if step in self.gone:
            raise ImpastoError(Code.RESULT_GONE, "it is gone")
        return Result(job="j", re=5, step=step, pictures=(PIXEL,))

    def stay(self) -> None:
        self.heard.append("stay")

    def acknowledge(self, _job: str) -> None:
        self.heard.append("acknowledged")

    def close(self) -> None: ...

    @property
    def asked(self) -> list[str]:
        return [word for word in self.heard if word != "stay"]


@pytest.fixture
def daemon(monkeypatch: pytest.MonkeyPatch) -> Daemon:
    daemon, job = Daemon(), importlib.import_module("job")
    monkeypatch.setattr(job.daemon_start, "connect", lambda *_, **__: daemon)
    return daemon


def a_layer() -> Any:
    layer = MagicMock()
    layer.get_width.return_value = layer.get_height.return_value = 1
    return layer


class Artist:
    """A scrubber, and what is done in it: where the slider is put, and which button is pressed then."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *acts: tuple[int, str]) -> None:
        self.scrubber = importlib.import_module("scrubber")
        self.acts = iter(acts)
        responses = self.scrubber.Gtk.ResponseType
        self.responses = {OK: responses.OK, CANCEL: responses.CANCEL, CLOSED: responses.DELETE_EVENT}
        self.idle: list[Callable[[], object]] = []
        self.loops = 0
        monkeypatch.setattr(self.scrubber, "thumbnail", lambda _: "small")
        self.scrubber.GLib.idle_add.side_effect = self.idle.append
        self.scrubber.GLib.MainLoop.side_effect = self.loop

    def loop(self) -> Any:
        """GLib's: the first is the job's, the second the choice's."""
        self.loops += 1
        over, choosing = threading.Event(), self.loops > 1

        def run() -> None:
            until = time.monotonic() + 5
            while not over.is_set():
                assert time.monotonic() < until, "the loop is not left"
                if choosing and self.window._dialog.set_sensitive.call_args != ((False,),):
                    self.act(*next(self.acts))
                while self.idle and not over.is_set():
                    self.idle.pop(0)()
                time.sleep(0.002)

        return SimpleNamespace(run=run, quit=over.set)

    def act(self, place: int, button: str) -> None:
        slider = self.window._slider
        slider.get_value.return_value = place
        slider.connect.call_args.args[1](slider)
        self.window._answered(self.window._dialog, self.responses[button])

    def paint(self) -> Any:
        """What becomes a layer."""
        job = importlib.import_module("job")
        self.window = self.scrubber.Scrubber(a_layer(), a_layer())
        self.scrubber.Gtk.Scale.new_with_range.return_value.get_value.return_value = 2
        with job.Job(REQUEST) as each:
            return each.wait(MagicMock(), self.window)

    @property
    def shown(self) -> list[str]:
        """The sentences below the picture."""
        return [call.args[0] for call in self.window._about.set_text.call_args_list]


def test_an_earlier_iterate_is_fetched_with_the_record_of_the_painting(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    artist = Artist(monkeypatch, (0, OK))
    chosen = artist.paint()
    assert (chosen.step, chosen.record) == (14, {"steps": 40})
    assert daemon.asked == ["keep 12", "fetch 14"]
    assert artist.shown[-3:] == ["The finished painting", "Step 14 of 40", "Fetching this stage"]


@pytest.mark.parametrize(("place", "button"), [(2, OK), (0, CLOSED)])
def test_the_finished_painting_is_there_already_and_is_what_whoever_makes_no_choice_has(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch, place: int, button: str
) -> None:
    assert Artist(monkeypatch, (place, button)).paint().step == 0
    assert daemon.asked == ["keep 12"]


def test_who_throws_the_painting_away_has_the_daemon_forget_it(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(importlib.import_module("job").GivenUp):
        Artist(monkeypatch, (0, CANCEL)).paint()
    assert daemon.asked == ["keep 12", "acknowledged"]


def test_who_cancels_and_the_painting_is_quicker_has_none_of_it_all_the_same(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    artist, paint = Artist(monkeypatch), daemon.stylize

    def finished(*request: object, **more: Any) -> Result:
        result = paint(*request, **more)
        artist.window._answered(artist.window._dialog, artist.responses[CANCEL])
        return result

    monkeypatch.setattr(daemon, "stylize", finished)
    with pytest.raises(importlib.import_module("job").GivenUp):
        artist.paint()
    assert daemon.asked == ["keep 12", "acknowledged"]


def test_of_one_that_cannot_be_had_any_more_it_is_said_and_another_can_be_chosen(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon.gone = {14}
    artist = Artist(monkeypatch, (0, OK), (2, OK))
    assert artist.paint().step == 0
    assert "it is gone" in artist.shown


def test_an_iterate_of_which_no_preview_came_is_fetched_to_be_seen(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    artist = Artist(monkeypatch, (1, OK))
    assert artist.paint().step == 28
    assert daemon.asked == ["keep 12", "fetch 28", "fetch 28"]


def test_the_daemon_is_shown_that_the_artist_is_still_there(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    artist = Artist(monkeypatch, (2, OK))
    act = artist.act

    def hesitating(place: int, button: str) -> None:
        time.sleep(0.05)
        act(place, button)

    monkeypatch.setattr(artist, "act", hesitating)
    artist.paint()
    assert "stay" in daemon.heard


def test_an_older_daemon_is_asked_for_none_and_its_painting_goes_in_as_ever(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon.features, daemon.iterates = {"steer"}, ()
    artist = Artist(monkeypatch)
    assert artist.paint().step == 0 and daemon.asked == ["keep 0"]
    (said,) = artist.scrubber.Gimp.message.call_args.args
    assert "too old" in said


@pytest.mark.parametrize("wish", [True, False])
def test_the_artist_is_asked_at_the_end_where_that_was_wished(monkeypatch: pytest.MonkeyPatch, wish: bool) -> None:
    monkeypatch.setenv("DISPLAY", ":1")
    config = MagicMock()
    config.get_property.side_effect = {"choose": wish}.get
    watcher = importlib.import_module("call").watcher("interactive", a_layer(), config)
    assert isinstance(watcher, importlib.import_module("job").Chooser) is wish


def test_the_layer_says_which_step_it_shows_and_nothing_of_it_where_it_is_the_painting() -> None:
    record = importlib.import_module("record")
    style = importlib.import_module("styles").Chosen("style.png", PIXEL, copy=b"a copy")
    results = (Result(job="j", step=step, pictures=(PIXEL,)) for step in (28, 0))
    told = [record.made(record.about({}, [style]), result)["impasto"] for result in results]
    assert [b'"step": 28' in data for data in told] == [True, False]
