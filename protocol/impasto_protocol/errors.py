"""Every way in which Impasto can say no: one closed list of codes, one exception.

A code is for programs, its message is a sentence for a painter and says what to do next. The list is part of
the protocol (SPEC.md, section "Errors"): codes are added with a minor version and never change their meaning.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum


class Code(str, Enum):
    """What went wrong, for programs. The comment says whose move it is."""

    # The conversation.
    VERSION_MISMATCH = "version_mismatch"  # no protocol version in common: update one side
    MALFORMED = "malformed"  # bytes that are not this protocol
    UNKNOWN_TYPE = "unknown_type"  # a request this daemon does not know
    NO_SESSION = "no_session"  # say hello first (or again: the daemon was restarted)
    TOO_LARGE = "too_large"  # a limit of `welcome` is exceeded; details: limit, value, allowed
    # The request.
    BAD_REQUEST = "bad_request"  # a field is missing, of another type or out of range; details: field
    UNKNOWN_RECIPE = "unknown_recipe"  # details: nearest
    UNKNOWN_SETTING = "unknown_setting"  # details: nearest
    CONFLICT = "conflict"  # this job id was used for another request
    QUEUE_FULL = "queue_full"  # try again later
    UNKNOWN_JOB = "unknown_job"  # never heard of, or forgotten by now
    NOT_FINISHED = "not_finished"  # there is nothing to fetch yet
    RESULT_GONE = "result_gone"  # finished, but no longer kept
    # How a job ends without a result.
    CANCELLED = "cancelled"  # as asked
    ABANDONED = "abandoned"  # its client went away
    MISSING_WEIGHTS = "missing_weights"  # the recipe needs a network whose weights are not here
    MISSING_LAYER = "missing_layer"  # the weights file ends before a layer that the recipe needs; details: layer, file
    BAD_WEIGHTS = "bad_weights"  # the weights file cannot be used
    OUT_OF_MEMORY = "out_of_memory"  # choose a smaller size
    DIVERGED = "diverged"  # the optimiser left the numbers
    WORKER_DIED = "worker_died"  # the process that owns the device ended
    SHUTTING_DOWN = "shutting_down"  # the daemon is leaving
    INTERNAL = "internal"  # a bug of ours; the log has it
    # What a client says of a daemon; never on the wire.
    UNREACHABLE = "unreachable"  # no daemon answers there
    DAEMON_LOST = "daemon_lost"  # it was there, and is gone
    TIMED_OUT = "timed_out"  # no answer in time
    NOT_PAIRED = "not_paired"  # over the network, and without keys that fit: `impasto pair`


RETRYABLE = frozenset(
    {Code.QUEUE_FULL, Code.WORKER_DIED, Code.SHUTTING_DOWN, Code.UNREACHABLE, Code.DAEMON_LOST, Code.TIMED_OUT}
)
"""Codes after which the very same request may succeed later."""


@dataclass(frozen=True)
class Problem:
    """One error as data: what travels in an `error` message and lands in a log."""

    code: Code
    message: str
    details: Mapping[str, object] = field(default_factory=dict)

    @property
    def retryable(self) -> bool:
        """Whether the very same request may succeed later."""
        return self.code in RETRYABLE


CANCELLED = Problem(Code.CANCELLED, "The job was cancelled, as asked. Hand it in again if that was not meant.")
"""How every job ends that somebody cancels."""


class ImpastoError(Exception):
    """The one exception of this project that reaches a user; `problem` holds its data."""

    def __init__(self, code: Code, message: str, **details: object) -> None:
        super().__init__(message)
        self.problem = Problem(code, message, details)

    @property
    def code(self) -> Code:
        return self.problem.code

    @classmethod
    def of(cls, problem: Problem) -> ImpastoError:
        """The exception for a problem that came over the wire."""
        return cls(problem.code, problem.message, **problem.details)


def bad_request(sentence: str, **details: object) -> ImpastoError:
    """The error for what cannot be done as it was asked; the sentence says why, and what to do instead."""
    return ImpastoError(Code.BAD_REQUEST, sentence, **details)


def nothing_kept(job: str) -> ImpastoError:
    """The error for a job that cannot be gone on from."""
    return ImpastoError(
        Code.UNKNOWN_JOB,
        f"Nothing is kept of a job {job} to go on from: there was none of that name, it did not end well, or it had to "
        "make room for newer ones. Name another job, or paint from the beginning.",
        resume=job,
    )


class ProtocolError(ImpastoError):
    """What arrived is not Impasto's protocol, or breaks one of its rules: the sender's fault.

    Decoding raises this and nothing else, whatever the bytes. `re`: the number of the request that is refused, as
    far as it could be read, else 0.
    """

    re: int = 0
