"""The systemd user unit, read by systemd itself, and what the commands around it say."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from impasto_daemon import service
from impasto_daemon.cli.app import impasto
from impasto_protocol.endpoint import default_endpoint
from impasto_protocol.errors import ImpastoError

from tests.fakes.daemon import RunningDaemon


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A home without a user manager."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS", raising=False)
    return tmp_path


class Manager:
    """A user manager that notes what it is told; `refuse` names a verb that it fails on."""

    def __init__(self, refuse: str = "") -> None:
        self.told: list[tuple[str, ...]] = []
        self.refuse = refuse

    def __call__(self, *words: str) -> subprocess.CompletedProcess[str]:
        self.told.append(words)
        answer = {"is-enabled": "enabled\n", "is-active": "active\n"}.get(words[0], "")
        return subprocess.CompletedProcess(words, int(words[0] == self.refuse), answer, "no such luck")


def run(verb: str) -> Result:
    return CliRunner().invoke(impasto, ["service", verb])


def verify(unit: Path) -> str:
    """Everything that systemd says about a unit; nothing where it accepts it whole."""
    command = ["systemd-analyze", "--user", "verify", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout + done.stderr + ("" if done.returncode == 0 else f"exit status {done.returncode}")


needs_systemd = pytest.mark.skipif(
    not shutil.which("systemd-analyze") and not os.environ.get("CI"),
    reason="systemd-analyze is not on this machine; Debian's package systemd brings it",
)


@needs_systemd
def test_systemd_accepts_the_unit_without_a_word() -> None:
    run("install")
    assert [verify(service.unit_path(name)) for name in service.UNITS] == ["", ""]


@needs_systemd
def test_systemd_accepts_the_unit_whatever_the_path_of_python_holds(tmp_path: Path) -> None:
    folder = tmp_path / "odd $HOME %h päth"
    folder.mkdir()
    (folder / "python").symlink_to(sys.executable)
    for name in service.UNITS:
        (tmp_path / name).write_text(service.unit_text(name, str(folder / "python")), encoding="utf-8")
    assert verify(tmp_path / "impasto.service") == ""


@needs_systemd
def test_systemd_would_notice_a_directive_that_it_does_not_know(tmp_path: Path) -> None:
    (tmp_path / "impasto.socket").write_text(service.unit_text(service.SOCKET), encoding="utf-8")
    (tmp_path / "impasto.service").write_text(service.unit_text().replace("Restart=", "Restrat="), encoding="utf-8")
    assert "Restrat" in verify(tmp_path / "impasto.service")


def test_the_unit_runs_the_daemon_of_this_python() -> None:
    lines = service.unit_text().splitlines()
    assert f'ExecStart="{sys.executable}" -P -m impasto_daemon.cli daemon --idle-exit 600' in lines
    assert "@" not in "".join(line for line in lines if not line.startswith("#"))


def test_the_socket_is_where_clients_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("IMPASTO_ENDPOINT", raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", "%t")
    assert f"ListenStream={default_endpoint().removeprefix('ipc://')}" in service.unit_text(service.SOCKET).splitlines()


@pytest.mark.parametrize(("name", "section"), [(service.NAME, "[Service]"), (service.SOCKET, "[Socket]")])
def test_every_directive_of_the_service_says_why(name: str, section: str) -> None:
    lines = service.unit_text(name).splitlines()
    first = lines.index(section) + 1
    body = lines[first : lines.index("[Install]")]
    assert body[0].startswith("#")
    uncommented = [a for a, b in zip(body[1:], body) if "=" in a and not a.startswith("#") and not b.strip()]
    assert uncommented == []


def test_without_a_user_manager_installing_says_what_to_type() -> None:
    done = run("install")
    assert done.exit_code == 0
    assert "  systemctl --user daemon-reload\n  systemctl --user enable --now impasto.socket\n" in done.output
    for name in service.UNITS:
        assert service.unit_path(name).read_text(encoding="utf-8") == service.unit_text(name)


def test_with_a_user_manager_the_service_is_enabled_and_started(monkeypatch: pytest.MonkeyPatch) -> None:
    manager = Manager()
    monkeypatch.setattr(service, "_systemctl", manager)
    done = run("install")
    assert done.exit_code == 0 and "starts when it is needed" in done.output and "type" not in done.output
    assert manager.told[1:] == [("daemon-reload",), ("enable", "--now", "impasto.socket")]
    status = run("status").output
    assert "enabled" in status and "active" in status
    manager.told.clear()
    assert "removed" in run("uninstall").output
    told = [words for words in manager.told if words[0] != "show-environment"]
    assert told == [("disable", "--now", "impasto.service", "impasto.socket"), ("daemon-reload",)]
    assert not any(service.unit_path(name).exists() for name in service.UNITS)


def test_what_systemd_refuses_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "_systemctl", Manager(refuse="enable"))
    done = run("install")
    assert done.exit_code == 1 and "no such luck" in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.skipif(not shutil.which("systemctl"), reason="systemctl is not on this machine")
def test_a_service_that_is_to_listen_can_be_enabled_for_every_start_and_is_gone_with_its_units() -> None:
    """What the page tells the owner of a GPU box to type, here without a manager that would answer."""
    run("install")
    folder = service.unit_path().parent
    command = ["systemctl", "--user", "--root=/", "enable", str(service.unit_path())]
    subprocess.run(command, capture_output=True, timeout=60, check=True)
    wanted = {path.relative_to(folder) for path in folder.glob("*.wants/*")}
    assert wanted == {Path("default.target.wants/impasto.service"), Path("sockets.target.wants/impasto.socket")}
    run("uninstall")
    assert not any(path.is_symlink() for path in folder.rglob("*"))


def test_the_status_says_what_is_not_installed() -> None:
    assert "not installed" in run("status").output
    assert "not installed" in run("uninstall").output


def test_a_unit_of_another_version_is_noticed() -> None:
    run("install")
    service.unit_path().write_text("[Service]\n", encoding="utf-8")
    assert "not those of this version" in run("status").output
    run("install")
    service.unit_path(service.SOCKET).unlink()
    assert "not those of this version" in run("status").output


def test_a_daemon_that_systemd_did_not_start_is_not_pushed_aside(
    monkeypatch: pytest.MonkeyPatch, daemon: RunningDaemon
) -> None:
    monkeypatch.setenv("IMPASTO_ENDPOINT", daemon.endpoint)
    done = run("install")
    assert done.exit_code == 1 and f"end it (kill {daemon.process.pid})" in done.stderr
    assert not service.unit_path().exists()


def test_a_folder_that_cannot_be_written_is_a_sentence(home: Path) -> None:
    (home / "config").touch()
    with pytest.raises(ImpastoError, match="cannot be written"):
        service.install()
