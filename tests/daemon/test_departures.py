"""Departures: a client whose process has ended is known at once, and nobody else is taken for gone."""

from __future__ import annotations

import fcntl
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from impasto_daemon.departures import MOST, Departures

from tests.fakes.daemon import wait_for


class Frame:
    """The first frame of a message, and what it says of its sender."""

    def __init__(self, route: bytes, process: int | str) -> None:
        self.bytes, self._process = route, process

    def get(self, _: str) -> str:
        return f"localhost:1:1:{self._process}"


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE) as process:
        yield process


def met(*frames: Frame) -> Departures:
    departures = Departures()
    for frame in frames:
        departures.met(frame)  # type: ignore[arg-type]
    return departures


def test_all_routes_of_a_process_are_gone_with_it_and_no_others(process: subprocess.Popen[bytes]) -> None:
    departures = met(Frame(b"a", process.pid), Frame(b"b", os.getpid()), Frame(b"c", process.pid))
    assert departures.gone() == [] and len(departures.watched()) == 2
    process.kill()
    process.wait()
    assert wait_for(departures.gone) == [b"a", b"c"]
    assert departures.gone() == [] and len(departures.watched()) == 1
    departures.close()


@pytest.mark.parametrize("address", ["192.0.2.7", "2001:db8:1:1::7", "localhost", ""])
def test_an_address_on_the_network_is_not_taken_for_a_process(address: str) -> None:
    frame = Frame(b"a", os.getpid())
    frame.get = lambda _: address  # type: ignore[method-assign]
    assert met(frame).watched() == []


@pytest.mark.parametrize("unknown", [0, "", "x"])
def test_whoever_cannot_be_seen_is_never_gone(unknown: int | str) -> None:
    departures = met(Frame(b"a", unknown))
    assert departures.watched() == [] and departures.gone() == []


def test_nothing_stays_open_or_grows_for_ever(process: subprocess.Popen[bytes]) -> None:
    def descriptors() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    before = descriptors()
    departures = met(*(Frame(str(number).encode(), process.pid) for number in range(MOST + 10)))
    assert descriptors() == before + 1
    process.kill()
    process.wait()
    gone = wait_for(departures.gone)
    assert len(gone) == MOST and gone[-1] == str(MOST + 9).encode()
    assert descriptors() == before


@pytest.fixture
def many_descriptors() -> Iterator[None]:
    """This process may have some more than `select` knows."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(2000, before[0]), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.usefixtures("many_descriptors")
def test_a_daemon_with_a_thousand_connections_still_sees_who_leaves(
    process: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    def beyond(pid: int) -> int:
        low = pidfd_open(pid)
        try:
            return fcntl.fcntl(low, fcntl.F_DUPFD, 1500)
        finally:
            os.close(low)

    pidfd_open = os.pidfd_open
    monkeypatch.setattr(os, "pidfd_open", beyond)
    departures = met(Frame(b"a", process.pid))
    assert min(departures.watched()) >= 1500
    assert departures.gone() == []
    process.kill()
    process.wait()
    assert wait_for(departures.gone) == [b"a"]
