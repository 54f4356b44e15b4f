"""The composition root: the only place that names concrete things, the clock and chance."""

import os
import secrets
import signal
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog
from google.protobuf.descriptor import ServiceDescriptor

from authz_service.config import Settings
from authz_service.domain.window import Instant
from authz_service.errors import ErrorReason, FailedPrecondition, InvalidArgument
from authz_service.gen.authz.v1 import (
    authorization_pb2,
    key_pb2,
    policy_pb2,
    provisioning_pb2,
)
from authz_service.replication.following import Following
from authz_service.replication.replica import Replica
from authz_service.rpc import logs
from authz_service.rpc.authorization import AuthorizationServicer
from authz_service.rpc.calls import AdminCalls
from authz_service.rpc.key import KeyServicer
from authz_service.rpc.limits import LimitSettings
from authz_service.rpc.observation import BOUNDS, Observation
from authz_service.rpc.policy import PolicyServicer
from authz_service.rpc.provisioning import ProvisioningServicer
from authz_service.rpc.server import Port, PortSettings
from authz_service.rpc.tls import require_no_listeners, tls_files
from authz_service.store import migrate as migrations
from authz_service.store.database import Database
from authz_service.store.unit_of_work import Store
from authz_service.usecases import policy_files, seeding
from authz_service.usecases.execution import Executor
from authz_service.usecases.explaining import Explainer
from authz_service.usecases.shadow import Shadow
from authz_service.web.metrics import MetricsServer
from authz_service.web.sources import sources

if TYPE_CHECKING:
    from authz_service.rpc.tracing import Tracing

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
            AuthzError: the database does not answer, is behind, the policy files are wrong, or
                TLS is set up so that it cannot be served, or not at all off loopback.
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
        self._tracing = _tracing(settings.otlp_endpoint)
        # Before anything is written: a port that is taken must leave no trace.
        self.check_port = self._check_port()
        self.admin_port = self._admin_port()
        self._ports = (self.check_port, self.admin_port)
        self.metrics_port = self._metrics_port()
        try:
            self._prepare()
        except BaseException:
            if self.metrics_port is not None:
                self.metrics_port.stop()
            self.database.close()
            raise

    def start(self) -> None:
        self._following.start()
        self._shadow.start()
        if self.metrics_port is not None:
            self.metrics_port.start()
        for port in self._ports:
            port.start()
            port.set_serving(serving=True)

    def stop(self) -> None:
        """Stop gracefully: no new calls, running ones get `drain_seconds`, then all else."""
        drained = [
            threading.Thread(target=port.stop, args=(self._settings.drain_seconds,))
            for port in self._ports
        ]
        for each in drained:
            each.start()
        for each in drained:
            each.join()
        self._shadow.stop()
        self._following.stop()
        if self._tracing is not None:
            self._tracing.close()
        if self.metrics_port is not None:
            self.metrics_port.stop()
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
        observed = self._observed("checks")
        servicer = AuthorizationServicer(
            self.replica,
            self.explainer,
            now,
            self._shadow.offer,
            self._settings.max_deadline,
            max(1, self._settings.check_threads // 2),
            observed,
        )
        return Port(
            self._port_settings(
                self._settings.check_port,
                self._settings.check_threads,
                self._settings.rate_checks_per_second,
            ),
            _serves(authorization_pb2, servicer),
            new_id,
            observed,
            now,
        )

    def _admin_port(self) -> Port:
        observed = self._observed("administration")
        calls = AdminCalls(Executor(self.store, lambda: self.replica.index, now), observed)
        return Port(
            self._port_settings(
                self._settings.admin_port,
                self._settings.admin_threads,
                self._settings.rate_changes_per_second,
            ),
            {
                **_serves(policy_pb2, PolicyServicer(calls)),
                **_serves(provisioning_pb2, ProvisioningServicer(calls)),
                **_serves(key_pb2, KeyServicer(calls, new_secret)),
            },
            new_id,
            observed,
            now,
        )

    def _observed(self, port: str) -> Observation:
        verbose = self._settings.log_level.lower() == "debug"
        trace = self._tracing.end if self._tracing is not None else None
        return Observation(port, verbose=verbose, trace=trace)

    def _metrics_port(self) -> MetricsServer | None:
        port = self._settings.metrics_port
        if port is None:
            return None
        return MetricsServer(
            self._settings.metrics_host,
            port,
            sources(
                [(each.observed, partial(getattr, each, "waiting")) for each in self._ports],
                BOUNDS,
                self.store,
                self.replica,
                self._following,
                self.explainer,
                self._shadow,
            ),
        )

    def _port_settings(self, port: int, threads: int, per_second: float) -> PortSettings:
        chosen = self._settings
        files = tls_files(chosen.tls_cert, chosen.tls_key, chosen.tls_client_ca)
        require_no_listeners(chosen.host, files, chosen.plaintext)
        limits = LimitSettings(
            threads=threads,
            max_waiting=chosen.max_waiting,
            max_queue_seconds=chosen.max_queue_seconds,
            max_seconds=chosen.max_deadline,
            per_second=per_second,
        )
        return PortSettings(
            host=chosen.host,
            port=port,
            limits=limits,
            max_message_bytes=chosen.max_message_bytes,
            max_streams=chosen.max_streams,
            tls=files,
        )


def _serves(file: Any, servicer: object) -> dict[ServiceDescriptor, object]:
    """Pair the one service that a proto file describes with what serves it."""
    (service,) = file.DESCRIPTOR.services_by_name.values()
    return {service: servicer}


def _tracing(endpoint: str) -> "Tracing | None":
    """Make ready to trace, if that is asked for.

    Raises:
        InvalidArgument: the packages for it are not installed.
    """
    if not endpoint:
        return None
    try:
        from authz_service.rpc.tracing import Tracing, exporting_to  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise InvalidArgument(
            ErrorReason.INVALID_FIELD,
            f"traces need a package that is not installed, {error.name}: "
            "install authz-service[otel], or unset AUTHZ_OTLP_ENDPOINT",
            field="AUTHZ_OTLP_ENDPOINT",
        ) from error
    return Tracing(exporting_to(endpoint), now)


def serve(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT. Returns the process's exit code."""
    logs.set_up(settings.log_level, settings.log_format)
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
        **_where_metrics_are(settings, service),
    )
    stopping.wait()
    log.info("stopping", drain_seconds=settings.drain_seconds)
    service.stop()
    return 0


def _where_metrics_are(settings: Settings, service: Service) -> dict[str, str]:
    if service.metrics_port is None:
        return {}
    return {"metrics": f"http://{settings.metrics_host}:{service.metrics_port.number}/metrics"}


def migrate(settings: Settings) -> list[str]:
    """Bring the database to this version's schema; name the migrations applied."""
    database = Database(settings.database_url, busy_seconds=settings.busy_seconds)
    try:
        return migrations.migrate(database)
    finally:
        database.close()
