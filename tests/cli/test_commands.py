"""The other commands: through the real command where a daemon is concerned, in this process elsewhere."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result
from impasto_daemon import gimp_profiles, launch, plugin_install, weights
from impasto_daemon.cli import status
from impasto_daemon.cli.app import COMMANDS, impasto
from impasto_daemon.cli.report import JsonReport, Report, time_left
from impasto_daemon.engine.recipes import RECIPES
from impasto_daemon.supervisor import TAKEN
from impasto_protocol import __version__
from impasto_protocol.errors import Code, ImpastoError
from impasto_protocol.forecast import Forecast
from impasto_protocol.jobstate import State
from impasto_protocol.messages import Accepted, Progress

from tests.cli.conftest import House, alive, finish, until


def invoke(*words: object) -> Result:
    """The command in this process."""
    return CliRunner().invoke(impasto, [str(word) for word in words], prog_name="impasto")


# Every command


def test_the_version_is_said() -> None:
    assert invoke("--version").output == f"impasto, version {__version__}\n"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str) -> None:
    done = invoke(name, "--help")
    assert done.exit_code == 0 and done.output.startswith(f"Usage: impasto {name} ")


def test_the_command_and_the_module_are_the_same(house: House) -> None:
    script = Path(sys.executable).with_name("impasto")
    found = subprocess.run([script, "--help"], capture_output=True, text=True, check=True)
    assert found.stdout == house.run("--help").stdout


def test_help_needs_neither_torch_nor_numpy(house: House) -> None:
    code = "import sys; sys.argv[1:] = ['--help']\nfrom impasto_daemon.cli import main\n"
    code += "try: main()\nfinally: print(*(m for m in ('torch', 'numpy', 'torchvision') if m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("\n\n")


def test_an_unknown_command_is_wrong_usage() -> None:
    assert invoke("styilze").exit_code == 2


def test_a_terminal_that_lacks_a_letter_is_no_error(house: House) -> None:
    environ = house.environ | {"PYTHONIOENCODING": "latin-1"}
    command = [sys.executable, "-m", "impasto_daemon.cli", "recipes", "gatys"]
    done = subprocess.run(command, capture_output=True, env=environ, check=True)
    assert b"formula:  E_l = ?(G" in done.stdout


def test_what_should_not_happen_is_one_line_with_a_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> Any:
        raise ZeroDivisionError("on\npurpose")

    monkeypatch.setattr("impasto_daemon.cli.recipes.find", broken)
    done = invoke("recipes", "gatys")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1 and "ZeroDivisionError" in done.stderr and "--debug" in done.stderr
    assert isinstance(invoke("--debug", "recipes", "gatys").exception, ZeroDivisionError)


@pytest.mark.parametrize("words", [["status"], ["cancel", "x"]])
def test_without_a_daemon_a_question_is_answered_with_what_to_do(house: House, words: list[str]) -> None:
    done = house.run(*words)
    assert done.returncode == 1 and done.stdout == ""
    assert "impasto doctor" in done.stderr and done.stderr.count("\n") == 1
    assert "no daemon runs; one is started when there is something to paint" in done.stderr
    assert not house.log.exists()


def test_a_result_may_wait_on_disk_so_fetching_starts_a_daemon(house: House) -> None:
    done = house.run("fetch", "x", "-o", "x.png")
    assert done.returncode == 1 and "There is no job x here" in done.stderr
    assert house.log.exists()


def test_for_machines_the_absence_of_a_daemon_is_an_object(house: House) -> None:
    found = json.loads(house.run("status", "--json").stdout)
    assert (found["event"], found["code"], found["retryable"]) == ("error", "unreachable", True)


def test_where_torch_is_missing_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch, house: House) -> None:
    monkeypatch.setenv("IMPASTO_ENDPOINT", house.environ["IMPASTO_ENDPOINT"])
    monkeypatch.setattr(launch, "has_torch", lambda: False)
    for done in (invoke(*house.stylize()), invoke("daemon")):
        assert done.exit_code == 1 and "pip install '.[daemon]' in Impasto's folder" in done.stderr
    assert "or `impasto pair`" in invoke(*house.stylize()).stderr
    (house.folder / "my.pth").write_bytes(b"weights")
    monkeypatch.setenv("IMPASTO_ENDPOINT", "tcp://gpubox:7766")
    done = invoke(*house.stylize("--weights", house.folder / "my.pth"))
    assert done.exit_code == 1 and "leave it out to use tcp://gpubox:7766 [unreachable]" in done.stderr


# daemon, status, cancel


@pytest.fixture
def daemon(house: House) -> Generator[subprocess.Popen[str], None, None]:
    """A daemon in the foreground, listening."""
    process = house.start("daemon", "--log-level", "info")
    until(house.socket.exists)
    yield process
    process.terminate()
    finish(process)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_daemon_in_the_foreground_ends_when_told(
    house: House, daemon: subprocess.Popen[str], number: signal.Signals
) -> None:
    daemon.send_signal(number)
    assert finish(daemon).returncode == 0
    assert not house.socket.exists()


def test_a_second_daemon_at_one_endpoint_is_refused(house: House, daemon: subprocess.Popen[str]) -> None:
    done = house.run("daemon")
    assert done.returncode == TAKEN and "nother daemon listens" in done.stderr
    assert house.run("status").returncode == 0


def test_a_daemon_with_nothing_to_do_leaves(house: House) -> None:
    done = house.run("daemon", "--idle-exit", "0.2")
    assert done.returncode == 0


def test_a_daemon_is_refused_weights_that_are_not_there(house: House) -> None:
    done = house.run("daemon", "--weights", "nowhere.pth")
    assert done.returncode == 1 and "there is no weights file" in done.stderr


def test_the_status_is_read_by_people(house: House, daemon: subprocess.Popen[str]) -> None:
    before = house.run("status").stdout
    assert f"impasto-daemon/{__version__}" in before and "no jobs" in before
    house.run(*house.stylize())
    assert "succeeded" in house.run("status").stdout


def test_the_status_is_read_by_machines(house: House, daemon: subprocess.Popen[str]) -> None:
    house.run(*house.stylize())
    found = house.status()
    assert found["daemon"]["pid"] == daemon.pid and found["daemon"]["endpoint"] == house.environ["IMPASTO_ENDPOINT"]
    (job,) = found["jobs"]
    assert (job["state"], job["width"], job["height"]) == ("succeeded", 40, 30)


FORECAST = Forecast(4000, 3000, 6, 40, 5_100_000_000, 170.0, "cpu")
MEANS = {"device": "cpu", "memory": 7_400_000_000, "host": 7_400_000_000, "flops": 4.1e11, "half": 0.0}


def said_by(show: Any, *values: Any) -> list[str]:
    """The lines that a function says."""
    return CliRunner().invoke(click.Command("x", callback=lambda: show(*values))).output.splitlines()


def test_what_the_device_can_do_is_one_line() -> None:
    worker = {"state": "idle", **MEANS, "features": "vgg19"}
    lines = said_by(status.show_daemon, {"device": "auto", "means": MEANS, "worker": worker})
    assert [" ".join(line.split()) for line in lines] == [
        "device: auto",
        "means: cpu, 7.4 GB free, 0.41 Tflop/s",
        "worker: state idle, features vgg19",
    ]


@pytest.mark.parametrize("means", [{}, None, {"device": "cpu"}, {"device": "cpu", "memory": "much", "flops": None}])
def test_what_is_not_known_of_the_device_is_not_said(means: Any) -> None:
    assert said_by(status.show_daemon, {"means": means}) == []


def test_a_device_of_unknown_speed_has_its_memory_said() -> None:
    (line,) = said_by(status.show_daemon, {"means": {**MEANS, "flops": 0.0}})
    assert line.endswith("cpu, 7.4 GB free")


def test_what_jobs_will_take_is_said_while_they_are_not_over() -> None:
    row = {"job": "j", "state": "queued", "recipe": "impasto", "width": 8000, "height": 6000}
    (line,) = said_by(status.show_jobs, [{**row, "forecast": FORECAST.as_map()}])
    assert line.endswith("impasto, 8000×6000; to be painted: 4000×3000, 6 tiles, about 3 min, 5.1 GB")
    for foreign in ({}, None, "soon", {"width": "large"}):
        (line,) = said_by(status.show_jobs, [{**row, "forecast": foreign}])
        assert line.endswith("impasto, 8000×6000")


@pytest.mark.parametrize("foreseen", [FORECAST.as_map(), {}])
def test_what_a_job_will_take_is_said_before_it_starts(foreseen: dict[str, Any]) -> None:
    accepted = Accepted(re=1, job="f2c5", state=State.QUEUED, forecast=foreseen)
    sentence = "to be painted on cpu: 4000×3000, 6 tiles, about 3 min, 5.1 GB"
    assert said_by(Report().accepted, accepted) == ["job f2c5", *([sentence] if foreseen else [])]
    (event,) = said_by(JsonReport().accepted, accepted)
    assert json.loads(event) == {"event": "started", "job": "f2c5", "forecast": foreseen}


@pytest.mark.parametrize("foreseen", [FORECAST, None])
def test_what_it_would_take_is_said_where_it_can_be(foreseen: Forecast | None) -> None:
    (line,) = said_by(Report().foreseen, foreseen)
    assert ("4000×3000, 6 tiles" in line) != ("cannot say" in line)
    (event,) = said_by(JsonReport().foreseen, foreseen)
    assert json.loads(event) == {"event": "forecast", "forecast": foreseen.as_map() if foreseen else {}}


def test_a_job_that_has_to_wait_says_so() -> None:
    accepted = Accepted(re=1, job="f2c5", state=State.QUEUED, position=2)
    assert said_by(Report().accepted, accepted) == ["job f2c5", "waiting: 2 other jobs are before this one"]


def test_to_cancel_what_is_over_is_said_to_be_of_no_use(house: House, daemon: subprocess.Popen[str]) -> None:
    assert house.run(*house.stylize()).returncode == 0
    job = house.status()["jobs"][0]["job"]
    assert house.run("cancel", job[:6]).stdout == f"{job} had succeeded before: there was nothing to cancel\n"


def test_a_job_that_runs_is_said_to_be_painted_with_what_it_is_painted_with() -> None:
    rows = [{"job": name, "state": state, "recipe": "impasto"} for name, state in (("a", "running"), ("b", "queued"))]
    running, queued = said_by(status.show_jobs, rows, {"a": "wavelets, which stands in for impasto"})
    assert "wavelets, which stands in for impasto" in running and "wavelets" not in queued


def test_a_job_that_is_over_is_named_by_what_stood_in() -> None:
    row = {"job": "a", "state": "succeeded", "recipe": "impasto"}
    stood_in, as_asked = said_by(status.show_jobs, [{**row, "stand_in": "wavelets"}, {**row, "stand_in": ""}])
    assert "wavelets, which stood in for impasto" in stood_in and "wavelets" not in as_asked


@pytest.mark.parametrize(("step", "left"), [(4, ", 0 s left"), (5, "")])
def test_after_the_last_step_no_time_is_left_to_tell(step: int, left: str) -> None:
    assert time_left(Progress(job="j", state=State.RUNNING, step=step, steps=5, eta=0.0)) == left


@pytest.mark.parametrize("words", [["cancel"], ["fetch", "-o", "x.png"]])
def test_a_job_that_nobody_knows_is_a_sentence(house: House, daemon: subprocess.Popen[str], words: list[str]) -> None:
    for name in ("nobody", "no body", "x" * 99):
        done = house.run(*words, name)
        assert done.returncode == 1 and done.stderr.count("\n") == 1


# recipes


def test_the_recipes_are_listed() -> None:
    done = invoke("recipes")
    assert done.exit_code == 0 and all(name in done.output for name in RECIPES)


def test_the_table_of_recipes_says_what_articles_say_of_them_within_100_columns() -> None:
    lines = invoke("recipes").output.splitlines()
    assert max(map(len, lines)) <= 100
    (gatys,) = [line.split() for line in lines if line.startswith("gatys ") and "lbfgs" in line]
    assert gatys == ["gatys", "vgg19", "4_2", "1_1", "2_1", "3_1", "4_1", "5_1", "noise", "lbfgs", "300"]
    words = " ".join(" ".join(lines).split())
    assert all(len(set(recipe.summary.split()) - set(words.split())) == 0 for recipe in RECIPES.values())


def test_a_recipe_is_shown_in_the_form_that_set_takes() -> None:
    lines = invoke("recipes", "gatys").output.splitlines()
    assert "  content_layers=conv4_2" in lines and "  steps=300" in lines


def test_recipes_for_machines_are_their_own_description() -> None:
    assert json.loads(invoke("recipes", "--json").output) == [recipe.describe() for recipe in RECIPES.values()]
    assert json.loads(invoke("recipes", "gatys", "--json").output) == RECIPES["gatys"].describe()


def test_an_unknown_recipe_comes_with_the_nearest() -> None:
    done = invoke("recipes", "wavelet")
    assert done.exit_code == 1 and "“wavelets”" in done.stderr


# weights


ITEM = weights.Known("vgg19", "https://example.org/vgg19-01d448af.pth")
"""The checksum is that of ten zeros."""


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Weights that are not here, and whose download takes three steps."""

    def fetch(item: weights.Known) -> Generator[weights.Progress, None, Path]:
        for done in (0, 5_000_000, 10_000_000):
            yield weights.Progress(done, 10_000_000)
        (tmp_path / item.file).write_bytes(bytes(10))
        return tmp_path / item.file

    monkeypatch.setattr(weights, "known", lambda: {"vgg19": ITEM})
    monkeypatch.setattr(weights, "places", lambda item: (tmp_path / item.file,))
    monkeypatch.setattr(weights, "cache_folder", lambda: tmp_path)
    monkeypatch.setattr(weights, "fetch", fetch)
    return tmp_path / ITEM.file


