"""A daemon on the network serves paired clients as it serves local ones, and says no to the others in a sentence."""

from __future__ import annotations

import contextlib
import resource
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import zmq
from impasto_daemon import paired
from impasto_protocol import key_files
from impasto_protocol.errors import Code, ImpastoError
from impasto_protocol.jobstate import State
from impasto_protocol.zmq_client import Client

from tests.fakes.daemon import RawClient, RunningDaemon, picture, request, wait_for
from tests.fakes.painter import inverted
from tests.protocol.strangers import a_mail_server

Launch = Callable[..., RunningDaemon]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The keys of both ends; each test has its own."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def daemon(home: Path, launch: Launch) -> Iterator[RunningDaemon]:
    """One that listens on the network too."""
    yield launch(listen="tcp://127.0.0.1:0")


def open_at(daemon: RunningDaemon) -> str:
    return str(daemon.status()["network"]["endpoint"])


def test_a_paired_client_paints_and_has_the_rights_of_its_owner(daemon: RunningDaemon) -> None:
    """All clients are one user's: each sees, collects and cancels the jobs of the others."""
    endpoint = open_at(daemon)
    key_files.store_pairing(paired.pair(endpoint))
    with Client(endpoint, timeout=10) as far, daemon.client() as near:
        assert far.stylize(request()).pictures[0].sha256() == inverted(picture()).sha256()
        job = near.submit(request(steps=1000, delay=0.05)).job
        assert job in [row["job"] for row in far.jobs()]
        assert far.cancel(job) in (State.CANCELLING, State.CANCELLED)
        mine = far.stylize(request()).job
        assert near.fetch(mine).pictures[0].sha256() == inverted(picture()).sha256()


def test_who_is_revoked_hears_so_at_once_and_who_is_not_gets_the_picture(daemon: RunningDaemon) -> None:
    endpoint = open_at(daemon)
    goes, stays = paired.pair(endpoint, "goes"), paired.pair(endpoint, "stays")
    key_files.store_pairing(goes)
    with Client(endpoint, timeout=10) as refused:
        key_files.store_pairing(stays)
        with Client(endpoint, timeout=10) as friend:
            job = refused.submit(request(steps=1000, delay=0.05)).job
            paired.revoke("goes")
            with pytest.raises(ImpastoError, match="its key was revoked") as end:
                refused.wait(job)
            assert end.value.code is Code.NOT_PAIRED
            friend.cancel(job)
            assert friend.stylize(request()).pictures[0].sha256() == inverted(picture()).sha256()
    assert "1 of those inside may not come in any more" in daemon.log and "Traceback" not in daemon.log


def test_connections_that_stay_silent_keep_nobody_out(home: Path, launch: Launch) -> None:
    """As many as the usual limit of open files, lowered here, would let in, and then more."""
    usual = 128
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (usual, before[1]))
    try:
        daemon = launch(listen="tcp://127.0.0.1:0")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    endpoint = open_at(daemon)
    key_files.store_pairing(paired.pair(endpoint))
    port = int(endpoint.rpartition(":")[2])
    opened = Path(f"/proc/{daemon.process.pid}/fd")
    with contextlib.ExitStack() as silent:
        for _ in range(usual + 50):
            silent.enter_context(socket.create_connection(("127.0.0.1", port)))
        wait_for(lambda: len(list(opened.iterdir())) > usual + 50)
        with Client(endpoint, timeout=10) as far, daemon.client() as near:
            for client in (near, far):
                assert client.stylize(request()).pictures[0].sha256() == inverted(picture()).sha256()


def no(endpoint: str, seconds: float = 1.0) -> ImpastoError:
    """How a client fails that wants to connect there."""
    with pytest.raises(ImpastoError) as end, Client(endpoint, timeout=seconds):
        pass
    assert endpoint in str(end.value)
    return end.value


def test_who_does_not_fit_is_told_so_in_a_sentence(daemon: RunningDaemon) -> None:
    endpoint = open_at(daemon)
    assert f"; listens at {endpoint}, paired clients: 0\n" in daemon.log
    unknown = no(endpoint)
    assert unknown.code is Code.NOT_PAIRED and "This machine has no key" in str(unknown)
    pairing = paired.pair(endpoint, "studio")
    key_files.store_pairing(replace(pairing, server=bytes(31) + b"\x09"))
    stranger = no(endpoint)
    assert stranger.code is Code.NOT_PAIRED and "the daemon's keys were made anew" in str(stranger)
    key_files.store_pairing(pairing)
    paired.revoke("studio")
    revoked = no(endpoint, 30.0)
    assert revoked.code is Code.NOT_PAIRED and "its key was revoked" in str(revoked)
    for error in (unknown, stranger, revoked):
        assert "impasto pair" in str(error)
    with RawClient(endpoint, "plain") as plain:
        assert plain.handshake() != zmq.EVENT_HANDSHAKE_SUCCEEDED
    daemon.status()
    assert "comes in over the network" not in daemon.log


def test_another_program_at_the_daemon_s_place_is_not_believed(home: Path) -> None:
    with a_mail_server() as endpoint:
        key_files.store_pairing(paired.pair(endpoint))
        assert no(endpoint).code in (Code.NOT_PAIRED, Code.UNREACHABLE)


def test_a_daemon_that_listens_stays_however_long_nobody_needs_it(home: Path, launch: Launch) -> None:
    """Nobody would start it for a client on the network."""
    daemon = launch(listen="tcp://127.0.0.1:0", idle_exit=0.1, lease=0.1, heartbeat=0.1)
    time.sleep(1.0)  # nothing must happen in this time
    key_files.store_pairing(paired.pair(open_at(daemon)))
    with Client(open_at(daemon), timeout=10) as far:
        assert far.status()["pid"] == daemon.process.pid


def test_where_nobody_listens_the_client_knows_at_once(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        endpoint = f"tcp://127.0.0.1:{listener.getsockname()[1]}"
    key_files.store_pairing(paired.pair(endpoint))
    error = no(endpoint, 30.0)
    assert error.code is Code.UNREACHABLE and "impasto daemon --listen" in str(error)


def test_a_daemon_that_cannot_have_its_port_ends_with_a_sentence(home: Path, launch: Launch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        daemon = launch(ready=False, listen=f"tcp://127.0.0.1:{listener.getsockname()[1]}")
        assert daemon.process.wait(10) == 1
    assert "Choose another port" in daemon.log
    assert not daemon.path.exists()
