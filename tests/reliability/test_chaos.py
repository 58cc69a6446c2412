"""Whoever is killed or stopped, whenever that is: no result is lost, nothing is left over, and the next job runs."""

from __future__ import annotations

import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from .blows import SIGNALS
from .chaos import LONG, VICTIMS, Chaos, Round


@pytest.fixture(scope="module")
def chaos() -> Iterator[Chaos]:
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", folder)
        patch.setattr(tempfile, "tempdir", None)
        chaos = Chaos(Path(folder))
        yield chaos
        chaos.close()


@pytest.mark.parametrize("blow", SIGNALS, ids=lambda blow: blow.name)
@pytest.mark.parametrize("victims", VICTIMS, ids=" and ".join)
def test_an_accident_costs_at_most_its_own_job(chaos: Chaos, victims: tuple[str, ...], blow: signal.Signals) -> None:
    name = 10 * VICTIMS.index(victims) + SIGNALS.index(blow)
    chaos.run(Round(name, victims, blow, after=0.3, steps=60, detach=True))


def test_a_daemon_that_is_killed_when_its_client_hears_of_the_end_has_not_lost_the_result(chaos: Chaos) -> None:
    victims, blow = ("supervisor",), signal.SIGKILL
    chaos.run(Round(100, victims, blow, after=0, steps=1, detach=False, heard=True, acknowledges=False))


def test_a_client_that_was_stopped_for_longer_than_its_lease_gets_what_it_said_may_go_on(chaos: Chaos) -> None:
    chaos.run(Round(101, ("client",), signal.SIGSTOP, after=0.3, steps=60, detach=True, stopped=LONG))


def test_a_worker_that_is_killed_while_it_starts_leaves_nothing(chaos: Chaos) -> None:
    chaos.run(Round(102, ("worker",), signal.SIGKILL, after=0.2, steps=60, detach=True, cold=True))
