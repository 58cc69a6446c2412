"""The daemon as its clients see it: whole stories over a real socket, with a quick painter."""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from impasto_daemon.supervisor import REAL_PAINTER
from impasto_protocol.errors import Code, ImpastoError
from impasto_protocol.forecast import Forecast
from impasto_protocol.interrupt import Interrupt
from impasto_protocol.jobstate import State
from impasto_protocol.messages import Accepted, Ack, Cancel, Error, Jobs, List, Ping, Pong, Preview, Progress, Result
from impasto_protocol.zmq_client import Client, new_job_name

from tests.fakes.daemon import ROOT, RawClient, RunningDaemon, picture, refused, request, running, submit, wait_for
from tests.fakes.painter import DEVICE, inverted

Launch = Callable[..., RunningDaemon]


# The main story -------------------------------------------------------------------------------------------


def test_a_picture_is_accepted_painted_with_progress_and_previews_and_delivered(shared_daemon: RunningDaemon) -> None:
    asked = request(60, 40, steps=30, delay=0.01, note="mixing colours")
    progress: list[Progress] = []
    previews: list[Preview] = []
    with shared_daemon.client() as client:
        result = client.stylize(asked, preview=16, on_progress=progress.append, on_preview=previews.append)
        client.acknowledge(result.job)
    assert result.pictures[0].sha256() == inverted(asked.content).sha256()
    assert result.record["painter"] == "fake"
    states = [each.state for each in progress]
    assert states == sorted(states, key=[State.QUEUED, State.LOADING, State.RUNNING].index)
    assert states[-1] is State.RUNNING
    assert "mixing colours" in [each.note for each in progress]
    assert (progress[-1].step, progress[-1].steps, progress[-1].eta) == (30, 30, 0.0)
    assert [each.step for each in progress] == sorted(each.step for each in progress)
    assert previews
    assert max(previews[0].pictures[0].width, previews[0].pictures[0].height) == 16


@pytest.mark.parametrize("code", [Code.OUT_OF_MEMORY, Code.MISSING_LAYER, Code.DIVERGED])
def test_what_the_painter_raises_reaches_the_client(shared_daemon: RunningDaemon, code: Code) -> None:
    with shared_daemon.client() as client, pytest.raises(ImpastoError, match="failed on purpose") as error:
        client.stylize(request(fail=code.value))
    assert error.value.code is code


def test_a_large_picture_crosses_both_sockets_unharmed(shared_daemon: RunningDaemon) -> None:
    asked = request(3000, 2000, steps=1)
    with shared_daemon.client() as client:
        result = client.stylize(asked)
        client.acknowledge(result.job)
    assert result.pictures[0].sha256() == inverted(asked.content).sha256()


def test_a_daemon_says_how_it_is(shared_daemon: RunningDaemon) -> None:
    with shared_daemon.client() as client:
        client.acknowledge(client.stylize(request()).job)
        # What an earlier test's client said as it left may still be on its way.
        wait_for(lambda: client.status()["kept"] == 0)
        health = client.status()
    assert health["pid"] == shared_daemon.process.pid
    assert health["endpoint"] == shared_daemon.endpoint
    assert health["worker"]["state"] == "idle"
    assert health["worker"]["features"] == "fake"
    assert (health["kept"], health["kept_bytes"], health["queued"]) == (0, 0, 0)


# Forecasts ------------------------------------------------------------------------------------------------


def test_what_a_job_will_take_is_said_once_the_device_is_known_and_by_the_next_daemon_too(launch: Launch) -> None:
    first = launch()
    with first.client() as client:
        asked = request(60, 40, steps=5)
        assert client.foresee(asked.outline) is None
        assert client.submit(request(steps=5), job="a").forecast == {}, "no worker has said a word yet"
        client.wait("a")
        beforehand = client.foresee(asked.outline)
        foreseen = Forecast.of(client.submit(asked, job="b").forecast)
        assert foreseen is not None
        assert (foreseen.width, foreseen.height, foreseen.tiles, foreseen.evaluations) == (60, 40, 1, 5)
        assert beforehand == foreseen, "asked without a pixel"
        assert client.submit(asked, job="b").forecast == foreseen.as_map(), "asked again"
        assert client.submit(request(delay=0.0), job="c").forecast == {}, "a setting that recipes have not"
        assert client.status()["means"]["flops"] == DEVICE["flops"]
    first.end()
    with launch().client() as client:
        assert client.status()["worker"]["state"] == "none"
        assert client.foresee(asked.outline) == foreseen
        assert client.submit(asked).forecast == foreseen.as_map()


