"""Who may come in over the network is one file, which every command and daemon believes at once."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import zmq
from impasto_daemon import paired
from impasto_protocol import key_files
from impasto_protocol.errors import Code, ImpastoError
from zmq.utils import z85

ENDPOINT = "tcp://gpubox:7766"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    return tmp_path


def test_each_client_gets_a_key_of_its_own_whose_secret_is_not_kept() -> None:
    first, second = paired.pair(ENDPOINT), paired.pair(ENDPOINT, "studio")
    assert list(paired.clients()) == [first.name, second.name] == ["client-1", "studio"]
    for pairing in (first, second):
        public = zmq.curve_public(z85.encode(pairing.secret)).decode()
        assert paired.clients()[pairing.name].key == public
        written = (key_files.folder() / paired.CLIENTS).read_text()
        assert public in written and z85.encode(pairing.secret).decode() not in written
    assert first.secret != second.secret
    assert first.server == second.server == z85.decode(paired.server_keys().public)


def test_all_that_is_written_is_the_user_s_alone() -> None:
    paired.pair(ENDPOINT)
    folder = key_files.folder()
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()} == {
        ".lock": 0o600,
        paired.CLIENTS: 0o600,
        paired.SERVER: 0o600,
    }


def test_a_revoked_client_is_gone_and_its_name_is_free() -> None:
    before = paired.pair(ENDPOINT, "studio")
    version = paired.version()
    paired.revoke("studio")
    assert paired.clients() == {} and paired.version() != version
    assert paired.pair(ENDPOINT, "studio").secret != before.secret


@pytest.mark.parametrize("name", ["../x", "a b", "-x", "x" * 65, "ü"])
def test_a_name_is_a_name(name: str) -> None:
    with pytest.raises(ImpastoError, match="letters, digits"):
        paired.pair(ENDPOINT, name)


def test_a_name_is_given_once() -> None:
    paired.pair(ENDPOINT, "studio")
    with pytest.raises(ImpastoError, match="revoke that one first") as refusal:
        paired.pair(ENDPOINT, "studio")
    assert refusal.value.code is Code.CONFLICT


def test_who_was_never_paired_cannot_be_revoked() -> None:
    with pytest.raises(ImpastoError, match="no client is paired"):
        paired.revoke("studio")
    paired.pair(ENDPOINT, "attic")
    with pytest.raises(ImpastoError, match="paired are attic"):
        paired.revoke("studio")


def test_pairings_at_the_same_moment_are_all_kept() -> None:
    threads = [threading.Thread(target=paired.pair, args=(ENDPOINT,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(paired.clients()) == [f"client-{n}" for n in range(1, 9)]


@pytest.mark.parametrize("name", [paired.CLIENTS, paired.SERVER])
def test_a_file_that_others_can_reach_or_that_is_damaged_is_refused(name: str) -> None:
    paired.pair(ENDPOINT)
    path = key_files.folder() / name
    path.chmod(0o640)
    with pytest.raises(ImpastoError, match=f"chmod 600 {path}"):
        paired.pair(ENDPOINT)
    path.chmod(0o600)
    path.write_text('{"secret": 5, "public": "x", "client-1": 7}')
    with pytest.raises(ImpastoError, match="damaged: take it away, and pair every client again"):
        paired.pair(ENDPOINT)


def test_in_a_folder_that_others_can_change_nobody_is_paired() -> None:
    key_files.folder().mkdir(parents=True)
    key_files.folder().chmod(0o775)
    with pytest.raises(ImpastoError, match=f"chmod 700 {key_files.folder()}"):
        paired.pair(ENDPOINT)
    assert list(key_files.folder().iterdir()) == []
