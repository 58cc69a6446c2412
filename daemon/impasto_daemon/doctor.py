"""What is wrong on this machine, in plain words, and what to type. Looks and changes nothing.

torch is asked in another process with a time-out: a broken driver can hang or crash whoever imports it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from impasto_protocol import __version__
from impasto_protocol.endpoint import IPC, runtime_dir
from impasto_protocol.errors import Code, ImpastoError
from impasto_protocol.forecast import memory
from impasto_protocol.key_files import known_endpoints, load_pairing
from impasto_protocol.zmq_client import Client

from . import files, gimp_profiles, launch, plugin_install, service
from .address import socket_path
from .weights import DEFAULT, fetch_command

OK, WARNING, PROBLEM = "ok", "warning", "problem"

WEIGHTS_BYTES = 600_000_000
"""Room that VGG19's weights need while they are fetched."""
TORCH_SECONDS = 60


@dataclass(frozen=True)
class Finding:
    """One thing looked at. level: ok, warning (works, but less well) or problem. remedy: what to do or type. code: the
    error that it is, or leads to; `explained` says more of it."""

    room: str
    level: str
    sentence: str
    remedy: str = ""
    code: Code | None = None


def examine(endpoint: str | None = None) -> Iterator[Finding]:
    """Everything that there is to say, as it is found out; a check that fails is a finding too."""
    checks: tuple[Callable[[], Iterator[Finding]], ...] = (
        python,
        lambda: torch_and_weights(endpoint),
        lambda: folder(endpoint),
        lambda: daemon(endpoint),
        lambda: kept(endpoint),
        gimp,
        plugin,
        unit,
    )
    for check in checks:
        try:
            yield from check()
        except ImpastoError as error:
            yield Finding("impasto", PROBLEM, str(error), code=error.code)
        except (OSError, subprocess.SubprocessError, ValueError) as error:
            yield Finding("impasto", WARNING, f"a check could not be made: {error}")


def python() -> Iterator[Finding]:
    """Where we run."""
    version = ".".join(map(str, sys.version_info[:3]))
    yield Finding("python", OK, f"Impasto {__version__} on Python {version} ({sys.executable})")


# Torch and weights ------------------------------------------------------------------------------------------

_ASK_TORCH = """
import dataclasses, json, torch
from impasto_daemon import weights
device = "cuda" if torch.cuda.is_available() else "cpu"
name = torch.cuda.get_device_name() if device == "cuda" else ""
rows = [{**dataclasses.asdict(r), "path": str(r.path)} for r in weights.listing()]
print(json.dumps({"version": torch.__version__, "device": device, "name": name, "weights": rows,
                  "cache": str(weights.cache_folder())}))
"""


def torch_and_weights(endpoint: str | None) -> Iterator[Finding]:
    """Whether a daemon can paint here, on what, and with which weights."""
    if not launch.has_torch():
        yield without_torch(launch.usable_endpoint(endpoint))
        return
    try:
        facts = ask_torch()
    except subprocess.TimeoutExpired:
        sentence = f"torch did not answer within {TORCH_SECONDS} s"
        remedy = f"find out why: {sys.executable} -c 'import torch'"
        yield Finding("torch", PROBLEM, sentence, remedy, Code.WORKER_DIED)
        return
    except ValueError as error:
        remedy = "pip install --upgrade '.[daemon]' in Impasto's folder"
        yield Finding("torch", PROBLEM, f"torch cannot be used: {error}", remedy, Code.WORKER_DIED)
        return
    yield from device(facts)
    yield from weights(facts)


def without_torch(chosen: str) -> Finding:
    """Whether torch is missed: a daemon on the network, or one whose socket ssh forwards, has its own."""
    if launch.is_far(chosen) or launch.somebody_listens(chosen):
        return Finding("torch", OK, f"not needed: the daemon is at {chosen}")
    sentence = "torch is not installed, so no daemon can be started here"
    return Finding("torch", PROBLEM, sentence, launch.without_torch(), Code.UNREACHABLE)


