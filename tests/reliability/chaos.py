"""`make chaos`: client, worker and supervisor are killed or stopped at random moments, and every promise is checked.

A round: one client process hands in one job; at some moment, or right when the client hears the job's end, one process
gets SIGKILL, or SIGSTOP for a while. Then

- whoever waits for the job and lives has its result, or an error that says what to do;
- a job that anybody has heard to have succeeded has the right picture to be fetched, from the next daemon too, unless
  the client has acknowledged it;
- a killed supervisor takes its worker with it, and another daemon takes its place at once;
- the next job runs, and neither processes nor descriptors nor files are left over.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from impasto_protocol.errors import Code, ImpastoError
from impasto_protocol.jobstate import State
from impasto_protocol.zmq_client import Client

from tests.fakes.daemon import PYTHONPATH, ROOT, RunningDaemon, alive, picture, request, wait_for
from tests.fakes.painter import inverted

from . import gimp
from .blows import PATIENCE, SIGNALS, STOPPED, TOLD

VICTIMS = (("client",), ("worker",), ("supervisor",), ("client", "supervisor"))
"""Of one round, one after the other."""
LATEST = 0.5
"""Seconds after the client's start until the blow falls."""
RIGHT = inverted(picture()).sha256()


@dataclass(frozen=True)
class Round:
    """One accident: who is struck by what, seconds after the client's start or when it has heard the end, and what the
    job and its client are like."""

    number: int
    victims: tuple[str, ...]
    blow: signal.Signals
    after: float
    steps: int
    detach: bool
    heard: bool = False
    acknowledges: bool = True

    @classmethod
    def drawn(cls, number: int, chance: random.Random) -> Round:
        return cls(
            number=number,
            victims=chance.choice(VICTIMS),
            blow=chance.choice(SIGNALS),
            after=chance.uniform(0, LATEST),
            steps=chance.choice((1, 20, 60)),
            detach=chance.random() < 0.5,
            heard=chance.random() < 0.25,
            acknowledges=chance.random() < 0.5,
        )

    @property
    def job(self) -> str:
        return f"round-{self.number}"

    def kills(self, victim: str) -> bool:
        return victim in self.victims and self.blow == signal.SIGKILL


