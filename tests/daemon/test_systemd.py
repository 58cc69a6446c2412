"""The daemon as a service: what it tells whoever looks after it, against a scripted one."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from impasto_daemon.systemd import FIRST_DESCRIPTOR, NAMES, Manager, Pulse

from tests.fakes.daemon import RunningDaemon, request, running, submit, wait_for

Launch = Callable[..., RunningDaemon]


class Listener:
    """A service manager that notes what it is told."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(address.replace("@", "\0", 1))
        self._socket.setblocking(False)
        self._heard: list[str] = []

    @property
    def heard(self) -> list[str]:
        while True:
            try:
                self._heard += self._socket.recv(4096).decode().splitlines()
            except BlockingIOError:
                return self._heard

    def hears(self, *words: str) -> None:
        """Wait until these words came, in this order, whatever came between."""

        def heard() -> bool:
            left = iter(self.heard)
            return all(word in left for word in words)

        wait_for(heard)

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def listener(socket_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Listener]:
    """One that all daemons of this test are told of."""
    listener = Listener(str(socket_folder / "notify"))
    monkeypatch.setenv("NOTIFY_SOCKET", listener.address)
    yield listener
    listener.close()


@pytest.fixture
def listening(socket_folder: Path) -> Iterator[socket.socket]:
    """A socket in the daemon's place, as systemd holds it."""
    with socket.socket(socket.AF_UNIX) as held:
        held.bind(str(socket_folder / "d.sock"))
        held.listen()
        yield held


# What is given --------------------------------------------------------------------------------------------


def test_without_a_manager_nothing_is_given_and_nobody_hears() -> None:
    manager = Manager.given({})
    assert manager == Manager()
    manager.say(READY=1)
    assert not manager.listens_on(Path("/a.sock"))


def test_what_is_given_is_taken_out_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "set_inheritable", lambda *_: None)  # descriptor 3 of this process is somebody else's
    mine = str(os.getpid())
    environ = {"WATCHDOG_PID": mine, "WATCHDOG_USEC": "3000000", "LISTEN_PID": mine, "LISTEN_FDS": "1", "HOME": "/h"}
    assert Manager.given(environ) == Manager(patience=3.0, listening=FIRST_DESCRIPTOR)
    assert environ == {"HOME": "/h"}


@pytest.mark.parametrize(
    "environ",
    [
        {"WATCHDOG_PID": "1", "WATCHDOG_USEC": "3000000"},
        {"WATCHDOG_USEC": "soon"},
        {"LISTEN_PID": "1", "LISTEN_FDS": "1"},
        {"LISTEN_FDS": "1"},
        {"LISTEN_PID": "mine", "LISTEN_FDS": "2"},
    ],
    ids=str,
)
def test_what_is_meant_for_another_process_or_makes_no_sense_is_not_taken(environ: dict[str, str]) -> None:
    mine = {"mine": str(os.getpid())}
    assert Manager.given({name: mine.get(value, value) for name, value in environ.items()}) == Manager()


@pytest.mark.parametrize("address", ["notify", "@impasto-test-{}"])
def test_words_arrive_at_a_path_and_at_an_abstract_address(tmp_path: Path, address: str) -> None:
    listener = Listener(address.format(os.getpid()) if address.startswith("@") else str(tmp_path / address))
    Manager(listener.address).say(READY=1, STATUS="two\nlines")
    assert listener.heard == ["READY=1", "STATUS=two lines"]
    listener.close()
    Manager(listener.address).say(READY=1)  # nobody hears, and that is no reason to fail


# The watchdog ---------------------------------------------------------------------------------------------


def test_signs_of_life_come_at_half_the_patience_and_only_while_the_loop_turns(tmp_path: Path) -> None:
    listener = Listener(str(tmp_path / "notify"))
    pulse = Pulse(Manager(listener.address, patience=10.0))
    beats = []
    for now in (100.0, 101.0, 104.9, 105.0, 109.0, 130.0, 131.0):
        pulse.beat("", now)
        beats.append(listener.heard.count("WATCHDOG=1"))
    assert beats == [1, 1, 1, 2, 2, 3, 3]
    assert pulse.due == 135.0
    listener.close()


def test_nobody_waits_for_a_sign_where_there_is_no_watchdog() -> None:
    pulse = Pulse(Manager())
    pulse.beat("", 1.0)
    assert pulse.due == float("inf")


def test_an_idle_daemon_shows_that_it_turns(
    launch: Launch, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "200000")
    launch()
    wait_for(lambda: listener.heard.count("WATCHDOG=1") >= 3)


# A service's life -----------------------------------------------------------------------------------------


def test_a_service_says_when_it_is_ready_what_it_does_and_when_it_ends(launch: Launch, listener: Listener) -> None:
    daemon = launch()
    with daemon.client() as client:
        client.stylize(request(steps=10, delay=0.02), job="mine")
        listener.hears("READY=1", "STATUS=painting job mine, 0 more wait", "STATUS=waiting for jobs")
        environ = Path(f"/proc/{client.status()['worker']['pid']}/environ").read_bytes()
    assert not any(name.encode() in environ for name in NAMES)
    assert daemon.end() == 0
    listener.hears("STATUS=waiting for jobs", "STOPPING=1")


def test_what_keeps_a_service_from_starting_is_said(launch: Launch, listener: Listener) -> None:
    daemon = launch(ready=False, endpoint="ipc://relative")
    assert daemon.process.wait(10) == 1
    assert listener.heard[-1].startswith("STATUS=An endpoint is ipc://")


def test_a_reload_loses_no_job_and_gives_the_next_one_a_fresh_worker(launch: Launch, listener: Listener) -> None:
    daemon = launch()
    with daemon.raw() as client:
        client.hello()
        client.say(submit("running", steps=30, delay=0.02))
        running(client, "running")
        before = daemon.worker()["pid"]
        daemon.process.send_signal(signal.SIGHUP)
        listener.hears("READY=1", "RELOADING=1", "READY=1")
        client.say(submit("next"))
        assert [client.end_of(job).TYPE for job in ("running", "next")] == ["result", "result"]
    assert daemon.worker()["pid"] != before
    assert daemon.process.poll() is None


def test_a_reload_of_a_daemon_without_a_worker_is_harmless(launch: Launch, listener: Listener) -> None:
    daemon = launch()
    daemon.process.send_signal(signal.SIGHUP)
    listener.hears("RELOADING=1", "READY=1")
    with daemon.client() as client:
        client.stylize(request())
        assert client.status()["worker"]["starts"] == 1
        time.sleep(0.1)  # nothing must happen in this time
        assert client.status()["worker"]["state"] == "idle"


# Sockets that are given -----------------------------------------------------------------------------------


def test_clients_wait_at_a_given_socket_until_the_daemon_is_there(launch: Launch, listening: socket.socket) -> None:
    path = Path(listening.getsockname())
    for _ in range(2):
        daemon = launch(ready=False, listening=listening)
        with daemon.client() as client:  # it is there before the daemon is
            client.acknowledge(client.stylize(request()).job)
        assert daemon.end() == 0
        assert path.exists(), "the socket stays with whoever gave it"


def test_a_socket_in_another_place_is_refused(launch: Launch, listening: socket.socket, socket_folder: Path) -> None:
    daemon = launch(ready=False, listening=listening, endpoint=f"ipc://{socket_folder}/elsewhere.sock")
    assert daemon.process.wait(10) == 1
    assert "systemd's socket for this daemon is not" in daemon.log