def ask_torch() -> dict[str, Any]:
    """What torch says of itself. Raises ValueError with its last words where it fails."""
    command = [sys.executable, "-P", "-W", "ignore", "-c", _ASK_TORCH]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TORCH_SECONDS, check=False)
    if done.returncode:
        raise ValueError((done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1])
    facts = json.loads(done.stdout.strip().splitlines()[-1])
    assert isinstance(facts, dict)
    return facts


def device(facts: dict[str, Any]) -> Iterator[Finding]:
    """What it computes on."""
    head = f"torch {facts['version']} computes on {facts['device']}"
    if facts["device"] != "cpu":
        yield Finding("torch", OK, f"{head} {facts['name']}".strip())
    elif shutil.which("nvidia-smi"):
        remedy = "compare the driver with torch: nvidia-smi, and https://pytorch.org/get-started"
        yield Finding("torch", WARNING, f"{head}, though there is an NVIDIA driver", remedy)
    else:
        yield Finding("torch", OK, f"{head}: no GPU was found, so painting takes minutes")


def weights(facts: dict[str, Any]) -> Iterator[Finding]:
    """Each network's weights, and the room for those that the default recipe needs."""
    for row in facts["weights"]:
        network, remedy = row["network"], fetch_command(row["network"])
        if row["present"]:
            yield Finding("weights", OK, f"{network}: {row['path']}")
        elif row["damaged"]:
            yield Finding(
                "weights", WARNING, f"{network}: {row['path']} is damaged or partial", remedy, Code.BAD_WEIGHTS
            )
        elif network != DEFAULT:
            yield Finding("weights", OK, f"{network}: not here, and needed by recipes with {network} alone ({remedy})")
        else:
            sentence = f"{network}: not here yet; without network too, the recipe impasto paints with wavelets instead"
            yield Finding("weights", WARNING, sentence, remedy, Code.MISSING_WEIGHTS)
            yield from room_for_weights(Path(facts["cache"]))


def room_for_weights(cache: Path) -> Iterator[Finding]:
    """Whether the disk has room for the weights that are missing."""
    there = next(each for each in (cache, *cache.parents) if each.exists())
    free = shutil.disk_usage(there).free
    if free < WEIGHTS_BYTES:
        sentence = f"{cache} has {free / 1e6:.0f} MB free, the weights need {WEIGHTS_BYTES / 1e6:.0f} MB"
        remedy = "free some space, or set XDG_CACHE_HOME to a folder on another disk"
        yield Finding("weights", PROBLEM, sentence, remedy, Code.MISSING_WEIGHTS)


# The daemon -------------------------------------------------------------------------------------------------


def folder(endpoint: str | None) -> Iterator[Finding]:
    """The socket, or where none is yet its folder: private, and ours. ssh makes its sockets private themselves."""
    chosen = launch.usable_endpoint(endpoint)
    if launch.is_far(chosen):
        load_pairing(chosen)
        yield Finding("endpoint", OK, f"the key for {chosen} is yours alone")
        return
    path = socket_path(chosen)
    if not path.parent.exists():
        yield Finding("endpoint", OK, f"{path.parent} is not there yet; the daemon makes it")
        return
    folder, place = path.parent.stat(), path if path.exists() else path.parent
    facts = place.stat()
    around = {path.parent.lstat().st_uid, folder.st_uid}  # also of a link that stands for the folder
    if facts.st_uid != os.getuid() or not around <= {os.getuid(), 0}:
        yield Finding("endpoint", PROBLEM, f"{place} belongs to another user", "name another with IMPASTO_ENDPOINT")
    elif folder.st_mode & 0o022:
        sentence = f"other users can put a socket of theirs into {path.parent}, so no client of yours trusts one there"
        yield Finding("endpoint", PROBLEM, sentence, f"chmod 700 {path.parent}, or name another with IMPASTO_ENDPOINT")
    elif facts.st_mode & folder.st_mode & 0o077:
        sentence = f"other users can enter {path.parent} ({stat.filemode(folder.st_mode)}), so no daemon listens there"
        yield Finding("endpoint", PROBLEM, sentence, f"chmod 700 {path.parent}, or name another with IMPASTO_ENDPOINT")
    else:
        yield Finding("endpoint", OK, f"{place} is yours alone")


