"""The dialog's line on what the whole will take: asked for without GIMP waiting, and silent where nobody can say."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from unittest.mock import MagicMock, call

import pytest
from impasto_protocol.errors import Code, ImpastoError
from impasto_protocol.forecast import Forecast
from impasto_protocol.jobstate import State
from impasto_protocol.messages import Progress
from impasto_protocol.picture import Picture, Shape
from impasto_protocol.request import Outline

from .test_modules import module

FORECAST = Forecast(4000, 3000, 6, 40, 5_100_000_000, 170.0, "cuda (a large one)")
SENTENCE = "The whole: 4000×3000, 6 tiles, about 3 min, 5.1 GB"


def outline(max_size: int = 0) -> Outline:
    return Outline(Shape(4000, 3000, 4, "u8"), (Shape(60, 40, 3, "u8"),), max_size=max_size)


class Asked:
    """A client of a daemon that answers when it is let, with what `answer` makes of the question."""

    answer: Callable[[Outline], Forecast | None] = staticmethod(lambda _: FORECAST)

    def __init__(self) -> None:
        self.questions: list[Outline] = []
        self.may_answer = threading.Event()
        self.may_answer.set()

    def __call__(self, endpoint: str, **_: object) -> Asked:
        self.endpoint = endpoint
        return self

    def __enter__(self) -> Asked:
        return self

    def __exit__(self, *_: object) -> None: ...

    def foresee(self, outline: Outline) -> Forecast | None:
        self.questions.append(outline)
        assert self.may_answer.wait(5)
        return self.answer(outline)


class Bench:
    """The line, with GTK left out: a value is changed, time passes, GIMP's thread comes to do what it was asked to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, source: object = "a layer") -> None:
        self.foreseen, self.daemon, self.max_size = module("foreseen"), Asked(), 0
        self.source = source
        self.row: list[tuple[int, Outline]] = []
        self.shown = ""
        self._idle: list[Callable[[], object]] = []
        self._came = threading.Semaphore(0)
        monkeypatch.setattr(self.foreseen, "Client", self.daemon)
        self.foreseen.GLib.idle_add = self._later
        self.foreseen.GLib.timeout_add = MagicMock(return_value=7)
        self.config = MagicMock()
        self.whole = self.foreseen.Foreseen(lambda: self.source, self.config, self.asked_for)
        self.whole.line = MagicMock(set_text=lambda text: setattr(self, "shown", text))

    def asked_for(self) -> list[tuple[int, Outline]]:
        if self.max_size < 0:
            raise ImpastoError(Code.BAD_REQUEST, "Choose a style picture first.")
        return self.row or [(1, outline(self.max_size))]

    def _later(self, what: Callable[..., object], *values: object) -> None:
        self._idle.append(lambda: what(*values))
        self._came.release()

    def change(self, max_size: int) -> Bench:
        self.max_size = max_size
        for name, changed in (each.args for each in self.config.connect.call_args_list):
            if name == "notify::max-size":
                changed(self.config, None)
        return self

    def time_passes(self) -> Bench:
        self.foreseen.GLib.timeout_add.call_args.args[1]()
        return self

    def hear(self) -> None:
        """What the client's thread has for GIMP's."""
        assert self._came.acquire(timeout=5)
        self._idle.pop(0)()


