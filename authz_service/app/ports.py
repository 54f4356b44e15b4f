"""What a process listens on: checks, administration, the HTTP edge, metrics."""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from math import inf
from typing import Any, Final

from google.protobuf.descriptor import ServiceDescriptor
from starlette.routing import Route

from authz_service.app import door
from authz_service.app.parts import Parts
from authz_service.config import Settings
from authz_service.gen.authz.v1 import (
    audit_pb2,
    authorization_pb2,
)
from authz_service.replication.following import Following
from authz_service.rpc import administration, page_tokens
from authz_service.rpc.admission import LimitSettings
from authz_service.rpc.calls import AdminCalls
from authz_service.rpc.server import Port, PortSettings
from authz_service.rpc.services import (
    billing,
    changeset,
    identity,
    invitation,
    job,
    key,
    mail_template,
    rule,
    subscription,
    webhook,
)
from authz_service.rpc.services.audit import AuditServicer
from authz_service.rpc.services.authorization import AuthorizationServicer
from authz_service.serving.call_stats import BOUNDS
from authz_service.serving.tls import TlsFiles, require_no_listeners, tls_files
from authz_service.usecases.decisions.decider import Decider
from authz_service.usecases.decisions.freshness import Bounds, require_no_older
from authz_service.usecases.kernel.execution import Executor
from authz_service.web import health, metrics
from authz_service.web.billing_events import EventEdge
from authz_service.web.metric_sources import sources
from authz_service.web.mounts import Mount, MountLimits, Threads
from authz_service.web.server import WebServer, WebSettings

_INSIDE: Final = MountLimits(threads=2, requests=10, body_bytes=0)