def daemon(endpoint: str | None) -> Iterator[Finding]:
    """Whether one answers, and of which version."""
    chosen = launch.usable_endpoint(endpoint)
    try:
        if not launch.is_far(chosen) and not launch.somebody_listens(chosen):
            yield none_runs(chosen)
            return
        with Client(chosen, agent="impasto-doctor") as client:
            agent, facts = client.welcome.agent, client.status()
            worker, network = facts.get("worker") or {}, facts.get("network") or {}
    except ImpastoError as error:
        log = f"stop it and try again; its log: {launch.log_path()}, or journalctl --user -u impasto"
        far = "on that machine: impasto doctor, and impasto pair --list"
        remedy = "update the older side" if error.code is Code.VERSION_MISMATCH else log
        remedy = far if launch.is_far(chosen) and error.code is not Code.VERSION_MISMATCH else remedy
        sentence = f"the one at {chosen} does not answer as it should: {error}"
        yield Finding("daemon", PROBLEM, sentence, remedy, error.code)
        return
    if agent.rpartition("/")[2] != __version__:
        remedy = "restart it, or update the older side"
        sentence = f"{agent} answers at {chosen}, this is {__version__}"
        yield Finding("daemon", WARNING, sentence, remedy, Code.VERSION_MISMATCH)
    else:
        about = f", its worker on {worker['device']}" if isinstance(worker, dict) and worker.get("device") else ""
        yield Finding("daemon", OK, f"{agent} answers at {chosen}{about}")
    if isinstance(network, dict) and network.get("endpoint"):
        yield from open_to(str(network["endpoint"]), network.get("paired"))


def none_runs(chosen: str) -> Finding:
    """What that means: mostly nothing. That torch is missing was said."""
    if not launch.can_start():
        return Finding("daemon", WARNING, f"none runs at {chosen}, and without torch none can be started")
    log = f" (the last one's log: {launch.log_path()})" if launch.log_path().exists() else ""
    elsewhere = [f"to paint there instead: export IMPASTO_ENDPOINT={each}" for each in known_endpoints()]
    sentence = f"none runs at {chosen}; it is started when it is needed{log}"
    return Finding("daemon", OK, sentence, next(iter(elsewhere), ""))


def open_to(listening: str, paired: object) -> Iterator[Finding]:
    """Who may come in over the network."""
    clients = "1 paired client" if paired == 1 else f"{paired} paired clients"
    if paired:
        yield Finding("network", OK, f"the daemon listens at {listening} for {clients} (impasto pair --list)")
    else:
        sentence = f"the daemon listens at {listening}, and no client is paired"
        yield Finding("network", WARNING, sentence, "impasto pair", Code.NOT_PAIRED)


# What daemons keep ------------------------------------------------------------------------------------------


def kept(endpoint: str | None) -> Iterator[Finding]:
    """The folder with results, what paintings go on from, and the log: can it be written, by this user alone, and how
    much is in it. A daemon elsewhere has its own."""
    if launch.is_far(launch.usable_endpoint(endpoint)):
        return
    path = files.state_folder()
    there = next(each for each in (path, *path.parents) if each.exists())
    if not (there.is_dir() and os.access(there, os.W_OK | os.X_OK)):
        sentence = f"{there} cannot be written, so finished paintings are lost with the daemon that made them"
        yield Finding("state", WARNING, sentence, "make it writable, or set XDG_STATE_HOME to a folder that is")
    elif there != path:
        yield Finding("state", OK, f"{path} is not there yet; the daemon makes it")
    elif path.stat().st_uid != os.getuid():
        sentence = f"{path} belongs to another user, who can read and change what you paint"
        yield Finding("state", PROBLEM, sentence, "set XDG_STATE_HOME to a folder of yours")
    else:
        yield from in_state(path)


