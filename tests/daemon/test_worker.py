"""The process that paints: what it says and when, and that it ends when it should and not before."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import zmq
from impasto_daemon.link import Link
from impasto_daemon.painting import Iterate, Painted, Preparing
from impasto_daemon.worker import (
    FIRST_PREVIEW,
    KEEPING_LOOK,
    KEEPING_NICENESS,
    PREVIEW_EVERY,
    PREVIEW_SHARE,
    PROGRESS_EVERY,
    REST_AFTER,
    Pace,
    Reporter,
    Worker,
)
from impasto_protocol.errors import Code
from impasto_protocol.jobstate import State
from impasto_protocol.messages import Ack, Cancel, Error, Finish, Health, Message, Preview, Progress, Result
from impasto_protocol.picture import Picture

from tests.fakes.daemon import FAKE_PAINTER, PYTHONPATH, ROOT, alive, picture, submit, wait_for
from tests.fakes.painter import inverted, open_painter

# What is said, and when -----------------------------------------------------------------------------------


def iterate(step: int, steps: int = 1000, **losses: float) -> Iterate:
    return Iterate(step, steps, step / steps, losses, lambda side: picture(side, side), picture, lambda: None)


def told(reporter: Reporter, event: Iterate, now: float) -> list[str]:
    return [message.TYPE for message in reporter.tell(event, now)]


def test_the_time_left_follows_the_recent_steps() -> None:
    pace = Pace()
    pace.step(0.01, 10.0)
    assert pace.left is None
    pace.step(0.02, 10.5)
    assert pace.left == pytest.approx(98 * 0.5)
    for step in range(3, 100):
        pace.step(step / 100, 10.5 + 2.0 * (step - 2))
    assert pace.left == pytest.approx(2.0, rel=0.01)


def test_a_step_that_is_more_work_may_take_longer_without_moving_the_end() -> None:
    pace = Pace()
    for done, now in ((0.1, 1.0), (0.2, 2.0), (0.6, 6.0)):
        pace.step(done, now)
    assert pace.left == pytest.approx(4.0)


def test_progress_comes_at_most_ten_times_a_second_but_always_for_the_first_and_the_last_step() -> None:
    reporter = Reporter(submit("job"), 0.0)
    steps = [step for step in range(1, 1001) if told(reporter, iterate(step), step * 0.001)]
    assert steps[0] == 1
    assert steps[-1] == 1000
    assert len(steps) <= 1.0 / PROGRESS_EVERY + 2


def test_a_progress_says_step_losses_time_and_time_left() -> None:
    reporter = Reporter(submit("job"), 100.0)
    list(reporter.tell(iterate(1, 10), 101.0))
    (progress,) = reporter.tell(iterate(2, 10, content=0.5, style=2.0), 103.0)
    assert progress == Progress(
        job="job", state=State.RUNNING, step=2, steps=10, losses={"content": 0.5, "style": 2.0}, elapsed=3.0, eta=16.0
    )


def test_losses_that_are_no_numbers_are_left_out_of_progress() -> None:
    (progress,) = Reporter(submit("job"), 0.0).tell(
        iterate(1, total=float("nan"), style=float("inf"), content=1.0), 0.0
    )
    assert isinstance(progress, Progress)
    assert progress.losses == {"content": 1.0}


def test_what_happens_beside_steps_is_told_as_a_note() -> None:
    (progress,) = Reporter(submit("job"), 0.0).tell(Preparing("fetching VGG19"), 2.0)
    assert progress == Progress(job="job", state=State.LOADING, elapsed=2.0, note="fetching VGG19")


def test_a_note_that_should_not_be_missed_is_a_warning() -> None:
    (progress,) = Reporter(submit("job"), 0.0).tell(Preparing("NOT painted with VGG19", warning=True), 2.0)
    assert isinstance(progress, Progress) and progress.warning


def test_a_recipe_that_stands_in_is_named_in_every_progress_from_then_on() -> None:
    reporter = Reporter(submit("job"), 0.0)
    events = (Preparing("Fetching"), Preparing("no VGG19", stand_in="wavelets"), Preparing("Loading"), iterate(1, 10))
    told = [message for event in events for message in reporter.tell(event, 1.0)]
    named = [message.stand_in for message in told if isinstance(message, Progress)]
    assert named == ["", "wavelets", "wavelets", "wavelets"]


def test_no_preview_is_made_for_a_job_that_wants_none() -> None:
    reporter = Reporter(submit("job", preview=0), 0.0)
    assert all("preview" not in told(reporter, iterate(step), float(step)) for step in range(1, 100))


def test_the_first_preview_comes_after_the_first_steps_and_the_next_after_the_last_one_arrived() -> None:
    reporter = Reporter(submit("job", preview=8), 0.0, clock=lambda: 0.0)
    steps = [step for step in range(1, 100) if "preview" in told(reporter, iterate(step), float(step))]
    assert steps == [FIRST_PREVIEW]
    reporter.preview_arrived()
    assert "preview" in told(reporter, iterate(100), 100.0)


def test_previews_keep_a_distance_even_where_the_client_is_quick() -> None:
    reporter = Reporter(submit("job", preview=8), 0.0, clock=lambda: 10.0)
    assert "preview" in told(reporter, iterate(5), 10.0)
    reporter.preview_arrived()
    assert "preview" not in told(reporter, iterate(6), 10.0 + 0.9 * PREVIEW_EVERY)
    assert "preview" in told(reporter, iterate(7), 10.0 + 1.1 * PREVIEW_EVERY)


def test_previews_that_are_slow_to_make_are_made_less_often() -> None:
    times = iter([10.0, 11.0, 20.0, 20.0, 30.0, 30.0])
    reporter = Reporter(submit("job", preview=8), 0.0, clock=lambda: next(times))
    assert "preview" in told(reporter, iterate(5), 10.0)
    reporter.preview_arrived()
    assert "preview" not in told(reporter, iterate(6), 11.0 + 0.9 / PREVIEW_SHARE)
    assert "preview" in told(reporter, iterate(7), 11.0 + 1.1 / PREVIEW_SHARE)


def test_a_preview_that_there_is_no_memory_for_is_left_out() -> None:
    def preview(side: int) -> Picture:
        raise MemoryError

    reporter = Reporter(submit("job", preview=8), 0.0)
    assert told(reporter, replace(iterate(5), preview=preview), 10.0) == ["progress"]
    assert told(reporter, iterate(6), 20.0) == ["progress", "preview"]


def test_the_picture_is_told_with_its_record() -> None:
    (result,) = Reporter(submit("job"), 0.0).tell(Painted(picture(), {"recipe": "x"}), 1.0)
    assert result == Result(job="job", record={"recipe": "x"}, pictures=(picture(),))


# The process ----------------------------------------------------------------------------------------------


class WorkerProcess:
    """A worker, and the end of the link that the supervisor usually holds."""

    def __init__(self, folder: Path, painter: str = FAKE_PAINTER) -> None:
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.link = Link(self._context, f"ipc://{folder}/link", bind=True)
        with (folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "impasto_daemon.worker", "--link", f"ipc://{folder}/link", "--painter", painter],
                stdin=subprocess.PIPE,
                stderr=log,
                env={**os.environ, "PYTHONPATH": PYTHONPATH},
            )
        self._heard: list[Message] = []

    def next(self) -> Message:
        def heard() -> bool:
            self._heard += self.link.receive()
            return bool(self._heard)

        wait_for(heard)
        return self._heard.pop(0)

    def end_of(self, job: str) -> Result | Error:
        while True:
            message = self.next()
            if isinstance(message, (Result, Error)) and message.job == job:
                return message

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.link.close()
        self._context.term()


@pytest.fixture
def worker(socket_folder: Path) -> Iterator[WorkerProcess]:
    worker = WorkerProcess(socket_folder)
    assert isinstance(worker.next(), Health)
    yield worker
    worker.close()


def test_a_worker_reports_itself_and_paints_one_job_after_the_other(socket_folder: Path) -> None:
    worker = WorkerProcess(socket_folder)
    try:
        health = worker.next()
        assert isinstance(health, Health)
        assert health.daemon["features"] == "fake"
        for job in ("a", "b"):
            asked = submit(job)
            worker.link.send(asked)
            result = worker.end_of(job)
            assert isinstance(result, Result)
            assert result.pictures[0].sha256() == inverted(asked.pictures[0]).sha256()
    finally:
        worker.close()


@pytest.mark.parametrize(
    ("mishap", "code"),
    [
        ({"bug": "yes"}, Code.INTERNAL),
        ({"memory": True}, Code.OUT_OF_MEMORY),
        ({"fail": "missing_layer"}, Code.MISSING_LAYER),
    ],
)
def test_a_job_that_fails_leaves_the_worker_alive(worker: WorkerProcess, mishap: dict[str, Any], code: Code) -> None:
    worker.link.send(submit("bad", **mishap))
    error = worker.end_of("bad")
    assert isinstance(error, Error)
    assert error.code == code.value
    worker.link.send(submit("good"))
    assert isinstance(worker.end_of("good"), Result)


def test_a_fault_of_ours_leaves_its_traceback_in_the_log(worker: WorkerProcess, socket_folder: Path) -> None:
    worker.link.send(submit("bad", bug="divided by nought"))
    worker.end_of("bad")
    assert "ZeroDivisionError: divided by nought" in (socket_folder / "log").read_text()


def test_a_request_that_does_not_fit_together_is_an_error_of_its_job(worker: WorkerProcess) -> None:
    asked = submit("lopsided")
    object.__setattr__(asked, "style_weights", (1.0, 2.0))
    worker.link.send(asked)
    error = worker.end_of("lopsided")
    assert isinstance(error, Error)
    assert error.code == Code.BAD_REQUEST.value


def test_a_cancel_is_honoured_within_one_step(worker: WorkerProcess) -> None:
    worker.link.send(submit("job", steps=1000, delay=0.02))
    before = 0
    while before < 3:
        message = worker.next()
        before = message.step if isinstance(message, Progress) else 0
    worker.link.send(Cancel(id=1, job="job"))
    error = worker.end_of("job")
    assert isinstance(error, Error)
    assert error.code == Code.CANCELLED.value


@pytest.mark.parametrize("when", ["before the first iterate", "after some"])
def test_a_job_that_is_enough_ends_with_the_iterate_that_there_is(worker: WorkerProcess, when: str) -> None:
    worker.link.send(submit("job", steps=1000, delay=0.02))
    step = 0
    while when == "after some" and step < 3:
        message = worker.next()
        step = message.step if isinstance(message, Progress) else 0
    worker.link.send(Finish(id=1, job="another"))
    worker.link.send(Finish(id=1, job="job"))
    result = worker.end_of("job")
    assert isinstance(result, Result)
    assert step < result.record["steps"] < 100


def test_a_cancel_of_another_job_is_ignored(worker: WorkerProcess) -> None:
    worker.link.send(Cancel(id=1, job="job"))
    worker.link.send(Cancel(id=1, job="earlier"))
    worker.link.send(submit("job", steps=3, delay=0.01))
    worker.link.send(Cancel(id=1, job="earlier"))
    assert isinstance(worker.end_of("job"), Result)


def test_a_second_preview_waits_for_the_first_to_arrive(worker: WorkerProcess) -> None:
    worker.link.send(submit("job", preview=4, steps=60, delay=0.02))
    messages = [worker.next() for _ in range(8)]
    assert sum(isinstance(message, Preview) for message in messages) == 1
    worker.link.send(Ack(job="job", of="preview"))
    while not isinstance(message := worker.next(), Preview):
        assert not isinstance(message, Result), "no second preview came"
    assert max(message.pictures[0].width, message.pictures[0].height) <= 4


def test_a_worker_whose_supervisor_is_gone_ends_at_once_even_in_mid_step(worker: WorkerProcess) -> None:
    worker.link.send(submit("job", hang=True))
    assert worker.process.stdin is not None
    assert alive(worker.process.pid)
    worker.process.stdin.close()
    assert worker.process.wait(1.0) == 0


def test_neither_the_result_nor_the_next_job_waits_until_a_state_is_kept(worker: WorkerProcess, tmp_path: Path) -> None:
    worker.link.send(submit("job", keep=str(tmp_path / "kept"), keeping=0.5))
    assert isinstance(worker.end_of("job"), Result)
    worker.link.send(submit("next", steps=1000, delay=0.005))
    while not (isinstance(message := worker.next(), Progress) and message.job == "next" and message.step > 1):
        pass
    assert not (tmp_path / "kept").exists()
    worker.link.send(Cancel(id=1, job="next"))
    worker.end_of("next")


@pytest.mark.skipif(sys.platform != "linux", reason="niceness is the whole process's")
def test_a_state_is_kept_when_the_next_job_leaves_the_processor_to_it(worker: WorkerProcess, tmp_path: Path) -> None:
    for job in ("first", "second"):  # the second result waits until the first one's state is kept
        worker.link.send(submit(job, niceness=str(tmp_path / job)))
        assert isinstance(worker.end_of(job), Result)
    assert int((tmp_path / "first").read_text()) == KEEPING_NICENESS


def test_states_are_kept_one_at_a_time(worker: WorkerProcess, tmp_path: Path) -> None:
    for job in ("first", "second"):
        worker.link.send(submit(job, keep=str(tmp_path / job), keeping=0.3))
        assert isinstance(worker.end_of(job), Result)
    assert (tmp_path / "first").read_text() == "first" and not (tmp_path / "second").exists()


def test_a_job_that_goes_on_from_another_waits_until_that_one_s_state_is_kept(
    worker: WorkerProcess, tmp_path: Path
) -> None:
    worker.link.send(submit("job", keep=str(tmp_path / "kept"), keeping=0.3))
    worker.end_of("job")
    worker.link.send(replace(submit("next"), resume="job"))
    assert isinstance(worker.end_of("next"), Result)


def test_a_worker_says_while_it_keeps_a_state_and_when_it_does_no_longer(worker: WorkerProcess, tmp_path: Path) -> None:
    worker.link.send(submit("job", keep=str(tmp_path / "kept"), keeping=0.3))
    worker.end_of("job")
    said = [worker.next(), worker.next()]
    assert [message.daemon["keeping"] for message in said if isinstance(message, Health)] == [True, False]
    assert (tmp_path / "kept").exists()


def test_a_state_that_cannot_be_kept_is_a_line_in_the_log_and_no_error(
    worker: WorkerProcess, socket_folder: Path, tmp_path: Path
) -> None:
    worker.link.send(submit("job", keep=str(tmp_path / "nowhere" / "kept")))
    assert isinstance(worker.end_of("job"), Result)
    worker.link.send(submit("next"))
    assert isinstance(worker.end_of("next"), Result)
    assert "job job cannot be resumed" in (socket_folder / "log").read_text()


def test_a_worker_whose_supervisor_is_gone_finishes_keeping_first(worker: WorkerProcess, tmp_path: Path) -> None:
    worker.link.send(submit("job", keep=str(tmp_path / "kept")))
    assert isinstance(worker.end_of("job"), Result)
    assert worker.process.stdin is not None
    worker.process.stdin.close()
    assert worker.process.wait(5.0) == 0
    assert (tmp_path / "kept").read_text() == "job"


@pytest.fixture
def in_thread() -> Iterator[tuple[Worker, Link]]:
    """A worker in this thread, and the other end of its link."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    ends = [Link(context, "inproc://link", bind=bind) for bind in (True, False)]
    yield Worker(ends[1], open_painter("cpu", None, False), threading.Lock()), ends[0]
    for end in ends:
        end.close()
    context.term()


