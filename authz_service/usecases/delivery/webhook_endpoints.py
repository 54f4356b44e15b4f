"""Webhook endpoints: who is notified of changes, and the outcome of deliveries."""

import re
from dataclasses import dataclass, replace
from typing import Final

from authz_service.domain.audit import AuditRecord
from authz_service.domain.endpoint import Endpoint, checked_url
from authz_service.domain.identifiers import checked
from authz_service.domain.job import Job, JobState
from authz_service.domain.tenant import SYSTEM
from authz_service.engine.index import Index
from authz_service.errors import ErrorReason, FailedPrecondition, InvalidArgument, NotFound
from authz_service.store import jobs as store
from authz_service.store.filters import JobFilter
from authz_service.store.unit_of_work import Transaction
from authz_service.usecases.delivery import job_rpcs
from authz_service.usecases.delivery.job_rpcs import OneJob
from authz_service.usecases.delivery.outbox import delivery
from authz_service.usecases.kernel import field_masks, paging, preconditions
from authz_service.usecases.kernel.execution import View, change, read
from authz_service.usecases.kernel.paging import Page, PageRequest

MOST: Final = 20
"""How many endpoints a tenant may have, and how many may serve all: every change checks each."""

PING: Final = "endpoint.ping"

LONGEST_OVERLAP: Final = 30 * 86_400_000_000

_KIND: Final = re.compile(r"\*|[a-z_]{1,40}\.(\*|[a-z_]{1,40})")
_MOST_KINDS: Final = 50
_MASK: Final = ("url", "kinds", "description", "disabled")


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateEndpoint:
    """`secret` is what deliveries are signed with; `plaintext` lets the URL be http."""

    tenant: str
    url: str
    kinds: tuple[str, ...]
    description: str
    secret: str
    plaintext: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateEndpoint:
    tenant: str
    id: str
    url: str
    kinds: tuple[str, ...]
    description: str
    disabled: bool
    mask: tuple[str, ...]
    plaintext: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OneEndpoint:
    tenant: str
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RotateSecret:
    """`overlap` is how long the old secret signs as well, in microseconds."""

    tenant: str
    id: str
    secret: str
    overlap: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ListEndpoints:
    tenant: str
    page: PageRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class ListDeliveries:
    tenant: str
    endpoint: str
    page: PageRequest
    state: JobState | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OneDelivery:
    tenant: str
    endpoint: str
    id: str


@change
def create_endpoint(tx: Transaction, command: CreateEndpoint) -> Endpoint:
    if command.tenant:
        preconditions.running_customer(tx.index, command.tenant, tx.now)
    have = [
        endpoint for endpoint in tx.index.endpoints.values() if endpoint.tenant == command.tenant
    ]
    if len(have) >= MOST:
        raise FailedPrecondition(
            ErrorReason.TOO_MANY_ENDPOINTS,
            f"there are {MOST} endpoints already; delete one that is not needed",
            field="endpoint",
        )
    new = Endpoint(
        f"end-{tx.new_id()}",
        command.tenant,
        checked_url(command.url, "endpoint.url", plaintext=command.plaintext),
        _kinds(command.kinds),
        preconditions.text(command.description, "endpoint.description", at_most=200),
        created_at=tx.now,
    )
    store.set_secret(tx.connection, tx.seals, new.id, command.secret, tx.now, 0)
    _changed(tx, "endpoint.created", None, new)
    return new


@change
def update_endpoint(tx: Transaction, command: UpdateEndpoint) -> Endpoint:
    """Change what the mask names. An endpoint that is re-enabled is notified from then on."""
    before = find(tx.index, command.tenant, command.id, "endpoint.id")
    mask = field_masks.checked(command.mask, _MASK)
    after = before
    if "url" in mask:
        url = checked_url(command.url, "endpoint.url", plaintext=command.plaintext)
        after = replace(after, url=url)
    if "kinds" in mask:
        after = replace(after, kinds=_kinds(command.kinds))
    if "description" in mask:
        description = preconditions.text(command.description, "endpoint.description", at_most=200)
        after = replace(after, description=description)
    if "disabled" in mask:
        why = before.disabled or "switched off"
        after = replace(after, disabled=why if command.disabled else "")
    if after != before:
        _changed(tx, "endpoint.updated", before, after)
    return after


@change
def delete_endpoint(tx: Transaction, command: OneEndpoint) -> Endpoint:
    """Delete an endpoint and its secrets; its pending deliveries are given up."""
    endpoint = find(tx.index, command.tenant, command.id)
    store.forget_secrets(tx.connection, endpoint.id)
    _changed(tx, "endpoint.deleted", endpoint, None)
    return endpoint


