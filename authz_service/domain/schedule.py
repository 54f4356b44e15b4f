"""Scheduled changes of a tenant: read from its dates, and cancelled one by one.

Nothing is kept beside the dates, so a schedule cannot say anything else than what will happen.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeVar, assert_never

from authz_service.domain.catalog import ADD_ON, TIER, Limit
from authz_service.domain.tenant import (
    DatedLimit,
    StatePeriod,
    SubscriptionItem,
    Tenant,
    TenantState,
)
from authz_service.domain.window import ALWAYS, FOREVER, LATEST, Instant, Window, rfc3339
from authz_service.errors import AuthzError, ErrorReason, FailedPrecondition, InvalidArgument

Scheduled = TenantState | str | Limit

S = TypeVar("S", StatePeriod, SubscriptionItem, DatedLimit)


class ScheduledKind(StrEnum):
    STATE = "state"
    TIER = "tier"
    ADD_ON_START = "add-on-start"
    ADD_ON_END = "add-on-end"
    LIMIT = "limit"


@dataclass(frozen=True, slots=True)
class ScheduledChange:
    """At `at`, what was `before` gives way to `after`: a state, a tier or add-on, or a limit."""

    tenant: str
    kind: ScheduledKind
    at: Instant
    before: Scheduled | None
    after: Scheduled | None

    @property
    def id(self) -> str:
        """Name the change within its tenant by what it is, as in `tier:pro@2026-12-01T00:00:00Z`.

        The same however often it is looked up, and another as soon as it is another change.
        """
        instant = rfc3339(self.at).replace(".000000Z", "Z")
        return f"{self.kind}:{written(self.after or self.before)}@{instant}"


def written(value: Scheduled | None) -> str:
    """Write a value for people; a limit as `seats=5`, "" for nothing."""
    match value:
        case None:
            return ""
        case Limit(name, None):
            return f"{name}=unlimited"
        case Limit(name, amount):
            return f"{name}={amount}"
        case str():
            return value
    assert_never(value)


def scheduled(tenant: Tenant, now: Instant) -> list[ScheduledChange]:
    """List what will change after `now`, in the order in which it will."""
    windows = [p.window for p in tenant.periods] + [h.window for h in tenant.subscription_items]
    windows += [limit.window for limit in tenant.dated_limits]
    edges = {edge for window in windows for edge in (window.valid_from, window.valid_until)}
    coming = sorted(edge for edge in edges if now < edge < FOREVER)
    return [change for at in coming for change in changes_at(tenant, at)]


def cancelled(tenant: Tenant, change: ScheduledChange) -> Tenant:
    """Let what was before the change go on in the place of what was to begin with it."""
    match change.kind:
        case ScheduledKind.STATE:
            return replace(tenant, periods=_without_edge(tenant.periods, change.at))
        case ScheduledKind.LIMIT:
            return _without_limit_edge(tenant, change)
        case ScheduledKind.TIER:
            changing = [item for item in tenant.subscription_items if item.plan.startswith(TIER)]
        case ScheduledKind.ADD_ON_START | ScheduledKind.ADD_ON_END:
            plan = ADD_ON + written(change.after or change.before)
            changing = [item for item in tenant.subscription_items if item.plan == plan]
        case _:
            assert_never(change.kind)
    others = (item for item in tenant.subscription_items if item not in changing)
    return replace(tenant, subscription_items=(*others, *_without_edge(changing, change.at)))


def checked_later(at: Instant, now: Instant, field: str) -> Instant:
    """Return `at` if it lies in the future.

    Raises:
        AuthzError: SCHEDULE_IN_PAST, or INVALID_WINDOW beyond the year 9999.
    """
    if at > LATEST:
        raise InvalidArgument(
            ErrorReason.INVALID_WINDOW, f"{field} lies outside the years 1970 to 9999", field=field
        )
    if at <= now:
        raise _past(at, field)
    return at


def _past(at: Instant, field: str) -> AuthzError:
    instant = rfc3339(at) if at >= 0 else "that"
    return FailedPrecondition(
        ErrorReason.SCHEDULE_IN_PAST,
        f"{field} {instant} is not in the future; name a later instant, or leave it out for now",
        field=field,
    )


def changes_at(tenant: Tenant, at: Instant) -> Iterator[ScheduledChange]:
    """Compare an instant, whether it lies ahead or not, with the last microsecond before it."""
    last = at - 1
    for kind, before, after in (
        (ScheduledKind.STATE, tenant.dated_state_at(last), tenant.dated_state_at(at)),
        (ScheduledKind.TIER, tenant.tier_held_at(last), tenant.tier_held_at(at)),
    ):
        if before != after:
            yield ScheduledChange(tenant.id, kind, at, before or None, after or None)
    add_ons, later = set(tenant.add_ons_at(last)), set(tenant.add_ons_at(at))
    for name in sorted(add_ons - later):
        yield ScheduledChange(tenant.id, ScheduledKind.ADD_ON_END, at, name, None)
    for name in sorted(later - add_ons):
        yield ScheduledChange(tenant.id, ScheduledKind.ADD_ON_START, at, None, name)
    for name in sorted({dated_limit.limit.name for dated_limit in tenant.dated_limits}):
        old, new = tenant.limit(name, last), tenant.limit(name, at)
        if old != new:
            yield ScheduledChange(tenant.id, ScheduledKind.LIMIT, at, old, new)


def _without_limit_edge(tenant: Tenant, change: ScheduledChange) -> Tenant:
    limit = change.after or change.before
    name = limit.name if isinstance(limit, Limit) else ""
    limits = [dated_limit for dated_limit in tenant.dated_limits if dated_limit.limit.name == name]
    others = [dated_limit for dated_limit in tenant.dated_limits if dated_limit.limit.name != name]
    after = _without_edge(limits, change.at)
    always = tuple(limit.limit for limit in after if limit.window == ALWAYS)
    dated = (limit for limit in after if limit.window != ALWAYS)
    return replace(tenant, limits=(*tenant.limits, *always), dated_limits=(*others, *dated))


def _without_edge(spans: Sequence[S], at: Instant) -> tuple[S, ...]:
    """Let what ends at `at` take the place of what begins there, or go on to what follows."""
    ending = [span for span in spans if span.window.valid_until == at]
    beginning = [span for span in spans if span.window.valid_from == at]
    until = max((s.window.valid_until for s in beginning), default=_next_start(spans, at))
    unchanged = [span for span in spans if span not in ending and span not in beginning]
    longer = [replace(s, window=Window(s.window.valid_from, until)) for s in ending]
    return tuple(unchanged + longer)


def _next_start(spans: Iterable[S], at: Instant) -> Instant:
    starts = (span.window.valid_from for span in spans)
    return min((start for start in starts if start > at), default=FOREVER)


def items_changing_at(tenant: Tenant, at: Instant) -> list[ScheduledChange]:
    """List what changes at an instant in what an account holds: its state is another matter."""
    return [change for change in changes_at(tenant, at) if change.kind is not ScheduledKind.STATE]
