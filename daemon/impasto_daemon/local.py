"""Jobs on this machine: a worker process for each device that was named."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import zmq
from impasto_protocol.messages import Submit

from .executor import Executor, Learn, WorkerMessage
from .slot import Slot
from .worker_process import WorkerSettings


class LocalExecutor(Executor):
    """A `Slot` for each of the settings, which differ in their devices."""

    def __init__(
        self, context: zmq.Context[zmq.Socket[bytes]], workers: Sequence[WorkerSettings], learn: Learn
    ) -> None:
        self._slots = [Slot(context, settings, learn) for settings in workers]

    @property
    def capacity(self) -> int:
        return len(self._slots)

    def start(self, submit: Submit, now: float) -> None:
        """Where it goes on from another job, with the worker that painted that, or once that one's state is kept."""
        free = [slot for slot in self._slots if not slot.job]
        if not free:
            raise RuntimeError(f"{submit.job} was started while {', '.join(self._jobs())} are running")
        painters = [slot for slot in self._slots if submit.resume and slot.painted == submit.resume]
        # An idle one that is warm rather than one that has to be started.
        best = min(free, key=lambda slot: (slot not in painters, slot.state != "idle"))
        best.start(submit, now, after=[slot for slot in painters if slot is not best])

    def cancel(self, job: str, now: float) -> None:
        for slot in self._slots:
            slot.cancel(job, now)

    def abandon(self, job: str, now: float) -> None:
        for slot in self._slots:
            slot.abandon(job, now)

    def finish(self, job: str) -> None:
        for slot in self._slots:
            slot.finish(job)

    def ack(self, job: str) -> None:
        for slot in self._slots:
            slot.ack(job)

    def renew(self, now: float) -> None:
        for slot in self._slots:
            slot.renew(now)

    def about(self) -> Sequence[dict[str, Any]]:
        return [slot.about() for slot in self._slots]

    def watched(self) -> Sequence[Any]:
        return [each for slot in self._slots for each in slot.watched()]

    def deadline(self, now: float) -> float | None:
        return min((at for slot in self._slots if (at := slot.deadline(now)) is not None), default=None)

    def poll(self, now: float) -> Sequence[WorkerMessage]:
        return [message for slot in self._slots for message in slot.poll(now)]

    def close(self) -> None:
        """All of them leave at the same time."""
        for slot in self._slots:
            slot.release()
        for slot in self._slots:
            slot.close()

    def _jobs(self) -> list[str]:
        return [slot.job for slot in self._slots if slot.job]
