"""The parts that make attempts at jobs, assembled from the settings."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from authz_service.config import Settings
from authz_service.domain.job import MAILS, SECOND, JobKind
from authz_service.domain.window import Instant
from authz_service.engine.index import Index
from authz_service.errors import ErrorReason, InvalidArgument
from authz_service.jobs.posting import Poster
from authz_service.jobs.queue import DbosQueue
from authz_service.jobs.smtp import Smtp, SmtpSettings
from authz_service.jobs.worker import Worker, WorkerSettings
from authz_service.store.database import DatabaseUrl
from authz_service.store.unit_of_work import Store
from authz_service.usecases.billing.event_ingest import EventDoor
from authz_service.usecases.billing.lookup import Fetcher
from authz_service.usecases.billing.lookup_jobs import LookupJobs
from authz_service.usecases.delivery.attempts import Handler, JobRunner
from authz_service.usecases.delivery.downgrade_jobs import DowngradeJobs
from authz_service.usecases.delivery.mail import MailDelivery
from authz_service.usecases.delivery.outbox import Outbox
from authz_service.usecases.delivery.webhook_delivery import WebhookDelivery

DOWNGRADE_RETRIES: Final = (60.0, 600.0, 3600.0, 6 * 3600.0, 24 * 3600.0, 72 * 3600.0)
"""Seconds between attempts to apply the downgrade policy to an account."""

LOOKUP_RETRIES: Final = (10.0, 60.0, 600.0, 3600.0, 6 * 3600.0, 24 * 3600.0)
"""Seconds between attempts to read an agreement again."""


@dataclass(frozen=True, slots=True)
class Door:
    """What comes in from outside: time, identity and chance."""

    clock: Callable[[], Instant]
    new_id: Callable[[], str]
    new_secret: Callable[[], str]
    chance: Callable[[], float]


def mailer(settings: Settings) -> Smtp | None:
    """Make the mailer, if a mail server is set.

    Raises:
        InvalidArgument: a setting that it needs is missing, or wrong.
    """
    if not settings.smtp_host:
        return None
    if not settings.public_url.startswith(("https://", "http://")):
        raise InvalidArgument(
            ErrorReason.INVALID_FIELD,
            "AUTHZ_PUBLIC_URL must name the page where people accept invitations, "
            "https://HOST/PATH: mails link to it",
            field="AUTHZ_PUBLIC_URL",
        )
    return Smtp(
        SmtpSettings(
            settings.smtp_host,
            settings.smtp_port,
            settings.smtp_tls,
            settings.mail_from,
            settings.smtp_seconds,
            settings.smtp_user,
            settings.smtp_password,
            settings.smtp_ca,
        )
    )


class Jobs:
    """What a process needs to enqueue jobs, and to do them."""

    def __init__(self, settings: Settings, url: DatabaseUrl, door: Door) -> None:
        """Make ready; nothing is opened.

        Raises:
            InvalidArgument: a setting that mails need is missing, or wrong.
        """
        self._settings = settings
        self._door = door
        self._mailer = mailer(settings)
        self._queue = DbosQueue(url)
        self.outbox = Outbox(self._queue, mailing=self._mailer is not None)

    def prepare(self, index: Index) -> None:
        """Make sure that jobs can be enqueued, if there may be any. Raises: DATABASE_BEHIND."""
        if self._mailer is not None or index.endpoints:
            self._queue.prepare()

    def prepare_now(self) -> None:
        """Make sure that jobs can be enqueued. Raises: DATABASE_BEHIND."""
        self._queue.prepare()

    def worker(
        self, store: Store, index: Callable[[], Index], events: EventDoor, fetcher: Fetcher
    ) -> Worker:
        """Assemble the worker, which only counts jobs where `AUTHZ_JOBS` is off."""
        runner = JobRunner(
            store.database,
            self._queue,
            self._handlers(store, index, fetcher),
            self._door.clock,
            self._door.chance,
        )
        return Worker(
            store.database,
            self._queue,
            runner,
            index,
            self._door.clock,
            self._door.new_id,
            lambda: events.fold_in_late() + events.release_mapped(),
            self._worker_settings(),
        )

    def _handlers(
        self, store: Store, index: Callable[[], Index], fetcher: Fetcher
    ) -> dict[JobKind, Handler]:
        chosen, door = self._settings, self._door
        mailing = MailDelivery(
            store,
            self._mailer,
            door.new_secret,
            door.clock,
            chosen.public_url,
            chosen.notice_to,
        )
        poster = Poster(chosen.webhook_seconds, chosen.webhook_allow_private)
        delivering = WebhookDelivery(store, index, poster, door.clock)
        handlers = dict.fromkeys(
            MAILS, Handler(mailing.attempt, _delays(chosen.mail_retry_seconds))
        )
        handlers[JobKind.WEBHOOK] = Handler(
            delivering.attempt, _delays(chosen.webhook_retry_seconds)
        )
        handlers[JobKind.LOOKUP] = Handler(
            LookupJobs(store, fetcher).attempt, _delays(LOOKUP_RETRIES)
        )
        handlers[JobKind.DOWNGRADE] = Handler(
            DowngradeJobs(store).attempt, _delays(DOWNGRADE_RETRIES)
        )
        return handlers

    def _worker_settings(self) -> WorkerSettings:
        chosen, mailing = self._settings, self._mailer is not None
        return WorkerSettings(
            f"worker-{self._door.new_id()}",
            chosen.jobs_silent_seconds,
            chosen.jobs_keep_days,
            chosen.notice_days,
            mailing=mailing,
            notice_mail=mailing and bool(chosen.notice_to),
            enabled=chosen.jobs,
        )


def _delays(seconds: tuple[float, ...]) -> list[int]:
    return [int(second * SECOND) for second in seconds]
