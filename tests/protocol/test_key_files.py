"""Keys lie in files that their user alone can read, and others are not believed."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from impasto_protocol import key_files
from impasto_protocol.errors import Code, ImpastoError

from .test_pairing import PAIRING


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path


def test_a_pairing_is_found_again_by_its_endpoint_and_by_no_other() -> None:
    key_files.store_pairing(PAIRING)
    assert key_files.load_pairing(PAIRING.endpoint) == PAIRING
    with pytest.raises(ImpastoError, match="impasto pair CODE") as refusal:
        key_files.load_pairing("tcp://another:7766")
    assert refusal.value.code is Code.NOT_PAIRED


def test_a_later_pairing_takes_the_place_of_an_earlier_one() -> None:
    later = replace(PAIRING, name="later", secret=bytes(32))
    assert key_files.store_pairing(PAIRING) == key_files.store_pairing(later)
    assert key_files.load_pairing(PAIRING.endpoint) == later


@pytest.mark.parametrize("umask", [0, 0o002, 0o077])
def test_only_the_user_can_read_a_key(umask: int) -> None:
    before = os.umask(umask)
    try:
        path = key_files.store_pairing(PAIRING)
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.stat().st_mode & 0o777 for each in (path.parent, key_files.folder())] == [0o700, 0o700]
    assert [each.name for each in path.parent.iterdir()] == [path.name], "nothing half written is left"


@pytest.mark.parametrize(("file", "folder"), [(0o644, 0o700), (0o640, 0o700), (0o602, 0o700), (0o600, 0o777)])
def test_a_key_that_others_can_reach_is_refused(file: int, folder: int) -> None:
    path = key_files.store_pairing(PAIRING)
    path.chmod(file)
    path.parent.chmod(folder)
    with pytest.raises(ImpastoError, match=f"chmod 600 {path}") as refusal:
        key_files.load_pairing(PAIRING.endpoint)
    assert refusal.value.code is Code.BAD_REQUEST


def test_a_key_in_a_folder_that_others_can_change_is_refused_and_none_is_put_there() -> None:
    path = key_files.store_pairing(PAIRING)
    key_files.folder().chmod(0o775)
    for attempt in (lambda: key_files.load_pairing(PAIRING.endpoint), lambda: key_files.store_pairing(PAIRING)):
        with pytest.raises(ImpastoError, match=f"chmod 700 {key_files.folder()} {path.parent}; "):
            attempt()
    for each in (key_files.folder(), path.parent):  # what the sentence says
        each.chmod(0o700)
    assert key_files.load_pairing(PAIRING.endpoint) == PAIRING


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file away")
def test_a_key_of_another_user_is_refused() -> None:
    os.chown(key_files.store_pairing(PAIRING), 12345, -1)
    with pytest.raises(ImpastoError, match="another user"):
        key_files.load_pairing(PAIRING.endpoint)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "{}", '{"name": 1, "server": "00", "secret": "00"}', '{"name": "x", "server": "zz"}', "\xff"],
)
def test_a_damaged_key_is_a_sentence(text: str) -> None:
    path = key_files.store_pairing(PAIRING)
    path.write_text(text, encoding="latin-1")
    with pytest.raises(ImpastoError, match="damaged: take it away and pair again"):
        key_files.load_pairing(PAIRING.endpoint)


def test_a_key_that_cannot_be_written_is_a_sentence(home: Path) -> None:
    (home / "config").write_text("a file where a folder should be")
    with pytest.raises(ImpastoError, match="cannot be written"):
        key_files.store_pairing(PAIRING)


def test_in_a_sandbox_with_another_configuration_folder_the_user_s_own_is_looked_into(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "home" / ".config"))
    key_files.store_pairing(PAIRING)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "sandbox"))
    assert key_files.load_pairing(PAIRING.endpoint) == PAIRING
