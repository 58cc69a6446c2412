"""A place for one worker process: from its start to its end, whatever it does, and then for the next one.

Whatever is started ends with exactly one `result` or `error`. A cancel is asked for first; a worker that does not
let go is terminated, then killed, and the next job gets a fresh one; so it does where the worker says nothing for far
too long. A worker with nothing to do leaves and gives the device's memory back. Knows neither clients nor the queue,
never blocks, and never imports torch.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import zmq
from impasto_protocol.errors import CANCELLED, Code, ImpastoError, Problem
from impasto_protocol.jobstate import State
from impasto_protocol.messages import Ack, Cancel, Error, Finish, Health, Message, Progress, Result, Submit

from .executor import Learn, WorkerMessage, is_end
from .painting import KEEP_SECONDS
from .silence import Silence
from .worker_process import WorkerProcess, WorkerSettings

logger = logging.getLogger("impasto.executor")


class Slot:
    """One job at a time: `start` it, `cancel` it, and `poll` for what the worker says. `now`: monotonic seconds.

    painted: the last job of which the worker had a result.
    """

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        settings: WorkerSettings,
        learn: Learn,
    ) -> None:
        self.painted = ""
        self._context = context
        self._settings = settings
        self._learn = learn
        self._worker: WorkerProcess | None = None
        self._job: Submit | None = None
        self._after: Sequence[Slot] = ()
        self._sent = False
        self._cancelled = self._enough = False
        self._idle_since = 0.0
        self._said: list[WorkerMessage] = []
        self._starts = 0
        self._stale = False
        self._silence = Silence(0.0)

    # What the executor asks for -------------------------------------------------------------------------------

    @property
    def job(self) -> str:
        """The one under way; empty for none."""
        return self._job.job if self._job else ""

    @property
    def keeping(self) -> bool:
        """Whether the worker is still writing down what there is to go on from."""
        return bool(self._worker and (self._worker.about or {}).get("keeping"))

    @property
    def state(self) -> str:
        """Of the worker, in a word."""
        worker = self._worker
        if worker is None:
            return "none"
        busy = "busy" if self._job else "idle"
        return "leaving" if worker.doomed else "starting" if worker.about is None else busy

    def start(self, submit: Submit, now: float, after: Sequence[Slot] = ()) -> None:
        """Run this job; the one before must have ended. after: whose `keeping` is waited for."""
        if self._job is not None:
            raise RuntimeError(f"{submit.job} was started while {self._job.job} is running")
        self._job, self._sent, self._cancelled, self._enough = submit, False, False, False
        self._after = after
        self._move(now)

    def cancel(self, job: str, now: float) -> None:
        """Let go of this job. An error `cancelled` follows, or what the worker said before it heard."""
        if self._job is None or self._job.job != job or self._cancelled:
            return
        self._cancelled = True
        if self._sent and self._worker:
            self._worker.end_by(now, self._settings.grace)
            self._worker.link.send(Cancel(id=1, job=job))
        else:
            self._finish_ourselves(CANCELLED, now)

    def abandon(self, job: str, now: float) -> None:
        """Have no more to do with this job, and nor has the worker: it ends. Of the job nothing more is said."""
        if self._job and self._job.job == job:
            self._job, self._sent, self._cancelled, self._enough = None, False, False, False
            self._said = []
            if self._worker:
                self._worker.dismiss(now, 0.0)

    def finish(self, job: str) -> None:
        """End this job with the iterate that there is; a worker that does not have it yet is told when it has."""
        if self._job is None or self._job.job != job:
            return
        self._enough = True
        if self._sent and self._worker:
            self._worker.link.send(Finish(id=1, job=job))

    def ack(self, job: str) -> None:
        """This job's preview has arrived where it was wanted."""
        if self._worker and self._sent and self._job and self._job.job == job:
            self._worker.link.send(Ack(job=job, of="preview"))

    def renew(self, now: float) -> None:
        """The next job gets a fresh worker; a job that is under way goes on with the one it has."""
        self._stale = self._worker is not None
        self._move(now)

    def about(self) -> dict[str, Any]:
        """The worker as plain data: its state, and what it said of its device."""
        about = {"state": self.state, "starts": self._starts}
        worker = self._worker
        if worker is None:
            return about
        return {**about, **({"job": self.job} if self.job else {}), "pid": worker.process.pid, **(worker.about or {})}

    # The poll loop --------------------------------------------------------------------------------------------

    def watched(self) -> list[Any]:
        """Sockets and descriptors; when one is readable, `poll`."""
        worker = self._worker
        if worker is None:
            return []
        return [worker.link.socket, *worker.descriptors()]

    def deadline(self, now: float) -> float | None:
        """When `poll` is due at the latest."""
        if self._said:
            return now
        if self._worker is None:
            return None
        leaving = self._leaves_at()
        return min((at for at in (self._worker.deadline(now), leaving) if at is not None), default=None)

    def poll(self, now: float) -> list[WorkerMessage]:
        """What was said about the running job since the last time."""
        worker = self._worker
        if worker:
            worker.read_log()
            self._hear(worker, now)
            if self._sent and self._silence.too_long(now):
                self._give_up(worker, now)
            worker.press(now)
            if worker.look(now):
                self._hear(worker, now)
                self._bury(worker, now)
        self._move(now)
        said, self._said = self._said, []
        return said

    def release(self) -> None:
        """Have the worker leave, for `close` comes soon."""
        if self._worker:
            self._worker.release()

    def close(self) -> None:
        """End the worker, whatever it does. Takes a second where it has to be killed, and longer only where it keeps a
        job's state."""
        if self._worker:
            self._worker.end()
            self._worker = None

    # Inside ---------------------------------------------------------------------------------------------------

    def _move(self, now: float) -> None:
        """Bring job and worker together, or send the worker away."""
        worker = self._worker
        if self._job and worker is None:
            self._spawn(now)
        elif worker and self._stale and not self._sent and worker.about is not None and not worker.doomed:
            logger.info("the worker leaves, and the next job gets a fresh one")
            worker.dismiss(now, self._settings.grace)
        elif self._job and worker and not self._sent and worker.about is not None and not worker.doomed:
            if not any(slot.keeping for slot in self._after):
                self._hand_over(worker, self._job, now)
        elif worker and (problem := worker.overdue(now)):
            worker.problem = problem
            worker.dismiss(now, 0.0)
        elif worker and (leaves := self._leaves_at()) is not None and now >= leaves:
            logger.info("the worker has had nothing to do for %g seconds and leaves", self._settings.idle)
            worker.dismiss(now, self._settings.grace)

    def _hand_over(self, worker: WorkerProcess, job: Submit, now: float) -> None:
        try:
            self._sent = worker.link.send(job)
            self._silence = Silence(now)
            if self._enough:
                worker.link.send(Finish(id=1, job=job.job))
        except ImpastoError as error:  # a header that just fitted grows by what the client left out of it
            logger.warning("job %s cannot be handed over: %s", job.job, error)
            sentence = "The settings of this request are too long to be handed on: shorten them."
            self._finish_ourselves(Problem(Code.TOO_LARGE, sentence), now)

    def _leaves_at(self) -> float | None:
        worker = self._worker
        if not worker or worker.about is None or worker.doomed or self._job or self._settings.idle <= 0:
            return None
        return max(self._idle_since + self._settings.idle, worker.keeps_until)

    def _spawn(self, now: float) -> None:
        try:
            self._worker = WorkerProcess(self._context, self._settings, now)
        except OSError as error:
            sentence = (
                f"The process that paints cannot be started: {error.strerror or error}. `impasto doctor` may know why."
            )
            self._finish_ourselves(Problem(Code.WORKER_DIED, sentence), now)
            return
        self._starts, self._stale = self._starts + 1, False
        if self._job:
            self._said.append(Progress(job=self._job.job, state=State.LOADING, note="The painter is being started."))
        logger.info("worker %d started", self._worker.process.pid)

    def _hear(self, worker: WorkerProcess, now: float) -> None:
        try:
            for message in worker.link.receive():
                self._heard(worker, message, now)
        except Exception as error:  # its words are lost, and perhaps a job's end with them
            logger.exception("the worker said what cannot be read")
            why = str(error) or type(error).__name__
            worker.problem = Problem(
                Code.INTERNAL, f"Impasto failed on this job: {why}. The daemon's log has more: please report it."
            )
            worker.end_by(now, 0.0)

    def _give_up(self, worker: WorkerProcess, now: float) -> None:
        silent = f"said nothing for {self._silence.lasts / 60:.0f} minutes"
        sentence = f"The process that paints {silent} and was ended: it hangs. Trying again is harmless."
        worker.problem = Problem(Code.WORKER_DIED, sentence)
        worker.end_by(now, 0.0)

    def _heard(self, worker: WorkerProcess, message: Message, now: float) -> None:
        if isinstance(message, Health):
            if not message.daemon.get("keeping"):
                worker.kept(now, self._settings.grace)
            if worker.about is None:
                worker.hide_link()
                self._idle_since = now
            worker.about = dict(message.daemon)
            self._learn(worker.about)
        elif isinstance(message, Error) and not message.job:
            worker.problem = message.problem()
        elif isinstance(message, WorkerMessage) and self._sent and self._job and message.job == self._job.job:
            self._said.append(message)
            self._silence.broken()
            if isinstance(message, Result) and not message.step:
                worker.keeps_until = now + KEEP_SECONDS
                self.painted = message.job
            if is_end(message):
                self._finish(now)

    def _finish(self, now: float) -> None:
        self._job, self._sent, self._cancelled, self._enough = None, False, False, False
        self._idle_since = now
        if self._worker:
            self._worker.call_off()

    def _finish_ourselves(self, problem: Problem, now: float) -> None:
        assert self._job is not None
        self._said.append(Error.of(problem, job=self._job.job))
        self._finish(now)

    def _bury(self, worker: WorkerProcess, now: float) -> None:
        worker.close()
        self._worker = None
        logger.log(
            logging.INFO if worker.doomed else logging.ERROR,
            "worker %d ended: %s",
            worker.process.pid,
            worker.ending,
        )
        if self._job and (self._sent or worker.about is None):
            problem = CANCELLED if self._cancelled else worker.obituary()
            self._finish_ourselves(problem, now)
