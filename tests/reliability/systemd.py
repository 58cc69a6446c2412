"""`make systemd`: the daemon as a real service of a real systemd user manager, and every promise that its unit makes.

The manager, its journal and the user's folders are made for this run, in namespaces of its own, and end with it:
nothing of the machine's own systemd is asked or changed. That needs Linux, root (a container's will do), and the
programs of NEEDED. The unit is the one that `impasto service install` writes, with one difference: the watchdog waits
for 3 s instead of 60.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from impasto_protocol.errors import Code, ImpastoError
from impasto_protocol.picture import Picture
from impasto_protocol.request import Request, Style
from impasto_protocol.zmq_client import Client

from tests.fakes.daemon import FAKE_PAINTER, PYTHONPATH, ROOT, alive, wait_for
from tests.fakes.painter import inverted

MANAGER = "/usr/lib/systemd/systemd"
JOURNAL = "/usr/lib/systemd/systemd-journald"
NEEDED = (MANAGER, JOURNAL, "systemctl", "journalctl", "unshare")
UNIT = "impasto.service"
WATCHDOG = 3.0
STOP_TIMEOUT = 15.0
"""TimeoutStopSec of the unit."""
PATIENCE = 30.0
PIXELS = b"PIXEL"
"""What the pictures' samples spell, over and over."""

PREPARE = """\
mount -t tmpfs tmpfs /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/system /run/systemd/journald.conf.d
printf '[Journal]\\nStorage=volatile\\nReadKMsg=no\\nAudit=no\\n' >/run/systemd/journald.conf.d/impasto.conf
exec "$@"
"""
"""In namespaces of its own: an empty /run that says that systemd is here, and control groups with this one on top."""
GROUPS = Path("/sys/fs/cgroup")


ENTER = ("unshare", "-m", "-p", "-f", "-C", "--mount-proc", "--kill-child", "sh", "-euc", PREPARE, "sh")


def lacking() -> str:
    """What this machine lacks to start a user manager in namespaces; empty where it can."""
    if missing := [name for name in NEEDED if not shutil.which(name)]:
        return ", ".join(missing)
    if os.geteuid():
        return "the rights of root"
    group = GROUPS / f"impasto-{os.getpid()}"
    tried = subprocess.run(
        [*ENTER, "sh", "-c", f"mkdir {group} && rmdir {group}"], capture_output=True, text=True, check=False
    )
    return f"namespaces with control groups: {tried.stderr.strip()}" if tried.returncode else ""


def main() -> None:
    if what := lacking():
        sys.exit(f"make systemd needs root on Linux, and {', '.join(NEEDED)}. Here it lacks {what}")
    with tempfile.TemporaryDirectory(prefix="systemd-", dir="/tmp") as folder:
        command = [*ENTER, sys.executable, "-m", "tests.reliability.systemd", folder]
        sys.exit(subprocess.run(command, cwd=ROOT, env=environment(Path(folder)), check=False).returncode)


def environment(folder: Path) -> dict[str, str]:
    """Of a user whose home this is."""
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": PYTHONPATH,
        "IMPASTO_PAINTER": FAKE_PAINTER,
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "XDG_RUNTIME_DIR": str(folder / "run"),
        "XDG_CONFIG_HOME": str(folder / "config"),
        "XDG_STATE_HOME": str(folder / "state"),
        "XDG_CACHE_HOME": str(folder / "cache"),
    }


