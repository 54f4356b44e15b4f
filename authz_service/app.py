"""The composition root: the only place that names concrete things, the clock and chance."""

import logging
import os
import secrets
import signal
import sys
import threading
import time

import structlog

from authz_service.config import Settings
from authz_service.domain.window import Instant
from authz_service.errors import ErrorReason, FailedPrecondition
from authz_service.gen.authz.v1 import (
    authorization_pb2,
    key_pb2,
    policy_pb2,
    provisioning_pb2,
)
from authz_service.replication.following import Following
from authz_service.replication.replica import Replica
from authz_service.rpc.authorization import AuthorizationServicer
from authz_service.rpc.calls import AdminCalls
from authz_service.rpc.key import KeyServicer
from authz_service.rpc.policy import PolicyServicer
from authz_service.rpc.provisioning import ProvisioningServicer
from authz_service.rpc.server import Port, PortSettings
from authz_service.store import migrate as migrations
from authz_service.store.database import Database
from authz_service.store.unit_of_work import Store
from authz_service.usecases import policy_files, seeding
from authz_service.usecases.execution import Executor
from authz_service.usecases.explaining import Explainer
from authz_service.usecases.shadow import Shadow

log = structlog.get_logger()


def now() -> Instant:
    """Read the clock: microseconds since the epoch, UTC."""
    return time.time_ns() // 1000


def new_id() -> str:
    """Make an id that sorts by time and that nobody guesses: 13 and 8 hex digits."""
    return f"{now():013x}{secrets.token_hex(4)}"


def new_secret() -> str:
    """Make a secret of 256 random bits."""
    return secrets.token_urlsafe(32)


class Service:
    """One process of authz-service: both ports, the replica, and what follows it."""

    def __init__(self, settings: Settings) -> None:
        """Open the database and the ports.

        Raises:
            AuthzError: the database does not answer, is behind, or the policy files are wrong.
            OSError: a port is taken.
        """
        self._settings = settings
        self.database = Database(settings.database_url, busy_seconds=settings.busy_seconds)
        self.replica = Replica(self.database)
        self.store = Store(self.database, self.replica, now, new_id)
        model = (settings.policies_dir / "model.conf").read_text(encoding="utf-8")
        self.explainer = Explainer(self.database, model, now)
        self._shadow = Shadow(self.explainer, settings.shadow_per_second)
        self._following = Following(
            self.database, self.replica, settings.poll_seconds, self._database_answers
        )
        # Before anything is written: a port that is taken must leave no trace.
        self.check_port = self._check_port()
        self.admin_port = self._admin_port()
        self._prepare()

    def start(self) -> None:
        self._following.start()
        self._shadow.start()
        for port in (self.check_port, self.admin_port):
            port.start()
            port.set_serving(serving=True)

    def stop(self) -> None:
        """Stop gracefully: no new calls, running ones get `drain_seconds`, then all else."""
        drained = [
            threading.Thread(target=port.stop, args=(self._settings.drain_seconds,))
            for port in (self.check_port, self.admin_port)
        ]
        for each in drained:
            each.start()
        for each in drained:
            each.join()
        self._shadow.stop()
        self._following.stop()
        self.database.close()

    def _prepare(self) -> None:
        """Migrate the embedded database, refuse another that is behind; seed an empty one."""
        if self.database.dialect == "sqlite":
            migrations.migrate(self.database)
        elif behind := migrations.pending(self.database):
            raise FailedPrecondition(
                ErrorReason.DATABASE_BEHIND,
                f"the database lacks {len(behind)} migration(s): {', '.join(behind)}; "
                "run `authz migrate` first",
            )
        self.replica.load()
        if not self.replica.index.revision:
            seeding.seed(self.store, policy_files.read_folder(self._settings.policies_dir))
        if not self.replica.index.keys:
            seeding.first_key(self.store, new_secret(), self._keep_key)

    def _keep_key(self, credential: str) -> None:
        """Write the first operator key where only its owner reads it, and show it once."""
        path = self._settings.key_file
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            # It may be the only key to another database.
            path.rename(path.with_name(f"{path.name}.before-{now()}"))
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(credential + "\n")
            file.flush()
            os.fsync(file.fileno())
        print(f"First operator key, kept in {path}: {credential}", flush=True)  # noqa: T201

    def _database_answers(self, answers: bool) -> None:
        """Changes need the database; checks go on from memory without it."""
        self.admin_port.set_serving(serving=answers)

    def _check_port(self) -> Port:
        servicer = AuthorizationServicer(
            self.replica, self.explainer, now, self._shadow.offer, self._settings.max_deadline
        )
        service = authorization_pb2.DESCRIPTOR.services_by_name["AuthorizationService"]
        return Port(
            self._port_settings(self._settings.check_port, self._settings.check_threads),
            {service: servicer},
            new_id,
        )

    def _admin_port(self) -> Port:
        calls = AdminCalls(Executor(self.store, lambda: self.replica.index, now))
        policy = policy_pb2.DESCRIPTOR.services_by_name["PolicyService"]
        provisioning = provisioning_pb2.DESCRIPTOR.services_by_name["ProvisioningService"]
        keys = key_pb2.DESCRIPTOR.services_by_name["KeyService"]
        return Port(
            self._port_settings(self._settings.admin_port, self._settings.admin_threads),
            {
                policy: PolicyServicer(calls),
                provisioning: ProvisioningServicer(calls),
                keys: KeyServicer(calls, new_secret),
            },
            new_id,
        )

    def _port_settings(self, port: int, threads: int) -> PortSettings:
        return PortSettings(
            address=f"{self._settings.host}:{port}",
            threads=threads,
            max_waiting=self._settings.max_waiting,
            max_message_bytes=self._settings.max_message_bytes,
        )


def serve(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT. Returns the process's exit code."""
    set_up_logging(settings)
    service = Service(settings)
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    service.start()
    log.info(
        "serving",
        checks=f"{settings.host}:{service.check_port.number}",
        administration=f"{settings.host}:{service.admin_port.number}",
        database=service.database.url.render_as_string(hide_password=True),
        revision=service.replica.index.revision,
    )
    stopping.wait()
    log.info("stopping", drain_seconds=settings.drain_seconds)
    service.stop()
    return 0


def migrate(settings: Settings) -> list[str]:
    """Bring the database to this version's schema; name the migrations applied."""
    database = Database(settings.database_url, busy_seconds=settings.busy_seconds)
    try:
        return migrations.migrate(database)
    finally:
        database.close()


def set_up_logging(settings: Settings) -> None:
    """Log to standard error: JSON for machines, text for a person at a terminal."""
    as_text = settings.log_format == "text" or (
        settings.log_format == "auto" and sys.stderr.isatty()
    )
    renderer = structlog.dev.ConsoleRenderer() if as_text else structlog.processors.JSONRenderer()
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *([] if as_text else [structlog.processors.format_exc_info]),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
