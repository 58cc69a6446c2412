"""The plug-in in GIMP's profiles: complete, for every Python that GIMP has, and taken out again."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import zmq
from impasto_daemon import gimp_profiles, plugin_install
from impasto_protocol import __version__
from impasto_protocol.errors import ImpastoError


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No package index and an empty cache."""
    monkeypatch.setattr(plugin_install, "wheel_cache", lambda: tmp_path / "wheels")

    def fail(*_: object) -> None:
        raise subprocess.CalledProcessError(1, "pip", stderr="ERROR: no network")

    monkeypatch.setattr(plugin_install, "_download", fail)


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """An index that has a small pyzmq for every Python; the versions asked for."""
    asked: list[str] = []
    monkeypatch.setattr(plugin_install, "wheel_cache", lambda: tmp_path / "wheels")

    def download(requirement: str, version: str, folder: Path) -> None:
        asked.append(version)
        name = f"pyzmq-27.1.0{plugin_install.TAGS[version]}manylinux_2_26_x86_64.whl"
        with zipfile.ZipFile(folder / name, "w") as archive:
            archive.writestr("zmq/__init__.py", f"made_for = {version!r}\n")
            archive.writestr("zmq/tests/test_all.py", "")
            archive.writestr("../outside.py", "")

    monkeypatch.setattr(plugin_install, "_download", download)
    return asked


def profile(tmp_path: Path) -> Path:
    return tmp_path / "GIMP" / "3.0"


def bad(findings: list[plugin_install.Finding]) -> str:
    return "\n".join(finding.sentence for finding in findings if not finding.good)


@pytest.fixture(autouse=True)
def bindings(monkeypatch: pytest.MonkeyPatch) -> set[Path]:
    """The Pythons that have GIMP's bindings: none, until a test names one."""
    having: set[Path] = set()
    monkeypatch.setattr(gimp_profiles, "has_bindings", having.__contains__)
    return having


@pytest.mark.usefixtures("wheels")
def test_gimp_will_see_it_folder_and_file_of_one_name_executable_and_with_a_shebang(tmp_path: Path) -> None:
    installed = plugin_install.install(profile(tmp_path), interpreter=Path(sys.executable))
    main = profile(tmp_path) / "plug-ins" / "impasto" / "impasto.py"
    assert installed == plugin_install.Installed(main.parent, ())
    assert os.access(main, os.X_OK)
    assert main.read_text().startswith(f"#!{sys.executable}\n")
    assert json.loads((main.parent / "impasto.json").read_text()) == {"version": __version__, "python": sys.executable}
    assert (main.parent / "impasto_protocol" / "zmq_client.py").is_file()
    assert not list(main.parent.glob("**/*.so")), "msgpack comes in its pure form"


def test_there_is_a_pyzmq_for_every_python_that_gimp_has_fetched_once(tmp_path: Path, wheels: list[str]) -> None:
    for _ in range(2):
        plugin_install.install(profile(tmp_path))
    vendor = profile(tmp_path) / "plug-ins/impasto/vendor"
    assert wheels == ["3.10", "3.11", "3.12"]
    assert "3.10" in (vendor / "cp310/zmq/__init__.py").read_text()
    assert "3.12" in (vendor / "cp312/zmq/__init__.py").read_text()
    assert not (vendor / "cp310/zmq/tests").exists()
    assert not list(tmp_path.glob("**/outside.py")), "nothing leaves the folder"


@pytest.mark.usefixtures("offline")
def test_offline_this_environments_own_pyzmq_serves_its_own_python_and_the_rest_is_said(tmp_path: Path) -> None:
    said: list[str] = []
    own = f"3.{min(sys.version_info.minor, 12)}"
    installed = plugin_install.install(profile(tmp_path), interpreter=Path(sys.executable), say=said.append)
    rest = tuple(v for v in ("3.10", "3.11", "3.12 and later") if not v.startswith(own))
    assert installed.missing == rest
    assert len(said) == len(rest) and all("no network" in sentence for sentence in said)
    found = plugin_install.check(profile(tmp_path))
    assert "cannot load" not in bad(found)
    assert any(f"talks to the daemon over pyzmq {zmq.__version__}" in finding.sentence for finding in found)


