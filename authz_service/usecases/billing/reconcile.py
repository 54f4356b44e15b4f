"""Accounts and their contracts, compared; and led back to them on request."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from authz_service.domain.agreement import OFFBOARDED, Agreement, Standing
from authz_service.domain.billing_event import EventReason, EventState
from authz_service.domain.billing_policy import BillingPolicy
from authz_service.domain.contract import EMPTY, Contract, fold, share_at
from authz_service.domain.contract_account import drift
from authz_service.domain.contract_change import opening
from authz_service.domain.identifiers import checked
from authz_service.domain.tenant import OPEN_STATES, SYSTEM
from authz_service.domain.window import FOREVER, Instant
from authz_service.engine.index import Index
from authz_service.errors import AuthzError, ErrorReason, InvalidArgument
from authz_service.store import events
from authz_service.store.database import Connection
from authz_service.store.unit_of_work import Transaction
from authz_service.usecases.billing import receipt, standing
from authz_service.usecases.billing.envelopes import Envelope
from authz_service.usecases.billing.ingestion import apply, carried_out, park, refused
from authz_service.usecases.billing.interpretation import MEANING
from authz_service.usecases.billing.lookup import Fetcher, can_read
from authz_service.usecases.billing.terms import terms_of
from authz_service.usecases.billing.truth import (
    NOT_ASKED,
    READ_AT_ONCE,
    Truth,
    known,
    read_all,
    read_anew,
)
from authz_service.usecases.billing.unclear_order import UNCLEAR
from authz_service.usecases.billing.values import Unreadable
from authz_service.usecases.kernel import paging, preconditions
from authz_service.usecases.kernel.billing_policy import in_force
from authz_service.usecases.kernel.execution import View, change_after
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

    page: PageRequest
    tenant: str = ""
    source: str = ""
    desired: tuple[Desired, ...] = ()
    repair: bool = False
    fetcher: Fetcher | None = None
    read: "Read | None" = None


@dataclass(frozen=True, slots=True)
class Read:
    """What was read of the tenants of a page before the transaction, and by which policy."""

    page: Page[str]
    truths: Mapping[str, Truth]
    policy: BillingPolicy | None = None


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


def ask_sources(view: View, command: Reconcile) -> Reconcile:
    """Read what sources say of the agreements to compare, where they say how that is done."""
    fetcher, policy = command.fetcher, in_force(view.index)
    sources = policy.sources.values()
    if command.desired or fetcher is None or not any(can_read(s, fetcher) for s in sources):
        return command
    few = PageRequest(min(paging.size(command.page), READ_AT_ONCE), command.page.token)
    with view.database.read() as connection:
        page = _tenants(view.index, connection, replace(command, page=few))
        tenants = [known(connection, tenant) for tenant in page.items]
    truths = read_all(policy, fetcher, tenants, view.now)
    return replace(command, read=Read(page, truths, policy))


@change_after(ask_sources)
def reconcile(tx: Transaction, command: Reconcile) -> Reconciled:
    """Compare, and repair each tenant alone: one that cannot be repaired holds no other up."""
    if command.desired:
        _require_own(tx, command)
        by_tenant: defaultdict[str, list[Desired]] = defaultdict(list)
        for desired in command.desired:
            by_tenant[desired.tenant].append(desired)
        drifts = [_of_desired(tx, command, tenant, all_) for tenant, all_ in by_tenant.items()]
        return Reconciled(tuple(drift for drift in drifts if drift), len(drifts))
    read = command.read or Read(_tenants(tx.index, tx.connection, command), {})
    page, policy, truths = read.page, in_force(tx.index), read.truths
    if read.policy is not policy:
        truths = {tenant: read_anew(policy, truth, tx.now) for tenant, truth in truths.items()}
    drifts = [
        _of_events(tx, command, tenant, truths.get(tenant, NOT_ASKED)) for tenant in page.items
    ]
    return Reconciled(tuple(drift for drift in drifts if drift), len(drifts), page.next_token)


def _require_own(tx: Transaction, command: Reconcile) -> None:
    """Check that a list is about the one tenant that the request names, if it names one.

    The right was asked for that one alone. It need not be there yet, but is no reserved one.
    """
    if command.tenant == SYSTEM:
        preconditions.customer(tx.index, command.tenant)
    preconditions.batch(len(command.desired), "desired")
    if command.source not in in_force(tx.index).sources:
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


def _tenants(index: Index, connection: Connection, command: Reconcile) -> Page[str]:
    if command.tenant:
        return Page((preconditions.customer(index, command.tenant).id,))
    query = ["reconcile", command.source]
    size, after = paging.size(command.page), paging.start(command.page, query)
    tenants_of = events.tenants_of(connection, command.source, after, size + 1)
    return paging.cut(tenants_of, str, size, query)


def _of_events(tx: Transaction, command: Reconcile, tenant: str, truth: Truth) -> Drift | None:
    if truth.problem:
        return Drift(tenant, problem=truth.problem)
    events.hold(tx.connection, tenant)
    meanings, merging = [said.meaning for said in truth.said], in_force(tx.index).merging
    change = standing.anew(tx.connection, tenant, (), meanings, merging)
    if change.after == EMPTY:
        return None
    drift = _compared(tx, command, tenant, change.after, guarded=True)
    there = tx.after().tenant(tenant) is not None and (drift is None or drift.repaired)
    if command.repair and truth.said and there and change.after != change.before:
        _keep(tx, tenant, truth, change)
    return drift


def _keep(tx: Transaction, tenant: str, truth: Truth, change: standing.Standing) -> None:
    """Keep what was read as events: whatever comes later is added to it."""
    for said in truth.said:
        taken = receipt.keep(tx, Envelope(said.event), f"read from {said.event.source}")
        meaning = MEANING.dump_json(said.meaning).decode()
        apply(tx, replace(taken.event, tenant=tenant, meaning=meaning))
    standing.keep(tx.connection, tenant, change)
    for row in change.released:
        apply(tx, row)
    for row in change.unclear:
        park(tx, row, UNCLEAR, again=True)


def _by_events(tx: Transaction, tenant: str) -> Contract:
    rows = events.of_tenant(tx.connection, tenant)
    applied = (row.meaning for row in rows if row.state is EventState.APPLIED)
    return fold(map(MEANING.validate_json, applied), in_force(tx.index).merging)


def _of_desired(
    tx: Transaction, command: Reconcile, tenant: str, desired: Sequence[Desired]
) -> Drift | None:
    policy = in_force(tx.index)
    try:
        checked("tenant", tenant)
        agreements = [_agreement(policy, command, at, one) for at, one in enumerate(desired)]
    except (AuthzError, Unreadable) as wrong:
        return Drift(tenant, problem=wrong.message)
    if tenant == SYSTEM:
        return Drift(tenant, problem="the tenant `system` is no customer")
    contract = _by_events(tx, tenant)
    others = [a for a in contract.agreements if a.source != command.source]
    name = next((one.display_name for one in desired if one.display_name), contract.display_name)
    contract = replace(contract, opened=True, display_name=name, agreements=(*others, *agreements))
    return _compared(tx, command, tenant, contract)


def _agreement(
    policy: BillingPolicy, command: Reconcile, number: int, desired: Desired
) -> Agreement:
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
        sold=frozenset().union(*(plan.add_ons for plan in policy.prices.values())),
        limited=frozenset(name for plan in policy.prices.values() for name in plan.limits),
        standing=current,
        carried=terms.tier,
        trial_until=desired.trial_until or FOREVER,
        trial_then=policy.trial_then,
        grace_until=desired.grace_until or FOREVER,
        paused_until=FOREVER if desired.paused else None,
        ends_at=desired.ends_at or FOREVER,
        ends_then=policy.cancelled_then,
    )


def _compared(
    tx: Transaction, command: Reconcile, tenant: str, contract: Contract, *, guarded: bool = False
) -> Drift | None:
    """Compare an account with its contract, and lead it there if it is to be repaired.

    `guarded`: it is not closed as long as events about it wait, which may say that it is paid.
    """
    policy = in_force(tx.index)
    account, merging = tx.index.tenant(tenant), policy.merging
    if account is not None:
        actions = drift(account, contract, merging, tx.now)
    else:
        actions = opening(contract, merging, tx.now) if contract.complete else ()
    if not actions:
        return None
    differences = tuple(action.summary for action in actions)
    if not command.repair:
        return Drift(tenant, differences)
    if guarded and _would_close(tx, tenant, contract):
        waiting = events.count_waiting(tx.connection, tenant)
        if waiting:
            problem = f"it would be closed, and {waiting} events about it wait: settle them first"
            return Drift(tenant, differences, problem=problem)
    reason = f"reconciled {tx.call.reason}".strip()
    try:
        carried_out(tx, policy, tenant, reason, actions)
    except AuthzError as refusal:
        return Drift(tenant, differences, problem=refused(refusal).message)
    return Drift(tenant, differences, repaired=True)


def _would_close(tx: Transaction, tenant: str, contract: Contract) -> bool:
    account, merging = tx.index.tenant(tenant), in_force(tx.index).merging
    is_open = account is not None and account.state_at(tx.now) in OPEN_STATES
    return is_open and share_at(contract, merging, tx.now).state not in OPEN_STATES