def in_state(path: Path) -> Iterator[Finding]:
    """What is in the folder, which is this user's."""
    facts = [each.lstat() for each in (path, *path.rglob("*"))]
    size = f"{memory(sum(each.st_size for each in facts if stat.S_ISREG(each.st_mode)))} in {path}"
    # Folders may be looked into: what is in their files is what must be nobody else's.
    if any(each.st_mode & (0o022 if stat.S_ISDIR(each.st_mode) else 0o077) for each in facts):
        yield Finding("state", WARNING, f"other users can read or change some of the {size}", f"chmod -R go= {path}")
    elif files.room(path) < 0:
        sentence = f"{size}, and its disk is nearly full: finished paintings are lost with the daemon that made them"
        yield Finding("state", WARNING, sentence, f"make room: {memory(files.ROOM_LEFT)} are to stay free")
    else:
        yield Finding("state", OK, f"{size} is yours alone")


# GIMP -------------------------------------------------------------------------------------------------------

MEETING = {"Flatpak": "app/org.gimp.GIMP", "Snap": "snap.gimp"}
"""Where, in the folder for sockets, a GIMP in this sandbox and a daemon outside see each other: the plug-in looks
there (its `sandbox`)."""
_PROGRAMS = ("gimp", "gimp-3.2", "gimp-3.0", "gimp-3", "gimp-console-3.2", "gimp-console-3.0", "gimp-console")


def gimp() -> Iterator[Finding]:
    """Which GIMPs there are; Flatpak and Snap start no daemon themselves."""
    found = list(gimps())
    good = [(name, version) for name, version in found if version.startswith("3.")]
    for name, version in good:
        yield Finding("gimp", OK, f"GIMP {version} ({name})")
        if name in MEETING:
            there = runtime_dir().parent / MEETING[name] / "impasto" / "daemon.sock"
            sentence = f"a GIMP from {name} cannot start the daemon: start one for it before you paint"
            yield Finding("gimp", WARNING, sentence, f"impasto daemon --endpoint {IPC}{there}")
    if not good:
        other = f" (found: {', '.join(f'{version} ({name})' for name, version in found)})" if found else ""
        remedy = "install GIMP 3 if you want the filter; the command line works without"
        yield Finding("gimp", WARNING, f"no GIMP 3 was found{other}", remedy)


def has_gimp() -> bool:
    """Whether there is one that could have the filter."""
    return any(version.startswith("3.") for _, version in gimps())


def gimps() -> Iterator[tuple[str, str]]:
    """Where each is from, and its version."""
    seen = set()
    for program in _PROGRAMS:
        path = shutil.which(program)
        if path and (version := version_in([path, "--version"])) and version not in seen:
            seen.add(version)
            yield path, version
    if shutil.which("flatpak") and (version := version_in(["flatpak", "info", "org.gimp.GIMP"])):
        yield "Flatpak", version
    if shutil.which("snap") and (version := version_in(["snap", "list", "gimp"])):
        yield "Snap", version


def version_in(command: list[str]) -> str:
    """The first number of three parts that a program writes; nothing where it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    match = re.search(r"\b\d+\.\d+\.\d+\b", done.stdout)
    return match.group() if match and not done.returncode else ""


def plugin() -> Iterator[Finding]:
    """The filter in each profile. Where there is no GIMP, nothing is broken by what it lacks."""
    bad = PROBLEM if has_gimp() else WARNING
    for profile in gimp_profiles.find():
        if not (profile / "plug-ins" / plugin_install.NAME).exists():
            whose = gimp_profiles.kind_of(profile).name
            yield Finding("plug-in", WARNING, f"not installed in {profile} ({whose})", "impasto install-plugin")
            continue
        for finding in plugin_install.check(profile):
            yield Finding("plug-in", OK if finding.good else bad, finding.sentence, finding.remedy)


def unit() -> Iterator[Finding]:
    """The systemd service, if the user has it."""
    now = service.status()
    if now.unit is None:
        yield Finding("service", OK, "not installed, and not needed: commands start the daemon themselves")
    elif not now.current:
        yield Finding("service", WARNING, f"{now.unit} is of another version or changed", "impasto service install")
    elif now.active in ("active", "unknown"):
        yield Finding("service", OK, f"the socket of {now.unit} is {now.active}, the daemon {now.running}")
    else:
        remedy = "systemctl --user status impasto.socket impasto, then impasto service install"
        sentence = f"the service is installed, but its socket is {now.active}"
        yield Finding("service", PROBLEM, sentence, remedy, Code.UNREACHABLE)