def check_port(parts: Parts) -> Port:
    """Bind the port of AuthorizationService. Raises: AuthzError, OSError."""
    settings, observed = parts.settings, parts.observation("checks")
    decider = Decider(
        parts.replica,
        parts.explainer,
        parts.time.now,
        parts.shadow.offer,
        observed,
        Bounds(
            settings.max_stale_seconds,
            settings.stale_checks == "answer",
            settings.max_deadline,
            max(1, settings.check_threads // 2),
        ),
    )
    limits = _limits(
        settings,
        settings.check_threads,
        settings.rate_checks_per_second,
        settings.max_standing_seconds,
    )
    return Port(
        _port_settings(settings, settings.check_port, limits),
        _paged(
            parts,
            _serves(authorization_pb2, AuthorizationServicer(decider, parts.credentials)),
        ),
        door.new_id,
        observed,
        door.now,
        parts.credentials,
    )


def admin_port(parts: Parts) -> Port:
    """Bind the port of every other service. Raises: AuthzError, OSError."""
    settings, observed = parts.settings, parts.observation("administration")
    executor = Executor(
        parts.store,
        lambda: parts.replica.index,
        parts.time.now,
        partial(require_no_older, parts.replica, settings.max_stale_admin_seconds),
    )
    limits = _limits(settings, settings.admin_threads, settings.rate_changes_per_second)
    return Port(
        _port_settings(settings, settings.admin_port, limits),
        _paged(parts, _administration(parts, AdminCalls(executor, observed, parts.credentials))),
        door.new_id,
        observed,
        door.now,
        parts.credentials,
    )


def _administration(parts: Parts, calls: AdminCalls) -> dict[ServiceDescriptor, object]:
    settings, billing_policy = parts.settings, parts.billing_policy
    subscriptions = subscription.service(billing_policy)
    invitation_lifetime = timedelta(days=settings.invitation_days)
    return {
        **administration.served(calls),
        **_serves(audit_pb2, AuditServicer(calls)),
        **subscriptions.served(calls),
        **changeset.service((*administration.SERVICES, subscriptions)).served(calls),
        **invitation.service(door.new_secret, invitation_lifetime).served(calls),
        **key.service(door.new_secret, parts.key_use.seen).served(calls),
        **identity.SERVICE.served(calls),
        **job.SERVICE.served(calls),
        **mail_template.SERVICE.served(calls),
        **webhook.service(
            door.new_webhook_secret,
            parts.jobs.prepare_now,
            plaintext=settings.webhook_allow_private,
        ).served(calls),
        **rule.service(parts.model).served(calls),
        **billing.service(billing_policy, parts.events, parts.fetcher).served(calls),
    }


def web_port(parts: Parts, inside: Sequence[Mount]) -> WebServer | None:
    """Bind the HTTP edge, if it is set; it serves the mounts `inside` only if it is told to.

    Raises: AuthzError, OSError.
    """
    settings = parts.settings
    if settings.web_port is None:
        return None
    files = _tls(settings, settings.web_host)
    return WebServer(
        WebSettings(
            settings.web_host,
            settings.web_port,
            "HTTP",
            certificate=files.certificate if files else None,
            key=files.key if files else None,
        ),
        [_billing_events(parts), *(inside if settings.web_metrics else ())],
    )


def metrics_port(settings: Settings, inside: Sequence[Mount]) -> WebServer | None:
    """Bind the port of metrics and health, if it is set. Raises: OSError."""
    if settings.metrics_port is None:
        return None
    listening = WebSettings(settings.metrics_host, settings.metrics_port, "metrics")
    return WebServer(listening, inside)


def inside_mounts(parts: Parts, ports: Sequence[Port], following: Following) -> list[Mount]:
    """Make the mounts that operations see and senders of events do not: metrics and health."""
    figures = sources(
        [(port.observed, partial(getattr, port, "waiting")) for port in ports],
        BOUNDS,
        parts.store,
        parts.replica,
        following,
        parts.explainer,
        parts.shadow,
        parts.events,
        parts.worker,
    )
    return [
        Mount("/metrics", _INSIDE, partial(metrics.routes, figures)),
        Mount("/health", _INSIDE, partial(health.routes, lambda: following.healthy)),
    ]


def _billing_events(parts: Parts) -> Mount:
    settings, policy = parts.settings, parts.billing_policy

    def routes(threads: Threads) -> list[Route]:
        url = settings.web_public_url
        return EventEdge(
            parts.event_door, policy, parts.event_secrets.of, parts.time.now, url, threads
        ).routes()

    limits = MountLimits(threads=16, requests=200, body_bytes=settings.web_max_body_bytes)
    return Mount("/events", limits, routes)


def _limits(
    settings: Settings, threads: int, per_second: float, standing_seconds: float = inf
) -> LimitSettings:
    return LimitSettings(
        threads=threads,
        max_waiting=settings.max_waiting,
        max_queue_seconds=settings.max_queue_seconds,
        max_seconds=settings.max_deadline,
        per_second=per_second,
        standing_seconds=standing_seconds,
    )


def _port_settings(settings: Settings, port: int, limits: LimitSettings) -> PortSettings:
    return PortSettings(
        host=settings.host,
        port=port,
        limits=limits,
        max_message_bytes=settings.max_message_bytes,
        max_streams=settings.max_streams,
        max_pending=settings.max_pending,
        tls=_tls(settings, settings.host),
    )


def _tls(settings: Settings, host: str) -> TlsFiles | None:
    """Return the files to serve TLS from. Raises: AuthzError, if keys would travel in the clear."""
    files = tls_files(settings.tls_cert, settings.tls_key, settings.tls_client_ca)
    require_no_listeners(host, files, settings.plaintext)
    return files


def _paged(
    parts: Parts, servicers: dict[ServiceDescriptor, object]
) -> dict[ServiceDescriptor, object]:
    return page_tokens.of_history(servicers, lambda: parts.replica.tip.history.id)


def _serves(file: Any, servicer: object) -> dict[ServiceDescriptor, object]:
    """Pair the one service that a proto file describes with what serves it."""
    (service,) = file.DESCRIPTOR.services_by_name.values()
    return {service: servicer}
