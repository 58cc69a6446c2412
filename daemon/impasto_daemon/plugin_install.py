"""Put the plug-in into GIMP's profiles, take it out again, and say whether GIMP will see it.

A plug-in that GIMP cannot use is silently not there, so everything that decides it is done here and checked by
`check`: folder and file of one name, the executable bit, a first line that names a Python with GIMP's bindings,
and ZeroMQ and msgpack for that Python beside the plug-in. (Where a Python cannot have pyzmq, the plug-in does without.)
Knows files and pip; nothing of sockets or pictures, and of GIMP's profiles what `gimp_profiles` says.
"""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import platformdirs
from impasto_protocol import __version__
from impasto_protocol.errors import Code, ImpastoError

from . import gimp_profiles, plugin_manual

NAME = "impasto"
MAIN = "impasto.py"
DATA = ("locale", "ready-made")
"""Folders beside the plug-in's modules: its catalogues, and presets that come with it."""
NOTES = "impasto.json"
"""Version and Python of the installation; the plug-in reads from it how to start the daemon."""

PYTHONS = {"cp310": "3.10", "cp311": "3.11", "cp312": "3.12"}
"""Folders of the vendored binaries, and the Python that each is for; cp312 also serves all that follow."""
PLATFORMS = {
    "linux": ("manylinux_2_28_{}", "manylinux_2_26_{}", "manylinux_2_17_{}"),
    "darwin": ("macosx_10_15_universal2",),
    "win32": ("win_{}",),
}
"""What the names of the wheels for a system say, with the machine's name."""
TAGS = {"3.10": "-cp310-cp310-", "3.11": "-cp311-cp311-", "3.12": "-cp312-abi3-"}
"""What the name of a wheel says that serves this Python; abi3 for the stable ABI, which later ones load too."""
AGAIN = "impasto install-plugin"
"""What to type where an installation is not as it should be."""

Say = Callable[[str], None]


@dataclass(frozen=True)
class Finding:
    """One thing about an installed plug-in: whether it is as it should be, and where it is not, what to type."""

    good: bool
    sentence: str
    remedy: str = ""


@dataclass(frozen=True)
class Installed:
    """What an installation did: where the plug-in is, and the Python versions for which there is no pyzmq in it."""

    folder: Path
    missing: tuple[str, ...]


def _silent(_: str) -> None:
    """Say nothing."""


# Install and uninstall --------------------------------------------------------------------------------------


def install(profile: Path, *, interpreter: Path | None = None, say: Say = _silent) -> Installed:
    """Put the plug-in into DIR/plug-ins/impasto of this profile, in place of an older one.

    interpreter: the Python for its first line, by default the one that this profile's GIMP has. The new folder is made
    beside the old one and takes its place only once it is complete. Raises ImpastoError.
    """
    target = profile / "plug-ins" / NAME
    with _changing(profile):
        target.parent.mkdir(parents=True, exist_ok=True)
        # Not inside plug-ins: GIMP takes every folder there for a plug-in.
        with tempfile.TemporaryDirectory(prefix=".impasto-", dir=profile) as temporary:
            new = Path(temporary) / NAME
            missing = build(new, str(interpreter or gimp_profiles.python_for(profile)), say)
            if target.is_symlink():
                target.unlink()
            elif target.exists():
                target.rename(Path(temporary) / "old")
            new.rename(target)
    return Installed(target, missing)


def uninstall(profile: Path) -> bool:
    """Take the plug-in out of this profile; whether it was there. Raises ImpastoError."""
    target = profile / "plug-ins" / NAME
    with _changing(profile):
        if target.is_symlink():
            target.unlink()
            return True
        if not target.is_dir():
            return False
        shutil.rmtree(target)
        return True


@contextmanager
def _changing(profile: Path) -> Iterator[None]:
    """What the system has against a change in this profile, as a sentence."""
    try:
        yield
    except OSError as error:
        raise ImpastoError(
            Code.BAD_REQUEST,
            f"{error.filename or profile} cannot be changed: {error.strerror or error}. Check its permissions, or name "
            "another profile with --gimp-dir",
        ) from None


