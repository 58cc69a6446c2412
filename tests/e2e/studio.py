"""A real GIMP 3 for the tests: the machine's own, or one in a root that tests/gimp_root.sh builds. Which version is
wanted, IMPASTO_TEST_GIMP says (`make e2e GIMP=3.2`).

Either way it gets a profile of its own, sees the test's folder at its own path, and can start the daemon as an
artist's GIMP does.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from impasto_daemon import gimp_profiles, plugin_install

REPOSITORY = Path(__file__).parents[2]
WANTED = os.environ.get("IMPASTO_TEST_GIMP", "")
"""Such as 3.2; empty for the machine's own, or 3.0 in a root."""
USUAL = "3.0"
CONSOLES = ("gimp-console-3.0", "gimp-console-3.2", "gimp-console-3", "gimp-console")

GIMPRC = """\
(show-welcome-dialog no)
(check-updates no)
(color-profile-policy keep)
(show-tips no)
(config-version "{version}")
"""
"""The version: a profile of another one gets a window of welcome."""

ENTER_ROOT = """\
root=$1 folder=$2; shift 2
for part in proc dev sys; do mount --rbind "/$part" "$root/$part"; done
mkdir -p "$root$folder"
mount --bind "$folder" "$root$folder"
exec chroot "$root" env --chdir="$folder" "$@"
"""
"""Mounts live in the namespace of this one command; exec keeps the process id, so that a kill reaches GIMP."""


OUTSIDE = """\
#!/bin/sh
exec nsenter --mount=/proc/{process}/ns/mnt --wd=/ {python} "$@"
"""
"""For a GIMP in a root: this Python, which may be unable to run there, started out here where it belongs."""


OBEDIENT = ("setpriv", "--bounding-set=-dac_override,-dac_read_search")
"""Runs a program without root's right to read what permissions forbid."""


class NoGimp(Exception):
    """No GIMP 3 can be had here, and why."""


@dataclass(frozen=True)
class Gimp:
    """Where a GIMP 3 is: in `root`, or on this machine where that is None."""

    console: str
    root: Path | None

    @classmethod
    def find(cls, wanted: str = WANTED, *, build: bool = True) -> Gimp:
        """The machine's own GIMP 3, of the version that is wanted, else one in a root. build: make the root where there
        is none. Raises NoGimp."""
        for name in CONSOLES:
            if shutil.which(name):
                said = subprocess.run([name, "--version"], capture_output=True, text=True).stdout
                if f" {wanted or '3.'}" in said:
                    return cls(name, None)
        command = [str(REPOSITORY / "tests" / "gimp_root.sh"), wanted or USUAL, *([] if build else ["kept"])]
        built = subprocess.run(command, capture_output=True, text=True, check=False)
        if built.returncode:
            lines = built.stderr.strip().splitlines()
            raise NoGimp(lines[-1] if lines else "tests/gimp_root.sh failed")
        return cls(f"gimp-console-{wanted or USUAL}", Path(built.stdout.strip()))

    def version(self, folder: Path) -> str:
        """Such as 3.0.4."""
        done = subprocess.run(self.command([self.console, "--version"], folder), capture_output=True, text=True)
        return done.stdout.split()[-1]

    def has(self, *programs: str) -> bool:
        """Whether these programs are where GIMP is."""
        if self.root is None:
            return all(shutil.which(program) for program in programs)
        # Not exists(): Debian's `import` is a link to /etc/alternatives, which is another folder outside the root.
        return all(os.path.lexists(self.root / "usr/bin" / program) for program in programs)

    def command(self, argv: Sequence[str | Path], folder: Path) -> list[str]:
        """A command line that runs argv where GIMP is, with `folder` within reach."""
        words = [str(word) for word in argv]
        if self.root is None:
            return words
        return ["unshare", "-m", "sh", "-euc", ENTER_ROOT, "sh", str(self.root), str(folder), *words]


@dataclass(frozen=True)
class Studio:
    """A GIMP with a profile and a folder of its own: what one test session works in."""

    gimp: Gimp
    folder: Path

    @property
    def profile(self) -> Path:
        return self.folder / "profile"

    @property
    def endpoint(self) -> str:
        return f"ipc://{self.folder}/run/impasto/daemon.sock"

    def prepare(self) -> None:
        self.profile.mkdir(parents=True)
        (self.profile / "gimprc").write_text(GIMPRC.format(version=self.gimp.version(self.folder)))
        (self.folder / "run").mkdir(mode=0o700)

    def install_plug_in(self) -> None:
        """As `impasto install-plugin` does."""
        inside = gimp_profiles.USUAL_PYTHON if self.gimp.root else None
        installed = plugin_install.install(self.profile, interpreter=inside)
        if self.gimp.root is None:
            return
        outside = self.folder / "python-outside"
        outside.write_text(OUTSIDE.format(process=os.getpid(), python=sys.executable))
        outside.chmod(0o755)
        notes = installed.folder / plugin_install.NOTES
        notes.write_text(json.dumps(json.loads(notes.read_text()) | {"python": str(outside)}))

    def environment(self, **more: str) -> dict[str, str]:
        """What GIMP gets: nothing of the caller's but what is named here."""
        path = (
            os.environ["PATH"]
            if self.gimp.root is None
            else "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        )
        return {
            "PATH": path,
            "HOME": str(self.folder),
            "LANG": "C.UTF-8",
            "TMPDIR": str(self.folder),
            "GIMP3_DIRECTORY": str(self.profile),
            "XDG_RUNTIME_DIR": str(self.folder / "run"),
            "XDG_CACHE_HOME": str(self.folder / "cache"),
            "OMP_NUM_THREADS": "1",
            **more,
        }

    def clean(self) -> None:
        """Leave nothing behind, in the root neither."""
        shutil.rmtree(self.folder)
        if self.gimp.root is not None:
            with contextlib.suppress(OSError):
                (self.gimp.root / self.folder.relative_to("/")).rmdir()

    def start(
        self, *argv: str | Path, log: IO[str] | int = subprocess.PIPE, **environment: str
    ) -> subprocess.Popen[str]:
        """Run a program where GIMP is."""
        return subprocess.Popen(
            self.gimp.command(argv, self.folder),
            env=self.environment(**environment),
            cwd=self.folder,
            stdout=log,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def batch(
        self, script: str, fonts: bool = False, obedient: bool = False, **environment: str
    ) -> subprocess.Popen[str]:
        """Start gimp-console with a Python script. obedient: root's GIMP too is bound by the files' permissions."""
        path = self.folder / "batch.py"
        path.write_text(script, encoding="utf-8")
        before = OBEDIENT if obedient and os.geteuid() == 0 else ()
        return self._console("python-fu-eval", f"exec(open({str(path)!r}).read())", fonts, environment, before)

    def script_fu(self, script: str, **environment: str) -> subprocess.Popen[str]:
        """Start gimp-console with a Script-Fu expression."""
        return self._console("plug-in-script-fu-eval", script, False, environment)

    def _console(
        self,
        interpreter: str,
        script: str,
        fonts: bool,
        environment: Mapping[str, str],
        before: Sequence[str] = (),
    ) -> subprocess.Popen[str]:
        options = ["-id" if fonts else "-idf", "--batch-interpreter", interpreter, "-b", script, "--quit"]
        return self.start(*before, self.gimp.console, *options, log=subprocess.PIPE, **environment)


def patiently(condition: Callable[[], bool], seconds: float = 20.0) -> bool:
    """Whether the condition comes true in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return condition()
