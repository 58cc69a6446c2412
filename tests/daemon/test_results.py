"""Finished pictures stay within their budget."""

from __future__ import annotations

from impasto_daemon.results import Results
from impasto_protocol.messages import Result
from impasto_protocol.picture import Picture


def result(job: str, nbytes: int) -> Result:
    return Result(job=job, pictures=(Picture(1, nbytes // 3, 3, "u8", bytes(nbytes)),))


def test_a_result_is_kept_until_it_is_forgotten() -> None:
    results = Results()
    assert results.keep("a", result("a", 300)) == ()
    assert results.get("a") == result("a", 300)
    assert (len(results), results.nbytes) == (1, 300)
    results.forget("a")
    assert results.get("a") is None
    assert (len(results), results.nbytes) == (0, 0)


def test_the_oldest_results_go_when_the_budget_is_exceeded() -> None:
    results = Results(budget=1000)
    for job in ("a", "b", "c"):
        results.keep(job, result(job, 300))
    assert results.keep("d", result("d", 600)) == ("a", "b")
    assert [job for job in "abcd" if results.get(job)] == ["c", "d"]


def test_a_result_larger_than_the_budget_is_still_delivered() -> None:
    results = Results(budget=100)
    assert results.keep("a", result("a", 300)) == ()
    assert results.get("a") is not None
    assert results.keep("b", result("b", 3)) == ("a",)


def test_keeping_a_job_again_replaces_its_result() -> None:
    results = Results(budget=1000)
    results.keep("a", result("a", 900))
    assert results.keep("a", result("a", 600)) == ()
    assert results.nbytes == 600


def test_forgetting_what_is_not_kept_is_harmless() -> None:
    Results().forget("never heard of")