@pytest.fixture
def bench(without_gimp: None, monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(monkeypatch)


def test_the_dialog_opens_with_a_question_and_shows_the_answer(bench: Bench) -> None:
    assert not bench.daemon.questions, "not before a moment has passed without a change"
    bench.time_passes()
    bench.hear()
    assert bench.daemon.questions == [outline()] and bench.shown == SENTENCE


def test_a_changed_value_is_asked_about_once_it_has_settled(bench: Bench) -> None:
    bench.time_passes().hear()
    for size in (500, 600, 700):
        bench.change(size)
    bench.time_passes().hear()
    assert [asked.max_size for asked in bench.daemon.questions] == [0, 700]


@pytest.mark.parametrize("answer", [None, ImpastoError(Code.UNREACHABLE, "no daemon")])
def test_where_nobody_can_say_nothing_is_read(bench: Bench, answer: ImpastoError | None) -> None:
    def say(_: Outline) -> None:
        if answer:
            raise answer

    bench.time_passes().hear()
    bench.daemon.answer = say
    bench.change(500).time_passes().hear()
    assert bench.shown == ""
    bench.whole.line.set_visible.assert_called_with(False)


def test_without_a_style_the_daemon_is_not_asked(bench: Bench) -> None:
    bench.time_passes().hear()
    bench.change(-1).time_passes()
    assert bench.shown == "" and len(bench.daemon.questions) == 1


def test_without_a_layer_nothing_is_asked(without_gimp: None, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, source=None)
    bench.time_passes()
    assert not bench.daemon.questions
    bench.source = "the one that was chosen"
    assert "notify::source-layer" in [each.args[0] for each in bench.config.connect.call_args_list]
    bench.change(500).time_passes().hear()
    assert bench.shown == SENTENCE


def test_the_daemon_is_asked_where_it_paints(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module("sandbox"), "endpoint", lambda: "ipc:///of/a/flatpak")
    bench.time_passes().hear()
    assert bench.daemon.endpoint == "ipc:///of/a/flatpak"


def test_a_closed_dialog_asks_no_more_whatever_its_preview_has_learnt(bench: Bench) -> None:
    bench.whole.close()
    bench.whole.again()
    assert not bench.daemon.questions


def test_gimp_does_not_wait_for_an_answer_and_the_last_question_counts(bench: Bench) -> None:
    bench.daemon.may_answer.clear()
    bench.time_passes()
    for size in (500, 600):
        bench.change(size)
        bench.time_passes()  # comes back though there is no answer yet
    bench.daemon.answer = lambda asked: FORECAST if asked.max_size == 600 else None
    bench.daemon.may_answer.set()
    bench.hear()
    bench.hear()
    assert [asked.max_size for asked in bench.daemon.questions] == [0, 600] and bench.shown == SENTENCE


def test_a_daemon_that_has_learnt_more_is_asked_again_at_once(bench: Bench) -> None:
    bench.daemon.answer = lambda _: None
    bench.time_passes().hear()
    bench.daemon.answer = lambda _: FORECAST
    bench.whole.again()
    bench.hear()
    assert bench.shown == SENTENCE


def test_an_answer_that_comes_when_the_dialog_is_closed_is_not_shown(bench: Bench) -> None:
    bench.time_passes()
    bench.whole.close()
    bench.hear()
    assert bench.shown == ""


def test_what_is_foreseen_is_what_will_be_asked_for(without_gimp: None, monkeypatch: pytest.MonkeyPatch) -> None:
    order, source = module("order"), MagicMock()
    values = {"recipe": "gatys", "strength": 70.0, "stroke-size": 50.0, "max-size": 512, "seed": 3}
    values |= {"style-weight": 100.0, "style-weight-3": 50.0}
    config = SimpleNamespace(get_property=values.__getitem__)
    content, style = Picture(4, 3, 4, "f32", bytes(192)), Picture(2, 1, 3, "u8", bytes(6))
    for name, value in (("read", content), ("shape", content.shape), ("check_visible", None), ("check_there", None)):
        monkeypatch.setattr(order.pixels, name, lambda *_, value=value: value)
    chosen = {number: order.styles.Chosen("style.png", style) for number in (1, 3)}
    assert order.outline(source, chosen, config) == order.requested(source, chosen, config).outline


def test_the_preview_keeps_a_warning_in_sight_and_says_when_the_daemon_may_know_more(without_gimp: None) -> None:
    job, told = MagicMock(recipe="impasto"), MagicMock()
    watcher = module("preview")._Watcher(told)
    watcher.begin(job)
    warning = Progress(job="j", state=State.LOADING, note="NOT painted with VGG19.", warning=True)
    watcher.show(warning, None)
    assert not told.learnt.called
    for step in (1, 2):
        watcher.show(Progress(job="j", state=State.RUNNING, step=step, steps=2), None)
    lack = module("lacking").Lack("NOT painted with VGG19.", "NOT painted with VGG19.")
    assert told.warn.call_args_list == [call(job, lack)], "what follows does not take it away"
    assert "NOT painted with VGG19." not in [each.args[1] for each in told.say.call_args_list]
    told.learnt.assert_called_once_with()


SMALL = replace(FORECAST, width=640, height=480, tiles=1, bytes=1_000_000_000, seconds=45.0)


@pytest.mark.parametrize(
    ("numbers", "found", "sentence"),
    [
        ([3], [SMALL], "All 3 paintings: 640×480, about 2 min, 1.0 GB"),
        ([1, 3], [SMALL, replace(SMALL, seconds=25.0)], "All 4 paintings: 640×480, about 2 min, 1.0 GB"),
        ([2, 1], [SMALL, FORECAST], "All 3 paintings: about 4 min, up to 5.1 GB"),
        ([2, 1], [replace(SMALL, seconds=None), FORECAST], "All 3 paintings: up to 5.1 GB"),
        ([2, 1], [SMALL], "One of 3 paintings: 640×480, about 45 s, 1.0 GB"),
        ([1], [SMALL], "The whole: 640×480, about 45 s, 1.0 GB"),
        ([2, 1], [], ""),
        ([], [], ""),
    ],
)
def test_of_a_row_it_says_what_all_take_or_that_it_is_of_one_of_them(
    without_gimp: None, numbers: list[int], found: list[Forecast], sentence: str
) -> None:
    assert module("foreseen").sentence(numbers, found) == sentence


def test_of_a_row_each_outline_is_asked_for_once_and_of_too_many_one_alone(bench: Bench) -> None:
    bench.row = [(5, outline(500)), (1, outline(600))]
    bench.time_passes().hear()
    assert bench.daemon.questions == [outline(500), outline(600)] and bench.shown.startswith("All 6 paintings")
    bench.row = [(1, outline(size)) for size in range(1, bench.foreseen.MOST + 2)]
    bench.time_passes().hear()
    assert bench.daemon.questions[2:] == [outline(1)] and bench.shown.startswith("One of 13 paintings")