def test_weights_that_are_not_here_come_with_what_to_type(store: Path) -> None:
    done = invoke("weights", "list")
    assert done.exit_code == 0 and "impasto weights fetch" in done.output
    assert json.loads(invoke("weights", "list", "--json").output)[0]["present"] is False


def test_weights_are_fetched_once(store: Path) -> None:
    first, second = invoke("weights", "fetch"), invoke("weights", "fetch")
    assert first.stdout == second.stdout == f"vgg19  {store} (0 MB)\n"
    assert "0 MB of 10 MB" in first.stderr and second.stderr == ""
    assert str(store) in invoke("weights", "list").output


def test_weights_for_machines_are_objects(store: Path) -> None:
    events = [json.loads(line) for line in invoke("weights", "fetch", "--json").output.splitlines()]
    assert [event["event"] for event in events] == ["progress"] * 3 + ["result"]
    assert events[1] == {"event": "progress", "file": ITEM.file, "done": 5_000_000, "total": 10_000_000}
    assert events[-1] == {"event": "result", "network": "vgg19", "path": str(store)}


def test_weights_that_cannot_be_fetched_are_a_sentence(monkeypatch: pytest.MonkeyPatch, store: Path) -> None:
    def fetch(item: weights.Known) -> Generator[weights.Progress, None, Path]:
        yield weights.Progress(0, 0)
        raise ImpastoError(Code.MISSING_WEIGHTS, "The disk is full: make room.")

    monkeypatch.setattr(weights, "fetch", fetch)
    done = invoke("weights", "fetch")
    assert done.exit_code == 1 and done.stderr.endswith("impasto: The disk is full: make room. [missing_weights]\n")


