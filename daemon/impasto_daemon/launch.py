"""See to it that a daemon answers: the one that runs, or one started for this user. Knows processes and sockets'
places; nothing of pictures, jobs or torch.

A daemon started here belongs to nobody's terminal, writes its log into the user's state folder and leaves by
itself when idle. Two commands may start one each at the same moment: the daemon's own lock lets one of them live,
and both commands then talk to that one.

`python -m impasto_daemon.launch ENDPOINT` does the same for others, such as GIMP's plug-in: it ends with 0 once a
daemon listens, or with 1 and a sentence on its standard error.
"""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from impasto_protocol.endpoint import TCP, default_endpoint, tcp_address
from impasto_protocol.errors import Code, ImpastoError
from impasto_protocol.key_files import known_endpoints, load_pairing
from impasto_protocol.reach import probe

from . import address, files

IDLE_EXIT = 600
"""Seconds without a job after which a daemon that was started for a command leaves."""
ORPHAN_EXIT = 60
"""The same for a private daemon, whose command ends it: only for a command that was killed."""
PATIENCE = 60.0
"""Seconds that a starting daemon has until it listens; it needs less than one on an idle machine."""
GRACE = 5.0
"""Seconds that a daemon has between SIGTERM and SIGKILL."""
RACE = 2.0
"""Seconds that another daemon has to listen after ours has ended: perhaps ours ended because that one was quicker."""
LOG_BYTES = 1_000_000
NOT_OURS = ("forbidden", "foreign")
"""Reasons of `probe` for which no daemon of ours can come to listen there either."""
INSTALL = "pip install '.[daemon]' in Impasto's folder"
PAINTER = "IMPASTO_PAINTER"
"""Environment variable that names another painter (module:attribute), for tests."""
LISTEN = "IMPASTO_LISTEN"
"""Environment variable that has `impasto daemon` listen on the network; it is not meant for daemons started here."""

Say = Callable[[str], None]


def _silent(_: str) -> None:
    """Say nothing."""


def usable_endpoint(endpoint: str | None) -> str:
    """This endpoint, $IMPASTO_ENDPOINT or the user's own. Raises ImpastoError where no daemon can be there."""
    chosen = endpoint or default_endpoint()
    if is_far(chosen):
        tcp_address(chosen)
    else:
        address.socket_path(chosen)
    return chosen


def is_far(endpoint: str) -> bool:
    """Whether this is an endpoint on the network, where no daemon can be started from here."""
    return endpoint.startswith(TCP)


def somebody_listens(endpoint: str) -> bool:
    """Whether a daemon has this socket open. Raises ImpastoError where the socket is another user's."""
    try:
        probe(endpoint)
    except ImpastoError as error:
        if error.problem.details.get("reason") in NOT_OURS:
            raise
        return False
    return True


def ensure_daemon(endpoint: str | None = None, *, say: Say = _silent, options: tuple[str, ...] = ()) -> str:
    """The endpoint of a daemon that listens, started if need be. `options`: for a daemon that is started.

    Raises ImpastoError(UNREACHABLE) where none can be started, with the last line of its log, or where the one on the
    network that is asked for does not answer; NOT_PAIRED where there is no key for it.
    """
    chosen = usable_endpoint(endpoint)
    if is_far(chosen):
        load_pairing(chosen)
        probe(chosen)
        return chosen
    if somebody_listens(chosen):
        return chosen
    _require_torch(chosen)
    say(f"no daemon runs at {chosen}: starting one, which leaves by itself when idle")
    path = log_path()
    log, begins = _open_log(path)
    try:
        process = _start(chosen, ("--idle-exit", str(IDLE_EXIT), *options), log)
    finally:
        os.close(log)
    _await(process, chosen, lambda: _tail(path, begins))
    return chosen


@contextmanager
def private_daemon(*options: str, say: Say = _silent) -> Iterator[str]:
    """A daemon for one command, at an endpoint of its own that is gone afterwards, however the command ends."""
    _require_torch("")
    with tempfile.TemporaryDirectory(prefix="impasto-", dir=address.short_temporary_folder()) as folder:
        endpoint, path = f"ipc://{folder}/daemon.sock", Path(folder) / "daemon.log"
        say("starting a daemon for this command alone")
        log, _ = _open_log(path)
        try:
            # What it leaves in its temporary folder, even when killed, goes with ours.
            process = _start(endpoint, ("--idle-exit", str(ORPHAN_EXIT), *options), log, TMPDIR=folder)
        finally:
            os.close(log)
        try:
            _await(process, endpoint, lambda: _tail(path, 0))
            yield endpoint
        finally:
            _stop(process)