def test_a_job_that_waits_is_listed_with_what_it_will_take(shared_daemon: RunningDaemon) -> None:
    with shared_daemon.client() as client:
        client.stylize(request(steps=1))
        busy = client.submit(request(steps=10_000, delay=0.01)).job
        waits = client.submit(request(60, 40, steps=5))
        rows = {row["job"]: row for row in client.jobs()}
        assert rows[waits.job]["forecast"] == waits.forecast and Forecast.of(waits.forecast)
        client.cancel(busy)
        client.wait(waits.job)
        assert "forecast" not in {row["job"]: row for row in client.jobs()}[waits.job]


# Jobs of several clients ----------------------------------------------------------------------------------


def test_jobs_run_first_come_first_served_and_a_full_queue_says_so(launch: Launch) -> None:
    daemon = launch(limits={"queue": 2})
    with daemon.raw("one") as one, daemon.raw("two") as two:
        one.hello()
        two.hello()
        one.say(submit("a", steps=10_000, delay=0.01))
        running(one, "a")
        two.say(submit("b"))
        assert two.hear(Accepted).position == 1
        one.say(submit("c"))
        assert one.hear(Accepted).position == 2
        two.say(submit("d"))
        refused(Code.QUEUE_FULL, two.hear(Error))
        one.say(Cancel(id=9, job="a"))
        refused(Code.CANCELLED, one.end_of("a"))
        assert isinstance(two.end_of("b"), Result)
        assert isinstance(one.end_of("c"), Result)
        two.say(List(id=10))
        ages = {job["job"]: job["state"] for job in two.hear(Jobs).jobs}
        assert ages == {"a": "cancelled", "b": "succeeded", "c": "succeeded"}


def test_submitting_the_same_job_again_is_harmless_and_another_under_its_name_a_conflict(
    shared_daemon: RunningDaemon,
) -> None:
    job = new_job_name()
    with shared_daemon.raw(new_job_name()) as client:
        client.hello()
        for _ in range(3):
            client.say(submit(job, steps=50, delay=0.01))
            assert client.hear(Accepted).job == job
        client.say(submit(job, steps=51))
        refused(Code.CONFLICT, client.hear(Error))
        assert isinstance(client.end_of(job), Result)
        client.say(submit(job, steps=50, delay=0.01))
        assert client.hear(Accepted).state is State.SUCCEEDED
        assert isinstance(client.end_of(job), Result)
        client.say(Ack(job=job, of="result"))


def test_a_result_is_kept_until_it_is_acknowledged(shared_daemon: RunningDaemon) -> None:
    job = new_job_name()
    with shared_daemon.client() as client:
        client.stylize(request(), job=job)
    with shared_daemon.client() as another:
        (row,) = [row for row in another.jobs() if row["job"] == job]
        assert (row["state"], row["kept"]) == ("succeeded", True)
        assert another.fetch(job).pictures[0].sha256() == inverted(picture()).sha256()
        another.acknowledge(job)
        with pytest.raises(ImpastoError) as gone:
            another.fetch(job)
        assert gone.value.code is Code.RESULT_GONE


def test_the_oldest_results_go_when_their_bytes_are_too_many(launch: Launch) -> None:
    daemon = launch(keep_bytes=6 * 4 * 3 * 2)
    with daemon.client() as client:
        for job in ("a", "b", "c"):
            client.stylize(request(), job=job)
        with pytest.raises(ImpastoError) as gone:
            client.fetch("a")
        assert gone.value.code is Code.RESULT_GONE
        assert [client.fetch(job).job for job in ("b", "c")] == ["b", "c"]
        assert client.status()["kept"] == 2


# Cancelling and vanishing ---------------------------------------------------------------------------------


def test_a_cancel_is_honoured_within_a_step(shared_daemon: RunningDaemon) -> None:
    job = new_job_name()
    with shared_daemon.raw(new_job_name()) as client:
        client.hello()
        client.say(submit(job, steps=10_000, delay=0.02))
        running(client, job)
        client.say(Cancel(id=2, job=job))
        refused(Code.CANCELLED, client.end_of(job))


def test_an_interrupt_in_the_client_cancels_the_job(shared_daemon: RunningDaemon) -> None:
    interrupt = Interrupt()
    with shared_daemon.client() as client:
        with pytest.raises(ImpastoError) as error:
            client.stylize(
                request(steps=10_000, delay=0.01),
                interrupt=interrupt,
                on_progress=lambda progress: interrupt.set() if progress.step else None,
            )
        assert error.value.code is Code.CANCELLED
        assert client.status()["running"] == ""


