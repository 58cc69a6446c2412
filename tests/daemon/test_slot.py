"""Whatever the worker does, a job ends exactly once and the next one runs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import zmq
from impasto_daemon import silence, worker_process
from impasto_daemon.link import Link
from impasto_daemon.painting import KEEP_SECONDS
from impasto_daemon.slot import Slot
from impasto_daemon.worker_process import WorkerSettings
from impasto_protocol.errors import Code
from impasto_protocol.messages import Preview, Result

from tests.fakes.daemon import FAKE_PAINTER, PYTHONPATH, alive
from tests.fakes.loop import Loop
from tests.fakes.painter import DEVICE


class Bench(Loop):
    """A slot in a poll loop of its own."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.learnt: list[Mapping[str, Any]] = []
        worker = WorkerSettings(**{"painter": FAKE_PAINTER, "links": folder / "links", "grace": 0.2, **settings})
        self.slot = Slot(self.context, worker, self.learnt.append)
        super().__init__(self.slot)

    @property
    def about(self) -> dict[str, Any]:
        return self.slot.about()

    def until_ready(self) -> None:
        """A worker that has been through its start."""
        self.start("warm-up")
        assert isinstance(self.end_of("warm-up"), Result)


@pytest.fixture
def bench_with(socket_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Bench]]:
    monkeypatch.setenv("PYTHONPATH", PYTHONPATH)
    benches: list[Bench] = []

    def make(**settings: Any) -> Bench:
        benches.append(Bench(socket_folder, **settings))
        return benches[-1]

    yield make
    for bench in benches:
        bench.slot.close()
        bench.context.term()


@pytest.fixture
def bench(bench_with: Callable[..., Bench]) -> Bench:
    return bench_with()


def test_there_is_no_worker_before_the_first_job(bench: Bench) -> None:
    bench.turn()
    assert bench.about == {"state": "none", "starts": 0}


def test_one_worker_does_one_job_after_the_other(bench: Bench) -> None:
    for job in ("a", "b", "c"):
        bench.start(job)
        assert isinstance(bench.end_of(job), Result)
    assert (bench.about["state"], bench.about["starts"]) == ("idle", 1)


def test_a_second_job_at_the_same_time_is_a_mistake_of_the_caller(bench: Bench) -> None:
    bench.start("a")
    with pytest.raises(RuntimeError, match="while a is running"):
        bench.start("b")


def test_the_link_of_a_worker_is_private_and_hidden_once_it_is_used(bench: Bench, socket_folder: Path) -> None:
    bench.start("job")
    (link,) = (socket_folder / "links").iterdir()
    assert link.parent.stat().st_mode & 0o777 == 0o700
    bench.end_of("job")
    assert not link.exists()


def test_each_worker_has_a_link_of_its_own(bench: Bench, socket_folder: Path) -> None:
    """ZeroMQ removes the last one's in its own time, and must not remove the next one's."""
    links = set()
    for number in range(2):
        bench.start(f"{number}", crash=1)
        links |= set((socket_folder / "links").iterdir())
        bench.problem_of(f"{number}")
    assert len(links) == 2


def test_a_cancel_is_honoured_and_the_worker_stays(bench: Bench) -> None:
    bench.start("long", steps=10_000, delay=0.01)
    bench.at_step("long")
    bench.slot.cancel("long", time.monotonic())
    assert bench.problem_of("long").code == Code.CANCELLED.value
    bench.start("next")
    assert isinstance(bench.end_of("next"), Result)
    assert bench.about["starts"] == 1


@pytest.mark.parametrize("when", ["while the worker starts", "while it paints"])
def test_a_job_is_finished_with_the_iterate_that_there_is_and_the_next_one_is_not(bench: Bench, when: str) -> None:
    bench.start("long", steps=10_000, delay=0.01)
    if when == "while it paints":
        bench.at_step("long")
    bench.slot.finish("another")
    bench.slot.finish("long")
    end = bench.end_of("long")
    assert isinstance(end, Result) and end.record["steps"] < 1000
    bench.start("next", steps=7)
    end = bench.end_of("next")
    assert isinstance(end, Result) and end.record["steps"] == 7