@pytest.mark.usefixtures("offline")
def test_a_python_that_can_have_no_pyzmq_uses_the_filter_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plugin_install, "_copy_own_zmq", lambda *_: False)
    (tmp_path / "hidden").mkdir()
    (tmp_path / "hidden" / "zmq.py").write_text("raise ImportError('not for this machine')\n")
    python = tmp_path / "python3"
    python.write_text(f'#!/bin/sh\nPYTHONPATH={tmp_path}/hidden exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    installed = plugin_install.install(profile(tmp_path), interpreter=python)
    assert installed.missing == ("3.10", "3.11", "3.12 and later")
    found = plugin_install.check(profile(tmp_path))
    assert "plug-in" not in bad(found)
    assert any(finding.sentence.endswith("talks to the daemon over sockets, without pyzmq") for finding in found)


def test_a_wheel_that_only_python_3_12_can_load_is_refused_and_the_remedy_said(
    tmp_path: Path, wheels: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As pyzmq's were before its release 27; GIMP's Python is 3.13 or 3.14."""
    real, said = plugin_install._download, list[str]()

    def download(requirement: str, version: str, folder: Path) -> None:
        real(requirement, version, folder)
        for wheel in folder.glob("*abi3*"):
            wheel.rename(folder / wheel.name.replace("abi3", "cp312"))

    monkeypatch.setattr(plugin_install, "_download", download)
    monkeypatch.setattr(plugin_install, "_copy_own_zmq", lambda *_: False)
    for _ in range(2):  # nor is it kept
        said.clear()
        installed = plugin_install.install(profile(tmp_path), say=said.append)
        assert installed.missing == ("3.12 and later",)
        assert len(said) == 1 and said[0].endswith("pip install --upgrade pyzmq")
        assert "-cp312-cp312-" in said[0]


def test_an_index_that_gives_nothing_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(plugin_install, "wheel_cache", lambda: tmp_path / "wheels")
    monkeypatch.setattr(plugin_install, "_download", lambda *_: None)
    monkeypatch.setattr(plugin_install, "_copy_own_zmq", lambda *_: False)
    installed = plugin_install.install(profile(tmp_path), say=said.append)
    assert installed.missing == ("3.10", "3.11", "3.12 and later")
    assert all("no wheel at all" in sentence for sentence in said)


def test_a_profile_that_cannot_be_changed_is_said(tmp_path: Path) -> None:
    (tmp_path / "GIMP").write_text("a file where a folder belongs")
    with pytest.raises(ImpastoError, match=r"cannot be changed: .*--gimp-dir"):
        plugin_install.install(profile(tmp_path))


@pytest.mark.usefixtures("wheels")
def test_a_plug_in_that_may_not_be_taken_out_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plugin_install.install(profile(tmp_path))

    def forbidden(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(shutil, "rmtree", forbidden)  # root may remove everything
    with pytest.raises(ImpastoError, match=r"plug-ins/impasto cannot be changed: Permission denied"):
        plugin_install.uninstall(profile(tmp_path))


@pytest.mark.usefixtures("offline")
def test_the_check_survives_a_python_that_cannot_run(tmp_path: Path) -> None:
    broken = tmp_path / "python3"
    broken.write_bytes(b"\x7fELF and nothing more")
    broken.chmod(0o755)
    plugin_install.install(profile(tmp_path), interpreter=broken)
    assert "lacks GIMP's Python bindings" in bad(plugin_install.check(profile(tmp_path)))


@pytest.mark.usefixtures("wheels")
def test_a_new_installation_takes_the_whole_place_of_an_older_one(tmp_path: Path) -> None:
    folder = plugin_install.install(profile(tmp_path)).folder
    (folder / "old_module.py").touch()
    plugin_install.install(profile(tmp_path))
    assert not (folder / "old_module.py").exists()
    assert [path.name for path in profile(tmp_path).iterdir()] == ["plug-ins"], "nothing is left beside it"


@pytest.mark.usefixtures("wheels")
def test_an_installation_that_fails_leaves_the_older_one_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = plugin_install.install(profile(tmp_path)).folder
    (folder / "mark").touch()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(plugin_install, "build", full)
    with pytest.raises(ImpastoError, match="cannot be changed: No space left"):
        plugin_install.install(profile(tmp_path))
    assert (folder / "mark").exists()


@pytest.mark.usefixtures("wheels")
def test_a_link_to_a_checkout_is_replaced_and_the_checkout_left_alone(tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    (checkout / "impasto.py").touch()
    target = profile(tmp_path) / "plug-ins/impasto"
    target.parent.mkdir(parents=True)
    target.symlink_to(checkout)
    plugin_install.install(profile(tmp_path))
    assert not target.is_symlink()
    assert plugin_install.uninstall(profile(tmp_path))
    assert [path.name for path in checkout.iterdir()] == ["impasto.py"]


@pytest.mark.usefixtures("wheels")
def test_uninstalling_takes_away_our_folder_alone(tmp_path: Path) -> None:
    plugin_install.install(profile(tmp_path))
    other = profile(tmp_path) / "plug-ins" / "other"
    other.mkdir()
    assert plugin_install.uninstall(profile(tmp_path))
    assert not plugin_install.uninstall(profile(tmp_path)), "the second time there was nothing"
    assert other.is_dir()


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize(
    ("harm", "sentence"),
    [
        (lambda folder: shutil.rmtree(folder), "holds no plug-in"),
        (lambda folder: (folder / "impasto.py").chmod(0o644), "is not executable"),
        (lambda folder: (folder / "impasto.py").write_text("import sys\n"), "names no Python"),
        (lambda folder: (folder / "impasto.py").write_text("#!/gone/python3\n"), "names no Python"),
        (lambda folder: shutil.rmtree(folder / "impasto_protocol"), "cannot load what the plug-in brings"),
        (lambda folder: (folder / "impasto.json").unlink(), "is missing or damaged"),
        (lambda folder: (folder / "impasto.json").write_text('{"version": "0.0", "python": "/"}'), "is version 0.0"),
        (lambda folder: (folder / "impasto.json").write_text('{"version": "0.0", "python": "/gone"}'), "is gone"),
    ],
)
def test_the_check_finds_what_makes_gimp_pass_over_a_plug_in(tmp_path: Path, harm: object, sentence: str) -> None:
    folder = plugin_install.install(profile(tmp_path), interpreter=Path(sys.executable)).folder
    assert sentence not in bad(plugin_install.check(profile(tmp_path)))
    harm(folder)  # type: ignore[operator]
    found = bad(plugin_install.check(profile(tmp_path)))
    assert sentence in found
    remedies = {finding.remedy for finding in plugin_install.check(profile(tmp_path)) if sentence in finding.sentence}
    assert all(remedy.startswith("impasto install-plugin") for remedy in remedies), "and says what to type"


def first_line(folder: Path) -> str:
    return (folder / "impasto.py").read_text().split("\n", 1)[0]


@pytest.mark.usefixtures("wheels")
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere GIMP always brings a Python")
def test_the_systems_python_starts_it_where_it_has_gimps_bindings(tmp_path: Path, bindings: set[Path]) -> None:
    bindings.add(gimp_profiles.USUAL_PYTHON)
    assert first_line(plugin_install.install(profile(tmp_path)).folder) == "#!/usr/bin/python3"
    snap = tmp_path / "snap/gimp/current/.config/GIMP/3.0"
    assert first_line(plugin_install.install(snap).folder) == "#!/usr/bin/env python3", "Snap's is another one"


@pytest.mark.usefixtures("wheels")
def test_where_gimp_brings_its_own_python_that_one_starts_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gimp_profiles, "installed_versions", list)
    assert first_line(plugin_install.install(profile(tmp_path)).folder) == "#!/usr/bin/env python3"
    found = plugin_install.check(profile(tmp_path))
    assert not bad(found)
    assert any(finding.sentence == "the Python that GIMP brings along starts it" for finding in found)


@pytest.mark.usefixtures("wheels")
def test_a_gimp_of_the_system_without_its_bindings_is_said_until_they_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bindings: set[Path]
) -> None:
    monkeypatch.setattr(gimp_profiles, "installed_versions", lambda: ["3.0"])
    plugin_install.install(profile(tmp_path))
    (lacking,) = [each for each in plugin_install.check(profile(tmp_path)) if not each.good]
    assert lacking.sentence == "/usr/bin/python3 lacks GIMP's Python bindings"
    assert lacking.remedy.endswith("then impasto install-plugin")
    bindings.add(gimp_profiles.USUAL_PYTHON)
    assert not bad(plugin_install.check(profile(tmp_path)))


@pytest.mark.parametrize(
    ("system", "machine", "names"),
    [
        ("linux", "aarch64", ["manylinux_2_28_aarch64", "manylinux_2_26_aarch64", "manylinux_2_17_aarch64"]),
        ("darwin", "arm64", ["macosx_10_15_universal2"]),
        ("win32", "AMD64", ["win_amd64"]),
    ],
)
def test_each_system_asks_for_its_own_wheels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, system: str, machine: str, names: list[str]
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr("platform.machine", lambda: machine)
    monkeypatch.setattr(subprocess, "run", lambda command, **_: asked.extend(command))
    plugin_install._download("pyzmq==27", "3.12", tmp_path)
    assert [word.removeprefix("--platform=") for word in asked if word.startswith("--platform=")] == names
