"""Workers on this machine leave together."""

from __future__ import annotations

from pathlib import Path

import pytest
import zmq
from impasto_daemon.local import LocalExecutor
from impasto_daemon.slot import Slot
from impasto_daemon.worker_process import WorkerSettings


def test_all_are_told_to_leave_before_one_is_waited_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Each may take its time, and they take it at the same time."""
    told: list[str] = []
    for name in ("release", "close"):
        monkeypatch.setattr(Slot, name, lambda _, word=name: told.append(word))
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    settings = WorkerSettings(painter="none", links=tmp_path)
    LocalExecutor(context, [settings, settings], lambda about: None).close()
    context.term()
    assert told == ["release", "release", "close", "close"]
