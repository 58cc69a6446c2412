"""A worker that says nothing for far too long hangs; one that is slow, or was asleep with its daemon, does not."""

from __future__ import annotations

from impasto_daemon.silence import LOOK, SECONDS, TIMES, Silence


def passes(silence: Silence, seconds: float) -> bool:
    """Whether it hangs after so much more time, looked at all along."""
    end, hangs = silence.looked + seconds, False
    while silence.looked < end and not hangs:
        hangs = silence.too_long(min(end, silence.looked + LOOK / 2))
    return hangs


def test_a_worker_may_say_nothing_for_an_hour_and_no_longer() -> None:
    assert not passes(Silence(7.0), SECONDS - 1)
    assert passes(Silence(7.0), SECONDS)


def test_each_word_begins_a_new_hour() -> None:
    silence = Silence(0.0)
    for _ in range(100):
        assert not passes(silence, 60.0)
        silence.broken()
    assert not passes(silence, SECONDS - 1)
    assert passes(silence, 1.0)


def test_a_job_with_long_steps_may_be_silent_for_far_longer_than_one_step() -> None:
    silence = Silence(0.0)
    assert not passes(silence, SECONDS / 2)
    silence.broken()
    assert not passes(silence, TIMES * SECONDS / 2 - 1)
    assert passes(silence, 1.0)


def test_a_night_in_which_the_daemon_was_asleep_is_not_the_worker_s_silence() -> None:
    silence = Silence(0.0)
    assert not silence.too_long(8 * 3600.0)
    assert not passes(silence, SECONDS - LOOK - 1)
