"""What becomes of a job after each attempt."""

from dataclasses import replace

import pytest

from authz_service.domain.job import (
    SECOND,
    Again,
    Done,
    Job,
    JobKind,
    JobReason,
    JobState,
    Never,
    Outcome,
    again,
    begun,
    cancelled,
    concluded,
)

JOB = Job("job-1", JobKind.WEBHOOK, "acme", "k", "end-1", "member.added", next_at=5)
DELAYS = [10 * SECOND, 100 * SECOND]
FAILED = Again(JobReason.ENDPOINT_REFUSED, "answered 503")
NOW = 1000 * SECOND


def after(job: Job, outcome: Outcome, chance: float = 0.0) -> Job:
    return concluded(job, outcome, NOW, DELAYS, lambda: chance)


def test_job_that_is_done_waits_for_nothing() -> None:
    done = after(begun(JOB), Done("answered 204"))
    assert (done.state, done.ended_at, done.next_at, done.attempts) == (JobState.DONE, NOW, 0, 1)


@pytest.mark.parametrize(("chance", "delay"), [(0.0, 10.0), (1.0, 12.5)])
def test_failed_attempt_is_followed_by_a_later_one_with_jitter(chance: float, delay: float) -> None:
    failed = after(begun(JOB), FAILED, chance)
    assert (failed.state, failed.turn, failed.reason) == (JobState.PENDING, 2, FAILED.reason)
    assert failed.next_at == NOW + int(delay * SECOND)


def test_each_failure_waits_for_its_own_delay_and_the_last_is_the_end() -> None:
    first = after(begun(JOB), FAILED)
    second = after(begun(first), FAILED)
    assert second.next_at == NOW + DELAYS[1]
    third = after(begun(second), FAILED)
    assert (third.state, third.next_at, third.ended_at) == (JobState.DEAD, 0, NOW)
    assert third.message == "answered 503; given up after 3 attempts"


def test_what_would_always_fail_is_dead_at_once() -> None:
    dead = after(begun(JOB), Never(JobReason.ENDPOINT_GONE, "deleted"))
    assert (dead.state, dead.reason) == (JobState.DEAD, JobReason.ENDPOINT_GONE)


def test_cancelled_job_has_no_further_attempt() -> None:
    let_be = cancelled(begun(JOB), NOW)
    assert after(let_be, FAILED).state is JobState.CANCELLED
    assert after(let_be, FAILED).turn == let_be.turn


def test_cancelled_job_whose_attempt_was_under_way_is_done_if_that_did_it() -> None:
    assert after(cancelled(begun(JOB), NOW), Done()).state is JobState.DONE


def test_retried_job_has_all_its_attempts_again_under_another_name() -> None:
    dead = after(begun(JOB), Never(JobReason.INTERNAL, "broken"))
    retried = again(dead, NOW)
    assert (retried.attempts, retried.ended_at, retried.next_at) == (0, 0, NOW)
    assert retried.attempt_id != JOB.attempt_id
    assert replace(retried, turn=1).key == JOB.key
