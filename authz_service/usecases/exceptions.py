"""One-off exceptions to what a tenant's tier says."""

from dataclasses import dataclass, replace

from authz_service.domain.audit import Event
from authz_service.domain.exception import EVERYONE, ExceptionKind, TenantException
from authz_service.domain.identifiers import checked
from authz_service.engine.index import Index
from authz_service.errors import ErrorReason, InvalidArgument, NotFound
from authz_service.store.unit_of_work import Transaction
from authz_service.usecases import paging, require
from authz_service.usecases.execution import View, change, read
from authz_service.usecases.paging import Page, PageRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantException:
    exception: TenantException

    @property
    def tenant(self) -> str:
        return self.exception.tenant


@dataclass(frozen=True, slots=True, kw_only=True)
class OneException:
    tenant: str
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListExceptions:
    tenant: str
    page: PageRequest


@change("exceptions:create")
def grant_exception(tx: Transaction, wanted: GrantException) -> TenantException:
    exception = wanted.exception
    require.running_customer(tx.index, exception.tenant, tx.now, "exception.tenant")
    _check_reach(exception)
    for name in sorted(exception.permissions):
        require.permission(tx.index, name, "exception.permissions")
    exception.window.checked("exception.valid_until")
    require.text(exception.reason, "exception.reason", required=True)
    require.text(exception.approver, "exception.approver", at_most=200, required=True)
    made = replace(exception, id=tx.new_id())
    tx.change(None, made)
    tx.record(Event("exception.granted", made.tenant, (made.id,), None, made, made.reason))
    return made


@change("exceptions:delete")
def revoke_exception(tx: Transaction, wanted: OneException) -> TenantException:
    require.customer(tx.index, wanted.tenant)
    held = _find(tx.index, wanted)
    tx.change(held, None)
    tx.record(Event("exception.revoked", held.tenant, (held.id,), held, None, tx.call.reason))
    return held


@read("exceptions:get")
def get_exception(view: View, wanted: OneException) -> TenantException:
    require.tenant(view.index, wanted.tenant)
    return _find(view.index, wanted)


@read("exceptions:list")
def list_exceptions(view: View, wanted: ListExceptions) -> Page[TenantException]:
    require.tenant(view.index, wanted.tenant)
    found = sorted(_held(view.index, wanted.tenant), key=lambda e: e.id)
    return paging.page(found, lambda e: e.id, wanted.page, ["exceptions", wanted.tenant])


def _check_reach(exception: TenantException) -> None:
    """Check what an exception is about: only a denial is for one subject or one scope."""
    denial = exception.kind is ExceptionKind.DENY
    if not exception.permissions and exception.kind is not ExceptionKind.REPLACE:
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


def _find(index: Index, wanted: OneException) -> TenantException:
    for exception in _held(index, wanted.tenant):
        if exception.id == wanted.id:
            return exception
    raise NotFound(
        ErrorReason.EXCEPTION_NOT_FOUND,
        f"tenant {wanted.tenant!r} has no exception {wanted.id!r}; list them to see which it has",
        field="id",
    )


def _wrong(message: str, field: str) -> InvalidArgument:
    return InvalidArgument(ErrorReason.INVALID_FIELD, message, field=f"exception.{field}")