def build(folder: Path, interpreter: str, say: Say = _silent) -> tuple[str, ...]:
    """Make a complete plug-in folder that this Python starts; the versions of it for which no binary could be had."""
    _copy_sources(source_folder(), folder)
    for name in DATA:
        shutil.copytree(source_folder() / name, folder / name)
    _copy_sources(_package_folder("impasto_protocol"), folder / "impasto_protocol")
    main = folder / MAIN
    text = main.read_text(encoding="utf-8")
    main.write_text(f"#!{interpreter}\n{text.split(chr(10), 1)[1]}", encoding="utf-8")
    main.chmod(0o755)
    plugin_manual.make(folder / plugin_manual.FOLDER)
    common = folder / "vendor" / "common"
    _copy_sources(_package_folder("msgpack"), common / "msgpack")
    missing = vendor_zmq(folder / "vendor", say)
    notes = {"version": __version__, "python": sys.executable}
    (folder / NOTES).write_text(json.dumps(notes, indent=1) + "\n", encoding="utf-8")
    return missing


def source_folder() -> Path:
    """The plug-in's files: beside this module in an installed wheel, in the checkout otherwise."""
    packaged = Path(__file__).parent / "gimp_plugin" / NAME
    return packaged if packaged.is_dir() else Path(__file__).parents[2] / "gimp_plugin" / NAME


def _package_folder(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    assert spec is not None and spec.origin is not None, name
    return Path(spec.origin).parent


def _copy_sources(source: Path, target: Path) -> None:
    """A package's Python files without its binaries; of msgpack these are the pure-Python form."""
    target.mkdir(parents=True, exist_ok=True)
    for path in sorted(source.glob("*.py")):
        shutil.copy2(path, target / path.name)


# ZeroMQ for GIMP's Python ----------------------------------------------------------------------------------


def vendor_zmq(vendor: Path, say: Say = _silent) -> tuple[str, ...]:
    """Put pyzmq for every Python that GIMP 3 is seen with under `vendor`; the versions that could not be had.

    Wheels come from the package index once and are kept in the user's cache. Without them, this environment's own
    pyzmq serves GIMP where both use one Python version.
    """
    missing = []
    for folder, version in PYTHONS.items():
        try:
            _unpack(_wheel(version), vendor / folder)
        except (OSError, subprocess.SubprocessError, zipfile.BadZipFile) as error:
            if not _copy_own_zmq(folder, vendor / folder):
                say(f"pyzmq for Python {version} could not be had: {_reason(error)}")
                missing.append(version if folder != "cp312" else f"{version} and later")
    return tuple(missing)


def wheel_cache() -> Path:
    """Where the wheels are kept between installations."""
    return Path(platformdirs.user_cache_dir("impasto", appauthor=False)) / "wheels"


def _wheel(version: str) -> Path:
    """pyzmq's wheel for a Python version and this machine. Raises OSError or SubprocessError."""
    release = _release_of("zmq")
    cache = wheel_cache() / f"pyzmq-{release}" / f"{platform.machine()}-{version}"
    kept = _serving(version, cache)
    if kept is not None:
        return kept
    cache.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache.parent) as temporary:
        _download(f"pyzmq=={release}", version, Path(temporary))
        wheel = _serving(version, Path(temporary))
        if wheel is None:
            names = ", ".join(path.name for path in Path(temporary).glob("*.whl")) or "no wheel at all"
            hint = " pyzmq 27 has one: pip install --upgrade pyzmq" if "abi3" in TAGS[version] else ""
            raise OSError(f"the index has no wheel *{TAGS[version]}* of pyzmq {release}, but {names}.{hint}")
        cache.mkdir(exist_ok=True)
        return wheel.replace(cache / wheel.name)


def _serving(version: str, folder: Path) -> Path | None:
    """The wheel in this folder that serves a Python version, if there is one."""
    return next(iter(sorted(folder.glob(f"*{TAGS[version]}*.whl"))), None)


def _download(requirement: str, version: str, folder: Path) -> None:
    machine = platform.machine() if sys.platform != "win32" else platform.machine().lower()
    platforms = [f"--platform={tag.format(machine)}" for tag in PLATFORMS.get(sys.platform, ())]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    options = ["--only-binary=:all:", f"--python-version={version}", *platforms, f"--dest={folder}", requirement]
    subprocess.run([*command, *options], check=True, timeout=120, capture_output=True, text=True)


def _release_of(module: str) -> str:
    return str(importlib.import_module(module).__version__)


def _unpack(wheel: Path, folder: Path) -> None:
    """The package and its libraries, without tests and headers. Wheels are trusted as pip trusts them."""
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.namelist():
            if member.startswith(("zmq/", "pyzmq.libs/")) and "/tests/" not in member:
                archive.extract(member, folder)


