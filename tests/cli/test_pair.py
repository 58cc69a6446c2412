"""Two machines are paired in one step on each; from then on one paints on the other, until its key is revoked."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from impasto_daemon import doctor, launch, paired
from impasto_daemon.cli import pair as command
from impasto_daemon.cli.app import impasto
from impasto_protocol import key_files
from impasto_protocol.endpoint import PORT
from impasto_protocol.errors import Code
from impasto_protocol.pairing import Pairing
from PIL import Image

from tests.cli.conftest import House, finish, until

HERE = "tcp://127.0.0.1"


class Far:
    """The artist's machine and the one with the GPU, which share nothing but the network."""

    def __init__(self, artist: House, gpu: House) -> None:
        self.artist, self.gpu = artist, gpu
        self.daemon = gpu.start("daemon", "--endpoint", f"ipc://{gpu.socket}", "--listen", f"{HERE}:0")
        self.endpoint = ""

    def find(self) -> None:
        """Where the daemon listens, once it does."""
        until(self.gpu.socket.exists)
        self.endpoint = str(self.gpu.status()["daemon"]["network"]["endpoint"])

    def pair(self, name: str) -> None:
        """A pairing in one step on each machine."""
        invited = self.gpu.run("pair", "--name", name)
        assert invited.returncode == 0, invited.stderr
        done = self.artist.run("pair", invited.stdout.strip())
        assert done.returncode == 0 and "answers there" in done.stdout, done
        self.artist.environ["IMPASTO_ENDPOINT"] = self.endpoint


@pytest.fixture
def far(house: House, another_house: Callable[[], House]) -> Iterator[Far]:
    far = Far(house, another_house())
    try:
        far.find()
        yield far
    finally:
        far.daemon.send_signal(signal.SIGTERM)
        print(finish(far.daemon).stderr)


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch, house: House) -> House:
    """A machine on which the commands run in this process; no daemon."""
    for name in ("IMPASTO_ENDPOINT", "XDG_CONFIG_HOME", "HOME"):
        monkeypatch.setenv(name, house.environ[name])
    return house


def said(*words: str) -> str:
    done = CliRunner().invoke(impasto, ["pair", *words])
    assert done.exit_code == 0, done.output
    return str(done.stdout)


def refused(*words: str) -> str:
    done = CliRunner().invoke(impasto, ["pair", *words])
    assert done.exit_code == 1 and done.stderr.startswith("impasto: ")
    return str(done.stderr)


def test_a_paired_machine_paints_on_the_other_until_it_is_revoked(far: Far) -> None:
    far.pair("studio")
    done = far.artist.run(*far.artist.stylize())
    assert done.returncode == 0, done.stderr
    with Image.open(far.artist.out) as picture:
        assert picture.size == (40, 30)
    assert far.endpoint in far.artist.run("pair", "--list").stdout
    assert "client-1" not in far.gpu.run("pair", "--list").stdout
    assert "studio" in far.gpu.run("pair", "--list").stdout
    assert far.gpu.run("pair", "--revoke", "studio").returncode == 0
    done = far.artist.run("status")
    assert done.returncode == 1
    assert "never paired, or its key was revoked" in done.stderr and "[not_paired]" in done.stderr


def test_a_code_that_was_revoked_takes_no_working_key_s_place(far: Far) -> None:
    dead = far.gpu.run("pair", "--name", "dead").stdout.strip()
    far.gpu.run("pair", "--revoke", "dead")
    alone = far.artist.run("pair", dead)
    assert alone.returncode == 1 and "its key is not kept" in alone.stderr and alone.stdout == ""
    assert not list(far.artist.folder.glob("config/impasto/keys/daemons/*"))
    far.pair("studio")
    again = far.artist.run("pair", dead)
    assert again.returncode == 1 and "the key from before stays" in again.stderr and "[not_paired]" in again.stderr
    assert far.artist.run("status").returncode == 0


