"""One-off exceptions to what a tenant's tier says."""

from dataclasses import dataclass, replace
from typing import Final

from authz_service.domain.audit import AuditRecord
from authz_service.domain.catalog import Feature
from authz_service.domain.change import Revision
from authz_service.domain.exception import EVERYONE, ExceptionKind, TenantException
from authz_service.domain.identifiers import checked
from authz_service.domain.window import Instant, Window
from authz_service.engine.index import Index
from authz_service.errors import ErrorReason, InvalidArgument, NotFound
from authz_service.store.unit_of_work import Transaction
from authz_service.usecases.grants import own_features
from authz_service.usecases.kernel import field_masks, paging, preconditions
from authz_service.usecases.kernel.execution import View, change, read
from authz_service.usecases.kernel.paging import Page, PageRequest

UPDATABLE: Final = field_masks.WINDOW | {"reason", "approver", "permissions", "feature"}


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateException:
    exception: TenantException

    @property
    def tenant(self) -> str:
        return self.exception.tenant


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateException:
    """Only what `mask` names is looked at."""

    tenant: str
    id: str
    mask: tuple[str, ...]
    window: Window
    permissions: frozenset[str]
    reason: str
    approver: str
    feature: Feature | None = None
    expected_revision: Revision = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class OneException:
    tenant: str
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListExceptions:
    """`subject` EVERYONE means those that are for everyone; None, or "", lets all through."""

    tenant: str
    page: PageRequest
    kind: ExceptionKind | None = None
    permission: str = ""
    subject: str | None = None
    live_at: Instant | None = None

    def lets_through(self, exception: TenantException) -> bool:
        return (
            self.kind in (None, exception.kind)
            and (not self.permission or self.permission in exception.permissions)
            and self.subject in (None, exception.subject)
            and (self.live_at is None or exception.window.covers(self.live_at))
        )


@change
def create_exception(tx: Transaction, command: CreateException) -> TenantException:
    exception = command.exception
    preconditions.running_customer(tx.index, exception.tenant, tx.now, "exception.tenant")
    _check(tx.index, exception)
    created = replace(exception, id=tx.new_id(), revision=tx.index.revision + 1)
    tx.change(None, created)
    tx.record(
        AuditRecord(
            "exception.granted", created.tenant, (created.id,), None, created, created.reason
        )
    )
    return created


@change
def update_exception(tx: Transaction, command: UpdateException) -> TenantException:
    preconditions.running_customer(tx.index, command.tenant, tx.now, "exception.tenant")
    mask = field_masks.checked(command.mask, UPDATABLE)
    exception = _find(tx.index, command.tenant, command.id, "exception.id")
    field_masks.unchanged(exception.revision, command.expected_revision)
    window = field_masks.window(exception.window, command.window, mask)
    fields = {name: getattr(command, name) for name in mask if name not in field_masks.WINDOW}
    return _amend(tx, exception, replace(exception, window=window, **fields))


def _amend(
    tx: Transaction, exception: TenantException, command: TenantException
) -> TenantException:
    if command == exception:
        return exception
    _check(tx.index, command, declared=command.permissions - exception.permissions)
    amended = replace(command, revision=tx.index.revision + 1)
    tx.change(exception, amended)
    why = tx.call.reason
    tx.record(
        AuditRecord("exception.updated", exception.tenant, (exception.id,), exception, amended, why)
    )
    return amended


@change
def delete_exception(tx: Transaction, command: OneException) -> TenantException:
    preconditions.customer(tx.index, command.tenant)
    exception = _find(tx.index, command.tenant, command.id)
    end_exception(tx, exception)
    return exception


def end_exception(tx: Transaction, exception: TenantException) -> None:
    """Let an exception be no fact any more."""
    tx.change(exception, None)
    tx.record(
        AuditRecord(
            "exception.revoked", exception.tenant, (exception.id,), exception, None, tx.call.reason
        )
    )


@read
def get_exception(view: View, query: OneException) -> TenantException:
    preconditions.tenant(view.index, query.tenant)
    return _find(view.index, query.tenant, query.id)


@read
def list_exceptions(view: View, query: ListExceptions) -> Page[TenantException]:
    preconditions.tenant(view.index, query.tenant)
    filters = ["exceptions", *(str(filtered) for filtered in _checked_filters(query))]
    exceptions = [e for e in _held(view.index, query.tenant) if query.lets_through(e)]
    exceptions.sort(key=lambda e: e.id)
    shown = paging.page(exceptions, lambda e: e.id, query.page, filters)
    return replace(shown, total_size=len(exceptions))


def _checked_filters(query: ListExceptions) -> tuple[object, ...]:
    if query.permission:
        checked("permission", query.permission)
    if query.subject not in (None, EVERYONE):
        checked("subject", query.subject)
    if query.live_at is not None:
        preconditions.instant(query.live_at, "live_at")
    return query.tenant, query.kind, query.permission, query.subject, query.live_at


def _check(
    index: Index, exception: TenantException, declared: frozenset[str] | None = None
) -> None:
    """Check all of an exception but its tenant; of its permissions, that `declared` are, or all."""
    _check_reach(exception)
    own_features.check(index, exception)
    for name in sorted(exception.permissions if declared is None else declared):
        preconditions.permission(index, name, "exception.permissions")
    exception.window.checked("exception.valid_until")
    preconditions.text(exception.reason, "exception.reason", required=True)
    preconditions.text(exception.approver, "exception.approver", at_most=200, required=True)


def _check_reach(exception: TenantException) -> None:
    """Check what an exception is about: only a denial is for one subject or one scope."""
    denial = exception.kind is ExceptionKind.DENY
    of_feature = exception.kind is ExceptionKind.FEATURE
    if of_feature and exception.permissions:
        raise _wrong("an exception for a feature has no permissions; leave them out", "permissions")
    if of_feature is not (exception.feature is not None):
        raise _wrong("name a feature in an exception of kind FEATURE, and in no other", "feature")
    if not (exception.permissions or of_feature or exception.kind is ExceptionKind.REPLACE):
        raise _wrong(
            "name at least one permission; only a replacement may have none", "permissions"
        )
    if exception.subject != EVERYONE:
        checked("subject", exception.subject, "exception.subject")
        if not denial:
            raise _wrong("only a denial can be for one subject; leave it empty", "subject")
    if exception.scope:
        checked("scope", exception.scope, "exception.scope")
        if not denial:
            raise _wrong("only a denial can be for one scope; leave it empty", "scope")


def _held(index: Index, tenant: str) -> tuple[TenantException, ...]:
    entry = index.tenants.get(tenant)
    return entry.exceptions if entry is not None else ()


def _find(index: Index, tenant: str, exception_id: str, field: str = "id") -> TenantException:
    checked("id", exception_id, field)
    for exception in _held(index, tenant):
        if exception.id == exception_id:
            return exception
    raise NotFound(
        ErrorReason.EXCEPTION_NOT_FOUND,
        f"tenant {tenant!r} has no exception {exception_id!r}; list them to see which it has",
        field=field,
    )


def _wrong(message: str, field: str) -> InvalidArgument:
    return InvalidArgument(ErrorReason.INVALID_FIELD, message, field=f"exception.{field}")
