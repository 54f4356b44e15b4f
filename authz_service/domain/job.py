"""Work that follows a committed change, now or at a date that it set: a mail, a webhook, an account
to be put in order. Kept until done, dead or cancelled.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final, TypeAlias, assert_never

from authz_service.domain.window import Instant

SECOND: Final = 1_000_000
"""In microseconds, as all delays are."""

_JITTER: Final = 0.25
"""A delay is up to this share longer, so that what failed together does not come back together."""


class JobKind(StrEnum):
    WELCOME = "mail.welcome"
    INVITATION = "mail.invitation"
    NOTICE = "mail.notice"
    WEBHOOK = "webhook"
    DOWNGRADE = "downgrade"
    LOOKUP = "lookup"


DATED: Final = (JobKind.DOWNGRADE, JobKind.LOOKUP)
"""Kinds that nothing is enqueued for before their instant has come."""

MAILS: Final = (JobKind.WELCOME, JobKind.INVITATION, JobKind.NOTICE)


class JobState(StrEnum):
    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    DEAD = "dead"
    CANCELLED = "cancelled"


class JobReason(StrEnum):
    """Why the last attempt failed."""

    NONE = ""
    MAIL_SERVER_UNREACHABLE = "MAIL_SERVER_UNREACHABLE"
    MAIL_SERVER_REFUSED = "MAIL_SERVER_REFUSED"
    MAIL_DROPPED = "MAIL_DROPPED"
    MAIL_OFF = "MAIL_OFF"
    TEMPLATE_FAILED = "TEMPLATE_FAILED"
    INVITATION_ENDED = "INVITATION_ENDED"
    ENDPOINT_UNREACHABLE = "ENDPOINT_UNREACHABLE"
    ENDPOINT_REFUSED = "ENDPOINT_REFUSED"
    ENDPOINT_GONE = "ENDPOINT_GONE"
    ENDPOINT_DISABLED = "ENDPOINT_DISABLED"
    TARGET_NOT_ALLOWED = "TARGET_NOT_ALLOWED"
    SECRET_SEALED = "SECRET_SEALED"
    NOT_DUE = "NOT_DUE"
    ACCOUNT_REFUSED = "ACCOUNT_REFUSED"
    SOURCE_UNREACHABLE = "SOURCE_UNREACHABLE"
    SOURCE_REFUSED = "SOURCE_REFUSED"
    SOURCE_UNREADABLE = "SOURCE_UNREADABLE"
    CRASHED = "CRASHED"
    INTERNAL = "INTERNAL"


@dataclass(frozen=True, slots=True)
class Job:
    """One piece of work. `key` is what it is for: another with the same key is not taken.

    `target` is an invitation, an endpoint or an account; `subject` what it tells of, as an action
    of the audit; `data` what the message holds, with nothing secret in it. `turn` counts how often
    it was enqueued: an attempt of an earlier turn does nothing. `attempts` counts those that began.
    """

    id: str
    kind: JobKind
    tenant: str
    key: str
    target: str
    subject: str
    data: Mapping[str, object] = field(default_factory=dict)
    created_at: Instant = 0
    state: JobState = JobState.PENDING
    turn: int = 1
    attempts: int = 0
    next_at: Instant = 0
    ended_at: Instant = 0
    reason: JobReason = JobReason.NONE
    message: str = ""
    number: int = 0

    @property
    def attempt_id(self) -> str:
        """Name the next attempt, for the queue, which takes each name once."""
        return f"{self.id}.{self.turn}"

    @property
    def open(self) -> bool:
        return self.state in (JobState.PENDING, JobState.RUNNING)


@dataclass(frozen=True, slots=True)
class Done:
    """The attempt succeeded."""

    message: str = ""


@dataclass(frozen=True, slots=True)
class Again:
    """The attempt failed, and a later one may succeed."""

    reason: JobReason
    message: str


@dataclass(frozen=True, slots=True)
class Never:
    """The attempt failed, as every later one would."""

    reason: JobReason
    message: str


Outcome: TypeAlias = Done | Again | Never


def begun(job: Job) -> Job:
    return replace(job, state=JobState.RUNNING, attempts=job.attempts + 1)


def concluded(
    job: Job, outcome: Outcome, at: Instant, delays: Sequence[int], chance: Callable[[], float]
) -> Job:
    """Return the job after an attempt: done, dead, or pending for its next turn.

    `delays` has one for each further attempt, in microseconds; after the last the job is dead.
    """
    match outcome:
        case Done(message=message):
            ended = replace(job, state=JobState.DONE, ended_at=at, message=message)
            return replace(ended, reason=JobReason.NONE, next_at=0)
        case Never(reason=reason, message=message):
            return _dead(job, reason, message, at)
        case Again(reason=reason, message=message):
            if job.state is JobState.CANCELLED:
                return replace(job, reason=reason, message=message)
            if job.attempts > len(delays):
                tried = f"{message}; given up after {job.attempts} attempts"
                return _dead(job, reason, tried, at)
            return _later(job, reason, message, at + _spread(delays[job.attempts - 1], chance()))
        case _:
            assert_never(outcome)


def again(job: Job, at: Instant) -> Job:
    """Start a job over, with a full number of attempts."""
    return replace(
        job, state=JobState.PENDING, turn=job.turn + 1, attempts=0, next_at=at, ended_at=0
    )


def cancelled(job: Job, at: Instant) -> Job:
    return replace(job, state=JobState.CANCELLED, ended_at=at, next_at=0)


def _dead(job: Job, reason: JobReason, message: str, at: Instant) -> Job:
    state = JobState.CANCELLED if job.state is JobState.CANCELLED else JobState.DEAD
    return replace(job, state=state, ended_at=at, next_at=0, reason=reason, message=message)


def _later(job: Job, reason: JobReason, message: str, at: Instant) -> Job:
    return replace(
        job,
        state=JobState.PENDING,
        turn=job.turn + 1,
        next_at=at,
        reason=reason,
        message=message,
    )


def _spread(delay: int, chance: float) -> int:
    return delay + int(delay * _JITTER * chance)
