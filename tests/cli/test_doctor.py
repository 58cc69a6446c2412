"""`impasto doctor`: each thing that can be wrong is named, with what to type."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result
from impasto_daemon import doctor, files, gimp_profiles, launch, service
from impasto_daemon.cli.app import impasto
from impasto_daemon.cli.doctor import complete
from impasto_daemon.doctor import OK, PROBLEM, WARNING, Finding
from impasto_protocol import __version__, key_files
from impasto_protocol.errors import RETRYABLE, Code
from impasto_protocol.pairing import Pairing

from tests.cli.conftest import House

TORCH: dict[str, Any] = {"version": "2.9", "device": "cpu", "name": "", "weights": [], "cache": "/tmp"}


@pytest.fixture(autouse=True)
def healthy(monkeypatch: pytest.MonkeyPatch, house: House) -> House:
    """A machine on which nothing is wrong and nothing is slow."""
    for name in ("HOME", "IMPASTO_ENDPOINT", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, house.environ.get(name, ""))
    monkeypatch.setattr(doctor, "ask_torch", lambda: TORCH)
    monkeypatch.setattr(doctor, "gimps", lambda: iter([("/usr/bin/gimp", "3.0.4")]))
    monkeypatch.setattr(gimp_profiles, "find", lambda: [])
    return house


def run(*words: str) -> Result:
    return CliRunner().invoke(impasto, ["doctor", *words])


def findings(room: str) -> list[tuple[str, str, str]]:
    """What the doctor says of one room."""
    return [(each.level, each.sentence, each.remedy) for each in doctor.examine() if each.room == room]


def only(room: str) -> tuple[str, str, str]:
    (found,) = findings(room)
    return found


def test_on_a_healthy_machine_nothing_is_broken() -> None:
    done = run()
    assert done.exit_code == 0 and "Nothing is broken." in done.output


def test_for_machines_it_is_one_object() -> None:
    found = json.loads(run("--json").output)
    assert found["problems"] == 0
    assert {"room", "level", "sentence", "remedy", "code"} == set(found["findings"][0])


def test_a_problem_fails_and_says_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    def ill(_: object) -> Iterator[Finding]:
        yield Finding("torch", PROBLEM, "torch is ill", "type this", Code.WORKER_DIED)

    monkeypatch.setattr(doctor, "torch_and_weights", ill)
    done = run()
    assert done.exit_code == 1 and "→ type this" in done.output and "1 to be put right" in done.output
    assert "torch is ill [worker_died]" in done.output and "impasto doctor CODE" in done.output


@pytest.mark.parametrize("code", Code)
def test_every_code_is_explained_with_what_to_do(code: Code) -> None:
    done = run(code.value)
    meaning, remedy = done.output.splitlines()
    assert done.exit_code == 0 and meaning.startswith(f"{code.value}: ") and remedy.startswith("→ ")
    found = json.loads(run(code.value, "--json").output)
    assert (found["code"], found["retryable"]) == (code.value, code in RETRYABLE)
    assert found["page"] == f"docs/troubleshooting.md#{code.value}"


def test_a_code_is_known_as_it_was_copied_and_a_wrong_one_has_its_nearest_named() -> None:
    assert run("[Out-of-memory]").output == run("out_of_memory").output
    done = run("out_of_memry")
    assert done.exit_code == 1 and "Did you mean “out_of_memory”?" in done.stderr and "[bad_request]" in done.stderr


def test_codes_complete() -> None:
    assert complete(click.Context(click.Command("doctor")), click.Argument(["code"]), "out") == ["out_of_memory"]


def test_torch_that_is_missing_where_no_daemon_runs_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "has_torch", lambda: False)
    level, _, remedy = only("torch")
    assert [each.code for each in doctor.examine() if each.room == "torch"] == [Code.UNREACHABLE]
    assert level == PROBLEM and "pip install '.[daemon]' in Impasto's folder, or `impasto pair`" in remedy
    level, sentence, _ = only("daemon")
    assert level == WARNING and "without torch none can be started" in sentence
    assert run().exit_code == 1


def test_torch_is_not_needed_where_a_daemon_is_elsewhere(monkeypatch: pytest.MonkeyPatch, healthy: House) -> None:
    monkeypatch.setattr(launch, "has_torch", lambda: False)
    healthy.socket.parent.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as forwarded:
        forwarded.bind(str(healthy.socket))
        forwarded.listen()
        (near,) = doctor.torch_and_weights(None)
        (far,) = doctor.torch_and_weights("tcp://gpubox:7766")
    assert (near.level, near.sentence) == (OK, f"not needed: the daemon is at ipc://{healthy.socket}")
    assert (far.level, far.sentence) == (OK, "not needed: the daemon is at tcp://gpubox:7766")


def test_where_torch_is_here_too_the_daemon_that_this_machine_is_paired_with_is_named() -> None:
    assert only("daemon")[2] == ""
    key_files.store_pairing(Pairing("studio", "tcp://gpubox:7766", bytes(32), bytes(range(32))))
    level, _, remedy = only("daemon")
    assert level == OK and remedy == "to paint there instead: export IMPASTO_ENDPOINT=tcp://gpubox:7766"


@pytest.mark.parametrize(
    "words", [("status",), ("cancel", "x"), ("stylize", "content.png", "--style", "style.png", "-o", "o.png")]
)
def test_without_torch_a_command_names_the_daemon_that_this_machine_is_paired_with(
    monkeypatch: pytest.MonkeyPatch, healthy: House, words: tuple[str, ...]
) -> None:
    monkeypatch.setattr(launch, "has_torch", lambda: False)
    monkeypatch.chdir(healthy.folder)
    done = CliRunner().invoke(impasto, words)
    assert done.exit_code == 1 and "or `impasto pair`" in done.stderr and "[unreachable]" in done.stderr
    assert "is started" not in done.stderr
    key_files.store_pairing(Pairing("studio", "tcp://gpubox:7766", bytes(32), bytes(range(32))))
    told = "this machine is paired with tcp://gpubox:7766: export IMPASTO_ENDPOINT=tcp://gpubox:7766"
    assert told in CliRunner().invoke(impasto, words).stderr
    assert only("torch")[2] == told


def test_what_daemons_keep_is_weighed_and_looked_at() -> None:
    path = files.state_folder()
    assert only("state") == (OK, f"{path} is not there yet; the daemon makes it", "")
    results = files.private(path / "results" / "an endpoint")
    with files.whole(results / "a.result") as file:
        file.write(bytes(3_100_000))
    assert only("state") == (OK, f"3 MB in {path} is yours alone", "")
    assert list(doctor.kept("tcp://gpubox:7766")) == [], "a daemon elsewhere has its own"


@pytest.mark.parametrize("mode", [0o640, 0o602])
def test_what_others_can_read_or_change_of_it_is_a_warning_with_what_to_type(mode: int) -> None:
    path = files.private(files.state_folder())
    (path / "a.result").touch(mode)
    (path / "a.result").chmod(mode)
    level, sentence, remedy = only("state")
    assert level == WARNING and "other users can read or change" in sentence and remedy == f"chmod -R go= {path}"
    (path / "a.result").chmod(0o600)
    path.chmod(0o777)
    assert only("state")[0] == WARNING
    path.chmod(0o755)
    assert only("state")[0] == OK, "that it is there is no secret"


def test_where_nothing_can_be_kept_it_is_said_what_that_costs(monkeypatch: pytest.MonkeyPatch) -> None:
    path = files.private(files.state_folder())
    monkeypatch.setattr(files, "room", lambda _: -1)
    level, sentence, remedy = only("state")
    assert level == WARNING and "nearly full" in sentence and remedy.startswith("make room")
    path.rmdir()
    path.touch()
    level, sentence, remedy = only("state")
    assert level == WARNING and f"{path} cannot be written" in sentence and "XDG_STATE_HOME" in remedy


def test_a_daemon_without_torch_is_no_fault_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "has_torch", lambda: False)
    done = CliRunner().invoke(impasto, ["daemon"])
    assert done.exit_code == 1 and "[unreachable]" in done.stderr and launch.INSTALL in done.stderr


@pytest.mark.parametrize("error", [ValueError("libcuda is broken"), subprocess.TimeoutExpired("python", 60)])
def test_torch_that_cannot_be_imported_is_a_problem(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def ask() -> dict[str, Any]:
        raise error

    monkeypatch.setattr(doctor, "ask_torch", ask)
    assert only("torch")[0] == PROBLEM


def row(network: str, present: bool = False, damaged: bool = False) -> dict[str, object]:
    """What torch's process says of a network's weights."""
    return {"network": network, "path": f"/tmp/{network}.pth", "present": present, "damaged": damaged}


def test_weights_that_are_missing_are_a_warning_and_a_full_disk_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    facts = {**TORCH, "weights": [row("vgg19")]}
    monkeypatch.setattr(doctor, "ask_torch", lambda: facts)
    assert only("weights")[::2] == (WARNING, "impasto weights fetch")
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 1_000_000})())
    assert [level for level, _, _ in findings("weights")] == [WARNING, PROBLEM]


def test_weights_that_are_here_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "ask_torch", lambda: {**TORCH, "weights": [row("vgg19", present=True)]})
    assert only("weights") == (OK, "vgg19: /tmp/vgg19.pth", "")


def test_weights_that_are_damaged_are_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "ask_torch", lambda: {**TORCH, "weights": [row("vgg16", damaged=True)]})
    level, sentence, remedy = only("weights")
    assert level == WARNING and "/tmp/vgg16.pth is damaged or partial" in sentence
    assert remedy == "impasto weights fetch vgg16"


def test_a_network_that_the_default_recipe_does_without_need_not_be_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "ask_torch", lambda: {**TORCH, "weights": [row("vgg16")]})
    level, sentence, _ = only("weights")
    assert level == OK and "impasto weights fetch vgg16" in sentence


def test_a_folder_that_others_can_enter_is_a_problem(healthy: House) -> None:
    healthy.socket.parent.mkdir()
    healthy.socket.parent.chmod(0o755)
    level, _, remedy = only("endpoint")
    assert level == PROBLEM and remedy.startswith(f"chmod 700 {healthy.socket.parent}")
    healthy.socket.parent.chmod(0o700)
    assert only("endpoint")[0] == OK


def test_a_private_socket_in_an_open_folder_is_in_order_as_ssh_makes_them(healthy: House) -> None:
    with socket.socket(socket.AF_UNIX) as forwarded:
        healthy.socket.parent.mkdir()
        healthy.socket.parent.chmod(0o755)
        forwarded.bind(str(healthy.socket))
        healthy.socket.chmod(0o600)
        assert only("endpoint")[0] == OK
        healthy.socket.parent.chmod(0o1777)
        level, sentence, remedy = only("endpoint")
        assert level == PROBLEM and "other users can put a socket of theirs into" in sentence
        assert remedy.startswith(f"chmod 700 {healthy.socket.parent}")


def test_an_endpoint_that_no_daemon_can_have_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMPASTO_ENDPOINT", "tcp://127.0.0.1:5555")
    assert run().exit_code == 1


def test_a_daemon_that_runs_is_named_with_its_version(healthy: House) -> None:
    assert "none runs" in only("daemon")[1]
    healthy.run(*healthy.stylize())
    level, sentence, _ = only("daemon")
    assert level == OK and f"impasto-daemon/{__version__}" in sentence


def test_a_daemon_of_another_version_is_a_warning(monkeypatch: pytest.MonkeyPatch, healthy: House) -> None:
    healthy.run(*healthy.stylize())
    monkeypatch.setattr(doctor, "__version__", "9.9.9")
    assert only("daemon")[0] == WARNING


@pytest.mark.parametrize(("name", "folder"), [("Flatpak", "app/org.gimp.GIMP"), ("Snap", "snap.gimp")])
def test_a_gimp_in_a_sandbox_wants_a_daemon_where_both_see_it(
    monkeypatch: pytest.MonkeyPatch, name: str, folder: str
) -> None:
    monkeypatch.setattr(doctor, "gimps", lambda: iter([(name, "3.0.6")]))
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/1")
    assert [(level, remedy) for level, _, remedy in findings("gimp")] == [
        (OK, ""),
        (WARNING, f"impasto daemon --endpoint ipc:///run/user/1/{folder}/impasto/daemon.sock"),
    ]


def test_a_gimp_that_is_too_old_is_not_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "gimps", lambda: iter([("/usr/bin/gimp", "2.10.34")]))
    level, sentence, _ = only("gimp")
    assert level == WARNING and "2.10.34" in sentence


def test_a_gimp_is_asked_for_its_version(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.undo()
    program = tmp_path / "gimp-3.0"
    program.write_text("#!/bin/sh\necho GNU Image Manipulation Program version 3.0.4\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert list(doctor.gimps()) == [(str(program), "3.0.4")]


def test_each_profile_is_checked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "3.0" / "plug-ins" / "impasto").mkdir(parents=True)
    monkeypatch.setattr(gimp_profiles, "find", lambda: [tmp_path / "3.0", tmp_path / "3.2"])
    bad, absent = findings("plug-in")
    assert bad[0] == PROBLEM and bad[2] == "impasto install-plugin"
    assert absent[0] == WARNING and absent[2] == "impasto install-plugin"


def test_a_plug_in_that_cannot_work_breaks_nothing_where_there_is_no_gimp(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "3.0" / "plug-ins" / "impasto").mkdir(parents=True)
    monkeypatch.setattr(gimp_profiles, "find", lambda: [tmp_path / "3.0"])
    monkeypatch.setattr(doctor, "gimps", lambda: iter([("/usr/bin/gimp", "2.10.34")]))
    assert only("plug-in")[0] == WARNING
    assert run().exit_code == 0


@pytest.mark.parametrize(
    ("active", "current", "level"), [("active", True, OK), ("failed", True, PROBLEM), ("active", False, WARNING)]
)
def test_the_service_is_looked_at(monkeypatch: pytest.MonkeyPatch, active: str, current: bool, level: str) -> None:
    monkeypatch.setattr(service, "status", lambda: service.Status(Path("/u"), current, "enabled", active, "inactive"))
    assert only("service")[0] == level


def test_the_real_torch_is_asked_in_another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    facts = doctor.ask_torch()
    assert set(facts) == set(TORCH) and facts["weights"][0]["network"] == "vgg19"
