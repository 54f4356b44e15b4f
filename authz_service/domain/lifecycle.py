"""Tenant state transitions: each function takes a tenant and returns it after the event.

trial ──> active <──> grace        each has dates, and ends on time without a job
  └────────┴── suspended by its date, or for reasons laid over any of them
all of these ──> offboarded ──> active, by `reactivated` alone
"""

from collections.abc import Iterable
from dataclasses import replace

from authz_service.domain.tenant import StatePeriod, SuspensionReason, Tenant, TenantState
from authz_service.domain.window import BEGINNING, FOREVER, Instant, Window
from authz_service.errors import ErrorReason, FailedPrecondition

_ACTIVE = StatePeriod(TenantState.ACTIVE)


def suspended(tenant: Tenant, reason: SuspensionReason, at: Instant) -> Tenant:
    """Add one reason; one that holds already changes nothing.

    Raises: FailedPrecondition if the tenant has ended.
    """
    require_not_offboarded(tenant, at, "suspended")
    return replace(tenant, suspensions=tenant.suspensions | {reason})


def resumed(tenant: Tenant, reason: SuspensionReason, at: Instant) -> Tenant:
    """Lift one reason; one that does not hold changes nothing.

    Raises: FailedPrecondition if the tenant has ended, or if what closes it is that its trial or
    grace is over, which no resumption mends.
    """
    require_not_offboarded(tenant, at, "resumed")
    if reason not in tenant.suspensions and tenant.dated_state_at(at) is TenantState.SUSPENDED:
        message = f"is not suspended for reason {reason}: its trial or grace is over; activate it"
        raise _conflict_of(tenant, reason, message)
    return replace(tenant, suspensions=tenant.suspensions - {reason})


def trial(until: Instant, then: TenantState = TenantState.SUSPENDED) -> tuple[StatePeriod, ...]:
    """Lay out a trial and what follows it."""
    return (
        StatePeriod(TenantState.TRIAL, Window(BEGINNING, until)),
        StatePeriod(then, Window(until)),
    )


def on_trial(tenant: Tenant, until: Instant, then: TenantState, at: Instant) -> Tenant:
    """Be on trial from `at` until `until`, `then` from there on.

    A trial that runs gets a new end. Raises: FailedPrecondition if the tenant has ended.
    """
    require_not_offboarded(tenant, at, "put on trial")
    return _going_on(tenant, at, trial(until, then))


def in_grace(tenant: Tenant, until: Instant, at: Instant) -> Tenant:
    """Stay open from `at` until `until` although something is due, be suspended from there on.

    Raises: FailedPrecondition if the tenant has ended.
    """
    require_not_offboarded(tenant, at, "given grace")
    grace = StatePeriod(TenantState.GRACE, Window(BEGINNING, until))
    return _going_on(tenant, at, (grace, StatePeriod(TenantState.SUSPENDED, Window(until))))


def activated(tenant: Tenant, at: Instant) -> Tenant:
    """Be active without end: no trial, no grace and no date that closes it, but a scheduled end.

    Raises: FailedPrecondition if the tenant is so already, or has ended.
    """
    require_not_offboarded(tenant, at, "activated")
    coming = {p.state for p in tenant.periods if p.window.valid_until > at}
    if coming - {TenantState.OFFBOARDED} == {TenantState.ACTIVE}:
        raise _conflict(tenant, "is active already, and no date ends that")
    # What was is left to the revisions before this one: a tenant whose periods have no past is
    # decided without asking the clock.
    return _going_on(replace(tenant, periods=_ends(tenant, at)), BEGINNING, (_ACTIVE,))


def offboarded(tenant: Tenant, at: Instant, now: Instant) -> Tenant:
    """End the tenant from `at` on, which is `now` or later; an end scheduled before gives way.

    Raises: FailedPrecondition if it has ended.
    """
    require_not_offboarded(tenant, now, "offboarded again")
    running = [p for p in tenant.periods if p not in _ends(tenant, now)]
    if len(running) < len(tenant.periods) and running:
        running[-1] = replace(running[-1], window=Window(running[-1].window.valid_from))
    ended = StatePeriod(TenantState.OFFBOARDED, Window(at))
    return replace(tenant, periods=(*_cut(running, BEGINNING, at), ended))


def reactivated(tenant: Tenant, at: Instant) -> Tenant:
    """Come back as an active tenant. Reasons that suspended it go on.

    Raises: FailedPrecondition if it has not ended.
    """
    if tenant.state_at(at) is not TenantState.OFFBOARDED:
        raise _conflict(tenant, "is not offboarded; resume or activate it instead")
    return replace(tenant, periods=(_ACTIVE,), ended_revision=0)


def require_not_offboarded(tenant: Tenant, at: Instant, change: str) -> None:
    """Raises: FailedPrecondition (TENANT_STATE_CONFLICT) if the tenant has ended."""
    if tenant.state_at(at) is TenantState.OFFBOARDED:
        raise _conflict(tenant, f"is offboarded and cannot be {change}; reactivate it first")


def _going_on(tenant: Tenant, at: Instant, coming: Iterable[StatePeriod]) -> Tenant:
    """Let what is coming follow what was until `at`; a scheduled end stays.

    A state that goes on stays one period, so that saying the same again changes nothing.
    """
    ends = _ends(tenant, at)
    until = ends[0].window.valid_from if ends else FOREVER
    past = _cut((p for p in tenant.periods if p not in ends), BEGINNING, at)
    first, *rest = _cut(coming, at, until)
    if past and past[-1].state is first.state:
        window = Window(past.pop().window.valid_from, first.window.valid_until)
        first = replace(first, window=window)
    return replace(tenant, periods=(*past, first, *rest, *ends))


def _ends(tenant: Tenant, at: Instant) -> tuple[StatePeriod, ...]:
    """List the end that is scheduled, if one is."""
    return tuple(
        p for p in tenant.periods if p.state is TenantState.OFFBOARDED and p.window.valid_from > at
    )


def _cut(periods: Iterable[StatePeriod], start: Instant, end: Instant) -> list[StatePeriod]:
    """Keep of each period what lies within `[start, end)`."""
    within = (
        replace(p, window=Window(max(p.window.valid_from, start), min(p.window.valid_until, end)))
        for p in periods
    )
    return [p for p in within if p.window.valid_from < p.window.valid_until]


def _conflict(tenant: Tenant, what: str) -> FailedPrecondition:
    message = f"tenant {tenant.id!r} {what}"
    return FailedPrecondition(ErrorReason.TENANT_STATE_CONFLICT, message, field="tenant")


def _conflict_of(tenant: Tenant, reason: SuspensionReason, what: str) -> FailedPrecondition:
    return FailedPrecondition(
        ErrorReason.TENANT_STATE_CONFLICT,
        f"tenant {tenant.id!r} {what}",
        field="suspension_reason",
        details={"suspension_reason": reason},
    )
