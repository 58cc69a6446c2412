"""Where jobs run: what the supervisor asks of whatever is behind it, chosen by name and imported only then.

Whatever is started ends with exactly one `result` or `error`. An executor knows neither clients nor the queue, never
blocks, and never imports torch.
"""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import zmq
from impasto_protocol.messages import Error, Preview, Progress, Result, Submit

from .worker_process import WorkerSettings

WorkerMessage = Progress | Preview | Result | Error

Learn = Callable[[Mapping[str, Any]], None]
"""Called with what a worker says of itself and its device, each time it says so."""

EXECUTORS = {"local": "impasto_daemon.local:LocalExecutor"}
"""By name: `module:attribute` of what makes one of a ZeroMQ context, the settings of each worker, and a `Learn`."""


def is_end(message: WorkerMessage) -> bool:
    """Whether nothing follows of the job; a result with a step is an iterate of one that goes on."""
    return isinstance(message, Error) or (isinstance(message, Result) and not message.step)


class Executor(ABC):
    """`start` jobs, as many at once as there is `capacity` for, steer them, and `poll` for what their workers say.

    `now`: monotonic seconds. Of a job that it has not, or not any more, nothing is done.
    """

    @property
    @abstractmethod
    def capacity(self) -> int:
        """How many jobs may be under way at once, now."""

    @abstractmethod
    def start(self, submit: Submit, now: float) -> None:
        """Run this job. Raises RuntimeError where there is no capacity for it."""

    @abstractmethod
    def cancel(self, job: str, now: float) -> None:
        """Let go of this job. An error `cancelled` follows, or what the worker said before it heard."""

    @abstractmethod
    def abandon(self, job: str, now: float) -> None:
        """Have no more to do with this job, and nor has its worker: it ends. Of the job nothing more is said."""

    @abstractmethod
    def finish(self, job: str) -> None:
        """End this job with the iterate that there is; a worker that does not have it yet is told when it has."""

    @abstractmethod
    def ack(self, job: str) -> None:
        """This job's preview has arrived where it was wanted."""

    @abstractmethod
    def renew(self, now: float) -> None:
        """The next jobs get fresh workers; a job that is under way goes on with the one it has."""

    @abstractmethod
    def about(self) -> Sequence[Mapping[str, Any]]:
        """Each worker as plain data: its state, and what it said of its device."""

    @abstractmethod
    def watched(self) -> Sequence[Any]:
        """Sockets and descriptors; when one is readable, `poll`."""

    @abstractmethod
    def deadline(self, now: float) -> float | None:
        """When `poll` is due at the latest."""

    @abstractmethod
    def poll(self, now: float) -> Sequence[WorkerMessage]:
        """What was said about jobs under way since the last time."""

    @abstractmethod
    def close(self) -> None:
        """End the workers, whatever they do. Takes a second where one has to be killed, and longer only where one keeps
        a job's state."""


def open_executor(
    name: str, context: zmq.Context[zmq.Socket[bytes]], workers: Sequence[WorkerSettings], learn: Learn
) -> Executor:
    """The executor of this name, with room for as many workers as there are settings of."""
    module, _, attribute = EXECUTORS[name].partition(":")
    return cast(Executor, getattr(importlib.import_module(module), attribute)(context, workers, learn))
