"""The composition root: the only place that names concrete things, the clock and chance."""

import gc
import os
import secrets
import signal
import threading
import time
from base64 import b64encode
from collections import Counter
from datetime import timedelta
from functools import partial
from math import inf
from typing import Any

import structlog
from google.protobuf.descriptor import ServiceDescriptor

from authz_service.config import Settings
from authz_service.domain.key import ALPHABET, SECRET_LENGTH
from authz_service.domain.window import Instant
from authz_service.gen.authz.v1 import (
    audit_pb2,
    authorization_pb2,
    event_pb2,
    identity_pb2,
    job_pb2,
    key_pb2,
    rule_pb2,
    tier_version_pb2,
    webhook_pb2,
)
from authz_service.jobs.composing import Door, Jobs
from authz_service.jobs.queue import DbosQueue
from authz_service.policyfiles import policy_files
from authz_service.replication.following import Following
from authz_service.replication.replica import Replica
from authz_service.rpc import administration
from authz_service.rpc.admission import LimitSettings
from authz_service.rpc.calls import AdminCalls
from authz_service.rpc.credentials import Credentials
from authz_service.rpc.server import Port, PortSettings
from authz_service.rpc.services import invitation, subscription
from authz_service.rpc.services.audit import AuditServicer
from authz_service.rpc.services.authorization import AuthorizationServicer
from authz_service.rpc.services.event import EventServicer
from authz_service.rpc.services.identity import IdentityServicer
from authz_service.rpc.services.job import JobServicer
from authz_service.rpc.services.key import KeyServicer
from authz_service.rpc.services.rule import RuleServicer
from authz_service.rpc.services.tier_version import TierVersionServicer
from authz_service.rpc.services.webhook import WebhookServicer
from authz_service.serving import logs
from authz_service.serving.call_stats import BOUNDS, Observation
from authz_service.serving.issuers import tokens_of
from authz_service.serving.tls import require_no_listeners, tls_files
from authz_service.serving.trace_setup import tracing_to
from authz_service.store import migrate as migrations
from authz_service.store.database import Database
from authz_service.store.unit_of_work import Store
from authz_service.usecases.billing.event_rpcs import EventDoor
from authz_service.usecases.billing.policy_reload import BillingPolicyInUse
from authz_service.usecases.bootstrap import seeding
from authz_service.usecases.callers.key_use import KeyUse
from authz_service.usecases.changesets.replanning import replan
from authz_service.usecases.decisions.explain import Explainer
from authz_service.usecases.decisions.shadow import Shadow
from authz_service.usecases.kernel.execution import Executor
from authz_service.web.billing_events import EventEdge, EventServer, EventSettings
from authz_service.web.metric_sources import sources
from authz_service.web.metrics import MetricsServer
from authz_service.web.webhook_secrets import EventSecrets

log = structlog.get_logger()


def now() -> Instant:
    """Read the clock: microseconds since the epoch, UTC."""
    return time.time_ns() // 1000


def new_id() -> str:
    """Make an id that sorts by time and that nobody guesses: 13 and 8 hex digits."""
    return f"{now():013x}{secrets.token_hex(4)}"


def new_secret() -> str:
    """Make a secret of 256 random bits."""
    return "".join(secrets.choice(ALPHABET) for _ in range(SECRET_LENGTH))


