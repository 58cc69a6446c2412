"""Real GIMPs paint, and GIMP or its plug-in is killed or stopped at a random moment: `make chaos CHAOS='--gimp 40'`.

A round: one GIMP calls the filter from a script; within two seconds from then the process of GIMP, or that of the
plug-in, gets SIGKILL, or SIGSTOP for a while. Then

- the device is free;
- a GIMP that was not killed tells how it went, and one that was only stopped, or its plug-in, has the painting;
- a job that has succeeded has the right picture to be fetched, unless the plug-in had put it into the image;
- the next job runs, and neither processes of GIMP nor files nor sockets are left over.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from impasto_protocol.errors import Code
from impasto_protocol.jobstate import State
from impasto_protocol.picture import Picture
from impasto_protocol.zmq_client import Client

from tests.e2e import calls, painter
from tests.e2e.conftest import running_daemon
from tests.e2e.studio import Gimp, Studio
from tests.fakes.daemon import alive, request, wait_for

from .blows import PATIENCE, SIGNALS, STOPPED, TOLD

VICTIMS = ("GIMP", "plug-in")
LATEST = 2.0
"""Seconds from the call until the blow falls; the painting alone takes one."""
LEASE = 10.0
"""Seconds within which the device is free whatever happens."""
LASTING = ("profile", "cache", "state/impasto/devices.json", calls.TOLD)
"""What stays in the studio: GIMP's profile and caches, what the daemon knows of its device, what the script told."""
RIGHT = painter.turned_round(Picture(*calls.picture().size, 3, "u8", calls.picture().tobytes())).sha256()


@dataclass(frozen=True)
class Round:
    """One accident: who is struck by what, and when: seconds after GIMP's call of the filter, or as soon as the job is
    seen in this state."""

    victim: str
    blow: signal.Signals
    when: float | State

    @classmethod
    def drawn(cls, chance: random.Random) -> Round:
        # What follows its success is a short moment, which few blows would hit.
        when = chance.uniform(0, LATEST) if chance.random() < 0.75 else State.SUCCEEDED
        return cls(chance.choice(VICTIMS), chance.choice(SIGNALS), when)

    @property
    def kills_gimp(self) -> bool:
        return self.victim == "GIMP" and self.blow == signal.SIGKILL


