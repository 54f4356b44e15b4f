"""What a customer has bought beside its tier: add-ons, and limits of its own."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from authz_service.domain.catalog import Limit, chain
from authz_service.domain.definition_validation import check_amount
from authz_service.domain.identifiers import checked
from authz_service.domain.lifecycle import require_not_offboarded
from authz_service.domain.schedule import checked_later
from authz_service.domain.subscription import with_add_on, with_limits, without_add_on
from authz_service.domain.tenant import Tenant
from authz_service.domain.window import ALWAYS, FOREVER, Instant, Window
from authz_service.engine.index import Index
from authz_service.errors import ErrorReason, FailedPrecondition, InvalidArgument
from authz_service.store.unit_of_work import Transaction
from authz_service.usecases.kernel import preconditions
from authz_service.usecases.kernel.execution import change
from authz_service.usecases.tenants.tenant_view import TenantNow, changed

MAX_OWN_LIMITS: Final = 100
"""Limits of a tenant's own that one call may set or remove."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AddAddOn:
    tenant: str
    add_on: str
    window: Window = ALWAYS


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveAddOn:
    """`at` None is now."""

    tenant: str
    add_on: str
    at: Instant | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SetLimits:
    tenant: str
    limits: tuple[Limit, ...] = ()
    removed: tuple[str, ...] = ()


@change
def add_add_on(tx: Transaction, command: AddAddOn) -> TenantNow:
    tenant = preconditions.customer(tx.index, command.tenant)
    require_not_offboarded(tenant, tx.now, "given an add-on")
    plan = preconditions.add_on(tx.index, command.add_on)
    window = command.window.checked("valid_until")
    if window.valid_until != FOREVER:
        checked_later(window.valid_until, tx.now, "valid_until")
    after = with_add_on(tenant, plan.name, window, tx.now)
    return changed(tx, "tenant.add_on_added", tenant, after)


@change
def remove_add_on(tx: Transaction, command: RemoveAddOn) -> TenantNow:
    """End an add-on, now or at an instant. Neither state nor catalogue can prevent it."""
    tenant = preconditions.customer(tx.index, command.tenant)
    name = checked("add_on", command.add_on)
    at = tx.now if command.at is None else checked_later(command.at, tx.now, "end_time")
    after = without_add_on(tenant, name, at, tx.now)
    return changed(tx, "tenant.add_on_removed", tenant, after)


@change
def set_limits(tx: Transaction, command: SetLimits) -> TenantNow:
    """Set and remove limits of the tenant's own; those not named stay."""
    tenant = preconditions.customer(tx.index, command.tenant)
    require_not_offboarded(tenant, tx.now, "given limits")
    if not command.limits and not command.removed:
        raise _wrong("name at least one limit to set or to remove", "limits")
    for name in command.removed:
        checked("limit", name, "removed")
    require_limits(tx.index, tenant, command.limits)
    _require_each_once(command.removed, "removed")
    if set(command.removed) & {limit.name for limit in command.limits}:
        raise _wrong("the same limit is to be set and removed; name it once", "removed")
    after = with_limits(tenant, command.limits, command.removed)
    return changed(tx, "tenant.limits_set", tenant, after)


def require_limits(index: Index, tenant: Tenant, limits: Sequence[Limit]) -> None:
    """Check limits that are to be a tenant's own.

    Raises:
        AuthzError: one is malformed, named twice, or counted otherwise than the tenant's plans
            count it (LIMIT_UNIT_MISMATCH).
    """
    if len(limits) > MAX_OWN_LIMITS:
        raise _wrong(f"{len(limits)} limits; at most {MAX_OWN_LIMITS} in one call", "limits")
    _require_each_once([limit.name for limit in limits], "limits")
    for at, limit in enumerate(limits):
        _require_sound(limit, f"limits[{at}]")
        like = _like(index, tenant, limit.name)
        if like is not None and not limit.counts_like(like):
            raise FailedPrecondition(
                ErrorReason.LIMIT_UNIT_MISMATCH,
                f"the plans of {tenant.id!r} count {limit.name!r} in {like.measure!r}, not in "
                f"{limit.measure!r}; count it as they do",
                field=f"limits[{at}].unit",
                details={"limit": limit.name, "unit": like.measure},
            )


def _require_sound(limit: Limit, field: str) -> None:
    checked("limit", limit.name, f"{field}.name")
    for violation in check_amount((field,), limit):
        raise InvalidArgument(violation.reason, violation.message, field=violation.field)


def _like(index: Index, tenant: Tenant, name: str) -> Limit | None:
    """Find how the plans held, now or at some other time, count a limit; None if none has it."""
    for item in tenant.subscription_items:
        for plan in chain(index.plans, item.plan):
            for limit in plan.limits:
                if limit.name == name:
                    return limit
    return None


def _require_each_once(names: Iterable[str], field: str) -> None:
    listed = list(names)
    if len(set(listed)) < len(listed):
        raise _wrong("the same one is named twice; name each once", field)


def _wrong(message: str, field: str) -> InvalidArgument:
    return InvalidArgument(ErrorReason.INVALID_FIELD, message, field=field)