def new_webhook_secret() -> str:
    """Make a secret to sign deliveries with, as Standard Webhooks writes it."""
    return "whsec_" + b64encode(secrets.token_bytes(32)).decode()


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
        door = Door(now, new_id, new_secret, secrets.SystemRandom().random)
        self._jobs = Jobs(settings, self.database.url, door)
        self.store = Store(self.database, self.replica, now, new_id, self._jobs.follow_up, replan)
        self._billing = BillingPolicyInUse(settings.policies_dir)
        self.worker = self._jobs.worker(self.store, lambda: self.replica.index, self._billing)
        self._model = (settings.policies_dir / "model.conf").read_text(encoding="utf-8")
        self.explainer = Explainer(self.database, self._model, now)
        self._invited_for = timedelta(days=settings.invitation_days)
        self._key_use = KeyUse(self.database, lambda: self.replica.index, now)
        self._shadow = Shadow(self.explainer, settings.shadow_per_second)
        self._following = Following(
            self.database, self.replica, settings.poll_seconds, self._on_health, self.store.settle
        )
        self._tracing = tracing_to(settings.otlp_endpoint, now)
        self._tokens = tokens_of(settings, now)
        self._credentials = Credentials(
            self._tokens, certificates=settings.tls_client_ca is not None
        )
        self._events: Counter[str] = Counter()
        # Before anything is written: a port that is taken must leave no trace.
        self.check_port = self._check_port()
        self.admin_port = self._admin_port()
        self._ports = (self.check_port, self.admin_port)
        self.metrics_port = self._metrics_port()
        self.event_port = self._event_port()
        try:
            self._prepare()
        except BaseException:
            for server in (self.metrics_port, self.event_port):
                if server is not None:
                    server.stop()
            self.database.close()
            raise

    def start(self) -> None:
        self._tokens.start()
        self._following.start()
        self._shadow.start()
        self._key_use.start()
        self.worker.start()
        if self.metrics_port is not None:
            self.metrics_port.start()
        if self.event_port is not None:
            self.event_port.start()
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
        if self.event_port is not None:
            self.event_port.stop()
        self.worker.stop(self._settings.drain_seconds)
        self._shadow.stop()
        self._key_use.stop()
        self._following.stop()
        self._tokens.stop()
        if self._tracing is not None:
            self._tracing.close()
        if self.metrics_port is not None:
            self.metrics_port.stop()
        self.database.close()

    def _prepare(self) -> None:
        """Migrate the embedded database, refuse another that is behind; seed an empty one."""
        if self.database.dialect == "sqlite":
            migrations.migrate(self.database)
        else:
            migrations.require_migrated(self.database)
        self.replica.load()
        self._jobs.prepare(self.replica.index)
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

    def _on_health(self, answers: bool) -> None:
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
            self._credentials,
        )
        return Port(
            self._port_settings(
                self._settings.check_port,
                self._settings.check_threads,
                self._settings.rate_checks_per_second,
                standing_seconds=self._settings.max_standing_seconds,
            ),
            _serves(authorization_pb2, servicer),
            new_id,
            observed,
            now,
            self._credentials,
        )

    def _admin_port(self) -> Port:
        observed = self._observed("administration")
        executor = Executor(self.store, lambda: self.replica.index, now)
        calls = AdminCalls(executor, observed, self._credentials)
        return Port(
            self._port_settings(
                self._settings.admin_port,
                self._settings.admin_threads,
                self._settings.rate_changes_per_second,
            ),
            {
                **administration.served(calls),
                **_serves(audit_pb2, AuditServicer(calls)),
                **subscription.service(self._billing).served(calls),
                **invitation.service(new_secret, self._invited_for).served(calls),
                **_serves(key_pb2, KeyServicer(calls, new_secret, self._key_use.seen)),
                **_serves(identity_pb2, IdentityServicer(calls)),
                **_serves(job_pb2, JobServicer(calls)),
                **_serves(
                    webhook_pb2,
                    WebhookServicer(
                        calls,
                        new_webhook_secret,
                        self._jobs.prepare_now,
                        plaintext=self._settings.webhook_allow_private,
                    ),
                ),
                **_serves(rule_pb2, RuleServicer(calls, self._model)),
                **_serves(tier_version_pb2, TierVersionServicer(calls)),
                **_serves(event_pb2, EventServicer(calls, self._billing, self._events)),
            },
            new_id,
            observed,
            now,
            self._credentials,
        )

    def _observed(self, port: str) -> Observation:
        verbose = self._settings.log_level.lower() == "debug"
        trace = self._tracing.end if self._tracing is not None else None
        return Observation(port, verbose=verbose, trace=trace, note=self._key_use.note)

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
                self._events,
                self.worker,
            ),
        )

    def _event_port(self) -> EventServer | None:
        chosen = self._settings
        if chosen.web_port is None:
            return None
        files = tls_files(chosen.tls_cert, chosen.tls_key, chosen.tls_client_ca)
        require_no_listeners(chosen.web_host, files, chosen.plaintext)
        settings = EventSettings(
            chosen.web_host,
            chosen.web_port,
            max_bytes=chosen.web_max_body_bytes,
            public_url=chosen.web_public_url,
            certificate=files.certificate if files else None,
            key=files.key if files else None,
        )
        secrets_ = EventSecrets(chosen.event_secrets, chosen.event_secrets_file, self._billing())
        door = EventDoor(self.store, self._billing, self._events)
        return EventServer(EventEdge(door, self._billing, secrets_.of, now, settings), settings)

    def _port_settings(
        self, port: int, threads: int, per_second: float, standing_seconds: float = inf
    ) -> PortSettings:
        chosen = self._settings
        files = tls_files(chosen.tls_cert, chosen.tls_key, chosen.tls_client_ca)
        require_no_listeners(chosen.host, files, chosen.plaintext)
        limits = LimitSettings(
            threads=threads,
            max_waiting=chosen.max_waiting,
            max_queue_seconds=chosen.max_queue_seconds,
            max_seconds=chosen.max_deadline,
            per_second=per_second,
            standing_seconds=standing_seconds,
        )
        return PortSettings(
            host=chosen.host,
            port=port,
            limits=limits,
            max_message_bytes=chosen.max_message_bytes,
            max_streams=chosen.max_streams,
            max_pending=chosen.max_pending,
            tls=files,
        )


def _serves(file: Any, servicer: object) -> dict[ServiceDescriptor, object]:
    """Pair the one service that a proto file describes with what serves it."""
    (service,) = file.DESCRIPTOR.services_by_name.values()
    return {service: servicer}


def serve(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT. Returns the process's exit code."""
    logs.set_up(settings.log_level, settings.log_format)
    service = Service(settings)
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    service.start()
    gc.freeze()  # what is there stays, the index above all: collecting need not look through it
    gc.enable()
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
    port = service.metrics_port
    return {"metrics": f"http://{settings.metrics_host}:{port.number}/metrics"} if port else {}


def migrate(settings: Settings) -> list[str]:
    """Bring the database to this version's schema; name the migrations applied."""
    database = Database(settings.database_url, busy_seconds=settings.busy_seconds)
    try:
        applied = migrations.migrate(database)
        if database.dialect == "postgresql":
            DbosQueue(database.url).migrate()
        return applied
    finally:
        database.close()