class Chaos:
    """Rounds in a folder of its own. `tally`: how often each thing came about."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.tally: Counter[str] = Counter()
        self._daemon = self._started()

    def close(self) -> None:
        self._daemon.end()

    def run(self, each: Round) -> None:
        """One round. Raises AssertionError where a promise is broken."""
        flags = ["yes" if flag else "no" for flag in (each.detach, each.acknowledges)]
        words = [self._daemon.endpoint, each.job, str(each.steps), *flags]
        command = [sys.executable, "-m", "tests.reliability.client", *words]
        environment = {**os.environ, "PYTHONPATH": PYTHONPATH}
        pipe = subprocess.PIPE
        with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=pipe, text=True) as client:
            time.sleep(0 if each.heard else each.after)
            worker = int(self._daemon.worker().get("pid", 0))
            processes = {"client": client.pid, "worker": worker, "supervisor": self._daemon.process.pid}
            assert client.stdout
            heard = client.stdout.readline() if each.heard else ""
            finished = False
            for victim in each.victims:
                finished = finished or self._finished(each)
                self._strike(processes[victim], each.blow, victim)
            if each.kills("supervisor"):  # while the client waits
                self._replace_daemon(worker)
            said = heard + client.communicate(timeout=PATIENCE)[0]
        delivered = self._judge(each, said.split())
        self._nothing_is_lost(each, delivered, finished)
        self._all_is_well()

    def _started(self) -> RunningDaemon:
        return RunningDaemon(self._folder, lease=1.0, heartbeat=0.2, grace=0.5).wait_until_ready()

    def _finished(self, each: Round) -> bool:
        """Whether the job had succeeded before the blow."""
        with self._daemon.client() as other:
            states = [row["state"] for row in other.jobs() if row["job"] == each.job]
        self.tally["finished before"] += states == [State.SUCCEEDED.value]
        return states == [State.SUCCEEDED.value]

    def _strike(self, process: int, blow: signal.Signals, victim: str) -> None:
        """Unless it is not there, yet or any more."""
        with suppress(ProcessLookupError):
            if process:
                os.kill(process, blow)
                self.tally[f"{victim} {blow.name}"] += 1
                time.sleep(STOPPED)
                if blow == signal.SIGSTOP:
                    os.kill(process, signal.SIGCONT)

    def _replace_daemon(self, worker: int) -> None:
        self._daemon.process.wait(PATIENCE)
        if worker:
            wait_for(lambda: not alive(worker))
        self._daemon = self._started()

    def _judge(self, each: Round, said: list[str]) -> bool:
        """Whether the client got the right picture; if it lives it has that or an error that may be."""
        if said[:1] == ["result"]:
            assert said[1] == RIGHT, f"{each}: the wrong picture"
            self.tally["result delivered"] += 1
            return True
        if not each.kills("client"):
            assert said[:1] == ["error"] and Code(said[1]) in TOLD, f"{each}: {said}"
            self.tally[f"told {said[1]}"] += 1
        return False

    def _nothing_is_lost(self, each: Round, delivered: bool, finished: bool) -> None:
        with self._daemon.client() as other:
            wait_for(lambda: self._over(other, each.job), PATIENCE)
            rows = [row for row in other.jobs() if row["job"] == each.job]
            acknowledged = delivered and each.acknowledges
            assert rows or acknowledged or not (finished or delivered), f"{each}: a finished job is lost"
            if not rows or acknowledged:
                self.tally["unknown to the daemon"] += not rows and not acknowledged
                return
            if rows[0]["state"] == State.SUCCEEDED.value:
                assert other.fetch(each.job).pictures[0].sha256() == RIGHT, f"{each}: the wrong picture was kept"
                other.acknowledge(each.job)
                self.tally["result fetched"] += 1
            else:
                assert not delivered and not finished, f"{each}: it had succeeded, and now {rows[0]}"
                assert Code(rows[0]["error"]) in TOLD, f"{each}: {rows[0]}"
                self.tally[f"listed as {rows[0]['error']}"] += 1

    def _over(self, client: Client, job: str) -> bool:
        return all(State(row["state"]).terminal for row in client.jobs() if row["job"] == job)

    def _all_is_well(self) -> None:
        """The next job runs, and there is one worker, no other process and no file too many."""
        with self._daemon.client() as client:
            for _ in range(3):
                with suppress(ImpastoError):  # a worker that was just struck may take one more job with it
                    result = client.stylize(request())
                    break
            else:
                raise AssertionError("no job runs any more")
            assert result.pictures[0].sha256() == RIGHT
            client.acknowledge(result.job)
        children = wait_for(lambda: self._children(1))
        assert len(children) == 1, f"processes are left over: {children}"
        left = list(self._folder.glob("*.links/*"))
        assert not left, f"files are left over: {left}"

    def _children(self, wanted: int) -> list[int]:
        """Of the supervisor, when there are this many."""
        pid = self._daemon.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [int(child) for child in children] if len(children) == wanted else []


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="make chaos", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=500, metavar="N")
    parser.add_argument("--gimp", type=int, default=0, metavar="N", help="rounds with real GIMPs, before the others")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="another seed, other accidents")
    options = parser.parse_args(arguments)
    if options.gimp:
        gimps(options.gimp, random.Random(options.seed))
    if options.rounds:
        daemons(options.rounds, random.Random(options.seed))


def daemons(rounds: int, chance: random.Random) -> None:
    """So many rounds, and how often each thing came about."""
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        os.environ["TMPDIR"], tempfile.tempdir = folder, None
        chaos = Chaos(Path(folder))
        try:
            for number in range(rounds):
                chaos.run(Round.drawn(number, chance))
        finally:
            chaos.close()
    report(f"{rounds} rounds", chaos.tally)


def gimps(rounds: int, chance: random.Random) -> None:
    """The same with real GIMPs, and how soon the device was free."""
    with gimp.opened() as chaos:
        for _ in range(rounds):
            chaos.run(gimp.Round.drawn(chance))
    report(f"{rounds} rounds with GIMP", chaos.tally)
    soon = sum(seconds <= gimp.AT_ONCE for seconds in chaos.freed)
    slowest = max(chaos.freed, default=0.0)
    print(f"  The device was free within 0.1 s in {soon} of {len(chaos.freed)}, in the slowest after {slowest:.3f} s")


def report(rounds: str, tally: Counter[str]) -> None:
    print(f"{rounds}: every promise was kept")
    for what, count in sorted(tally.items()):
        print(f"  {count:5}  {what}")


if __name__ == "__main__":
    main()
