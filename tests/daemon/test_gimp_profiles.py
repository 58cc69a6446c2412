"""GIMP's profiles, wherever GIMP came from: homes of each kind, made up."""

from __future__ import annotations

import sys
from pathlib import Path

import platformdirs
import pytest
from impasto_daemon import gimp_profiles
from platformdirs.macos import MacOS
from platformdirs.unix import Unix
from platformdirs.windows import Windows, get_win_folder_from_env_vars


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home of a user of Linux, with no programs within reach."""
    for name in ("GIMP3_DIRECTORY", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("APPDATA", str(tmp_path / "AppData/Roaming"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(platformdirs, "PlatformDirs", Unix)
    monkeypatch.setattr("platformdirs.windows.get_win_folder", get_win_folder_from_env_vars)
    return tmp_path


HOMES = [
    ("of the system or as AppImage", Unix, ".config/GIMP", "GIMP of the system"),
    ("from Flatpak, which asks for the shared folder", Unix, ".config/GIMP", "from Flatpak"),
    ("from Flatpak without it", Unix, ".var/app/org.gimp.GIMP/config/GIMP", "GIMP from Flatpak"),
    ("from Flatpak, of the night", Unix, ".var/app/org.gimp.GIMP.Nightly/config/GIMP", "GIMP from Flatpak"),
    ("from Snap", Unix, "snap/gimp/current/.config/GIMP", "GIMP from Snap"),
    ("from Snap, common to its revisions", Unix, "snap/gimp/common/.config/GIMP", "GIMP from Snap"),
    ("for macOS", MacOS, "Library/Application Support/GIMP", "GIMP"),
    ("for Windows", Windows, "AppData/Roaming/GIMP", "GIMP"),
    (
        "from the Microsoft Store",
        Windows,
        "AppData/Local/Packages/GIMP.43237F745459_abc/LocalCache/Roaming/GIMP",
        "GIMP from the Microsoft Store",
    ),
]


@pytest.mark.parametrize(("system", "folder", "kind"), [row[1:] for row in HOMES], ids=[row[0] for row in HOMES])
def test_every_profile_of_gimp_3_is_found(
    home: Path, monkeypatch: pytest.MonkeyPatch, system: type, folder: str, kind: str
) -> None:
    monkeypatch.setattr(platformdirs, "PlatformDirs", system)
    wanted = [home / folder / version for version in ("3.0", "3.2", "3.10")]
    for path in (*wanted, home / folder / "2.10", home / folder / "3.0-old"):
        path.mkdir(parents=True)
    (home / folder / "3.4").touch()
    assert sorted(gimp_profiles.find()) == sorted(wanted)
    assert all(kind in gimp_profiles.kind_of(path).name for path in wanted)


def test_gimps_of_several_kinds_live_side_by_side(home: Path) -> None:
    kept = [home / folder / "3.0" for _, system, folder, _ in HOMES if system is Unix]
    for path in kept:
        path.mkdir(parents=True, exist_ok=True)
    assert gimp_profiles.find() == sorted(set(kept))


def test_one_profile_under_two_names_is_found_once(home: Path) -> None:
    """As Snap's `current` and its revision are, or a folder of Flatpak's that was linked to the shared one."""
    (home / ".config/GIMP/3.0").mkdir(parents=True)
    (home / ".var/app/org.gimp.GIMP/config").mkdir(parents=True)
    (home / ".var/app/org.gimp.GIMP/config/GIMP").symlink_to(home / ".config/GIMP")
    (home / "snap/gimp/478/.config/GIMP/3.0").mkdir(parents=True)
    (home / "snap/gimp/current").symlink_to("478")
    assert gimp_profiles.find() == [home / ".config/GIMP/3.0", home / "snap/gimp/current/.config/GIMP/3.0"]


def test_an_older_revision_of_snaps_is_left_alone(home: Path) -> None:
    for revision in ("470", "478"):
        (home / "snap/gimp" / revision / ".config/GIMP/3.0").mkdir(parents=True)
    (home / "snap/gimp/current").symlink_to("478")
    assert gimp_profiles.find() == [home / "snap/gimp/current/.config/GIMP/3.0"]


def test_where_gimp_was_never_started_the_profile_that_it_will_make_is_meant(home: Path) -> None:
    assert gimp_profiles.find() == [home / ".config/GIMP/3.0"]
    (home / "bin").mkdir()
    (home / "bin/gimp-3.2").touch(mode=0o755)
    assert gimp_profiles.find() == [home / ".config/GIMP/3.2"]


def test_the_systems_folder_for_settings_is_followed(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "settings"))
    (home / "settings/GIMP/3.2").mkdir(parents=True)
    assert gimp_profiles.find() == [home / "settings/GIMP/3.2"]


def test_gimps_own_variable_names_the_one_profile(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / ".config/GIMP/3.0").mkdir(parents=True)
    monkeypatch.setenv("GIMP3_DIRECTORY", str(home / "mine"))
    assert gimp_profiles.find() == [home / "mine"]


def test_a_python_without_gimps_bindings_has_none(home: Path) -> None:
    assert gimp_profiles.said(Path(sys.executable), "print('here')") == "here"
    assert gimp_profiles.said(Path(sys.executable), "raise SystemExit(1)") is None
    assert not gimp_profiles.has_bindings(home / "no/python3")
