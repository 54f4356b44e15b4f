"""Accounts and their contracts, compared; and led back to them on request."""

from dataclasses import dataclass

from authz_service.domain.billing_event import EventState, StoredEvent
from authz_service.domain.billing_policy import LifecyclePolicy
from authz_service.domain.contract import Contract, fold
from authz_service.domain.contract_account import drift
from authz_service.domain.contract_change import opening
from authz_service.domain.identifiers import checked
from authz_service.domain.tenant import SYSTEM
from authz_service.domain.window import Instant
from authz_service.errors import AuthzError, ErrorReason, InvalidArgument
from authz_service.store import events
from authz_service.store.unit_of_work import Transaction
from authz_service.usecases.billing.ingestion import carried_out, refused
from authz_service.usecases.billing.interpretation import MEANING, Unreadable, terms_of
from authz_service.usecases.kernel import paging, preconditions
from authz_service.usecases.kernel.execution import change
from authz_service.usecases.kernel.paging import Page, PageRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Desired:
    """A contract as the billing system has it now: plans and quantities, and what is dated."""

    tenant: str
    plans: tuple[tuple[str, int], ...]
    display_name: str = ""
    trial_until: Instant | None = None
    grace_until: Instant | None = None
    paused: bool = False
    ends_at: Instant | None = None
    churned: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconcile:
    """`tenant` "" stands for all that events have told of, `source` "" for any."""

    policy: LifecyclePolicy
    page: PageRequest
    tenant: str = ""
    source: str = ""
    desired: tuple[Desired, ...] = ()
    repair: bool = False


@dataclass(frozen=True, slots=True)
class Drift:
    """Where one account has come apart from its contract, in words."""

    tenant: str
    differences: tuple[str, ...] = ()
    repaired: bool = False
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Reconciled:
    drifts: tuple[Drift, ...]
    compared: int
    next_token: str = ""


@change
def reconcile(tx: Transaction, command: Reconcile) -> Reconciled:
    """Compare, and repair each tenant alone: one that cannot be repaired holds no other up."""
    if command.desired:
        _require_own(tx, command)
        found = [_of_desired(tx, command, each) for each in command.desired]
        return Reconciled(tuple(each for each in found if each), len(found))
    page = _tenants(tx, command)
    found = [_of_events(tx, command, tenant) for tenant in page.items]
    return Reconciled(tuple(each for each in found if each), len(found), page.next_token)


def _require_own(tx: Transaction, command: Reconcile) -> None:
    """Check that a list is about the one tenant that the request names, if it names one.

    The right was asked for that one alone. It need not be there yet, but is no reserved one.
    """
    if command.tenant == SYSTEM:
        preconditions.customer(tx.index, command.tenant)
    preconditions.batch(len(command.desired), "desired")
    for at, each in enumerate(command.desired):
        if command.tenant not in ("", each.tenant):
            raise InvalidArgument(
                ErrorReason.INVALID_FIELD,
                f"it is about {each.tenant[:100]!r}, the request about {command.tenant!r}; leave "
                "`tenant` out to compare several",
                field=f"desired[{at}].tenant",
            )


def _tenants(tx: Transaction, command: Reconcile) -> Page[str]:
    if command.tenant:
        return Page((preconditions.customer(tx.index, command.tenant).id,))
    query = ["reconcile", command.source]
    size, after = paging.size(command.page), paging.start(command.page, query)
    found = events.tenants_of(tx.connection, command.source, after, size + 1)
    return paging.cut(found, str, size, query)


def _of_events(tx: Transaction, command: Reconcile, tenant: str) -> Drift | None:
    rows = [row for row in events.of_tenant(tx.connection, tenant) if _counts(row)]
    contract = fold(MEANING.validate_json(row.meaning) for row in rows)
    return _compared(tx, command, tenant, contract) if rows else None


def _counts(row: StoredEvent) -> bool:
    return row.state is EventState.APPLIED


def _of_desired(tx: Transaction, command: Reconcile, desired: Desired) -> Drift | None:
    try:
        checked("tenant", desired.tenant)
        contract = _contract(command.policy, desired)
    except (AuthzError, Unreadable) as wrong:
        return Drift(desired.tenant, problem=wrong.message)
    if desired.tenant == SYSTEM:
        return Drift(desired.tenant, problem="the tenant `system` is no customer")
    return _compared(tx, command, desired.tenant, contract)


def _contract(policy: LifecyclePolicy, desired: Desired) -> Contract:
    if desired.churned:
        return Contract(opened=True, churned=True)
    terms = terms_of(policy, ((plan, quantity) for plan, quantity in desired.plans))
    return Contract(
        opened=True,
        display_name=desired.display_name,
        terms=terms,
        sold=frozenset().union(*(plan.add_ons for plan in policy.plans.values())),
        limited=frozenset(name for plan in policy.plans.values() for name in plan.limits),
        trial_until=desired.trial_until,
        trial_then=policy.trial_then,
        grace_until=desired.grace_until,
        paused=desired.paused,
        ends_at=desired.ends_at,
        ends_then=policy.cancelled_then,
    )


def _compared(tx: Transaction, command: Reconcile, tenant: str, contract: Contract) -> Drift | None:
    account = tx.index.tenant(tenant)
    if account is not None:
        actions = drift(account, contract, tx.now)
    else:
        actions = opening(contract, tx.now) if contract.complete else ()
    if not actions:
        return None
    differences = tuple(action.summary for action in actions)
    if not command.repair:
        return Drift(tenant, differences)
    reason = f"reconciled {tx.call.reason}".strip()
    try:
        carried_out(tx, command.policy, tenant, reason, actions)
    except AuthzError as refusal:
        return Drift(tenant, differences, problem=refused(refusal).message)
    return Drift(tenant, differences, repaired=True)