# install-plugin, uninstall-plugin


def test_the_plugin_goes_into_every_profile_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    profiles = [tmp_path / "3.0", tmp_path / "3.2"]
    monkeypatch.setattr(gimp_profiles, "find", lambda: profiles)
    monkeypatch.setattr(plugin_install, "vendor_zmq", lambda vendor, say: ("3.10",))
    monkeypatch.setattr(plugin_install, "check", lambda profile: [plugin_install.Finding(False, "GIMP is too old.")])
    done = invoke("install-plugin")
    assert done.exit_code == 0, done.output
    assert all((profile / "plug-ins" / "impasto" / "impasto.py").is_file() for profile in profiles)
    assert "Restart GIMP" in done.stdout and "GIMP is too old." in done.stderr and "3.10" in done.stderr
    gone = invoke("uninstall-plugin")
    assert gone.output.count("removed from") == 2 and invoke("uninstall-plugin").output.count("not there") == 2


def test_the_plugin_goes_into_the_one_profile_that_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(plugin_install, "vendor_zmq", lambda vendor, say: ())
    monkeypatch.setattr(plugin_install, "check", lambda profile: [])
    assert invoke("install-plugin", "--gimp-dir", tmp_path / "mine").exit_code == 0
    assert (tmp_path / "mine" / "plug-ins" / "impasto" / "impasto.py").is_file()


def test_a_profile_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = invoke("install-plugin", "--gimp-dir", tmp_path / "file")
    assert done.exit_code == 1 and "cannot be changed" in done.stderr and done.stderr.count("\n") == 1


# Starting


def test_ctrl_c_while_the_daemon_starts_is_no_traceback(house: House) -> None:
    process = house.start(*house.stylize())
    assert process.stderr is not None
    until(lambda: process.stderr is not None and "no daemon runs" in process.stderr.readline())
    process.send_signal(signal.SIGINT)
    done = finish(process)
    assert done.returncode == 130 and not house.out.exists()


def test_a_daemon_that_a_command_started_outlives_it(house: House) -> None:
    house.run(*house.stylize())
    pid = house.status()["daemon"]["pid"]
    assert alive(pid)