class GimpChaos:
    """Rounds in a studio whose daemon runs. `tally`: how often each thing came about. `freed`: seconds from each blow
    that ended a running job until its end was listed."""

    def __init__(self, studio: Studio, daemon: int) -> None:
        self._studio = studio
        self._daemon = daemon
        self.tally: Counter[str] = Counter()
        self.freed: list[float] = []

    def undisturbed(self) -> None:
        """A painting to which nothing happens. The first one leaves what every GIMP finds when it starts."""
        with calls.call(self._studio) as gimp:
            facts = calls.outcome(self._studio, gimp)
        assert facts["status"] == "success" and facts["layers"] == 2, facts

    def run(self, each: Round) -> None:
        """One round. Raises AssertionError where a promise is broken."""
        known = {row["job"] for row in self._rows()}
        with calls.call(self._studio, seed=painter.A_SECOND) as gimp:
            wait_for(lambda: calls.begun(self._studio) or gimp.poll() is not None, PATIENCE)
            files = self._files()
            if not isinstance(each.when, State):
                time.sleep(each.when)
            self._strike(each, gimp.pid, known)
            facts = self._told(each, gimp)
        wait_for(lambda: all(map(over, self._rows())), LEASE)
        self._judge(each, facts, [row for row in self._rows() if row["job"] not in known])
        self._all_is_well()
        self._nothing_is_left(each, files)

    def _strike(self, each: Round, gimp: int, known: set[str]) -> None:
        """Unless it is not there, yet or any more."""
        with Client(self._studio.endpoint, agent="chaos") as client:
            if isinstance(each.when, State):
                seen = each.when.value
                wait_for(lambda: any(r["state"] == seen for r in client.jobs() if r["job"] not in known), PATIENCE)
            victims = [gimp] if each.victim == "GIMP" else calls.plug_ins(self._studio)
            running = not all(map(over, client.jobs()))
            moment = "in mid-job" if running else "before or after a job"
            began = time.monotonic()
            for victim in filter(alive, victims):
                strike(victim, each.blow)
                self.tally[f"{each.victim} {each.blow.name} {moment}"] += 1
            if each.blow == signal.SIGKILL and victims and running:
                wait_for(lambda: all(map(over, client.jobs())), LEASE)
                self.freed.append(time.monotonic() - began)
        if each.blow == signal.SIGSTOP:
            time.sleep(STOPPED)
            for victim in victims:
                strike(victim, signal.SIGCONT)

    def _told(self, each: Round, gimp: subprocess.Popen[str]) -> dict[str, Any]:
        """What GIMP made of it; nothing where it was killed."""
        if not each.kills_gimp:
            return calls.outcome(self._studio, gimp)
        gimp.communicate(timeout=PATIENCE)
        return {}

    def _judge(self, each: Round, facts: dict[str, Any], rows: list[dict[str, Any]]) -> None:
        """`rows`: the jobs of this round, as the daemon lists them."""
        assert len(rows) <= 1, f"{each}: {rows}"
        painted = facts.get("layers") == 2
        if each.blow == signal.SIGSTOP:
            assert painted and facts["status"] == "success", f"{each}: {facts}"
        for row in rows:
            if row["kept"]:
                with Client(self._studio.endpoint, agent="chaos") as client:
                    assert client.fetch(row["job"]).pictures[0].sha256() == RIGHT, f"{each}: the wrong picture"
                    client.acknowledge(row["job"])
                self.tally["result fetched"] += 1
            elif row["state"] == State.SUCCEEDED.value:
                assert painted or each.kills_gimp, f"{each}: a finished job is lost, {facts}"
                self.tally["painting in the image" if painted else "painting in an image that ended with GIMP"] += 1
            else:
                assert Code(row["error"]) in TOLD and not painted, f"{each}: {row}, {facts}"
                self.tally[f"listed as {row['error']}"] += 1
        self.tally["never handed in, or heard of by nobody"] += not rows

    def _all_is_well(self) -> None:
        """The next job runs, and there is nobody but the daemon and its worker."""
        with Client(self._studio.endpoint, agent="chaos") as client:
            client.acknowledge(client.stylize(request()).job)
        children = Path(f"/proc/{self._daemon}/task/{self._daemon}/children").read_text().split()
        assert len(children) == 1, f"workers are left over: {children}"
        ours = {self._daemon, *map(int, children)}
        wait_for(lambda: not self._processes() - ours)

    def _nothing_is_left(self, each: Round, before: set[Path]) -> None:
        """No file. A result's goes a moment after it was acknowledged."""
        until = time.monotonic() + PATIENCE
        while left := self._files() - before:
            assert time.monotonic() < until, f"{each}: files are left over: {left}"
            time.sleep(0.01)

    def _rows(self) -> tuple[dict[str, Any], ...]:
        with Client(self._studio.endpoint, agent="chaos") as client:
            return client.jobs()

    def _processes(self) -> set[int]:
        """Whoever runs with this studio in its environment: GIMP, all its plug-ins, and the daemon with its worker."""
        found = set()
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if os.fsencode(self._studio.folder) in (folder / "environ").read_bytes():
                    found.add(int(folder.name))
        return found

    def _files(self) -> set[Path]:
        """Where GIMP and daemon work, but for what is theirs for longer than a job."""
        found = {path for path in self._studio.folder.rglob("*") if not path.is_dir()}
        return {path for path in found if not any(map(path.is_relative_to, (self._studio.folder / n for n in LASTING)))}


def over(row: dict[str, Any]) -> bool:
    """Whether a listed job has ended."""
    return State(row["state"]).terminal


def strike(process: int, blow: signal.Signals) -> None:
    """Unless it is not there any more."""
    with suppress(ProcessLookupError):
        os.kill(process, blow)


@contextmanager
def opened() -> Iterator[GimpChaos]:
    """A studio and a daemon of its own. Raises NoGimp; AssertionError where the daemon leaves its socket."""
    folder = Path(tempfile.mkdtemp(prefix="chaos-", dir="/tmp"))
    studio = Studio(Gimp.find(), folder)
    try:
        studio.prepare()
        studio.install_plug_in()
        with running_daemon(studio) as daemon:
            chaos = GimpChaos(studio, daemon.pid)
            chaos.undisturbed()
            yield chaos
            chaos.undisturbed()
        assert not (path := Path(studio.endpoint.removeprefix("ipc://"))).exists(), f"{path} is left over"
    finally:
        studio.clean()