def test_a_client_may_say_that_it_has_seen_enough_and_gets_that_picture(shared_daemon: RunningDaemon) -> None:
    interrupt = Interrupt()
    with shared_daemon.client() as client:
        assert client.offers("steer")
        result = client.stylize(
            request(steps=10_000, delay=0.01),
            interrupt=interrupt,
            on_progress=lambda progress: interrupt.finish() if progress.step else None,
        )
    assert result.record["steps"] < 1000


def test_a_job_that_waits_is_finished_by_anybody_with_its_first_iterate(shared_daemon: RunningDaemon) -> None:
    first, second = new_job_name(), new_job_name()
    with shared_daemon.client() as client, shared_daemon.client() as other:
        client.submit(request(steps=60, delay=0.01), job=first)
        client.submit(request(steps=10_000, delay=0.01), job=second)
        assert other.finish(second) is State.QUEUED
        assert client.wait(second).record["steps"] == 1
        assert client.wait(first).record["steps"] == 60


def test_a_worker_that_hangs_is_ended_by_a_cancel_and_the_next_job_runs(launch: Launch) -> None:
    daemon = launch(grace=0.3)
    with daemon.raw() as client:
        client.hello()
        client.say(submit("stuck", steps=10, at=2, hang=True))
        running(client, "stuck")
        client.say(Cancel(id=2, job="stuck"))
        assert client.hear(Accepted, lambda accepted: accepted.re == 2).state is State.CANCELLING
        refused(Code.CANCELLED, client.end_of("stuck"))
        client.say(submit("next"))
        assert isinstance(client.end_of("next"), Result)


def test_a_client_that_vanishes_frees_the_device(launch: Launch) -> None:
    daemon = launch(lease=1.0, heartbeat=0.1)
    with daemon.client() as other:
        other.stylize(request())  # a worker is there
    with daemon.raw("vanishing") as client:
        client.hello()
        client.say(submit("orphan", steps=10_000, delay=0.01))
        running(client, "orphan")
    with daemon.client() as other:
        assert isinstance(other.stylize(request()), Result)
        (_, orphan, _) = other.jobs()
        assert (orphan["state"], orphan["error"]) == ("cancelled", "abandoned")


def test_a_client_that_is_killed_frees_the_device_long_before_its_lease_runs_out(launch: Launch) -> None:
    daemon = launch(lease=3600.0)
    code = (
        "from tests.fakes.daemon import request; from impasto_protocol.zmq_client import Client\n"
        f"with Client({daemon.endpoint!r}) as client: client.stylize(request(steps=100_000, delay=0.01))"
    )
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT) as doomed, daemon.client() as other:
        wait_for(lambda: [job for job in other.jobs() if job["state"] == "running"])
        doomed.kill()
        doomed.wait()
        wait_for(lambda: other.status()["running"] == "")
        (job,) = other.jobs()
        assert (job["state"], job["error"]) == ("cancelled", "abandoned")


def test_a_detached_job_goes_on_without_its_client_and_its_result_waits(launch: Launch) -> None:
    daemon = launch(lease=0.2, heartbeat=0.1)
    with daemon.raw("leaving") as client:
        client.hello()
        client.say(submit("detached", detach=True, steps=60, delay=0.01))
        client.hear(Accepted)
    with daemon.client() as other:
        wait_for(lambda: other.jobs()[0]["state"] == "succeeded")
        assert other.fetch("detached").pictures[0].sha256() == inverted(picture()).sha256()


def test_a_client_that_comes_back_gets_its_result(launch: Launch) -> None:
    daemon = launch()
    with daemon.raw("same") as client:
        client.hello()
        client.say(submit("job", steps=30, delay=0.01))
        running(client, "job")
    with daemon.raw("same") as client:
        client.hello()
        client.say(submit("job", steps=30, delay=0.01))
        assert isinstance(client.end_of("job"), Result)


# Going on from a job --------------------------------------------------------------------------------------


def test_a_job_goes_on_from_an_earlier_one_of_another_client(shared_daemon: RunningDaemon) -> None:
    with shared_daemon.client() as client:
        first = client.stylize(request())
        client.acknowledge(first.job)
    with shared_daemon.client() as another:
        second = another.stylize(replace(request(), resume=first.job))
        another.acknowledge(second.job)
    assert second.record["request"]["resume"] == first.job


