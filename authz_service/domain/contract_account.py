"""What a contract's actions make of an account, and what an account says of its contract."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, assert_never

from authz_service.domain.catalog import ADD_ON, TIER, Limit, split_version
from authz_service.domain.contract import Contract
from authz_service.domain.contract_change import Action, Aspect, Phased, aspects
from authz_service.domain.tenant import (
    DatedLimit,
    Holding,
    StatePeriod,
    SuspensionReason,
    Tenant,
    TenantState,
)
from authz_service.domain.window import ALWAYS, BEGINNING, FOREVER, Instant, Window

_PAUSE = SuspensionReason.BILLING


def led(tenant: Tenant, action: Action, now: Instant, unit_of: Callable[[str], str]) -> Tenant:
    """Carry out what an action says of the account itself; members are none of it.

    `unit_of` names the unit of a limit.
    """
    match action.aspect:
        case Aspect.DISPLAY_NAME:
            return replace(tenant, display_name=action.after or tenant.display_name)
        case Aspect.TIER:
            tiers = [Holding(TIER + name, window) for name, window in action.after]
            return _holding(tenant, lambda plan: plan.startswith(TIER), tiers)
        case Aspect.ADD_ON:
            named = ADD_ON + action.name
            held = [Holding(named, window) for _, window in action.after or ()]
            return _holding(tenant, lambda plan: plan == named, held)
        case Aspect.LIMIT:
            return _limited(tenant, action.name, action.after or (), unit_of)
        case Aspect.STATE:
            return _from_now(tenant, action.after, now)
        case Aspect.PAUSE:
            pause = frozenset({_PAUSE}) if action.after else frozenset()
            return replace(tenant, suspensions=(tenant.suspensions - {_PAUSE}) | pause)
        case Aspect.END:
            ended = StatePeriod(TenantState.OFFBOARDED, Window(now, FOREVER))
            return _from_now(tenant, (ended,), now)
        case Aspect.OPENING | Aspect.REOPENING | Aspect.ADMINS:
            return tenant
        case _:
            assert_never(action.aspect)


def drift(tenant: Tenant, contract: Contract, now: Instant) -> tuple[Action, ...]:
    """List what leads an account back to its contract, where they have come apart.

    `before` of each action is what the account has. Members are left to their account's admins.
    """
    closed = tenant.state_at(now) is TenantState.OFFBOARDED
    if contract.over(now):
        return () if closed else (Action(Aspect.END, True),)
    found = [Action(Aspect.REOPENING, True)] if closed else []
    for (aspect, name), wanted in aspects(contract, now).items():
        held = _held(tenant, aspect, name, now)
        if aspect is Aspect.ADMINS or (aspect is Aspect.DISPLAY_NAME and not wanted):
            continue
        if held != _shown(aspect, wanted, now):
            found.append(Action(aspect, wanted, held, name))
    order = list(Aspect)
    return tuple(sorted(found, key=lambda each: (order.index(each.aspect), each.name)))


def _held(tenant: Tenant, aspect: Aspect, name: str, now: Instant) -> Any:
    match aspect:
        case Aspect.DISPLAY_NAME:
            return tenant.display_name
        case Aspect.TIER:
            return _phases(tenant, lambda plan: plan.startswith(TIER), now)
        case Aspect.ADD_ON:
            return _phases(tenant, lambda plan: plan == ADD_ON + name, now)
        case Aspect.LIMIT:
            return _own(tenant, name, now)
        case Aspect.STATE:
            return _ahead(tenant.periods, now)
        case Aspect.PAUSE:
            return _PAUSE in tenant.suspensions
        case Aspect.OPENING | Aspect.REOPENING | Aspect.ADMINS | Aspect.END:
            return None
        case _:
            assert_never(aspect)


def _shown(aspect: Aspect, command: Any, now: Instant) -> Any:
    """Write what is wanted in the way in which an account has it."""
    match aspect:
        case Aspect.TIER:
            return tuple((name, _cut(window, now)) for name, window in command)
        case Aspect.ADD_ON:
            return tuple((True, _cut(window, now)) for _, window in command)
        case Aspect.LIMIT:
            return tuple((value, _cut(window, now)) for value, window in command)
        case (
            Aspect.OPENING
            | Aspect.REOPENING
            | Aspect.DISPLAY_NAME
            | Aspect.STATE
            | Aspect.PAUSE
            | Aspect.ADMINS
            | Aspect.END
        ):
            return command
        case _:
            assert_never(aspect)


def _phases(tenant: Tenant, command: Callable[[str], bool], now: Instant) -> Phased:
    held = [h for h in tenant.holdings if command(h.plan) and h.window.valid_until > now]
    held.sort(key=lambda h: h.window.valid_from)
    return tuple((_tier(h) if h.plan.startswith(TIER) else True, _cut(h.window, now)) for h in held)


def _tier(held: Holding) -> str:
    """Name the tier held, whichever version: a contract sells tiers, operations pin versions."""
    return split_version(held.plan.removeprefix(TIER))[0]


def _cut(window: Window, now: Instant) -> Window:
    """Forget when something began that has begun."""
    return Window(BEGINNING if window.valid_from <= now else window.valid_from, window.valid_until)


def _ahead(periods: tuple[StatePeriod, ...], now: Instant) -> tuple[StatePeriod, ...]:
    return tuple(
        replace(p, window=Window(max(now, p.window.valid_from), p.window.valid_until))
        for p in periods
        if p.window.valid_until > now
    )


def _holding(tenant: Tenant, replaced: Callable[[str], bool], by: list[Holding]) -> Tenant:
    kept = tuple(held for held in tenant.holdings if not replaced(held.plan))
    return replace(tenant, holdings=(*kept, *by))


def _limited(tenant: Tenant, name: str, phases: Phased, unit_of: Callable[[str], str]) -> Tenant:
    """Have a limit of its own as a contract says, and no other of that name."""
    own = [DatedLimit(Limit(name, value[0], unit_of(name)), window) for value, window in phases]
    limits = (limit for limit in tenant.limits if limit.name != name)
    dated = (dated_limit for dated_limit in tenant.dated_limits if dated_limit.limit.name != name)
    return replace(
        tenant,
        limits=(*limits, *(each.limit for each in own if each.window == ALWAYS)),
        dated_limits=(*dated, *(each for each in own if each.window != ALWAYS)),
    )


def _own(tenant: Tenant, name: str, now: Instant) -> Phased:
    always = (DatedLimit(limit, ALWAYS) for limit in tenant.limits)
    mine = (each for each in (*always, *tenant.dated_limits) if each.limit.name == name)
    ahead = (each for each in mine if each.window.valid_until > now)
    return tuple(((each.limit.value,), _cut(each.window, now)) for each in ahead)


def _from_now(tenant: Tenant, periods: tuple[StatePeriod, ...], now: Instant) -> Tenant:
    past = (
        replace(p, window=Window(p.window.valid_from, min(p.window.valid_until, now)))
        for p in tenant.periods
        if p.window.valid_from < now
    )
    return replace(tenant, periods=(*past, *periods))
