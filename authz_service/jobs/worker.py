"""The worker of this process: DBOS's threads make attempts, one of ours looks after the rest.

Every beat it says that this process lives, enqueues what has come due, takes up what dead ones
left, and counts; every hour it gives notices and forgets what ended long ago. DBOS is started when
there is something to do.
"""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Final

import structlog

from authz_service.domain.job import SECOND, JobState
from authz_service.domain.window import Instant
from authz_service.engine.index import Index
from authz_service.errors import AuthzError
from authz_service.jobs.queue import APP, ATTEMPT, MAIL, VERSION, WEBHOOK, DbosQueue, serializer
from authz_service.store import event_prices, jobs
from authz_service.store.database import Database
from authz_service.usecases.delivery.attempts import JobRunner, take_up
from authz_service.usecases.delivery.notices import DAY, ahead, notices, price_alerts
from authz_service.usecases.delivery.outbox import enqueue

log = structlog.get_logger()

MAILS_AT_ONCE: Final = 4
WEBHOOKS_AT_ONCE: Final = 16

_POLL_SECONDS: Final = 0.5
_HOUR: Final = 3600.0
_OVERDUE: Final = 60 * SECOND
"""An attempt that should have ended so long ago is looked up in the queue."""

_SOON: Final = 600 * SECOND
"""The queue is made ready so long before something falls due."""

_MOST: Final = 500
"""Attempts looked up in one beat."""

_ONE: Final = threading.Lock()
"""There is one DBOS in a process."""


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """`silent_seconds` without a word make a process dead."""

    name: str
    silent_seconds: float
    keep_days: float
    notice_days: Sequence[int]
    mailing: bool
    notice_mail: bool
    enabled: bool