class Service:
    """The service as its user has it: commands, units, journal, clients."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.socket = folder / "run/impasto/daemon.sock"

    def do(self, *words: str) -> str:
        """What a command says that must not fail."""
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=PATIENCE)
        assert done.returncode == 0, f"{' '.join(words)}: {done.stdout}{done.stderr}"
        return done.stdout

    def ctl(self, *words: str) -> str:
        return self.do("systemctl", "--user", *words)

    def impasto(self, *words: str) -> str:
        return self.do(sys.executable, "-P", "-m", "impasto_daemon.cli", *words)

    def shown(self, name: str) -> str:
        """A property of the unit."""
        return self.ctl("show", "--value", "-p", name, UNIT).strip()

    def pid(self) -> int:
        return int(self.shown("MainPID"))

    def journal(self) -> list[str]:
        """What the service said, line by line."""
        return self.do("journalctl", "-q", "-o", "cat", "--no-pager", f"_SYSTEMD_USER_UNIT={UNIT}").splitlines()

    def client(self) -> Client:
        return Client(f"ipc://{self.socket}", agent="systemd-test")


def request(**settings: Any) -> Request:
    """A picture whose samples spell PIXELS."""
    picture = Picture(50, 20, 3, "u8", (PIXELS * 600)[:3000])
    return Request(content=picture, styles=(Style(picture),), settings=settings)


RIGHT = inverted(request().content).sha256()


class Waiting(threading.Thread):
    """A client that waits for a job. `end`: `result`, or the code of its error."""

    def __init__(self, service: Service, job: str, *, acknowledge: bool = True, **settings: Any) -> None:
        super().__init__()
        self._service, self.job, self._acknowledge, self._settings = service, job, acknowledge, settings
        self.end = ""
        self.start()

    def run(self) -> None:
        try:
            with self._service.client() as client:
                result = client.stylize(request(**self._settings), job=self.job)
                assert result.pictures[0].sha256() == RIGHT
                if self._acknowledge:
                    client.acknowledge(self.job)
                self.end = "result"
        except ImpastoError as error:
            self.end = error.code.value

    def is_painted(self) -> Waiting:
        """Wait until the job is under way."""
        with self._service.client() as other:
            wait_for(lambda: [r for r in other.jobs() if (r["job"], r["state"]) == (self.job, "running")], PATIENCE)
        return self

    def ended(self) -> str:
        self.join(PATIENCE)
        return self.end


# What is promised. Each returns what was seen --------------------------------------------------------------


def installed(service: Service) -> str:
    """`impasto service install` leaves a socket for this user alone, and no daemon yet"""
    service.impasto("service", "install")
    drop_in = service.folder / "config/systemd/user/impasto.service.d/test.conf"
    drop_in.parent.mkdir()
    drop_in.write_text(f"[Service]\nWatchdogSec={WATCHDOG}\n")
    service.ctl("daemon-reload")
    modes = [oct(path.stat().st_mode & 0o777) for path in (service.socket, service.socket.parent)]
    assert modes == ["0o600", "0o700"], modes
    assert service.shown("ActiveState") == "inactive"
    return "socket 0600 in a folder 0700"


def activated(service: Service) -> str:
    """The first client that connects starts it, and READY makes it active"""
    began = time.monotonic()
    assert Waiting(service, "first").ended() == "result"
    took = time.monotonic() - began
    assert service.shown("Type") == "notify" and service.shown("ActiveState") == "active"
    wait_for(lambda: service.shown("StatusText") == "waiting for jobs")
    return f"result after {took:.1f} s; status “{service.shown('StatusText')}”"


def confined(service: Service) -> str:
    """Daemon and worker can gain no rights, and their system calls are filtered"""
    with service.client() as client:
        pids = [service.pid(), int(client.status()["worker"]["pid"])]
    for pid in pids:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        facts = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
        assert (facts["NoNewPrivs"], facts["Seccomp"], facts["Umask"]) == ("1", "2", "0077"), facts
    return "NoNewPrivs 1, Seccomp 2, umask 0077"


def reloaded(service: Service) -> str:
    """`systemctl --user reload` loses no job, and the next one gets a fresh worker in the same daemon"""
    with service.client() as client:
        before = service.pid(), client.status()["worker"]["pid"]
        job = Waiting(service, "reloaded", steps=50, delay=0.02).is_painted()
        service.ctl("reload", UNIT)
        assert job.ended() == "result"
    assert Waiting(service, "after-the-reload").ended() == "result"
    with service.client() as client:
        after = service.pid(), client.status()["worker"]["pid"]
    assert before[0] == after[0] and before[1] != after[1], (before, after)
    return f"worker {before[1]}, then {after[1]}"


def watched(service: Service) -> str:
    """A daemon that hangs (SIGSTOP) is ended by the watchdog and started again, and its client is told"""
    before, restarts = service.pid(), int(service.shown("NRestarts"))
    job = Waiting(service, "hanging", steps=10_000, delay=0.01).is_painted()
    began = time.monotonic()
    os.kill(before, signal.SIGSTOP)
    wait_for(lambda: service.pid() not in (0, before) and service.shown("ActiveState") == "active", PATIENCE)
    took = time.monotonic() - began
    assert int(service.shown("NRestarts")) == restarts + 1
    assert job.ended() in (Code.DAEMON_LOST.value, Code.TIMED_OUT.value), job.end
    assert any("Current thread" in line for line in service.journal()), "where it stood is in the journal"
    assert Waiting(service, "after-the-watchdog").ended() == "result"
    return f"active again after {took:.1f} s, watchdog {WATCHDOG:.0f} s; the waiting client: {job.end}"


def restarted(service: Service) -> str:
    """A daemon that is killed is started again: a finished result is there, a client that waited is told"""
    assert Waiting(service, "finished", acknowledge=False).ended() == "result"
    with service.client() as client:
        wait_for(lambda: not client.status()["kept_in_memory"])
    job = Waiting(service, "killed", steps=10_000, delay=0.01).is_painted()
    before = service.pid()
    began = time.monotonic()
    os.kill(before, signal.SIGKILL)
    wait_for(lambda: service.pid() not in (0, before) and service.shown("ActiveState") == "active", PATIENCE)
    took = time.monotonic() - began
    assert job.ended() == Code.DAEMON_LOST.value, job.end
    with service.client() as client:
        assert client.fetch("finished").pictures[0].sha256() == RIGHT
        client.acknowledge("finished")
    return f"active again after {took:.1f} s; result fetched, the waiting client: {job.end}"


def stopped(service: Service) -> str:
    """`systemctl --user stop` ends it within its time, also in mid-job, and leaves no process"""
    job = Waiting(service, "stopped", steps=10_000, delay=0.01).is_painted()
    with service.client() as client:
        pids = [service.pid(), int(client.status()["worker"]["pid"])]
    began = time.monotonic()
    service.ctl("stop", UNIT)
    took = time.monotonic() - began
    assert service.shown("Result") == "success" and took < STOP_TIMEOUT, service.shown("Result")
    assert not any(map(alive, pids))
    assert job.ended() == Code.SHUTTING_DOWN.value, job.end
    assert Waiting(service, "after-the-stop").ended() == "result", "the socket stays, and starts it again"
    return f"stopped after {took:.1f} s of {STOP_TIMEOUT:.0f}; the waiting client: {job.end}"


def logged(service: Service) -> str:
    """The journal names jobs and holds no pixels"""
    lines = service.journal()
    for job in ("first", "reloaded", "after-the-watchdog", "finished", "stopped"):
        assert any(f"job {job} begins" in line for line in lines), f"{job} is not in the journal"
    whole = "\n".join(lines)
    samples = [PIXELS * 2, bytes(255 - byte for byte in PIXELS * 2)]
    forms: list[Callable[[bytes], str]] = [lambda b: b.decode("latin1"), bytes.hex, lambda b: repr(list(b))[1:-1], repr]
    assert not any(form(sample).strip("b'") in whole for form in forms for sample in samples), "pixels in the journal"
    longest = max(map(len, lines))
    return f"{len(lines)} lines, the longest of {longest} characters"


def uninstalled(service: Service) -> str:
    """`impasto service uninstall` stops it and takes units and socket away"""
    pid = service.pid()
    service.impasto("service", "uninstall")
    assert not alive(pid) and not service.socket.exists()
    assert not list((service.folder / "config/systemd/user").glob("*.s*t*"))
    return "no process, no socket, no unit"


PROMISES = (installed, activated, confined, reloaded, watched, restarted, stopped, logged, uninstalled)


def inside(folder: Path) -> None:
    """Run the manager and its journal, and look at every promise."""
    (folder / "run").mkdir(mode=0o700)
    service = Service(folder)
    # As after a login: the journal tells by this name whose units' words it hears.
    group = (top := GROUPS / f"{folder.name}.slice") / "user-0.slice/user@0.service"
    group.mkdir(parents=True)
    enter = ["sh", "-euc", 'echo $$ >"$1/cgroup.procs"; shift; exec "$@"', "sh", str(group)]
    with (folder / "manager.log").open("w") as log:
        commands = [[JOURNAL], [*enter, MANAGER, "--user", "--unit=basic.target"]]
        others = [subprocess.Popen(words, stderr=log) for words in commands]
    try:
        wait_for(lambda: (folder / "run/systemd/private").exists() and Path("/run/systemd/journal/stdout").exists())
        for promise in PROMISES:
            print(f"{promise.__doc__}:\n  {promise(service)}", flush=True)
    except BaseException:
        with suppress(Exception):
            print("\n".join(service.journal()[-30:]), (folder / "manager.log").read_text(), sep="\n")
        raise
    finally:
        for process in reversed(others):
            process.terminate()
            process.wait(PATIENCE)
        for each, _, _ in os.walk(top, topdown=False):
            Path(each).rmdir()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        inside(Path(sys.argv[1]))
    else:
        main()
