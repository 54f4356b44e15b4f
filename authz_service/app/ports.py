"""What a process listens on: checks, administration, the HTTP edge, metrics."""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Final

from google.protobuf.descriptor import ServiceDescriptor
from starlette.routing import Route

from authz_service.app import door
from authz_service.app.admin_parts import Parts
from authz_service.app.listening import limits, paged, port_settings, serves, tls
from authz_service.domain.billing_policy import BillingPolicy
from authz_service.gen.authz.v1 import (
    audit_pb2,
)
from authz_service.replication.following import Following
from authz_service.rpc import administration
from authz_service.rpc.calls import AdminCalls
from authz_service.rpc.server import Port
from authz_service.rpc.services import (
    billing,
    changeset,
    identity,
    invitation,
    job,
    key,
    mail_template,
    rule,
    webhook,
)
from authz_service.rpc.services.audit import AuditServicer
from authz_service.serving.call_stats import BOUNDS
from authz_service.serving.figures import Figures, of_port
from authz_service.usecases.decisions.freshness import require_no_older
from authz_service.usecases.kernel.billing_policy import in_force
from authz_service.usecases.kernel.executor import Elsewhere, Executor
from authz_service.web import health, metrics
from authz_service.web.billing_events import EventEdge
from authz_service.web.metric_sources import sources
from authz_service.web.mounts import Mount, MountLimits, Threads
from authz_service.web.server import WebServer, WebSettings

NO_DATABASE: Final = "checks only: the database does not answer"

_INSIDE: Final = MountLimits(threads=2, requests=10, body_bytes=0)


def admin_port(parts: Parts, elsewhere: Elsewhere | None = None) -> Port:
    """Bind the port of every other service; long reads are done `elsewhere`.

    Raises: AuthzError, OSError.
    """
    settings, observed = parts.settings, parts.observation("administration")
    executor = Executor(
        parts.store,
        lambda: parts.replica.index,
        parts.time.now,
        partial(require_no_older, parts.replica, settings.max_stale_admin_seconds),
        elsewhere,
    )
    bounds = limits(settings, settings.admin_threads, settings.rate_changes_per_second)
    return Port(
        port_settings(parts, settings.admin_port, bounds),
        paged(parts, _administration(parts, AdminCalls(executor, observed, parts.credentials))),
        door.new_id,
        observed,
        door.now,
        parts.gate,
    )


def _administration(parts: Parts, calls: AdminCalls) -> dict[ServiceDescriptor, object]:
    settings = parts.settings
    invitation_lifetime = timedelta(days=settings.invitation_days)
    return {
        **administration.served(calls),
        **serves(audit_pb2, AuditServicer(calls)),
        **changeset.service(administration.SERVICES).served(calls),
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
        **billing.service(parts.events, parts.fetcher).served(calls),
    }


def web_port(parts: Parts, inside: Sequence[Mount]) -> WebServer | None:
    """Bind the HTTP edge, if it is set; it serves the mounts `inside` only if it is told to.

    Raises: AuthzError, OSError.
    """
    settings = parts.settings
    if settings.web_port is None:
        return None
    files = tls(settings, settings.web_host)
    return WebServer(
        WebSettings(
            settings.web_host,
            settings.web_port,
            "HTTP",
            shared=parts.shared,
            certificate=files.certificate if files else None,
            key=files.key if files else None,
        ),
        [_billing_events(parts), *(inside if settings.web_metrics else ())],
    )


def metrics_port(parts: Parts, inside: Sequence[Mount]) -> WebServer | None:
    """Bind the port of metrics and health, if it is set. Raises: OSError."""
    settings = parts.settings
    if settings.metrics_port is None:
        return None
    listening = WebSettings(
        settings.metrics_host, settings.metrics_port, "metrics", shared=parts.shared
    )
    return WebServer(listening, inside)


def inside_mounts(
    parts: Parts,
    ports: Mapping[str, Callable[[], Figures]],
    check_workers: Callable[[], int],
    ailment: Callable[[], str],
) -> list[Mount]:
    """Make the mounts that operations see and senders of events do not: metrics and health."""
    figures = sources(ports, BOUNDS, parts.worker, check_workers)
    return [
        Mount("/metrics", _INSIDE, partial(metrics.routes, figures)),
        Mount("/health", _INSIDE, partial(health.routes, ailment)),
    ]


def admin_figures(parts: Parts, port: Port, following: Following) -> Figures:
    """Read what administration in this process has come to."""
    counts = {
        "changes": parts.store.changes,
        "entries": parts.store.entries,
        "events": parts.events,
    }
    return parts.standing(of_port(port.observed, port.waiting, counts), following)


def _billing_events(parts: Parts) -> Mount:
    settings = parts.settings

    def policy() -> BillingPolicy:
        return in_force(parts.replica.index)

    def routes(threads: Threads) -> list[Route]:
        url = settings.web_public_url
        return EventEdge(
            parts.event_door, policy, parts.event_secrets.of, parts.time.now, url, threads
        ).routes()

    of_mount = MountLimits(threads=16, requests=200, body_bytes=settings.web_max_body_bytes)
    return Mount("/events", of_mount, routes)
