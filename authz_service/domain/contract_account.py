"""What a contract's actions make of an account, and what an account says of its contract."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, assert_never

from authz_service.domain.catalog import ADD_ON, TIER, Limit, split_version
from authz_service.domain.contract import Contract, Merging
from authz_service.domain.contract_change import Action, Aspect, Phased, aspects
from authz_service.domain.tenant import (
    DatedLimit,
    StatePeriod,
    SubscriptionItem,
    Tenant,
    TenantState,
)
from authz_service.domain.window import ALWAYS, BEGINNING, FOREVER, Instant, Window


def led(tenant: Tenant, action: Action, now: Instant, counted: Callable[[str], Limit]) -> Tenant:
    """Carry out what an action says of the account itself; members are none of it.

    `counted` finds a limit of that name, which tells how it counts.
    """
    match action.aspect:
        case Aspect.DISPLAY_NAME:
            return replace(tenant, display_name=action.after or tenant.display_name)
        case Aspect.TIER:
            tiers = [SubscriptionItem(TIER + name, window) for name, window in action.after]
            return _item(tenant, lambda plan: plan.startswith(TIER), tiers)
        case Aspect.ADD_ON:
            add_on = ADD_ON + action.name
            phases = [SubscriptionItem(add_on, window) for _, window in action.after or ()]
            return _item(tenant, lambda plan: plan == add_on, phases)
        case Aspect.LIMIT:
            return _limited(tenant, action.name, action.after or (), counted)
        case Aspect.STATE:
            return _from_now(tenant, action.after, now)
        case Aspect.END:
            ended = StatePeriod(TenantState.OFFBOARDED, Window(now, FOREVER))
            return _from_now(tenant, (ended,), now)
        case Aspect.OPENING | Aspect.REOPENING | Aspect.ADMINS:
            return tenant
        case _:
            assert_never(action.aspect)


def drift(tenant: Tenant, contract: Contract, merging: Merging, now: Instant) -> tuple[Action, ...]:
    """List what leads an account back to its contract, where they have come apart.

    `before` of each action is what the account has. Members are left to their account's admins.
    """
    closed = tenant.state_at(now) is TenantState.OFFBOARDED
    if contract.over(now):
        return () if closed else (Action(Aspect.END, True),)
    actions = [Action(Aspect.REOPENING, True)] if closed else []
    for (aspect, name), value in aspects(contract, merging, now).items():
        own = _own(tenant, aspect, name, now)
        if aspect is Aspect.ADMINS or (aspect is Aspect.DISPLAY_NAME and not value):
            continue
        if own != _shown(aspect, value, now):
            actions.append(Action(aspect, value, own, name))
    order = list(Aspect)
    return tuple(sorted(actions, key=lambda action: (order.index(action.aspect), action.name)))


def _own(tenant: Tenant, aspect: Aspect, name: str, now: Instant) -> Any:
    """Read what an account has of an aspect that `aspects` lists."""
    match aspect:
        case Aspect.TIER:
            return _phases(tenant, lambda plan: plan.startswith(TIER), now)
        case Aspect.ADD_ON:
            return _phases(tenant, lambda plan: plan == ADD_ON + name, now)
        case Aspect.LIMIT:
            return _limits(tenant, name, now)
        case Aspect.STATE:
            return _ahead(tenant.periods, now)
        case Aspect.DISPLAY_NAME:
            return tenant.display_name
        case Aspect.OPENING | Aspect.REOPENING | Aspect.ADMINS | Aspect.END:
            return None
        case _:
            assert_never(aspect)


def _shown(aspect: Aspect, value: Any, now: Instant) -> Any:
    """Write what a contract says in the way in which an account has it."""
    if aspect in (Aspect.TIER, Aspect.ADD_ON, Aspect.LIMIT):
        return tuple((amount, _cut(window, now)) for amount, window in value)
    return value


def _phases(tenant: Tenant, chosen: Callable[[str], bool], now: Instant) -> Phased:
    ahead = [h for h in tenant.subscription_items if chosen(h.plan) and h.window.valid_until > now]
    ahead.sort(key=lambda h: h.window.valid_from)
    return tuple(
        (_tier(h) if h.plan.startswith(TIER) else True, _cut(h.window, now)) for h in ahead
    )


def _tier(item: SubscriptionItem) -> str:
    """Name the tier, whichever version: a contract sells tiers, operations pin versions."""
    return split_version(item.plan.removeprefix(TIER))[0]


def _cut(window: Window, now: Instant) -> Window:
    """Forget when something began that has begun."""
    return Window(BEGINNING if window.valid_from <= now else window.valid_from, window.valid_until)


def _ahead(periods: tuple[StatePeriod, ...], now: Instant) -> tuple[StatePeriod, ...]:
    return tuple(
        replace(p, window=Window(max(now, p.window.valid_from), p.window.valid_until))
        for p in periods
        if p.window.valid_until > now
    )


def _item(tenant: Tenant, replaced: Callable[[str], bool], by: list[SubscriptionItem]) -> Tenant:
    others = tuple(h for h in tenant.subscription_items if not replaced(h.plan))
    return replace(tenant, subscription_items=(*others, *by))


def _limited(tenant: Tenant, name: str, phases: Phased, counted: Callable[[str], Limit]) -> Tenant:
    """Have a limit of its own as a contract says, and no other of that name."""
    own = [DatedLimit(replace(counted(name), value=value[0]), window) for value, window in phases]
    limits = (limit for limit in tenant.limits if limit.name != name)
    dated = (dated_limit for dated_limit in tenant.dated_limits if dated_limit.limit.name != name)
    return replace(
        tenant,
        limits=(*limits, *(d.limit for d in own if d.window == ALWAYS)),
        dated_limits=(*dated, *(d for d in own if d.window != ALWAYS)),
    )


def _limits(tenant: Tenant, name: str, now: Instant) -> Phased:
    always = (DatedLimit(limit, ALWAYS) for limit in tenant.limits)
    own = (d for d in (*always, *tenant.dated_limits) if d.limit.name == name)
    ahead = (d for d in own if d.window.valid_until > now)
    return tuple(((d.limit.value,), _cut(d.window, now)) for d in ahead)


def _from_now(tenant: Tenant, periods: tuple[StatePeriod, ...], now: Instant) -> Tenant:
    past = (
        replace(p, window=Window(p.window.valid_from, min(p.window.valid_until, now)))
        for p in tenant.periods
        if p.window.valid_from < now
    )
    return replace(tenant, periods=(*past, *periods))
