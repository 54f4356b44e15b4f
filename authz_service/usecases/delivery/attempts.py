"""How a job runs: one attempt at a time, and the outcome of each is stored.

An attempt is made at least once: a process that dies amid one is found out, and another makes it
again. What an attempt does must bear that.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import structlog

from authz_service.domain.job import (
    Again,
    Job,
    JobKind,
    JobReason,
    JobState,
    Never,
    Outcome,
    again,
    begun,
    concluded,
)
from authz_service.domain.window import Instant
from authz_service.errors import Unavailable
from authz_service.store import jobs
from authz_service.store.database import Database
from authz_service.usecases.delivery.outbox import Queue, enqueue

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Handler:
    """How an attempt at a kind of job is made, and the delay before each further attempt, in
    microseconds.
    """

    attempt: Callable[[Job], Outcome]
    delays: Sequence[int]


class JobRunner:
    """Makes attempts. `chance` gives a number from 0 to 1, for jitter."""

    def __init__(
        self,
        database: Database,
        queue: Queue,
        handlers: Mapping[JobKind, Handler],
        clock: Callable[[], Instant],
        chance: Callable[[], float],
    ) -> None:
        self._database = database
        self._queue = queue
        self._handlers = handlers
        self._clock = clock
        self._chance = chance

    def attempt(self, job_id: str, turn: int) -> JobState | None:
        """Make one attempt at a job. None if it is not its turn, and nothing was done.

        Raises:
            Unavailable: the database does not answer; somebody will take the job up again.
        """
        job = self._begin(job_id, turn)
        if job is None:
            return None
        outcome = self._outcome(job)
        return self._conclude(job, outcome)

    def _begin(self, job_id: str, turn: int) -> Job | None:
        with self._database.write() as connection:
            current = jobs.find(connection, job_id, lock=True)
            if current is None or current.turn != turn or not current.open:
                return None
            job = begun(current)
            jobs.replace(connection, job)
            return job

    def _outcome(self, job: Job) -> Outcome:
        craft = self._handlers[job.kind]
        if job.attempts > len(craft.delays) + 1:
            return Never(JobReason.CRASHED, f"given up after {job.attempts - 1} attempts")
        try:
            return craft.attempt(job)
        except Unavailable:
            raise
        except Exception:  # a fault of ours is an outcome too: it is tried again, and told
            log.exception("a job failed as nobody expected", job=job.id, kind=job.kind.value)
            return Again(JobReason.INTERNAL, "failed as nobody expected; the log says how")

    def _conclude(self, job: Job, outcome: Outcome) -> JobState | None:
        """Store the outcome of an attempt, unless the job has moved on without it."""
        with self._database.write() as connection:
            current = jobs.find(connection, job.id, lock=True)
            if current is None or current.turn != job.turn:
                return None
            now = self._clock()
            after = concluded(current, outcome, now, self._handlers[job.kind].delays, self._chance)
            if after.turn > current.turn:
                enqueue(connection, self._queue, after, now)
            else:
                jobs.replace(connection, after)
        if after.state is JobState.DEAD:
            log.warning(
                "a job is dead", job=job.id, kind=job.kind.value, reason=after.reason.value,
                attempts=after.attempts,
            )  # fmt: skip
        return after.state


def take_up(database: Database, queue: Queue, job_id: str, turn: int, now: Instant) -> bool:
    """Have an attempt made again that nobody will end. False if the job has gone on since.

    The attempt that was begun counts, so a job that kills its workers ends, too.
    """
    with database.write() as connection:
        job = jobs.find(connection, job_id, lock=True)
        if job is None or job.turn != turn or not job.open:
            return False
        restarted = replace(again(job, now), attempts=job.attempts)
        enqueue(connection, queue, restarted, now)
    return True