def test_a_painter_without_a_job_is_told_to_rest_once(
    in_thread: tuple[Worker, Link], monkeypatch: pytest.MonkeyPatch
) -> None:
    worker, supervisor = in_thread
    assert worker.patience() is None, "it has done nothing that it could rest from"
    for job in ("first", "second"):
        supervisor.send(submit(job))
        worker.turn()
        wait_for(lambda: worker.patience() != KEEPING_LOOK)
    left = worker.patience()
    assert left is not None and 0 < left <= REST_AFTER
    worker.turn()
    assert rests(supervisor) == []
    now = time.monotonic() + REST_AFTER
    monkeypatch.setattr(time, "monotonic", lambda: now)
    for _ in range(2):
        worker.turn()
    assert rests(supervisor) == [1]
    assert worker.patience() is None, "it sleeps until there is a job"


def rests(supervisor: Link) -> list[object]:
    """How often the painter rested, each time it said so."""
    said = [message.daemon.get("rested") for message in supervisor.receive() if isinstance(message, Health)]
    return [each for each in said if each]


def test_ctrl_c_in_the_terminal_is_not_for_the_worker(worker: WorkerProcess) -> None:
    worker.link.send(submit("job", steps=20, delay=0.01))
    worker.process.send_signal(signal.SIGINT)
    assert isinstance(worker.end_of("job"), Result)