def _copy_own_zmq(folder: str, target: Path) -> bool:
    """Copy this environment's pyzmq where it is for that Python; whether it is."""
    minor = min(sys.version_info.minor, 12)
    own = _package_folder("zmq")
    stable = any(own.glob("**/*.abi3.so"))
    if folder != f"cp3{minor}" or (minor == 12 and not stable):
        return False
    shutil.copytree(own, target / "zmq", ignore=shutil.ignore_patterns("tests", "__pycache__"), dirs_exist_ok=True)
    libraries = own.parent / "pyzmq.libs"
    if libraries.is_dir():
        shutil.copytree(libraries, target / "pyzmq.libs", dirs_exist_ok=True)
    return True


def _reason(error: Exception) -> str:
    lines = (getattr(error, "stderr", None) or str(error)).strip().splitlines()
    return lines[-1] if lines else type(error).__name__


# Whether GIMP will see it -----------------------------------------------------------------------------------


def check(profile: Path) -> list[Finding]:
    """What decides whether this profile's GIMP offers the filter, each with a remedy where it is not so."""
    target = profile / "plug-ins" / NAME
    main = target / MAIN
    whose = gimp_profiles.kind_of(profile).name
    if not main.is_file():
        return [Finding(False, f"{target} holds no plug-in ({whose})", AGAIN)]
    return [
        Finding(True, f"the plug-in is in {target} ({whose})"),
        *_check_file(profile, main),
        *_check_version(target),
    ]


def _check_file(profile: Path, main: Path) -> Iterable[Finding]:
    if not os.access(main, os.X_OK):
        yield Finding(False, f"{main} is not executable, so GIMP passes over it", AGAIN)
    line = main.read_text(encoding="utf-8", errors="replace").split("\n", 1)[0]
    interpreter = line.removeprefix("#!").strip()
    if line.startswith("#!") and interpreter == gimp_profiles.WHICHEVER:
        yield from _check_whichever(profile)
    elif not line.startswith("#!") or not os.access(interpreter, os.X_OK):
        yield Finding(False, f"{main} begins with {line[:80]!r}, which names no Python", AGAIN)
    elif gimp_profiles.kind_of(profile) is gimp_profiles.SYSTEM:  # elsewhere another Python has this name
        yield from _check_imports(Path(interpreter), main.parent)


def _check_whichever(profile: Path) -> Iterable[Finding]:
    """GIMP's own Python cannot be asked from here, but one of the system may have to serve."""
    python, versions = gimp_profiles.USUAL_PYTHON, gimp_profiles.installed_versions()
    systems = gimp_profiles.kind_of(profile) is gimp_profiles.SYSTEM and profile.name in versions
    if systems and not gimp_profiles.has_bindings(python):
        yield Finding(False, f"{python} lacks GIMP's Python bindings", f"{BINDINGS}, then {AGAIN}")
    else:
        yield Finding(True, "the Python that GIMP brings along starts it")


def _check_imports(interpreter: Path, folder: Path) -> Iterable[Finding]:
    if not gimp_profiles.has_bindings(interpreter):
        yield Finding(False, f"{interpreter} lacks GIMP's Python bindings", BINDINGS)
    else:
        yield Finding(True, f"{interpreter} has GIMP's Python bindings")
    transport = gimp_profiles.said(interpreter, f"import sys; sys.path[:0] = [{str(folder)!r}]\n{_LOAD}")
    if transport is None:
        yield Finding(False, f"{interpreter} cannot load what the plug-in brings along", AGAIN)
    else:
        yield Finding(
            True, f"{interpreter} loads what the plug-in brings along, and talks to the daemon over {transport}"
        )


BINDINGS = "apt install gimp python3-gi gir1.2-gimp-3.0 (on Debian)"
_LOAD = """
from pathlib import Path
vendor = Path(sys.path[0]) / "vendor"
sys.path += [str(vendor / "common"), str(vendor / f"cp3{min(sys.version_info.minor, 12)}")]
import impasto_protocol.zmq_client
assert impasto_protocol.__file__.startswith(sys.path[0])
print(impasto_protocol.zmq_client.TRANSPORT.NAME)
"""
"""What impasto.py does before it imports anything of ours, and what carries its frames then."""


def _check_version(folder: Path) -> Iterable[Finding]:
    try:
        notes = json.loads((folder / NOTES).read_text(encoding="utf-8"))
        version, python = str(notes["version"]), str(notes["python"])
    except (OSError, ValueError, KeyError, TypeError):
        yield Finding(False, f"{folder / NOTES} is missing or damaged", AGAIN)
        return
    if version != __version__:
        yield Finding(False, f"the plug-in is version {version}, Impasto is {__version__}", AGAIN)
    if not os.access(python, os.X_OK):
        yield Finding(False, f"{python}, which would start the daemon for GIMP, is gone", AGAIN)
