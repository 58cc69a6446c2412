"""`make chaos`: client, worker and supervisor are killed or stopped at random moments, and every promise is checked.

A round: one client process hands in one job; at some moment, or right when the client hears the job's end, one process
gets SIGKILL, or SIGSTOP for a while, which is sometimes longer than its lease. Then

- whoever waits for the job and lives has its result, or an error that says what to do and that such a blow explains;
- a job that anybody has heard to have succeeded has the right picture to be fetched, from the next daemon too, unless
  the client has acknowledged it;
- a killed supervisor takes its worker with it, and another daemon takes its place at once;
- the next job runs, and then there are the processes, descriptors, files and sockets that there were before the first
  round, no fewer and no more.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

from impasto_protocol.errors import Code, ImpastoError
from impasto_protocol.jobstate import State
from impasto_protocol.zmq_client import Client

from tests.fakes.daemon import PYTHONPATH, ROOT, RunningDaemon, alive, picture, request, wait_for
from tests.fakes.painter import inverted

from . import gimp
from .blows import AT_ONCE, PATIENCE, SIGNALS, STOPPED
from .soak import descriptors

VICTIMS = (("client",), ("worker",), ("supervisor",), ("client", "supervisor"))
"""Of one round, one after the other."""
LATEST = 0.5
"""Seconds after the client begins until the blow falls."""
LEASE = 1.0
"""Seconds, of this daemon's clients."""
LONG = 1.6 * LEASE
"""Seconds that a process stays stopped whose clients, or whose daemon, take it for gone."""
TOLD = {
    "client": {Code.ABANDONED},
    "worker": {Code.WORKER_DIED},
    "supervisor": {Code.DAEMON_LOST, Code.UNREACHABLE, Code.TIMED_OUT, Code.ABANDONED},
}
"""Errors that may be said of a job where one of these is struck; each has its remedy."""
RIGHT = inverted(picture()).sha256()


@dataclass(frozen=True)
class Round:
    """One accident: who is struck by what, seconds after the client begins or when it has heard the end, for how long
    where it is stopped, and what the job and its client are like. cold: no worker runs when the client starts."""

    number: int
    victims: tuple[str, ...]
    blow: signal.Signals
    after: float
    steps: int
    detach: bool
    heard: bool = False
    acknowledges: bool = True
    stopped: float = STOPPED
    cold: bool = False

    @classmethod
    def drawn(cls, number: int, chance: random.Random) -> Round:
        return cls(
            number=number,
            victims=chance.choice(VICTIMS),
            blow=chance.choice(SIGNALS),
            after=chance.uniform(0, LATEST),
            steps=chance.choice((1, 20, 60, 120)),
            detach=chance.random() < 0.5,
            heard=chance.random() < 0.25,
            acknowledges=chance.random() < 0.5,
            stopped=chance.choice((STOPPED, LONG)),
            cold=chance.random() < 0.25,
        )

    @property
    def job(self) -> str:
        return f"round-{self.number}"

    @property
    def told(self) -> set[Code]:
        """Errors that may be said of its job."""
        return set().union(*(TOLD[victim] for victim in self.victims))

    def kills(self, victim: str) -> bool:
        return victim in self.victims and self.blow == signal.SIGKILL


@dataclass(frozen=True)
class Left:
    """What there is when nobody is there: processes of the supervisor's, descriptors that supervisor and worker have
    open, files and sockets."""

    workers: int
    supervisor: int
    worker: int
    files: frozenset[str]