def test_a_job_of_which_no_state_is_kept_ends_the_one_that_goes_on_from_it(shared_daemon: RunningDaemon) -> None:
    with shared_daemon.client() as client:
        with pytest.raises(ImpastoError) as gone:
            client.stylize(replace(request(), resume="long-gone"))
        assert gone.value.code is Code.UNKNOWN_JOB and gone.value.problem.details == {"resume": "long-gone"}
        client.acknowledge(client.stylize(request()).job)


# Bad luck -------------------------------------------------------------------------------------------------


def test_a_crash_of_the_worker_is_a_clear_error_and_the_next_job_runs(shared_daemon: RunningDaemon) -> None:
    with shared_daemon.client() as client:
        with pytest.raises(ImpastoError, match="exit code 3") as error:
            client.stylize(request(steps=5, at=3, crash=3))
        assert error.value.code is Code.WORKER_DIED
        assert error.value.problem.retryable
        client.acknowledge(client.stylize(request()).job)


def test_the_daemon_answers_at_once_while_the_worker_is_stopped(launch: Launch) -> None:
    daemon = launch()
    with daemon.raw() as client:
        client.hello()
        client.say(submit("job", steps=10_000, delay=0.01))
        running(client, "job")
        os.kill(daemon.worker()["pid"], signal.SIGSTOP)
        assert statistics.median(_round_trips(client)) < 0.050


def test_the_daemon_answers_at_once_while_the_worker_talks_as_fast_as_it_can(launch: Launch) -> None:
    daemon = launch()
    with daemon.raw() as client:
        client.hello()
        client.say(submit("job", steps=100_000, preview=64))
        running(client, "job")
        assert statistics.median(_round_trips(client)) < 0.050


def _round_trips(client: RawClient, count: int = 50) -> list[float]:
    times = []
    for number in range(1, count + 1):
        began = time.monotonic()
        client.say(Ping(id=number))
        client.hear(Pong, lambda pong, number=number: pong.re == number)  # type: ignore[misc]
        times.append(time.monotonic() - began)
    return times


def test_without_torch_the_client_is_told_what_to_type(launch: Launch) -> None:
    daemon = launch(painter="tests.fakes.painter:without_torch")
    with daemon.client() as client, pytest.raises(ImpastoError, match=r"pip install '.\[daemon\]'"):
        client.stylize(request())


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        ({"recipe": "imposto"}, Code.UNKNOWN_RECIPE, "impasto"),
        ({"settings": {"no_such": 1}}, Code.UNKNOWN_SETTING, "no_such"),
    ],
)
def test_a_recipe_that_nobody_could_paint_is_refused_before_it_is_queued(
    launch: Launch, change: dict[str, Any], code: Code, words: str
) -> None:
    daemon = launch(painter=REAL_PAINTER)
    with daemon.client() as client:
        with pytest.raises(ImpastoError, match=words) as refusal:
            client.submit(replace(request(), **change))
        assert refusal.value.code is code
        assert client.jobs() == ()
        assert client.status()["worker"]["state"] == "none"


def test_what_is_not_kept_is_refused_before_a_worker_starts(launch: Launch) -> None:
    daemon = launch(painter=REAL_PAINTER)
    with daemon.client() as client, pytest.raises(ImpastoError, match="Nothing is kept of a job nobody") as caught:
        client.stylize(replace(request(), recipe="wavelets", resume="nobody"))
    assert caught.value.code is Code.UNKNOWN_JOB
    assert daemon.worker()["state"] == "none"


# Several devices ------------------------------------------------------------------------------------------


def test_each_device_paints_a_job_of_its_own_and_the_others_wait_their_turn(launch: Launch) -> None:
    daemon = launch(devices=["cpu:0", "cpu:1"])
    with daemon.client() as client:
        for job in ("a", "b", "c"):
            client.submit(request(steps=10_000, delay=0.01), job=job)
        states = wait_for(lambda: [s for s in [states_of(client)] if s["a"] == s["b"] == "running"])[0]
        assert states["c"] == "queued"
        assert {row["job"]: row["position"] for row in client.jobs()} == {"a": 0, "b": 0, "c": 1}
        assert {worker["device"] for worker in client.status()["workers"]} == {"cpu:0", "cpu:1"}
        client.cancel("b")
        wait_for(lambda: states_of(client)["c"] == "running")
        assert states_of(client)["a"] == "running"


def states_of(client: Client) -> dict[str, str]:
    return {row["job"]: row["state"] for row in client.jobs()}
