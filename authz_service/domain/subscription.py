"""What a tenant has bought: its tier, add-ons for a while, and limits of its own."""

from collections.abc import Collection, Iterable
from dataclasses import replace

from authz_service.domain.catalog import ADD_ON, TIER, Limit
from authz_service.domain.tenant import SubscriptionItem, Tenant
from authz_service.domain.window import FOREVER, Instant, Window, rfc3339
from authz_service.errors import AlreadyExists, ErrorReason, NotFound


def moved_to_tier(tenant: Tenant, tier: str) -> Tenant:
    """Hold `tier` and no other, without end; a move scheduled before gives way."""
    return _with_tiers(tenant, [SubscriptionItem(TIER + tier)])


def moving_to_tier(tenant: Tenant, tier: str, at: Instant, now: Instant) -> Tenant:
    """Hold the present tier until `at`, `tier` from then on; a move scheduled before gives way.

    To the present tier there is nothing to move.
    """
    present = [
        h for h in tenant.subscription_items if h.plan.startswith(TIER) and h.window.covers(now)
    ]
    if any(item.plan == TIER + tier for item in present):
        return moved_to_tier(tenant, tier)
    until = (replace(h, window=Window(h.window.valid_from, at)) for h in present)
    return _with_tiers(tenant, [*until, SubscriptionItem(TIER + tier, Window(at))])


def with_add_on(tenant: Tenant, add_on: str, window: Window, now: Instant) -> Tenant:
    """Hold an add-on within a window. What was held of it and is over is forgotten.

    Raises:
        AlreadyExists: ADD_ON_HELD, if it is held within some of the window, which is not yet over.
    """
    same, others = _split(tenant, add_on)
    running = [item for item in same if item.window.valid_until > now]
    start = max(window.valid_from, now)
    for item in running:
        if item.window.valid_from < window.valid_until and start < item.window.valid_until:
            raise AlreadyExists(
                ErrorReason.ADD_ON_HELD,
                f"{tenant.id!r} holds add-on {add_on!r} already{_when(item.window)}; let the new "
                "window begin where that ends, or remove the add-on first",
                field="add_on",
                details={"add_on": add_on},
            )
    return replace(
        tenant, subscription_items=(*others, *running, SubscriptionItem(ADD_ON + add_on, window))
    )


def without_add_on(tenant: Tenant, add_on: str, at: Instant, now: Instant) -> Tenant:
    """Hold an add-on no longer from `at` on, which is `now` or later.

    Raises:
        NotFound: ADD_ON_NOT_HELD, if it is not held then or later.
    """
    same, others = _split(tenant, add_on)
    if not any(item.window.valid_until > at for item in same):
        raise NotFound(
            ErrorReason.ADD_ON_NOT_HELD,
            f"{tenant.id!r} does not hold add-on {add_on!r} at that time; get the tenant to see "
            "what it holds",
            field="add_on",
            details={"add_on": add_on},
        )
    if at <= now:
        return replace(tenant, subscription_items=others)
    until = (replace(h, window=_until(h.window, at)) for h in same if h.window.valid_from < at)
    return replace(tenant, subscription_items=(*others, *until))


def with_limits(tenant: Tenant, limits: Iterable[Limit], removed: Collection[str]) -> Tenant:
    """Have these limits of its own beside or instead of the present ones, and some no more; those
    that were to change one of them later give way.

    Raises:
        NotFound: LIMIT_NOT_SET, if one that is to be removed is not there.
    """
    own = {limit.name: limit for limit in tenant.limits}
    dated = {dated_limit.limit.name for dated_limit in tenant.dated_limits}
    for name in removed:
        if own.pop(name, None) is None and name not in dated:
            raise NotFound(
                ErrorReason.LIMIT_NOT_SET,
                f"{tenant.id!r} has no limit {name!r} of its own; what its tier and add-ons set "
                "is changed with them",
                field="removed",
                details={"limit": name},
            )
    own |= {limit.name: limit for limit in limits}
    names = {*removed, *own}
    others = tuple(
        dated_limit for dated_limit in tenant.dated_limits if dated_limit.limit.name not in names
    )
    return replace(tenant, limits=tuple(own.values()), dated_limits=others)


def _with_tiers(tenant: Tenant, tiers: Iterable[SubscriptionItem]) -> Tenant:
    others = (item for item in tenant.subscription_items if not item.plan.startswith(TIER))
    return replace(tenant, subscription_items=(*tiers, *others))


def _split(
    tenant: Tenant, add_on: str
) -> tuple[list[SubscriptionItem], tuple[SubscriptionItem, ...]]:
    """Separate the items of one add-on from all others."""
    same = [item for item in tenant.subscription_items if item.plan == ADD_ON + add_on]
    return same, tuple(item for item in tenant.subscription_items if item not in same)


def _until(window: Window, at: Instant) -> Window:
    return Window(window.valid_from, min(window.valid_until, at))


def _when(window: Window) -> str:
    start = f" from {rfc3339(window.valid_from)}" if window.valid_from else ""
    return (
        start if window.valid_until == FOREVER else f"{start} until {rfc3339(window.valid_until)}"
    )
