"""Many customers at once, each whole or not at all; those that are there already are left alone."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from authz_service.domain.audit import AuditRecord
from authz_service.domain.catalog import ADD_ON
from authz_service.domain.tenant import SYSTEM, Tenant, TenantState
from authz_service.errors import AuthzError, ErrorReason, Internal, InvalidArgument, Unavailable
from authz_service.store.unit_of_work import Transaction
from authz_service.usecases.kernel import preconditions
from authz_service.usecases.kernel.execution import change_of_many
from authz_service.usecases.tenants.onboarding import OnboardTenant, open_account

MAX_MEMBERS: Final = 1000
"""Members that one call may carry, of all its customers together."""

_MOST_DIFFERENCES: Final = 20
_MOST_TARGET: Final = 200
"""Characters of a name in the audit that nobody has checked yet."""


class Outcome(StrEnum):
    """What became of a customer to import."""

    CREATED = "created"
    UNCHANGED = "unchanged"
    DIFFERENT = "different"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class CustomerRow:
    """A customer to import, or why it could not even be read; its fields begin at the customer."""

    tenant: str
    wanted: OnboardTenant | None = None
    refusal: AuthzError | None = None
    members: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchOnboardTenants:
    customers: tuple[CustomerRow, ...]
    tenant: str = ""

    @property
    def tenants(self) -> Collection[str]:
        return dict.fromkeys(row.tenant for row in self.customers)


@dataclass(frozen=True, slots=True)
class Imported:
    """`differences` say where a customer that was there is another than the wanted one."""

    tenant: str
    outcome: Outcome
    reason: ErrorReason | None = None
    field: str = ""
    message: str = ""
    differences: tuple[str, ...] = ()


@change_of_many
def batch_onboard_tenants(tx: Transaction, command: BatchOnboardTenants) -> tuple[Imported, ...]:
    """Open those that are not there; tell of each, in order, what became of it."""
    preconditions.batch(len(command.customers), "tenants", at_least=1)
    members = sum(row.members for row in command.customers)
    preconditions.batch(members, "tenants", at_most=MAX_MEMBERS)
    visited: set[str] = set()
    return tuple(_imported(tx, row, visited) for row in command.customers)


def _imported(tx: Transaction, row: CustomerRow, visited: set[str]) -> Imported:
    # Customers do not depend on each other: each sees the head alone, however many came before.
    step = replace(tx, changes=[], records=[])
    try:
        there = _there(tx, row, visited)
        if there is None and row.wanted is not None:
            open_account(step, row.wanted)
    except (Unavailable, Internal):
        raise
    except AuthzError as refusal:
        return _refused(tx, row, refusal)
    if there is not None and row.wanted is not None:
        differences = tuple(_differences(tx, there, row.wanted))
        outcome = Outcome.DIFFERENT if differences else Outcome.UNCHANGED
        return Imported(row.tenant, outcome, differences=differences[:_MOST_DIFFERENCES])
    tx.changes += step.changes
    tx.records += step.records
    return Imported(row.tenant, Outcome.CREATED)


def _there(tx: Transaction, row: CustomerRow, visited: set[str]) -> Tenant | None:
    """Find the account, if it is there. Raises: what is wrong with the row as such."""
    if row.refusal is not None:
        raise row.refusal
    if row.tenant in visited:
        raise InvalidArgument(
            ErrorReason.INVALID_FIELD,
            f"{row.tenant!r} stands in this call before; name each customer once",
            field="tenant",
        )
    visited.add(row.tenant)
    return tx.index.tenant(row.tenant) if row.tenant != SYSTEM else None


def _refused(tx: Transaction, row: CustomerRow, refusal: AuthzError) -> Imported:
    details = {"field": refusal.field, **refusal.details}
    target = (f"tenant:{row.tenant[:_MOST_TARGET]}",)
    tx.record(
        AuditRecord(
            batch_onboard_tenants.right,
            SYSTEM,
            target,
            details=details,
            outcome=refusal.reason.value,
        )
    )
    return Imported(row.tenant, Outcome.REFUSED, refusal.reason, refusal.field, refusal.message)


def _differences(tx: Transaction, there: Tenant, command: OnboardTenant) -> Iterator[str]:
    """Name what an account lacks of what is wanted. What it has beside that is its own matter."""
    if there.state_at(tx.now) is TenantState.OFFBOARDED:
        yield "state offboarded"
    if command.display_name not in ("", there.display_name):
        yield "display_name"
    if command.tier != there.tier_at(tx.now):
        yield "tier"
    plans = {item.plan for item in there.subscription_items}
    yield from (f"add_ons {name}" for name in command.add_ons if ADD_ON + name not in plans)
    yield from (f"limits {limit.name}" for limit in command.limits if limit not in there.limits)
    for member in command.members:
        if tx.index.member(there.id, member.subject) is None:
            yield f"members {member.subject}"
            continue
        roles = {grant.role for grant in tx.index.grants(there.id, member.subject)}
        yield from (f"roles {member.subject} {r}" for r in member.roles if r not in roles)
