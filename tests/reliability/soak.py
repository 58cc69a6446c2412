"""`make soak`: thousands of tiny jobs by many clients at once, and what the daemon has of everything before and after.

Memory, descriptors, threads, jobs that wait: none of it may grow with the number of jobs. Clients come and go; each
hands in a few jobs, one after the other, and waits its turn where the queue is full.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from impasto_protocol.errors import Code, ImpastoError
from impasto_protocol.zmq_client import Client

from tests.fakes.daemon import RunningDaemon, picture, request
from tests.fakes.painter import inverted

EACH = 10
"""Jobs of one client until it leaves."""
RIGHT = inverted(picture()).sha256()


@dataclass(frozen=True)
class Held:
    """By a process: kB of memory, open descriptors, threads."""

    memory: int
    descriptors: int
    threads: int

    @classmethod
    def by(cls, process: int) -> Held:
        """The least of some looks, for files and threads of a moment are nothing that is held. Linux alone tells."""
        looks = []
        for _ in range(20):
            looks.append(cls._now(process))
            time.sleep(0.05)
        return cls(*(min(each) for each in zip(*(tuple(asdict(look).values()) for look in looks))))

    @classmethod
    def _now(cls, process: int) -> Held:
        place = Path(f"/proc/{process}")
        facts = dict(line.split(":", 1) for line in (place / "status").read_text().splitlines())
        return cls(int(facts["VmRSS"].split()[0]), descriptors(process), int(facts["Threads"]))


def descriptors(process: int) -> int:
    """That a process has open."""
    return len(list(Path(f"/proc/{process}/fd").iterdir()))


@dataclass(frozen=True)
class Soak:
    """What was held after warming up and at the end, by supervisor and worker; and how long it took."""

    jobs: int
    clients: int
    seconds: float
    before: dict[str, Held]
    after: dict[str, Held]
    waiting: int

    def __str__(self) -> str:
        lines = [f"{self.jobs} jobs by {self.clients} clients at a time in {self.seconds:.0f} s; {self.waiting} wait"]
        for name, held in self.before.items():
            pairs = zip(asdict(held).items(), asdict(self.after[name]).values())
            lines.append(f"  {name}: " + ", ".join(f"{what} {first} → {last}" for (what, first), last in pairs))
        return "\n".join(lines)


def run(folder: Path, jobs: int, clients: int) -> Soak:
    """A daemon of its own, warmed up with a tenth of the jobs."""
    daemon = RunningDaemon(folder, lease=2.0, heartbeat=0.5, keep=5.0).wait_until_ready()
    try:
        _work(daemon.endpoint, max(clients * EACH, jobs // 10), clients)
        before, began = _held(daemon), time.monotonic()
        _work(daemon.endpoint, jobs, clients)
        seconds = time.monotonic() - began
        return Soak(jobs, clients, seconds, before, _held(daemon), int(daemon.status()["queued"]))
    finally:
        daemon.end()


def _held(daemon: RunningDaemon) -> dict[str, Held]:
    return {"supervisor": Held.by(daemon.process.pid), "worker": Held.by(int(daemon.worker()["pid"]))}


def _work(endpoint: str, jobs: int, clients: int) -> None:
    shares = [min(EACH, jobs - done) for done in range(0, jobs, EACH)]
    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(lambda share: _visit(endpoint, share), shares))


def _visit(endpoint: str, jobs: int) -> None:
    """One client, from hello to its leaving."""
    with Client(endpoint, agent="soak", timeout=30.0) as client:
        for _ in range(jobs):
            _job(client)


def _job(client: Client) -> None:
    while True:
        try:
            result = client.stylize(request(steps=1), preview=4)
        except ImpastoError as error:
            if error.code is not Code.QUEUE_FULL:
                raise
            time.sleep(0.01)
        else:
            assert result.pictures[0].sha256() == RIGHT
            return client.acknowledge(result.job)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="make soak", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--jobs", type=int, default=10_000, metavar="N")
    parser.add_argument("--clients", type=int, default=20, metavar="N")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        os.environ["TMPDIR"], tempfile.tempdir = folder, None
        print(run(Path(folder), options.jobs, options.clients))


if __name__ == "__main__":
    main()
