"""Whichever executor runs them, jobs behave alike: each ends once, and none minds what becomes of the others."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import zmq
from impasto_daemon.executor import EXECUTORS, Executor, open_executor
from impasto_daemon.worker_process import WorkerSettings
from impasto_protocol.errors import Code
from impasto_protocol.messages import Preview, Progress, Result

from tests.fakes.daemon import FAKE_PAINTER, PYTHONPATH, alive
from tests.fakes.loop import Loop

LONG = {"steps": 10_000, "delay": 0.01}


class Studio(Loop):
    """An executor with two workers in a poll loop of its own."""

    def __init__(self, name: str, folder: Path, workers: int) -> None:
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        links = folder / "links"
        settings = [
            WorkerSettings(painter=FAKE_PAINTER, links=links, grace=0.2, device=f"cpu:{n}") for n in range(workers)
        ]
        self.executor: Executor = open_executor(name, self.context, settings, lambda about: None)
        super().__init__(self.executor)

    def worker_of(self, job: str) -> int:
        """Its process."""
        (pid,) = [about["pid"] for about in self.executor.about() if about.get("job") == job]
        return int(pid)

    def devices_of(self, *jobs: str) -> set[str]:
        return {about["device"] for about in self.executor.about() if about.get("job") in jobs}

    def at_steps(self, *jobs: str) -> None:
        for job in jobs:
            self.at_step(job)

    def painted(self, job: str) -> Result:
        end = self.end_of(job)
        assert isinstance(end, Result), end
        return end


@pytest.fixture(params=EXECUTORS)
def studio_with(
    request: pytest.FixtureRequest, socket_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[int], Studio]]:
    monkeypatch.setenv("PYTHONPATH", PYTHONPATH)
    studios: list[Studio] = []

    def make(workers: int) -> Studio:
        studios.append(Studio(request.param, socket_folder, workers))
        return studios[-1]

    yield make
    for studio in studios:
        studio.executor.close()
        studio.context.term()


@pytest.fixture
def studio(studio_with: Callable[[int], Studio]) -> Studio:
    return studio_with(2)


def test_each_device_paints_a_job_at_the_same_time(studio: Studio) -> None:
    assert studio.executor.capacity == 2
    for job in ("a", "b"):
        studio.start(job, **LONG)
    studio.at_steps("a", "b")
    assert studio.devices_of("a", "b") == {"cpu:0", "cpu:1"}


def test_a_job_for_which_there_is_no_room_is_a_mistake_of_the_caller(studio: Studio) -> None:
    for job in ("a", "b"):
        studio.start(job, **LONG)
    with pytest.raises(RuntimeError, match="c was started while a, b are running"):
        studio.start("c")


def test_no_worker_is_started_while_another_is_idle(studio: Studio) -> None:
    for job in ("a", "b", "c"):
        studio.start(job)
        studio.painted(job)
    assert sorted(about["starts"] for about in studio.executor.about()) == [0, 1]


def test_steps_and_previews_come_from_each(studio: Studio) -> None:
    for job in ("a", "b"):
        studio.start(job, preview=8, steps=200, delay=0.01)
    seen: set[tuple[str, type]] = set()
    wanted = {(job, kind) for job in ("a", "b") for kind in (Progress, Preview)}

    def both_were_shown() -> bool:
        seen.update((message.job, type(message)) for message in studio.said)
        return wanted <= seen

    studio.until(both_were_shown)


def test_a_cancel_is_for_one_job_alone(studio: Studio) -> None:
    studio.start("a", **LONG)
    studio.start("b", steps=200, delay=0.01)
    studio.at_steps("a", "b")
    studio.executor.cancel("a", time.monotonic())
    assert studio.problem_of("a").code == Code.CANCELLED
    assert studio.painted("b").record["steps"] == 200


def test_to_end_one_with_its_iterate_is_for_it_alone(studio: Studio) -> None:
    studio.start("a", **LONG)
    studio.start("b", steps=200, delay=0.01)
    studio.at_steps("a", "b")
    studio.executor.finish("a")
    assert studio.painted("a").record["stopped"] and not studio.painted("b").record["stopped"]


def test_a_worker_that_is_killed_takes_its_own_job_with_it_and_no_other(studio: Studio) -> None:
    studio.start("a", **LONG)
    studio.start("b", steps=200, delay=0.01)
    studio.at_steps("a", "b")
    os.kill(studio.worker_of("a"), signal.SIGKILL)
    assert studio.problem_of("a").code == Code.WORKER_DIED
    studio.start("c")
    studio.painted("c"), studio.painted("b")


@pytest.mark.parametrize(
    ("mishap", "code"), [("crash", Code.WORKER_DIED), ("memory", Code.OUT_OF_MEMORY), ("bug", Code.INTERNAL)]
)
def test_a_mishap_ends_the_job_and_there_is_room_for_the_next(studio: Studio, mishap: str, code: Code) -> None:
    studio.start("a", **{mishap: 1})
    assert studio.problem_of("a").code == code
    for job in ("b", "c"):
        studio.start(job)
    studio.painted("b"), studio.painted("c")


def test_of_an_abandoned_job_nothing_more_is_said(studio: Studio) -> None:
    studio.start("a", **LONG)
    studio.at_step("a")
    worker = studio.worker_of("a")
    studio.executor.abandon("a", time.monotonic())
    studio.said.clear()
    for job in ("b", "c"):
        studio.start(job)
    studio.painted("b"), studio.painted("c")
    assert not [message for message in studio.said if message.job == "a"] and not alive(worker)


def test_a_job_that_goes_on_from_another_has_the_worker_that_painted_that(studio: Studio) -> None:
    """The fake painter knows only what itself has painted."""
    studio.start("a", **LONG)
    studio.start("b")
    studio.painted("b")
    studio.executor.finish("a")
    studio.painted("a")
    for job, before in (("c", "b"), ("d", "a")):
        studio.start(job, resume=before)
    studio.painted("c"), studio.painted("d")


def test_where_that_worker_is_busy_its_keeping_is_waited_for(studio: Studio, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    studio.start("a", keep=str(kept), keeping=1.0)
    studio.painted("a")
    studio.start("b", **LONG)  # with the same worker: the other one has not been started yet
    studio.start("c", resume="a", kept=str(kept))
    studio.painted("c")
    assert studio.devices_of("b") == {"cpu:0"}


def test_fresh_workers_are_for_the_jobs_to_come(studio: Studio) -> None:
    studio.start("a", steps=100, delay=0.01)
    studio.start("b")
    studio.painted("b")
    before = studio.worker_of("a")
    studio.executor.renew(time.monotonic())
    studio.painted("a")
    for job in ("c", "d"):
        studio.start(job, **LONG)
    studio.at_steps("c", "d")
    assert before not in {studio.worker_of("c"), studio.worker_of("d")}


def test_a_worker_that_is_starting_is_not_sent_away_with_the_job_that_waits_for_it(studio: Studio) -> None:
    studio.start("a")
    studio.executor.renew(time.monotonic())
    studio.painted("a")


def test_no_worker_outlives_it(studio: Studio) -> None:
    for job in ("a", "b"):
        studio.start(job, **LONG)
    studio.at_steps("a", "b")
    workers = [studio.worker_of(job) for job in ("a", "b")]
    studio.executor.close()
    assert not any(map(alive, workers))


def test_one_device_is_room_for_one_job(studio_with: Callable[[int], Studio]) -> None:
    studio = studio_with(1)
    assert studio.executor.capacity == 1
    studio.start("a")
    studio.painted("a")
    studio.start("b")
    studio.painted("b")