def test_a_job_cancelled_while_the_worker_starts_ends_at_once(bench: Bench) -> None:
    bench.start("early")
    assert bench.about["state"] == "starting"
    bench.slot.cancel("early", time.monotonic())
    bench.turn()
    assert bench.problem_of("early").code == Code.CANCELLED.value
    bench.start("next")
    assert isinstance(bench.end_of("next"), Result)
    assert bench.about["starts"] == 1


def test_a_worker_that_does_not_let_go_is_terminated_and_the_next_job_gets_a_fresh_one(bench: Bench) -> None:
    bench.until_ready()
    old = bench.about["pid"]
    bench.start("stuck", hang=True)
    bench.turn()
    bench.slot.cancel("stuck", time.monotonic())
    assert bench.problem_of("stuck").code == Code.CANCELLED.value
    assert not alive(old)
    bench.start("next")
    assert isinstance(bench.end_of("next"), Result)
    assert bench.about["pid"] != old


def test_a_worker_that_hangs_costs_its_job_alone_though_nobody_cancels_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(silence, "SECONDS", 0.5)
    bench.start("slow", steps=8, delay=0.1)
    assert isinstance(bench.end_of("slow"), Result)
    old = bench.about["pid"]
    bench.start("stuck", hang=True)
    error = bench.problem_of("stuck")
    assert (error.code, error.retryable) == (Code.WORKER_DIED.value, True)
    assert "said nothing" in error.message and not alive(old)
    bench.start("next")
    assert isinstance(bench.end_of("next"), Result)


def test_a_worker_that_is_stopped_is_killed(bench: Bench) -> None:
    bench.start("frozen", steps=10_000, delay=0.01)
    bench.at_step("frozen")
    pid = bench.about["pid"]
    os.kill(pid, signal.SIGSTOP)
    bench.slot.cancel("frozen", time.monotonic())
    assert bench.problem_of("frozen").code == Code.CANCELLED.value
    assert not alive(pid)


def test_a_job_that_is_cancelled_while_the_last_one_s_state_is_kept_does_not_cost_that(
    bench: Bench, tmp_path: Path
) -> None:
    bench.start("first", keep=str(tmp_path / "kept"), keeping=1.0)
    assert isinstance(bench.end_of("first"), Result)
    pid = bench.about["pid"]
    bench.start("next", steps=10_000, delay=0.01)
    bench.slot.cancel("next", time.monotonic())
    assert bench.problem_of("next").code == Code.CANCELLED.value
    bench.until(lambda: not bench.about["keeping"])
    assert (tmp_path / "kept").read_text() == "first" and bench.about["pid"] == pid


def test_a_worker_that_hangs_while_it_keeps_a_state_leaves_when_that_is_kept(bench: Bench, tmp_path: Path) -> None:
    bench.start("first", keep=str(tmp_path / "kept"), keeping=1.0)
    bench.end_of("first")
    bench.start("stuck", hang=True)
    pid = bench.about["pid"]
    bench.slot.cancel("stuck", time.monotonic())
    bench.until(lambda: bench.ends("stuck"), seconds=KEEP_SECONDS / 2)
    assert not alive(pid) and (tmp_path / "kept").read_text() == "first"


def test_a_worker_that_hangs_after_keeping_has_its_grace_and_no_more(bench: Bench, tmp_path: Path) -> None:
    bench.start("first", keep=str(tmp_path / "kept"), keeping=0.3)
    bench.end_of("first")
    bench.until(lambda: not bench.about["keeping"])
    bench.start("stuck", hang=True)
    pid = bench.about["pid"]
    bench.slot.cancel("stuck", time.monotonic())
    bench.until(lambda: bench.ends("stuck"), seconds=KEEP_SECONDS / 2)
    assert not alive(pid) and (tmp_path / "kept").exists()


def test_an_executor_that_closes_waits_until_the_last_job_s_state_is_kept(bench: Bench, tmp_path: Path) -> None:
    bench.start("job", keep=str(tmp_path / "kept"), keeping=worker_process.CLOSE_SECONDS + 0.5)
    assert isinstance(bench.end_of("job"), Result)
    bench.slot.close()
    assert (tmp_path / "kept").read_text() == "job"


def test_what_a_worker_says_of_its_device_is_passed_on_before_it_paints(bench: Bench) -> None:
    bench.start("job", steps=10_000, delay=0.01)
    bench.at_step("job")
    assert bench.learnt and dict(DEVICE).items() <= bench.learnt[0].items()


