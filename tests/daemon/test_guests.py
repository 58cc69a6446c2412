"""Who may come in over the network is what the clients' file says at this moment, and nothing else."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from impasto_daemon import log, paired
from impasto_daemon.guests import Guests
from impasto_protocol import key_files

DOMAIN = "impasto"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def key() -> str:
    """Of a client that is paired."""
    name = paired.pair("tcp://gpubox:7766").name
    return paired.clients()[name].key


def comes_in(guests: Guests, key: str) -> bool:
    return guests.callback(DOMAIN, key.encode())


def test_a_paired_client_comes_in_and_is_known_by_its_key(key: str) -> None:
    guests = Guests()
    assert comes_in(guests, key) and guests.whose(guests.mark(key)) == key
    assert guests.revoked() == []


def test_a_key_alone_proves_nothing(key: str) -> None:
    guests = Guests()
    assert comes_in(guests, key)
    assert guests.whose(key) is guests.whose("") is guests.whose(Guests().mark(key)) is None


def test_who_is_revoked_is_told_once_if_it_was_inside(key: str) -> None:
    guests, other = Guests(), paired.pair("tcp://gpubox:7766", "never-here")
    comes_in(guests, key)
    paired.revoke(other.name)
    assert guests.revoked() == []
    paired.revoke("client-1")
    assert guests.revoked() == [key] and guests.revoked() == []
    assert guests.whose(guests.mark(key)) is None and not comes_in(guests, key)


@pytest.mark.parametrize("place", ["", paired.CLIENTS])
def test_a_file_that_others_can_change_lets_nobody_in_until_it_is_closed(key: str, place: str) -> None:
    guests, path = Guests(), key_files.folder() / place
    private = path.stat().st_mode
    assert comes_in(guests, key)
    path.chmod(0o777)
    assert guests.revoked() == [key] and not comes_in(guests, key)
    path.chmod(private)
    assert comes_in(guests, key) and guests.whose(guests.mark(key)) == key


def test_a_damaged_file_lets_nobody_in_until_it_is_mended(key: str) -> None:
    guests, path = Guests(), key_files.folder() / paired.CLIENTS
    whole = path.read_text()
    path.write_text("{")
    assert not comes_in(guests, key)
    path.write_text(whole)
    assert comes_in(guests, key)


def test_a_fault_while_a_key_is_looked_up_is_a_no_and_passes(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> dict[str, paired.Client]:
        raise MemoryError

    guests = Guests()
    with monkeypatch.context() as patch:
        patch.setattr(paired, "clients", broken)
        assert not comes_in(guests, key)
    assert comes_in(guests, key)


@pytest.mark.parametrize("text", ["{}", "{"])
def test_strangers_do_not_fill_the_log(key: str, text: str, caplog: pytest.LogCaptureFixture) -> None:
    (key_files.folder() / paired.CLIENTS).write_text(text)
    guests = Guests()
    with caplog.at_level(logging.WARNING):
        assert not any(comes_in(guests, "x" * 40) for _ in range(50))
    assert len(caplog.records) == 1 + (text == "{"), "one of them says that the file is damaged"


def test_a_line_comes_again_when_it_was_not_said_for_long(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    seldom = log.Seldom(logging.getLogger("test"))
    seldom.log(logging.WARNING, "one of %s", "many")
    seldom.log(logging.WARNING, "one of %s", "them")
    seldom.log(logging.WARNING, "another")
    monkeypatch.setattr(log, "SELDOM", 0.0)
    seldom.log(logging.WARNING, "one of %s", "all")
    assert [record.getMessage() for record in caplog.records] == ["one of many", "another", "one of all"]