class Chaos:
    """Rounds in a folder of its own. `tally`: how often each thing came about. `freed`: seconds from each client's end
    that abandoned the running job until the worker had let go of it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.tally: Counter[str] = Counter()
        self.freed: list[float] = []
        self._daemon = self._started()
        try:
            self._next_job_runs()
            wait_for(lambda: not [file for file in self._files() if "results" in file])
            self._before = self._left()
        except BaseException:
            self._daemon.end()
            raise

    def close(self) -> None:
        """The end in order leaves nothing but the lock, and what is known of the device."""
        self._daemon.end()
        left = set(self._files())
        assert left <= {"d.sock.lock", "state/impasto/devices.json"}, f"files are left over: {left}"

    def run(self, each: Round) -> None:
        """One round. Raises AssertionError where a promise is broken."""
        flags = ["yes" if flag else "no" for flag in (each.detach, each.acknowledges)]
        words = [self._daemon.endpoint, each.job, str(each.steps), *flags]
        if each.cold:
            self._end_worker()
        command = [sys.executable, "-m", "tests.reliability.client", *words]
        environment = {**os.environ, "PYTHONPATH": PYTHONPATH}
        pipe = subprocess.PIPE
        with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=pipe, text=True) as client:
            assert client.stdout
            assert client.stdout.readline() == "begins\n"
            time.sleep(0 if each.heard else each.after)
            worker = int(self._daemon.worker().get("pid", 0))
            processes = {"client": client.pid, "worker": worker, "supervisor": self._daemon.process.pid}
            heard = client.stdout.readline() if each.heard else ""
            finished = False
            for victim in each.victims:
                finished = finished or self._finished(each)
                self._strike(each, processes[victim], victim)
            if each.kills("supervisor"):  # while the client waits
                self._replace_daemon(worker)
            said = heard + client.communicate(timeout=PATIENCE)[0]
        delivered = self._judge(each, said.split())
        self._nothing_is_lost(each, delivered, finished)
        self._all_is_well()

    def _started(self) -> RunningDaemon:
        return RunningDaemon(self._folder, lease=LEASE, heartbeat=0.2, grace=0.5).wait_until_ready()

    def _end_worker(self) -> None:
        """The next job starts another."""
        os.kill(int(self._daemon.worker()["pid"]), signal.SIGKILL)
        wait_for(lambda: not self._daemon.worker().get("pid"))

    def _finished(self, each: Round) -> bool:
        """Whether the job had succeeded before the blow."""
        with self._daemon.client() as other:
            states = [row["state"] for row in other.jobs() if row["job"] == each.job]
        self.tally["finished before"] += states == [State.SUCCEEDED.value]
        return states == [State.SUCCEEDED.value]

    def _strike(self, each: Round, process: int, victim: str) -> None:
        """Unless it is not there, yet or any more."""
        watch = victim == "client" and each.blow == signal.SIGKILL and not each.detach
        with suppress(ProcessLookupError), self._timed(each.job) if watch else nullcontext():
            if process:
                os.kill(process, each.blow)
                self.tally[f"{victim} {each.blow.name}"] += 1
                if each.blow == signal.SIGSTOP:
                    time.sleep(each.stopped)
                    os.kill(process, signal.SIGCONT)

    @contextmanager
    def _timed(self, job: str) -> Iterator[None]:
        """How long it takes from here until the worker has let go of this job, if it runs and has to."""
        with self._daemon.client() as other:
            ran = other.status()["running"] == job
            began = time.monotonic()
            yield
            if ran:
                wait_for(lambda: other.status()["running"] != job, PATIENCE)
                seconds = time.monotonic() - began
                row = next(row for row in other.jobs() if row["job"] == job)
                self.freed += [seconds] if row["error"] == Code.ABANDONED.value else []

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
            assert said[:1] == ["error"] and Code(said[1]) in each.told, f"{each}: {said}"
            self.tally[f"told {said[1]}"] += 1
        return False

    def _nothing_is_lost(self, each: Round, delivered: bool, finished: bool) -> None:
        with self._daemon.client() as other:
            wait_for(lambda: self._over(other, each.job), PATIENCE)
            rows = [row for row in other.jobs() if row["job"] == each.job]
            acknowledged = delivered and each.acknowledges
            if not rows:
                assert acknowledged or not (finished or delivered), f"{each}: a finished job is lost"
                self.tally["unknown to the daemon"] += not acknowledged
            elif rows[0]["kept"]:
                assert other.fetch(each.job).pictures[0].sha256() == RIGHT, f"{each}: the wrong picture was kept"
                other.acknowledge(each.job)
                self.tally["result fetched"] += 1
            elif rows[0]["state"] == State.SUCCEEDED.value:
                assert acknowledged, f"{each}: a result is not kept: {rows[0]}"
            else:
                assert not delivered and not finished, f"{each}: it had succeeded, and now {rows[0]}"
                assert Code(rows[0]["error"]) in each.told, f"{each}: {rows[0]}"
                self.tally[f"listed as {rows[0]['error']}"] += 1

    def _over(self, client: Client, job: str) -> bool:
        return all(State(row["state"]).terminal for row in client.jobs() if row["job"] == job)

    def _all_is_well(self) -> None:
        """The next job runs, and there is no more and no less than before the first round."""
        self._next_job_runs()
        with suppress(AssertionError):
            wait_for(lambda: self._left() == self._before)
        left = self._left()
        assert left == self._before, f"{left} is left, and not {self._before}"

    def _next_job_runs(self) -> None:
        with self._daemon.client() as client:
            for _ in range(3):
                with suppress(ImpastoError):  # a worker that was just struck may take one more job with it
                    result = client.stylize(request())
                    break
            else:
                raise AssertionError("no job runs any more")
            assert result.pictures[0].sha256() == RIGHT
            client.acknowledge(result.job)

    def _left(self) -> Left:
        pid = self._daemon.process.pid
        workers = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        in_workers = sum(descriptors(int(worker)) for worker in workers)
        return Left(len(workers), descriptors(pid), in_workers, frozenset(self._files()))

    def _files(self) -> list[str]:
        """All that is no folder, but for the daemons' logs."""
        paths = (path for path in self._folder.rglob("*") if path.is_socket() or not path.is_dir())
        return [str(path.relative_to(self._folder)) for path in paths if not path.name.startswith("log-")]


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
    report(f"{rounds} rounds", chaos.tally, chaos.freed)


def gimps(rounds: int, chance: random.Random) -> None:
    """The same with real GIMPs, and how soon the device was free."""
    with gimp.opened() as chaos:
        for _ in range(rounds):
            chaos.run(gimp.Round.drawn(chance))
    report(f"{rounds} rounds with GIMP", chaos.tally, chaos.freed)


def report(rounds: str, tally: Counter[str], freed: list[float]) -> None:
    print(f"{rounds}: every promise was kept")
    for what, count in sorted(tally.items()):
        print(f"  {count:5}  {what}")
    if freed:
        soon = sum(seconds <= AT_ONCE for seconds in freed)
        print(f"  The device was free within {AT_ONCE:g} s in {soon} of {len(freed)}")
        print(f"  median {statistics.median(freed):.3f} s, slowest {max(freed):.3f} s")


if __name__ == "__main__":
    main()