def test_a_job_that_is_abandoned_is_heard_of_no_more_and_the_next_one_gets_a_fresh_worker(bench: Bench) -> None:
    bench.start("job", steps=10_000, delay=0.01)
    bench.at_step("job")
    old = bench.about["pid"]
    bench.slot.abandon("another", time.monotonic())
    assert bench.about["state"] == "busy"
    bench.slot.abandon("job", time.monotonic())
    bench.start("next")
    assert isinstance(bench.end_of("next"), Result)
    assert not bench.ends("job") and not alive(old)
    assert bench.about["starts"] == 2


def test_a_cancel_that_cannot_be_sent_frees_the_device_all_the_same(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.start("job", steps=10_000, delay=0.01)
    bench.at_step("job")
    monkeypatch.setattr(Link, "send", lambda *_: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        bench.slot.cancel("job", time.monotonic())
    assert bench.problem_of("job").code == Code.CANCELLED.value


def test_a_fault_while_the_worker_is_heard_costs_its_job_alone(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.start("job", steps=10_000, delay=0.01)
    bench.at_step("job")
    monkeypatch.setattr(Link, "receive", lambda _: iter(range(1 // 0)))
    bench.turn()
    monkeypatch.undo()
    monkeypatch.setenv("PYTHONPATH", PYTHONPATH)
    assert bench.problem_of("job").code == Code.INTERNAL.value
    bench.start("next")
    assert isinstance(bench.end_of("next"), Result)


def test_cancelling_what_is_not_running_is_harmless(bench: Bench) -> None:
    bench.slot.cancel("never", time.monotonic())
    bench.start("job", steps=5, delay=0.01)
    bench.slot.cancel("never", time.monotonic())
    bench.slot.ack("never")
    assert isinstance(bench.end_of("job"), Result)


@pytest.mark.parametrize(
    ("mishap", "words"),
    [
        ({"crash": 7}, "exit code 7"),
        ({"kill": True}, "SIGKILL"),
        ({"crash": 0}, "exit code 0"),
        ({"lost": "CUDA error"}, "the device has failed: CUDA error"),
    ],
)
def test_a_worker_that_dies_in_mid_job_is_a_clear_error_and_the_next_job_runs(
    bench: Bench, mishap: dict[str, Any], words: str
) -> None:
    bench.start("doomed", **mishap)
    error = bench.problem_of("doomed")
    assert error.code == Code.WORKER_DIED.value
    assert error.retryable
    assert words in error.message
    bench.start("next")
    assert isinstance(bench.end_of("next"), Result)
    assert bench.about["starts"] == 2


def test_a_worker_that_dies_between_jobs_is_replaced(bench: Bench) -> None:
    bench.until_ready()
    os.kill(bench.about["pid"], signal.SIGKILL)
    bench.start("next")
    bench.until(lambda: bench.ends("next"))
    end = bench.end_of("next")
    # The job may have been handed to the dead one before its end was seen: then it is told so.
    assert isinstance(end, Result) or end.code == Code.WORKER_DIED.value
    bench.start("after")
    assert isinstance(bench.end_of("after"), Result)


@pytest.mark.parametrize(
    ("painter", "code", "words"),
    [
        ("tests.fakes.painter:without_torch", Code.WORKER_DIED, "pip install '.[daemon]' in Impasto's folder"),
        ("tests.fakes.painter:with_bad_weights", Code.BAD_WEIGHTS, "no weights in it"),
        ("tests.fakes.painter:broken", Code.WORKER_DIED, "RuntimeError: the device is on fire"),
        ("tests.fakes.painter:no_such", Code.WORKER_DIED, "no_such"),
        ("tests.fakes.no_such:open_painter", Code.WORKER_DIED, "No module named"),
    ],
)
def test_a_worker_that_cannot_start_fails_its_job_with_the_reason(
    bench_with: Callable[..., Bench], painter: str, code: Code, words: str
) -> None:
    bench = bench_with(painter=painter)
    bench.start("job")
    error = bench.problem_of("job")
    assert error.code == code.value
    assert words in error.message
    bench.turn()
    assert bench.about == {"state": "none", "starts": 1}


def test_a_worker_that_never_gets_ready_is_given_up(
    bench_with: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_process, "START_SECONDS", 0.5)
    bench = bench_with(painter="tests.fakes.painter:asleep")
    bench.start("job")
    pid = bench.about["pid"]
    error = bench.problem_of("job")
    assert (error.code, error.message) == (
        Code.WORKER_DIED.value,
        f"The process that paints did not start within 0.5 seconds. {worker_process.HELP}",
    )
    assert not alive(pid)


def test_a_worker_that_says_what_cannot_be_read_costs_its_job_alone(bench: Bench) -> None:
    bench.start("wordy", essay=5000)
    error = bench.problem_of("wordy")
    assert error.code == Code.INTERNAL.value
    assert "essay" in error.message
    bench.start("next")
    assert isinstance(bench.end_of("next"), Result)


def test_a_job_whose_header_is_too_long_for_the_worker_costs_that_job_alone(bench: Bench) -> None:
    settings = {f"{i:02}{'x' * 60}": "𝄞" * 256 for i in range(64)}
    bench.until_ready()
    bench.start("long", **settings)
    assert bench.problem_of("long").code == Code.TOO_LARGE.value
    bench.start("next")
    assert isinstance(bench.end_of("next"), Result)
    assert bench.about["starts"] == 1


def test_what_the_worker_says_of_itself_during_a_job_is_known_when_the_job_ends(bench: Bench) -> None:
    bench.start("a", load="vgg19")
    assert isinstance(bench.end_of("a"), Result)
    assert bench.about["features"] == "vgg19"


def test_a_line_without_end_is_logged_in_pieces(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("WARNING", "impasto.worker")
    bench.start("endless", shout=1_000_000)
    assert isinstance(bench.end_of("endless"), Result)
    longest = 2 * worker_process.LINE_BYTES
    bench.until(lambda: sum(len(record.message) for record in caplog.records) >= 1_000_000 - longest)
    assert max(len(record.message) for record in caplog.records) <= longest


def test_the_next_preview_is_made_when_the_last_one_has_arrived(bench: Bench) -> None:
    bench.start("job", preview=4, steps=10_000, delay=0.01)

    def previews() -> int:
        return sum(isinstance(message, Preview) for message in bench.said)

    bench.until(lambda: previews() == 1)
    bench.slot.ack("job")
    bench.until(lambda: previews() == 2)
    bench.slot.cancel("job", time.monotonic())
    bench.end_of("job")


def test_a_worker_with_nothing_to_do_leaves(bench_with: Callable[..., Bench]) -> None:
    bench = bench_with(idle=0.1)
    bench.until_ready()
    pid = bench.about["pid"]
    bench.until(lambda: bench.about["state"] == "none", seconds=3)
    assert not alive(pid)
    bench.start("next")
    assert isinstance(bench.end_of("next"), Result)


def test_a_worker_that_is_told_to_stay_stays(bench_with: Callable[..., Bench]) -> None:
    bench = bench_with(idle=0.0)
    bench.until_ready()
    assert bench.slot.deadline(time.monotonic()) is None


def test_waiting_for_a_worker_does_not_spin(bench: Bench) -> None:
    bench.start("long", steps=10_000, delay=0.01)
    bench.at_step("long")
    os.kill(bench.about["pid"], signal.SIGSTOP)
    bench.turn()
    bench.turns, end = 0, time.monotonic() + 0.3
    while time.monotonic() < end:
        bench.turn()
    assert bench.turns <= 2


def test_what_the_worker_writes_to_standard_error_is_logged(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.start("bad", bug="divided by nought")
    bench.problem_of("bad")
    bench.until(lambda: "ZeroDivisionError: divided by nought" in caplog.text)
    assert any(record.levelname == "ERROR" and record.name == "impasto.worker" for record in caplog.records)


def test_a_worker_is_ended_with_its_executor_whatever_it_does(bench: Bench) -> None:
    bench.start("stuck", hang=True)
    bench.until(lambda: bench.about["state"] == "busy")
    pid = bench.about["pid"]
    os.kill(pid, signal.SIGSTOP)
    bench.slot.close()
    assert not alive(pid)


def test_the_executor_does_not_load_torch() -> None:
    code = "import sys, impasto_daemon.executor; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