def test_the_doctor_knows_both_ends(far: Far, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", far.artist.environ["XDG_CONFIG_HOME"])
    near = f"ipc://{far.gpu.socket}"
    (_, alone) = doctor.daemon(near)
    assert (alone.level, alone.remedy) == (doctor.WARNING, "impasto pair")
    far.pair("studio")
    (_, listens) = doctor.daemon(near)
    assert (listens.level, listens.room) == (doctor.OK, "network")
    assert f"listens at {far.endpoint} for 1 paired client" in listens.sentence
    (key,) = doctor.folder(far.endpoint)
    assert f"the key for {far.endpoint} is yours alone" in key.sentence
    assert f"answers at {far.endpoint}" in next(doctor.daemon(far.endpoint)).sentence
    far.gpu.run("pair", "--revoke", "studio")
    (refused,) = doctor.daemon(far.endpoint)
    assert refused.level == doctor.PROBLEM and "impasto pair --list" in refused.remedy


def test_an_unknown_network_daemon_is_refused_before_anything_is_sent(house: House) -> None:
    house.environ["IMPASTO_ENDPOINT"] = "tcp://127.0.0.1:9"
    for words in (house.stylize(), ("status",)):
        done = house.run(*words)
        assert done.returncode == 1
        assert "no key for tcp://127.0.0.1:9" in done.stderr and "impasto pair CODE" in done.stderr


def test_a_code_is_read_from_a_file_or_from_a_pipe_and_leaves_nothing_else(alone: House) -> None:
    code = Pairing("studio", f"{HERE}:9", bytes(range(32)), bytes(range(32, 64))).code
    (alone.folder / "code").write_text(f"{code}\n")
    assert f"paired with the daemon at {HERE}:9 as studio" in said(str(alone.folder / "code"))
    done = CliRunner().invoke(impasto, ["pair", "-"], input=f"{code}\n")
    assert done.exit_code == 0 and "The key is kept, but for now: No daemon answers" in done.stderr
    assert key_files.load_pairing(f"{HERE}:9") == Pairing.of_code(code)
    assert code.split("/")[2] not in done.output


def test_a_client_may_know_the_daemon_s_machine_by_another_name(alone: House) -> None:
    code = Pairing("studio", f"{HERE}:9", bytes(range(32)), bytes(range(32, 64))).code
    assert "export IMPASTO_ENDPOINT=tcp://localhost:9" in said(code, "--address", "localhost")
    assert "export IMPASTO_ENDPOINT=tcp://localhost:10" in said(code, "--address", "localhost:10")


def test_a_key_that_is_forgotten_is_gone_and_no_other(alone: House, monkeypatch: pytest.MonkeyPatch) -> None:
    for host in ("127.0.0.1:9", f"gpubox:{PORT}"):
        key_files.store_pairing(Pairing("studio", f"tcp://{host}", bytes(range(32)), bytes(range(32, 64))))
    monkeypatch.setenv("IMPASTO_ENDPOINT", f"tcp://gpubox:{PORT}")
    done = CliRunner().invoke(impasto, ["pair", "--forget", "GPUbox"])
    assert done.exit_code == 0 and "--revoke NAME" in done.stderr
    assert [path.stem for path in key_files.folder().glob("daemons/*")] == ["127.0.0.1:9"]
    assert f"127.0.0.1:9. [{Code.NOT_PAIRED.value}]" in refused("--forget", "gpubox")
    assert said("--forget", f"{HERE}:9").startswith(f"the key for {HERE}:9 is gone")


def test_what_is_no_code_is_refused_and_not_repeated(alone: House) -> None:
    assert "neither a pairing code" in refused("AAAA")
    assert "AAAA" not in refused("AAAA")
    assert "the whole line" in refused("impasto:studio@gpu:7766/AAAA")


def test_a_pairing_is_one_line_for_the_pipe_and_the_rest_is_for_people(alone: House) -> None:
    done = CliRunner().invoke(impasto, ["pair", "--name", "studio", "--address", "gpubox"])
    assert re.fullmatch(rf"impasto:studio@gpubox:{PORT}/\S+\n", done.stdout)
    assert "is a secret" in done.stderr and "impasto pair --revoke studio" in done.stderr
    assert "can see, fetch and cancel every job here" in done.stderr
    assert f"impasto daemon --listen tcp://0.0.0.0:{PORT}" in done.stderr, "nobody listens yet"
    assert [client.name for client in paired.clients().values()] == ["studio"]


@pytest.mark.parametrize(
    ("address", "listening", "endpoint"),
    [
        ("", "", f"tcp://OWN:{PORT}"),
        ("", "tcp://0.0.0.0:99", "tcp://OWN:99"),
        ("", "tcp://192.0.2.7:99", "tcp://192.0.2.7:99"),
        ("gpubox", "tcp://0.0.0.0:99", "tcp://gpubox:99"),
        ("gpubox:5", "tcp://0.0.0.0:99", "tcp://gpubox:5"),
        ("[fe80::1]", "", f"tcp://[fe80::1]:{PORT}"),
        ("[fe80::1]:5", "", "tcp://[fe80::1]:5"),
    ],
)
def test_a_client_is_told_where_the_daemon_is_as_far_as_this_machine_knows(
    monkeypatch: pytest.MonkeyPatch, address: str, listening: str, endpoint: str
) -> None:
    monkeypatch.setattr(command, "own_address", lambda: "OWN")
    assert command.endpoint_at(address, listening) == endpoint


def test_an_address_that_is_none_is_refused(alone: House) -> None:
    assert "tcp://HOST:PORT" in refused("--address", "over there")
    assert paired.clients() == {}


def test_a_machine_that_uses_another_s_daemon_makes_no_codes(alone: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMPASTO_ENDPOINT", "tcp://gpubox:7766")
    assert "a client is paired on the machine where the daemon runs" in refused()


@pytest.mark.parametrize(
    "words", [["--list", "--revoke", "x"], ["CODE", "--list"], ["CODE", "--name", "x"], ["CODE", "--forget", "x"]]
)
def test_one_thing_at_a_time(words: list[str]) -> None:
    assert CliRunner().invoke(impasto, ["pair", *words]).exit_code == 2


def test_a_daemon_that_is_in_the_way_is_named_with_what_ends_it(house: House) -> None:
    assert "kill" not in house.run("pair").stderr, "none runs"
    house.run(*house.stylize())
    end = f"kill {house.status()['daemon']['pid']}"
    done = house.run("daemon", "--listen", f"{HERE}:0")
    assert done.returncode == 3 and end in done.stderr
    assert f"end the one that runs ({end}), then type impasto daemon --listen" in house.run("pair").stderr


def test_the_daemon_s_own_endpoint_is_no_port(house: House) -> None:
    done = house.run("daemon", "--endpoint", "tcp://0.0.0.0:7766")
    assert done.returncode == 1 and "impasto daemon --listen tcp://0.0.0.0:7766" in done.stderr


@pytest.mark.parametrize("listen", ["0.0.0.0:7766", "ipc:///run/d.sock", "tcp://*:7766"])
def test_what_is_no_address_on_the_network_is_wrong_usage(house: House, listen: str) -> None:
    assert house.run("daemon", "--listen", listen).returncode == 2


def test_a_daemon_that_a_command_starts_never_listens_on_the_network(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    started: list[dict[str, str]] = []
    monkeypatch.setenv(launch.LISTEN, f"{HERE}:0")
    monkeypatch.setattr(launch, "_Process", lambda command, **words: started.append(words["env"]))
    launch._start("ipc:///run/d.sock", (), 1)
    assert started[0][launch.LISTEN] == ""