class Worker:
    """`counts` holds the jobs there are, by kind and state, as of the last beat; `unmapped_prices`
    how many prices billing events wait for.
    """

    def __init__(
        self,
        database: Database,
        queue: DbosQueue,
        runner: JobRunner,
        index: Callable[[], Index],
        clock: Callable[[], Instant],
        new_id: Callable[[], str],
        fold_in_late: Callable[[], int],
        settings: WorkerSettings,
    ) -> None:
        """`fold_in_late` does what billing events say that were only received, or whose prices were
        mapped since.
        """
        self._database = database
        self._queue = queue
        self._runner = runner
        self._index = index
        self._clock = clock
        self._new_id = new_id
        self._fold_in_late = fold_in_late
        self._settings = settings
        self._launched = False
        self._hourly_at = monotonic()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="jobs", daemon=True)
        self.counts: Mapping[tuple[str, str], int] = {}
        self.unmapped_prices = 0

    def start(self) -> None:
        self._thread.start()

    def stop(self, drain_seconds: float) -> None:
        """Begin no more attempts and let the running ones end."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()
        if self._launched:
            from dbos import DBOS  # noqa: PLC0415 - imported when it was launched

            DBOS.destroy(
                destroy_registry=True, workflow_completion_timeout_sec=max(1, int(drain_seconds))
            )
            _ONE.release()
        self._queue.close()

    def beat(self) -> None:
        """Look after the jobs once.

        Raises:
            Unavailable: the database does not answer.
        """
        with self._database.read() as connection:
            self.counts = jobs.counts(connection)
            self.unmapped_prices = event_prices.count_unmapped(connection)
            due = jobs.any_due(connection, self._clock() + _SOON)
        if not self._settings.enabled:
            return
        if self._fold_in_late():
            log.info("billing events are done that had only been received, or waited for a price")
        if not self._launched and (due or self._needed()):
            self._launch()
        if self.unmapped_prices and self._index().endpoints:
            self._tell_of_prices()
        self._hourly()
        if self._launched:
            self._live()
            self._take_up()

    def _run(self) -> None:
        every = self._settings.silent_seconds / 6
        while True:
            try:
                self.beat()
            except AuthzError as error:
                log.warning("jobs are not looked after", reason=error.reason.value)
            except Exception:  # this thread must outlive a fault, or no job is looked after again
                log.exception("jobs are not looked after")
            if self._stopping.wait(every):
                return

    def _needed(self) -> bool:
        return self._settings.mailing or bool(self._index().endpoints)

    def _launch(self) -> None:
        """Start DBOS in this process, unless something else in it has."""
        if not _ONE.acquire(blocking=False):
            return
        from dbos import DBOS, DBOSConfig  # noqa: PLC0415 - half a second

        _quiet()
        config: DBOSConfig = {
            "name": APP,
            "system_database_url": self._queue.url,
            "application_version": VERSION,
            "executor_id": self._settings.name,
            "serializer": serializer(),
            "log_level": "WARNING",
            "max_executor_threads": MAILS_AT_ONCE + WEBHOOKS_AT_ONCE + 4,
            "sys_db_pool_size": 8,
            "run_migrations": self._database.dialect == "sqlite",
        }
        try:
            DBOS(config=config)
            DBOS.workflow(name=ATTEMPT)(_making(self._runner))
            DBOS.launch()
            for name, at_once in ((MAIL, MAILS_AT_ONCE), (WEBHOOK, WEBHOOKS_AT_ONCE)):
                DBOS.register_queue(
                    name, worker_concurrency=at_once, polling_interval_sec=_POLL_SECONDS
                )
        except BaseException:
            DBOS.destroy(destroy_registry=True)
            _ONE.release()
            raise
        self._launched = True
        log.info("jobs are done here", worker=self._settings.name)

    def _live(self) -> None:
        with self._database.write() as connection:
            jobs.seen(connection, self._settings.name, self._clock())

    def _take_up(self) -> None:
        """Have made what has come due, what dead workers had begun, and what the queue has lost."""
        now = self._clock()
        silent_since = now - int(self._settings.silent_seconds * SECOND)
        with self._database.read() as connection:
            dead = jobs.silent(connection, silent_since)
            overdue = jobs.overdue(connection, now, _OVERDUE, _MOST)
            late = [job.attempt_id for job in overdue]
        orphans = {orphan for name in dead for orphan in self._queue.begun_by(name)}
        if late:
            orphans |= self._queue.lost(late, dead)
        for attempt in sorted(orphans):
            job_id, _, turn = attempt.rpartition(".")
            if take_up(self._database, self._queue, job_id, int(turn), now):
                log.info("a job is taken up that another process left", job=job_id)
        if orphans:
            self._queue.drop(sorted(orphans))
        if dead:
            with self._database.write() as connection:
                jobs.bury(connection, dead, silent_since)

    def _hourly(self) -> None:
        if monotonic() < self._hourly_at:
            return
        self._hourly_at = monotonic() + _HOUR
        self.give_notice()
        now = self._clock()
        before = now - int(self._settings.keep_days * DAY)
        if self.counts:
            with self._database.write() as connection:
                jobs.forget(connection, before)
        if self._launched:
            self._queue.forget(before // 1000)

    def give_notice(self) -> None:
        """Enqueue the notices that are due and were not given."""
        days = self._settings.notice_days
        index, now = self._index(), self._clock()
        mailing = self._settings.notice_mail
        if not days or not (mailing or index.endpoints):
            return
        with self._database.read() as connection:
            announcements = list(ahead(connection, index, now, now + max(days) * DAY))
        due = list(notices(index, announcements, now, days, mailing, self._new_id))
        with self._database.write() as connection:
            for job in due:
                enqueue(connection, self._queue, job, now)

    def _tell_of_prices(self) -> None:
        """Enqueue what tells of prices that nobody has mapped, once for each."""
        index, now = self._index(), self._clock()
        with self._database.read() as connection:
            alerts = list(price_alerts(connection, index, now, self._new_id))
        with self._database.write() as connection:
            for job in alerts:
                enqueue(connection, self._queue, job, now)


_OPEN: Final = (JobState.PENDING.value, JobState.RUNNING.value)


def _making(runner: JobRunner) -> Callable[[str, int], str]:
    """Make the function that DBOS calls: it writes on it, as on no method."""

    def attempt(job_id: str, turn: int) -> str:
        state = runner.attempt(job_id, turn)
        return state.value if state else "not its turn"

    return attempt


class _ToOurs(logging.Handler):
    """Writes what DBOS logs to our log, which redacts it."""

    def emit(self, record: logging.LogRecord) -> None:
        log.warning("dbos", said=record.getMessage())


def _quiet() -> None:
    theirs = logging.getLogger("dbos")
    if not any(isinstance(handler, _ToOurs) for handler in theirs.handlers):
        theirs.addHandler(_ToOurs(logging.WARNING))
        theirs.propagate = False