@change
def rotate_endpoint_secret(tx: Transaction, command: RotateSecret) -> Endpoint:
    """Sign with a new secret, and with the old one too during the overlap."""
    endpoint = find(tx.index, command.tenant, command.id)
    if not 0 <= command.overlap <= LONGEST_OVERLAP:
        raise InvalidArgument(
            ErrorReason.INVALID_FIELD, "overlap must be 0 to 30 days", field="overlap"
        )
    store.set_secret(tx.connection, tx.seals, endpoint.id, command.secret, tx.now, command.overlap)
    tx.record(
        AuditRecord(
            "endpoint.secret_rotated", _chain(endpoint), (endpoint.id,), None, None, tx.call.reason
        )
    )
    return endpoint


@change
def ping_endpoint(tx: Transaction, command: OneEndpoint) -> Job:
    """Deliver a message that means nothing, whatever the endpoint listens to."""
    endpoint = _enabled(find(tx.index, command.tenant, command.id))
    record = AuditRecord(PING, endpoint.tenant, (endpoint.id,))
    job = delivery(tx.new_id, endpoint.id, record, tx.index.revision, tx.now, f"ping/{tx.new_id()}")
    tx.enqueue(job)
    tx.record(
        AuditRecord(
            "endpoint.pinged", _chain(endpoint), (endpoint.id, job.id), reason=tx.call.reason
        )
    )
    return job


@change
def redeliver_delivery(tx: Transaction, command: OneDelivery) -> Job:
    """Repeat a delivery under the same id, whatever its outcome was."""
    endpoint = _enabled(find(tx.index, command.tenant, command.endpoint, "endpoint"))
    query = OneJob(id=checked("id", command.id))
    job = job_rpcs.owned(store.find(tx.connection, query.id, lock=True), query)
    job_rpcs.owned(job if job.target == endpoint.id else None, query)
    return job_rpcs.restarted(tx, job, "job.redelivered")


@read
def get_endpoint(view: View, query: OneEndpoint) -> Endpoint:
    return find(view.index, query.tenant, query.id)


@read
def list_endpoints(view: View, query: ListEndpoints) -> Page[Endpoint]:
    """List a tenant's endpoints; without one, every endpoint there is."""
    if query.tenant:
        preconditions.tenant(view.index, query.tenant)
    endpoints = [e for e in view.index.endpoints.values() if query.tenant in ("", e.tenant)]
    filters = ["endpoints", query.tenant]
    in_order = sorted(endpoints, key=lambda endpoint: endpoint.id)
    return paging.page(in_order, lambda endpoint: endpoint.id, query.page, filters)


@read
def list_deliveries(view: View, query: ListDeliveries) -> Page[Job]:
    endpoint = find(view.index, query.tenant, query.endpoint, "endpoint")
    matching = JobFilter(target=endpoint.id, state=query.state)
    filters = ["deliveries", endpoint.id, str(query.state)]
    return job_rpcs.newest(view, query.page, filters, matching)


def find(index: Index, tenant: str, endpoint: str, field: str = "id") -> Endpoint:
    """Find an endpoint: one of this tenant, or any for a caller with the right for all.

    Raises:
        NotFound: TENANT_NOT_FOUND, ENDPOINT_NOT_FOUND.
        FailedPrecondition: TENANT_RESERVED.
    """
    if tenant:
        preconditions.customer(index, tenant)
    match = index.endpoints.get(checked("id", endpoint, field))
    if match is None or tenant not in ("", match.tenant):
        raise NotFound(
            ErrorReason.ENDPOINT_NOT_FOUND,
            f"there is no endpoint {endpoint[:140]!r}; list the endpoints to see those there are",
            field=field,
        )
    return match


def _kinds(kinds: tuple[str, ...]) -> tuple[str, ...]:
    if len(kinds) > _MOST_KINDS:
        raise _wrong_kind(f"at most {_MOST_KINDS} kinds")
    for kind in kinds:
        if not _KIND.fullmatch(kind):
            raise _wrong_kind("each is an action of the audit, `member.added`, `member.*` or `*`")
    return tuple(sorted(set(kinds))) or ("*",)


def _wrong_kind(message: str) -> InvalidArgument:
    field = "endpoint.kinds"
    return InvalidArgument(ErrorReason.INVALID_FIELD, f"{field}: {message}", field=field)


def _enabled(endpoint: Endpoint) -> Endpoint:
    if endpoint.disabled:
        raise FailedPrecondition(
            ErrorReason.ENDPOINT_DISABLED,
            f"endpoint {endpoint.id!r} is disabled ({endpoint.disabled}); enable it first",
            field="id",
        )
    return endpoint


def _changed(tx: Transaction, action: str, before: Endpoint | None, after: Endpoint | None) -> None:
    fact = after or before
    if fact is not None:
        tx.change(before, after)
        tx.record(AuditRecord(action, _chain(fact), (fact.id,), before, after, tx.call.reason))


def _chain(of: Endpoint) -> str:
    return of.tenant or SYSTEM
