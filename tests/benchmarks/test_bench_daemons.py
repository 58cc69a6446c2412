"""What is measured at a daemon, with a painter that takes no time."""

from __future__ import annotations

import os
import time
from dataclasses import replace

import pytest
from impasto_protocol.request import Request

from benchmarks import idle, preview, transports, wire
from benchmarks.setting import Setting
from tests.fakes.daemon import RunningDaemon, wait_for


def job(**settings: str) -> Request:
    return preview.request(Setting(), 32, settings)


def test_a_layers_way_through_the_daemon_is_measured_against_an_echo() -> None:
    found = wire.measure(Setting(), width=40, height=30, pings=3, watched=0.02)
    assert [each.what for each in found.ratios] == [
        "0.0012 Mpx RGBA to a painter that does nothing and back",
        "ping",
        "another client's longest wait for an answer while a job of 0.0012 Mpx RGBA ends and is written",
    ]
    assert all(each.low > 0 for each in found.ratios)


def test_the_way_without_pyzmq_is_measured_against_the_way_with_it() -> None:
    found = transports.measure(Setting(), nbytes=1000, n=2)
    assert [each.what for each in found.ratios] == [
        "1,000 bytes to a ROUTER and back without pyzmq",
        "1 bytes to a ROUTER and back without pyzmq",
    ]
    assert all(each.low > 0 for each in found.ratios)


def test_the_first_preview_is_waited_for_and_the_device_is_free_then(daemon: RunningDaemon) -> None:
    with daemon.client() as client:
        assert preview.first_preview(client, job(steps="1000", delay="0.01")) < 10
        assert [row["state"] for row in client.jobs()] == ["cancelled"]


def test_a_job_that_is_too_quick_for_a_preview_says_so(daemon: RunningDaemon, monkeypatch: pytest.MonkeyPatch) -> None:
    with daemon.client() as client, daemon.client() as other:
        cancel = client.cancel

        def late(job: str) -> None:
            wait_for(lambda: other.jobs()[0]["state"] == "succeeded")
            cancel(job)

        monkeypatch.setattr(client, "cancel", late)
        with pytest.raises(RuntimeError, match="larger layer"):
            preview.first_preview(client, job(steps="1"))


def test_the_gap_is_from_one_job_to_the_next_ones_first_evaluation(daemon: RunningDaemon) -> None:
    with daemon.client() as client:
        assert preview.gap(client, job(steps="3", delay="0.2")) >= 0.15


def test_a_daemon_that_is_idle_rests(daemon: RunningDaemon) -> None:
    process = daemon.process.pid
    assert 10e6 < idle.resident(process) < 100e6
    idle.worker_left(process)  # there is none yet
    with daemon.client() as client:
        client.stylize(replace(job(), settings={}))
    before = idle.wake_ups(process)
    with daemon.client() as client:
        client.status()
    wait_for(lambda: idle.wake_ups(process) > before)


def test_waiting_is_counted_as_waking_up() -> None:
    before = idle.wake_ups(os.getpid())
    for _ in range(3):
        time.sleep(0.001)
    assert idle.wake_ups(os.getpid()) >= before + 3
