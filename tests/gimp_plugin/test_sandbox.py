"""What a sandbox around GIMP lets through, and what the artist is told to type outside it."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest
from impasto_protocol.errors import Code, ImpastoError
from impasto_protocol.interrupt import Interrupt

pytestmark = pytest.mark.usefixtures("without_gimp")


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's folder for sockets, outside every sandbox."""
    for name in ("IMPASTO_ENDPOINT", "FLATPAK_ID", "SNAP", "SNAP_NAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr(module("sandbox"), "FLATPAK_SAYS", tmp_path / ".flatpak-info")
    return tmp_path


@pytest.fixture
def flatpak(runtime: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same in GIMP's Flatpak."""
    (runtime / ".flatpak-info").touch()
    monkeypatch.setenv("FLATPAK_ID", "org.gimp.GIMP")
    return runtime


@pytest.fixture
def snap(runtime: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same in GIMP's Snap, which has a folder of its own there."""
    monkeypatch.setenv("SNAP", "/snap/gimp/478")
    monkeypatch.setenv("SNAP_NAME", "gimp")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime / "snap.gimp"))
    return runtime


def module(name: str) -> Any:
    return importlib.import_module(name)


def refused() -> str:
    """What the artist reads where no daemon runs."""
    with pytest.raises(ImpastoError) as caught:
        module("daemon_start").connect(lambda sentence: None, Interrupt())
    assert caught.value.code is Code.UNREACHABLE
    return str(caught.value)


def test_a_flatpak_meets_the_daemon_in_its_own_folder_and_says_the_command_for_it(flatpak: Path) -> None:
    there = f"ipc://{flatpak}/app/org.gimp.GIMP/impasto/daemon.sock"
    assert module("sandbox").endpoint() == there
    assert refused() == (
        "The Impasto daemon does not run and could not be started: GIMP is from Flatpak, and may not start programs of "
        f"the system. Type in a terminal: impasto daemon --endpoint {there}"
    )


def test_a_flatpak_for_which_the_usual_folder_was_opened_uses_that(flatpak: Path) -> None:
    (flatpak / "impasto").mkdir(mode=0o700)
    assert module("sandbox").endpoint() == f"ipc://{flatpak}/impasto/daemon.sock"
    assert refused().endswith("Type in a terminal: impasto daemon")


def test_a_snap_says_the_command_for_the_one_folder_that_it_shares(snap: Path) -> None:
    sentence = refused()
    assert "GIMP is from Snap, and may not start programs of the system" in sentence
    there = f"ipc://{snap}/snap.gimp/impasto/daemon.sock"
    assert sentence.endswith(f"Type in a terminal: impasto daemon --endpoint {there}")


def test_a_gimp_of_the_system_that_a_snap_started_is_in_no_sandbox(
    runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SNAP", "/snap/code/1")
    monkeypatch.setenv("SNAP_NAME", "code")
    assert module("sandbox").around() is None
    assert module("sandbox").endpoint() == f"ipc://{runtime}/impasto/daemon.sock"


def test_whoever_names_an_endpoint_gets_the_command_for_that_one(
    flatpak: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMPASTO_ENDPOINT", f"ipc://{flatpak}/my own.sock")
    assert refused().endswith(f"impasto daemon --endpoint 'ipc://{flatpak}/my own.sock'")


def test_outside_a_sandbox_the_short_command_is_enough(runtime: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module("daemon_start"), "INSTALLED", runtime / "impasto.json")
    sandbox = module("sandbox")
    assert sandbox.around() is None
    assert sandbox.command(sandbox.endpoint()) == "impasto daemon"