def log_path() -> Path:
    """The log of the daemons that commands started."""
    return files.state_folder() / "daemon.log"


def has_torch() -> bool:
    """Whether torch is installed beside us; it is not imported."""
    return importlib.util.find_spec("torch") is not None


def can_start() -> bool:
    """Whether a daemon that is started here could paint."""
    return has_torch() or bool(os.environ.get(PAINTER))


def without_torch() -> str:
    """What to do where torch is not installed."""
    if paired := known_endpoints():
        return f"this machine is paired with {' and '.join(paired)}: export IMPASTO_ENDPOINT={paired[0]}"
    return f"{INSTALL}, or `impasto pair` with a machine that has it"


def askable_endpoint(endpoint: str | None) -> str:
    """A usable endpoint, for who starts no daemon. Raises ImpastoError, UNREACHABLE where there can be none."""
    chosen = usable_endpoint(endpoint)
    if not is_far(chosen) and not somebody_listens(chosen):
        _require_torch(chosen)
    return chosen


def _require_torch(endpoint: str) -> None:
    if can_start():
        return
    where = f"No daemon answers at {endpoint}, and none" if endpoint else "No daemon"
    sentence = f"{where} can be started here: torch is not installed. To paint: {without_torch()}"
    raise ImpastoError(Code.UNREACHABLE, sentence)


class _Process(subprocess.Popen[bytes]):
    """A daemon's. Whenever we end, by a Ctrl-C while it starts for one, it may outlive us: Popen would warn of that."""

    def __del__(self) -> None:
        pass


def _start(endpoint: str, options: tuple[str, ...], log: int, **environ: str) -> _Process:
    # -P and the root folder: whatever lies in the folder where the user happens to stand is not imported.
    command = [sys.executable, "-P", "-m", "impasto_daemon.cli", "daemon", "--endpoint", endpoint, *options]
    try:
        return _Process(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd="/",
            env=os.environ | {LISTEN: ""} | environ,
        )
    except OSError as error:
        raise ImpastoError(
            Code.UNREACHABLE, f"the daemon cannot be started: {error.strerror}. `impasto doctor` may know why"
        ) from None


def _await(process: subprocess.Popen[bytes], endpoint: str, tail: Callable[[], str]) -> None:
    """Until somebody listens at the endpoint, which need not be this process: another may have been quicker."""
    deadline = time.monotonic() + PATIENCE
    while not somebody_listens(endpoint):
        if process.poll() is not None:
            deadline = min(deadline, time.monotonic() + RACE)
        if time.monotonic() >= deadline:
            reason = tail() or "it said nothing"
            raise ImpastoError(
                Code.UNREACHABLE, f"no daemon answers at {endpoint}, and none could be started: {reason}"
            )
        time.sleep(0.02)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _open_log(path: Path) -> tuple[int, int]:
    """The log, opened for appending, and where new lines will begin; nowhere, if the folder is not ours to write.

    A bare descriptor: a Ctrl-C between the opening and whoever closes it leaves nothing to complain about.
    """
    mode = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.exists() and path.stat().st_size > LOG_BYTES:
            path.replace(path.with_suffix(".log.1"))
        log = os.open(path, mode, 0o600)
        return log, os.fstat(log).st_size
    except OSError:
        return os.open(os.devnull, mode), 0


def _tail(path: Path, begins: int) -> str:
    """The last line that a daemon wrote since then."""
    try:
        with path.open("rb") as file:
            file.seek(begins)
            lines = file.read().decode(errors="replace").strip().splitlines()
    except OSError:
        return ""
    return _AROUND.sub("", lines[-1]) if lines else ""


_AROUND = re.compile(r"^(\S+ \S+ [A-Z]+ [\w.]+: |impasto: )| \[[a-z_]+\]$")
"""Around the sentence of a line: time, level and room, or the command's name, and an error's code."""


def main(endpoint: str | None = None) -> int:
    """See to it that a daemon listens; the exit status."""
    try:
        ensure_daemon(endpoint)
    except ImpastoError as error:
        print(" ".join(str(error).split()), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
