"""With a piece of it missing, the plug-in is in GIMP's menu all the same, and says what to type once it is called."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from impasto_daemon import plugin_install

GI = """
import json, sys

class Anything:
    def __init__(self, *_, **__): pass
    def __getattr__(self, name): return Anything()
    def __call__(self, *_, **__): return Anything()
    def __or__(self, _): return Anything()

class PlugIn(Anything):
    __gtype__ = None
    def __init_subclass__(cls): PlugIn.ours = cls

class Procedure(Anything):
    @classmethod
    def new(cls, plug_in, name, kind, run, data, *_):
        made = cls()
        made.call = lambda: run(made, None, None, [], None, data)
        return made
    def new_return_values(self, status, error): return error

class GLib(Anything):
    def get_language_names(self): return ["C"]
    def Error(self, message=""): return message

class Gimp(Anything):
    PlugIn, ImageProcedure, Procedure = PlugIn, Procedure, Procedure
    def directory(self): return "/nowhere"
    def main(self, kind, argv):
        "As GIMP does at its start, and then it calls what has an entry in its menu."
        plug_in = PlugIn.ours()
        made = {name: plug_in.do_create_procedure(name) for name in plug_in.do_query_procedures()}
        said = {name: made[name].call() for name in made if "--call" in argv and not name.endswith("at-start")}
        print(json.dumps({"procedures": sorted(made), "said": said}))

Gimp, GLib = Gimp(), GLib()

def __getattr__(name): return Anything()
"""
"""In place of GIMP's bindings: enough to query the plug-in, and to call it where it can do no more than fail."""

PROCEDURES = [f"plug-in-impasto-{name}" for name in ("at-start", "batch", "paintings", "restyle", "style-transfer")]

MINORS = range(10, 15)
"""Python 3.10 is the oldest that GIMP 3 is seen with, 3.14 the newest."""


def pythons() -> list[str]:
    """This one, and whatever else of what GIMP 3 is seen with is at hand."""
    named = [shutil.which(f"python3.{minor}") for minor in MINORS]
    kept = [path for minor in MINORS for path in Path.home().glob(f".pyenv/versions/3.{minor}.*/bin/python3.{minor}")]
    others = [path for path in map(str, filter(None, [*named, *kept])) if ".pyenv/shims" not in path]
    own = f"python3.{sys.version_info.minor}"
    return list({**{Path(path).name: path for path in others}, own: sys.executable}.values())


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the plug-in as it is installed, but for pyzmq, which can be missing."""
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plugin_install, "vendor_zmq", lambda vendor, say: ())
        plugin_install.build(folder / "impasto", sys.executable)
    (folder / "gi").mkdir()
    (folder / "gi/__init__.py").write_text("def require_version(*_): pass\n")
    (folder / "gi/repository.py").write_text(GI)
    return folder


@pytest.fixture
def here(whole: Path, tmp_path: Path) -> Path:
    """A copy of it, for harm."""
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
    return tmp_path


def asked(folder: Path, python: str, *words: str) -> dict[str, object]:
    """What it tells of itself. The Python's own packages are left out, as GIMP's has none of ours."""
    # -S: no site-packages. Not -I, which leaves the plug-in's own folder out.
    command = [python, "-S", "-W", "error", str(folder / "impasto/impasto.py"), *words]
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=60)
    assert not done.returncode and not done.stderr, done.stderr
    told = json.loads(done.stdout)
    assert isinstance(told, dict)
    return told


@pytest.mark.parametrize("python", pythons(), ids=lambda path: Path(path).name)
def test_whole_it_is_there_in_every_python_of_gimps(whole: Path, python: str) -> None:
    assert asked(whole, python)["procedures"] == PROCEDURES


def gone(*names: str) -> Callable[[Path], None]:
    def harm(folder: Path) -> None:
        for name in names:
            path = folder / name
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    return harm


def broken(name: str) -> Callable[[Path], None]:
    def harm(folder: Path) -> None:
        (folder / name).write_text("def (\n")

    return harm


HARMS: dict[str, Callable[[Path], None]] = {
    "no vendor": gone("vendor"),
    "no impasto_protocol": gone("impasto_protocol"),
    "broken msgpack": broken("vendor/common/msgpack/__init__.py"),
    "no module but the first": lambda folder: gone(
        *(path.name for path in folder.iterdir() if path.name != "impasto.py")
    )(folder),
    "a broken module": broken("language.py"),
}


@pytest.mark.parametrize("harm", HARMS.values(), ids=HARMS)
def test_with_a_piece_missing_it_is_there_and_says_what_to_type(here: Path, harm: Callable[[Path], None]) -> None:
    harm(here / "impasto")
    told = asked(here, sys.executable, "--call")
    assert told["procedures"] == PROCEDURES
    said = told["said"]
    assert isinstance(said, dict) and len(said) == 4
    version = f"Python {sys.version_info.major}.{sys.version_info.minor}"
    for name, sentence in said.items():
        assert f"Impasto's plug-in is not complete for this GIMP's {version}" in sentence, name
        assert sentence.endswith("Install it again with: impasto install-plugin"), name


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs setpriv, of util-linux")
def test_in_a_profile_that_cannot_be_written_it_is_there(here: Path) -> None:
    folder = here / "impasto"
    for path in (folder, *filter(Path.is_dir, folder.rglob("*"))):
        path.chmod(0o555)
    bound = here / "python3"  # root may write everywhere
    drop = "setpriv --bounding-set=-dac_override" if os.geteuid() == 0 else ""
    bound.write_text(f'#!/bin/sh\nexec {drop} {sys.executable} "$@"\n')
    bound.chmod(0o755)
    try:
        assert asked(here, str(bound))["procedures"] == PROCEDURES
        assert not list(folder.rglob("__pycache__")), "nothing could be written"
    finally:
        for path in (folder, *filter(Path.is_dir, folder.rglob("*"))):
            path.chmod(0o755)
