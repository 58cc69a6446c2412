"""How a daemon begins and ends, and what it leaves behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from impasto_daemon.address import links_of
from impasto_daemon.supervisor import FAULTS, TAKEN
from impasto_protocol import codec
from impasto_protocol.errors import Code, ImpastoError
from impasto_protocol.messages import Accepted, Health, Ping, Progress, Status, Submit
from impasto_protocol.picture import Picture
from impasto_protocol.request import Scalar
from impasto_protocol.zmq_client import Client, new_job_name

from tests.fakes.daemon import RunningDaemon, alive, refused, request, running, submit, wait_for

Launch = Callable[..., RunningDaemon]


def test_a_second_daemon_on_the_same_endpoint_is_refused_and_the_first_goes_on(launch: Launch) -> None:
    first = launch()
    second = launch(ready=False)
    assert second.process.wait(10) == TAKEN
    assert "Another daemon listens on" in second.log
    assert "Traceback" not in second.log
    assert first.status()["pid"] == first.process.pid


@pytest.mark.parametrize("place", ["LocalExecutor.poll", "Doors.receive", "Doors.flush"])
def test_a_fault_in_one_turn_costs_nobody_the_daemon(launch: Launch, place: str) -> None:
    daemon = launch(fault=place)
    with daemon.client() as client:
        client.acknowledge(client.stylize(request()).job)
    assert "ZeroDivisionError" in daemon.log


def test_a_job_that_cannot_be_started_does_not_keep_the_next_one_from_it(launch: Launch) -> None:
    daemon = launch(fault="LocalExecutor.start")
    with daemon.client() as client:
        with pytest.raises(ImpastoError, match="failed on this job") as error:
            client.stylize(request())
        assert error.value.code is Code.INTERNAL
        client.acknowledge(client.stylize(request()).job)


def test_a_fault_in_every_turn_ends_the_daemon_before_its_log_fills_the_disk(launch: Launch) -> None:
    daemon = launch(fault="LocalExecutor.poll", faults=-1)
    with daemon.raw() as client:
        client.hello()

        def ended() -> bool:
            client.say(Ping(id=1))  # wakes the loop
            return daemon.process.poll() is not None

        wait_for(ended)
    assert daemon.process.returncode == 1
    assert daemon.log.count("listening to workers failed") == FAULTS


@pytest.fixture
def hangup() -> Iterator[Callable[[signal.Handlers], object]]:
    """Sets what a process started from here does on SIGHUP."""
    before = signal.getsignal(signal.SIGHUP)
    yield lambda handler: signal.signal(signal.SIGHUP, handler)
    signal.signal(signal.SIGHUP, before)


def test_a_daemon_under_nohup_outlives_its_terminal(
    launch: Launch, hangup: Callable[[signal.Handlers], object]
) -> None:
    hangup(signal.SIG_IGN)
    daemon = launch()
    daemon.process.send_signal(signal.SIGHUP)
    assert daemon.status()["pid"] == daemon.process.pid


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_the_daemon_cleanly(
    launch: Launch, hangup: Callable[[signal.Handlers], object], number: signal.Signals
) -> None:
    hangup(signal.SIG_DFL)
    daemon = launch()
    with daemon.raw() as client:
        client.hello()
        client.say(submit("running", steps=10_000, delay=0.01))
        running(client, "running")
        client.say(submit("waiting"))
        client.hear(Accepted)
        worker = daemon.worker()["pid"]
        assert daemon.end(number) == 0
        for job in ("running", "waiting"):
            refused(Code.SHUTTING_DOWN, client.end_of(job))
    assert not daemon.path.exists()
    assert not alive(worker)
    assert "Traceback" not in daemon.log


def test_a_stopped_worker_does_not_keep_the_daemon_from_ending(launch: Launch) -> None:
    daemon = launch()
    with daemon.raw() as client:
        client.hello()
        client.say(submit("job", steps=10_000, delay=0.01))
        running(client, "job")
        worker = daemon.worker()["pid"]
        os.kill(worker, signal.SIGSTOP)
        assert daemon.end() == 0
    assert not alive(worker)


@pytest.mark.parametrize("what", ["hang", "clutch"])
def test_a_killed_daemon_leaves_no_worker_and_its_socket_is_taken_over(launch: Launch, what: str) -> None:
    daemon = launch()
    with daemon.raw() as client:
        client.hello()
        client.say(submit("job", at=2, **{what: True}))
        running(client, "job")
        worker = daemon.worker()["pid"]
        time.sleep(0.1)  # it hangs by now
        assert daemon.end(signal.SIGKILL) == -signal.SIGKILL
        wait_for(lambda: not alive(worker), seconds=1.0)
    assert daemon.path.exists()
    successor = launch(ready=False)
    wait_for(lambda: "ready" in successor.log)
    assert successor.status()["pid"] == successor.process.pid


def test_a_worker_finishes_keeping_a_state_though_its_daemon_is_killed(launch: Launch, tmp_path: Path) -> None:
    daemon = launch()
    with daemon.client() as client:
        client.stylize(request(keep=str(tmp_path / "kept"), keeping=0.5), job="job")
        worker = daemon.worker()["pid"]
    daemon.end(signal.SIGKILL)
    assert alive(worker) and not (tmp_path / "kept").exists()
    wait_for(lambda: not alive(worker))
    assert (tmp_path / "kept").read_text() == "job"


def test_a_daemon_killed_while_its_worker_starts_leaves_nothing_that_the_next_one_does_not_sweep_up(
    launch: Launch,
) -> None:
    daemon = launch(painter="tests.fakes.painter:asleep")
    with daemon.raw() as client:
        client.hello()
        client.say(submit("job"))
        wait_for(lambda: daemon.worker()["state"] == "starting")
        worker = daemon.worker()["pid"]
        daemon.end(signal.SIGKILL)
    wait_for(lambda: not alive(worker))
    assert list(links_of(daemon.path).iterdir())
    successor = launch(ready=False)
    wait_for(lambda: "ready" in successor.log)
    assert not links_of(daemon.path).exists()


def test_an_idle_worker_leaves_and_comes_back_for_the_next_job(launch: Launch) -> None:
    daemon = launch(worker_idle=1.0)
    with daemon.client() as client:
        client.stylize(request())
        pid = client.status()["worker"]["pid"]
        wait_for(lambda: client.status()["worker"]["state"] == "none")
        assert not alive(pid)
        client.stylize(request())


def test_a_daemon_that_nobody_needs_leaves_when_it_was_asked_to(launch: Launch) -> None:
    daemon = launch(idle_exit=0.3, lease=0.3, heartbeat=0.1)
    with daemon.client() as client:
        client.acknowledge(client.stylize(request()).job)
    assert daemon.process.wait(10) == 0
    assert "nobody has needed this daemon" in daemon.log
    assert not daemon.path.exists()


def test_a_daemon_that_nobody_ever_speaks_to_leaves_too(launch: Launch) -> None:
    assert launch(ready=False, idle_exit=0.3).process.wait(10) == 0


def spooled(daemon: RunningDaemon) -> list[Path]:
    return list(daemon.path.parent.glob("state/impasto/results/*/*.result"))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_result_that_nobody_fetched_outlives_its_daemon(launch: Launch, number: signal.Signals) -> None:
    daemon = launch()
    with daemon.client() as client:
        painted = client.stylize(request(), job="kept")
        wait_for(lambda: spooled(daemon))
    daemon.end(number)
    (file,) = spooled(daemon)
    assert file.stat().st_mode & 0o077 == 0
    successor = launch(ready=False)
    wait_for(lambda: "ready" in successor.log)
    with successor.client() as client:
        (row,) = client.jobs()
        assert (row["job"], row["state"], row["kept"], row["agent"]) == ("kept", "succeeded", True, "test")
        assert client.fetch("kept").pictures == painted.pictures
        with pytest.raises(ImpastoError, match="There is no job never"):
            client.fetch("never")
        client.acknowledge("kept")
        wait_for(lambda: not spooled(successor))
    assert successor.end() == 0
    assert not file.parent.exists()


def test_a_result_whose_file_somebody_removed_is_gone_for_all(launch: Launch) -> None:
    daemon = launch()
    with daemon.client() as client:
        client.stylize(request(), job="kept")
        wait_for(lambda: not client.status()["kept_in_memory"])
        (file,) = spooled(daemon)
        file.unlink()
        with pytest.raises(ImpastoError, match="not kept any more") as caught:
            client.fetch("kept")
        assert caught.value.code is Code.RESULT_GONE
        wait_for(lambda: not client.jobs()[0]["kept"])
        assert client.status()["kept_bytes"] == 0


def test_who_hears_that_a_job_is_done_finds_its_result_with_the_next_daemon(launch: Launch) -> None:
    daemon = launch(disk=60.0)
    with daemon.client() as client:
        painted = client.stylize(request(), job="heard")
        daemon.end(signal.SIGKILL)
    assert not spooled(daemon), "it is not on the disk yet"
    successor = launch()
    with successor.client() as client:
        assert client.fetch("heard").pictures == painted.pictures
    assert len(spooled(successor)) == 1


def test_a_client_that_waits_hears_from_the_next_daemon_that_its_job_is_lost(launch: Launch) -> None:
    daemon = launch()
    with daemon.client() as client, ThreadPoolExecutor(1) as other:

        def restart(_: Progress) -> None:
            if daemon.process.returncode is None:
                daemon.end(signal.SIGKILL)
                other.submit(launch)

        with pytest.raises(ImpastoError, match="was restarted") as caught:
            client.stylize(request(steps=1000, delay=0.02), on_progress=restart)
    assert caught.value.code is Code.DAEMON_LOST


def test_a_daemon_leaves_though_a_result_waits_for_the_next_one(launch: Launch) -> None:
    daemon = launch(idle_exit=0.3, lease=0.3, heartbeat=0.1)
    with daemon.client() as client:
        client.stylize(request(), job="kept")
    assert daemon.process.wait(10) == 0
    assert len(spooled(daemon)) == 1


def test_a_daemon_stays_while_a_result_is_in_its_memory_alone(launch: Launch, socket_folder: Path) -> None:
    (socket_folder / "state").touch()  # no folder can be made there
    daemon = launch(idle_exit=0.2, lease=0.2, heartbeat=0.1)
    with daemon.client() as client:
        client.stylize(request(), job="kept")
    time.sleep(1.0)  # nothing must happen in this time
    with daemon.client() as client:
        assert client.fetch("kept").job == "kept"
        client.acknowledge("kept")
    assert daemon.process.wait(10) == 0
    assert "kept in memory alone" in daemon.log


@pytest.mark.parametrize(
    ("endpoint", "words"),
    [("tcp://127.0.0.1:5555", "impasto daemon --listen"), ("ipc:///tmp/impasto.sock", "choose one of your own")],
)
def test_an_endpoint_that_others_could_reach_is_refused(socket_folder: Path, endpoint: str, words: str) -> None:
    daemon = RunningDaemon(socket_folder, endpoint=endpoint)
    try:
        assert daemon.process.wait(10) == 1
        assert words in daemon.log
        assert "Traceback" not in daemon.log
    finally:
        daemon.clean_up()


def test_the_socket_and_its_lock_are_for_the_user_alone(daemon: RunningDaemon) -> None:
    for path in (daemon.path, Path(f"{daemon.path}.lock")):
        assert path.stat().st_mode & 0o077 == 0


def test_the_log_names_jobs_and_holds_no_pixels(launch: Launch) -> None:
    daemon = launch(log_level="debug", fault="LocalExecutor.poll")
    asked = replace(request(), content=Picture(4, 3, 3, "u8", b"PIXELS" * 6))
    jobs: dict[str, dict[str, Scalar]] = {"whole": {}, "broken": {"bug": True}, "failed": {"fail": "diverged"}}
    with daemon.raw() as client:
        client.hello()
        for job, settings in jobs.items():
            client.say(Submit.of(replace(asked, settings=settings), job, id=1))
            client.end_of(job)
        client.socket.send_multipart([codec.MAGIC, b"PIXELS", b"PIXELS"])
        client.say(replace(Submit.of(asked, "odd", id=1), style_weights=(0.0,)))
        client.end_of("odd")
    assert daemon.end() == 0
    assert all(f"job {job} begins" in daemon.log for job in jobs)
    assert "job whole is over: painted" in daemon.log and "job failed is over: diverged" in daemon.log
    assert "ZeroDivisionError" in daemon.log
    told = re.sub(r"[^0-9a-z]", "", daemon.log.lower())
    forms = ("pixels", b"PIXELS".hex(), "80738869", "afb6a7", "xafxb6xa7", "175182167")  # theirs, and of their inverse
    assert [form for form in forms if form in told] == []


def test_the_supervisor_does_not_load_torch() -> None:
    code = "import sys, impasto_daemon.supervisor; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_main_client_is_a_client_of_this_daemon(shared_daemon: RunningDaemon) -> None:
    with Client(shared_daemon.endpoint) as client:
        assert client.welcome.agent.startswith("impasto-daemon/")
    with shared_daemon.raw(new_job_name()) as raw:
        raw.hello()
        raw.say(Status(id=3))
        assert raw.hear(Health).daemon["instance"] == client.welcome.instance