@pytest.mark.parametrize(
    ("painter", "code", "words"),
    [
        ("without_torch", Code.WORKER_DIED, "pip install '.[daemon]' in Impasto's folder"),
        ("with_too_little_memory", Code.OUT_OF_MEMORY, "too little memory to load its libraries (libtorch_cuda.so"),
        ("with_bad_weights", Code.BAD_WEIGHTS, "no weights in it"),
    ],
)
def test_a_worker_that_cannot_start_says_why_and_ends(
    socket_folder: Path, painter: str, code: Code, words: str
) -> None:
    worker = WorkerProcess(socket_folder, f"tests.fakes.painter:{painter}")
    try:
        error = worker.next()
        assert isinstance(error, Error)
        assert (error.code, error.job) == (code.value, "")
        assert words in error.message
        assert worker.process.wait(5.0) == 1
    finally:
        worker.close()


def test_a_worker_that_has_lost_its_device_says_why_and_ends(worker: WorkerProcess, tmp_path: Path) -> None:
    """And what it was keeping of an earlier job is kept."""
    worker.link.send(submit("earlier", keep=str(tmp_path / "kept"), keeping=0.3))
    assert isinstance(worker.end_of("earlier"), Result)
    worker.link.send(submit("job", at=2, lost="CUDA error"))
    error = worker.end_of("")
    assert isinstance(error, Error) and error.code == Code.WORKER_DIED.value
    assert error.message == "the device has failed: CUDA error"
    assert worker.process.wait(5.0) == 1
    assert (tmp_path / "kept").read_text() == "earlier"


def test_a_worker_that_fails_without_a_job_ends_at_once_as_well() -> None:
    """Whatever would tidy up at its end: on a device that has failed that could take for ever."""
    code = """
import atexit, time
from impasto_daemon import worker

def fail(_):
    raise RuntimeError("CUDA error: unspecified launch failure")

atexit.register(time.sleep, 60)
worker.Worker.serve = fail
worker.main(["--link", "inproc://nobody", "--painter", "tests.fakes.painter:open_painter"])
"""
    whole, pipe = [sys.executable, "-c", code], subprocess.PIPE
    with subprocess.Popen(whole, cwd=ROOT, text=True, stdin=pipe, stderr=pipe) as worker:  # its supervisor lives
        assert worker.wait(20.0) == 1
        assert worker.stderr is not None and "CUDA error" in worker.stderr.read()


def test_the_worker_itself_does_not_load_torch() -> None:
    code = "import sys, impasto_daemon.worker; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
