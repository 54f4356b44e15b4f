"""What is to change in a tenant by itself: read off its dates, and taken back one by one.

Nothing is kept beside the dates, so a schedule cannot say anything else than what will happen.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeVar

from authz_service.domain.catalogue import ADD_ON, TIER
from authz_service.domain.tenant import Holding, StatePeriod, Tenant
from authz_service.domain.window import FOREVER, LATEST, Instant, Window, rfc3339
from authz_service.errors import AuthzError, ErrorReason, FailedPrecondition, InvalidArgument

S = TypeVar("S", StatePeriod, Holding)


class ScheduledKind(StrEnum):
    STATE = "state"
    TIER = "tier"
    ADD_ON_START = "add-on-start"
    ADD_ON_END = "add-on-end"


@dataclass(frozen=True, slots=True)
class ScheduledChange:
    """At `at`, what was `before` gives way to `after`; "" for nothing."""

    tenant: str
    kind: ScheduledKind
    at: Instant
    before: str
    after: str

    @property
    def id(self) -> str:
        """Name the change within its tenant by what it is, as in `tier:pro@2026-12-01T00:00:00Z`.

        The same however often it is looked up, and another as soon as it is another change.
        """
        instant = rfc3339(self.at).replace(".000000Z", "Z")
        return f"{self.kind}:{self.after or self.before}@{instant}"


def scheduled(tenant: Tenant, now: Instant) -> list[ScheduledChange]:
    """List what will change after `now`, in the order in which it will."""
    windows = [p.window for p in tenant.periods] + [h.window for h in tenant.holdings]
    edges = {edge for window in windows for edge in (window.valid_from, window.valid_until)}
    coming = sorted(edge for edge in edges if now < edge < FOREVER)
    return [change for at in coming for change in _changes(tenant, at)]


def cancelled(tenant: Tenant, change: ScheduledChange) -> Tenant:
    """Let what was before the change go on in the place of what was to begin with it."""
    match change.kind:
        case ScheduledKind.STATE:
            return replace(tenant, periods=_without_edge(tenant.periods, change.at))
        case ScheduledKind.TIER:
            changing = [held for held in tenant.holdings if held.plan.startswith(TIER)]
        case _:
            plan = ADD_ON + (change.after or change.before)
            changing = [held for held in tenant.holdings if held.plan == plan]
    kept = (held for held in tenant.holdings if held not in changing)
    return replace(tenant, holdings=(*kept, *_without_edge(changing, change.at)))


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
    named = rfc3339(at) if at >= 0 else "that"
    return FailedPrecondition(
        ErrorReason.SCHEDULE_IN_PAST,
        f"{field} {named} is not in the future; name a later instant, or leave it out for now",
        field=field,
    )


def _changes(tenant: Tenant, at: Instant) -> Iterator[ScheduledChange]:
    """Compare the instant with the last microsecond before it."""
    last = at - 1
    for kind, before, after in (
        (ScheduledKind.STATE, tenant.dated_state_at(last), tenant.dated_state_at(at)),
        (ScheduledKind.TIER, tenant.tier_held_at(last), tenant.tier_held_at(at)),
    ):
        if before != after:
            yield ScheduledChange(tenant.id, kind, at, str(before), str(after))
    held, holding = set(tenant.add_ons_at(last)), set(tenant.add_ons_at(at))
    for name in sorted(held - holding):
        yield ScheduledChange(tenant.id, ScheduledKind.ADD_ON_END, at, name, "")
    for name in sorted(holding - held):
        yield ScheduledChange(tenant.id, ScheduledKind.ADD_ON_START, at, "", name)


def _without_edge(spans: Sequence[S], at: Instant) -> tuple[S, ...]:
    """Let what ends at `at` take the place of what begins there, or go on to what follows."""
    ending = [span for span in spans if span.window.valid_until == at]
    beginning = [span for span in spans if span.window.valid_from == at]
    until = max((s.window.valid_until for s in beginning), default=_next_start(spans, at))
    kept = [span for span in spans if span not in ending and span not in beginning]
    longer = [replace(s, window=Window(s.window.valid_from, until)) for s in ending]
    return tuple(kept + longer)


def _next_start(spans: Iterable[S], at: Instant) -> Instant:
    starts = (span.window.valid_from for span in spans)
    return min((start for start in starts if start > at), default=FOREVER)
