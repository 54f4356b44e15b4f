"""Accounts and their contracts, compared; and led back to them on request."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from authz_service.domain.agreement import OFFBOARDED, Agreement, Standing
from authz_service.domain.billing_event import EventReason, EventState
from authz_service.domain.billing_policy import BillingPolicy
from authz_service.domain.contract import EMPTY, Contract, fold
from authz_service.domain.contract_account import drift
from authz_service.domain.contract_change import opening
from authz_service.domain.identifiers import checked
from authz_service.domain.tenant import SYSTEM
from authz_service.domain.window import FOREVER, Instant
from authz_service.errors import AuthzError, ErrorReason, InvalidArgument
from authz_service.store import events
from authz_service.store.unit_of_work import Transaction
from authz_service.usecases.billing.ingestion import carried_out, refused
from authz_service.usecases.billing.interpretation import MEANING
from authz_service.usecases.billing.terms import terms_of
from authz_service.usecases.billing.values import Unreadable
from authz_service.usecases.kernel import paging, preconditions
from authz_service.usecases.kernel.execution import change
from authz_service.usecases.kernel.paging import Page, PageRequest

_ANY_TIER: Final = "ended"
"""What stands for the tier of an agreement that is over: no account is led to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Desired:
    """An agreement as the billing system has it now: plans and quantities, and what is dated."""

    tenant: str
    agreement: str = ""
    plans: tuple[tuple[str, int | None], ...] = ()
    display_name: str = ""
    trial_until: Instant | None = None
    grace_until: Instant | None = None
    paused: bool = False
    ends_at: Instant | None = None
    churned: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconcile:
    """`tenant` "" stands for all that events have told of, `source` "" for any.

    `desired` are all agreements that `source` has of the tenants that they name. What other sources
    have told of counts beside them.
    """

    policy: BillingPolicy
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
        by_tenant: defaultdict[str, list[Desired]] = defaultdict(list)
        for desired in command.desired:
            by_tenant[desired.tenant].append(desired)
        drifts = [_of_desired(tx, command, tenant, all_) for tenant, all_ in by_tenant.items()]
        return Reconciled(tuple(drift for drift in drifts if drift), len(drifts))
    page = _tenants(tx, command)
    drifts = [_of_events(tx, command, tenant) for tenant in page.items]
    return Reconciled(tuple(drift for drift in drifts if drift), len(drifts), page.next_token)


def _require_own(tx: Transaction, command: Reconcile) -> None:
    """Check that a list is about the one tenant that the request names, if it names one.

    The right was asked for that one alone. It need not be there yet, but is no reserved one.
    """
    if command.tenant == SYSTEM:
        preconditions.customer(tx.index, command.tenant)
    preconditions.batch(len(command.desired), "desired")
    if command.source not in command.policy.sources:
        raise InvalidArgument(
            ErrorReason.INVALID_FIELD,
            "say which source the list was read from: agreements of other sources stay as they are",
            field="source",
        )
    for at, desired in enumerate(command.desired):
        if command.tenant not in ("", desired.tenant):
            raise InvalidArgument(
                ErrorReason.INVALID_FIELD,
                f"it is about {desired.tenant[:100]!r}, the request about {command.tenant!r}; "
                "leave `tenant` out to compare several",
                field=f"desired[{at}].tenant",
            )


def _tenants(tx: Transaction, command: Reconcile) -> Page[str]:
    if command.tenant:
        return Page((preconditions.customer(tx.index, command.tenant).id,))
    query = ["reconcile", command.source]
    size, after = paging.size(command.page), paging.start(command.page, query)
    tenants_of = events.tenants_of(tx.connection, command.source, after, size + 1)
    return paging.cut(tenants_of, str, size, query)


def _of_events(tx: Transaction, command: Reconcile, tenant: str) -> Drift | None:
    contract = _by_events(tx, command.policy, tenant)
    return None if contract == EMPTY else _compared(tx, command, tenant, contract)


def _by_events(tx: Transaction, policy: BillingPolicy, tenant: str) -> Contract:
    rows = events.of_tenant(tx.connection, tenant)
    applied = (row.meaning for row in rows if row.state is EventState.APPLIED)
    return fold(map(MEANING.validate_json, applied), policy.merging)


def _of_desired(
    tx: Transaction, command: Reconcile, tenant: str, desired: Sequence[Desired]
) -> Drift | None:
    try:
        checked("tenant", tenant)
        agreements = [_agreement(command, at, one) for at, one in enumerate(desired)]
    except (AuthzError, Unreadable) as wrong:
        return Drift(tenant, problem=wrong.message)
    if tenant == SYSTEM:
        return Drift(tenant, problem="the tenant `system` is no customer")
    contract = _by_events(tx, command.policy, tenant)
    others = [a for a in contract.agreements if a.source != command.source]
    name = next((one.display_name for one in desired if one.display_name), contract.display_name)
    contract = replace(contract, opened=True, display_name=name, agreements=(*others, *agreements))
    return _compared(tx, command, tenant, contract)


def _agreement(command: Reconcile, number: int, desired: Desired) -> Agreement:
    policy = command.policy
    agreement = Agreement(source=command.source, id=desired.agreement or f"desired-{number}")
    if desired.churned:
        return replace(agreement, carried=_ANY_TIER, ends_at=0, ends_then=OFFBOARDED)
    terms = terms_of(policy, desired.plans)
    if terms is None or not desired.plans:
        raise Unreadable(EventReason.MALFORMED, "`plans` names no plan")
    current = Standing.TRIAL if desired.trial_until is not None else Standing.ACTIVE
    current = Standing.PAST_DUE if desired.grace_until is not None else current
    return replace(
        agreement,
        terms=terms,
        sold=frozenset().union(*(plan.add_ons for plan in policy.plans.values())),
        limited=frozenset(name for plan in policy.plans.values() for name in plan.limits),
        standing=current,
        carried=terms.tier,
        trial_until=desired.trial_until or FOREVER,
        trial_then=policy.trial_then,
        grace_until=desired.grace_until or FOREVER,
        paused_until=FOREVER if desired.paused else None,
        ends_at=desired.ends_at or FOREVER,
        ends_then=policy.cancelled_then,
    )


def _compared(tx: Transaction, command: Reconcile, tenant: str, contract: Contract) -> Drift | None:
    account, merging = tx.index.tenant(tenant), command.policy.merging
    if account is not None:
        actions = drift(account, contract, merging, tx.now)
    else:
        actions = opening(contract, merging, tx.now) if contract.complete else ()
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
