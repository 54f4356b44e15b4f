"""Random sets of events, and the orders in which they may come."""

from itertools import count
from typing import Final, TypeAlias

from hypothesis import strategies as st

from authz_service.domain.window import Instant
from authz_service.usecases.billing.ingestion import Taken
from tests.conformance.event_world import ADMIN, DAY, EventWorld

COUNTER: Final = count()
"""Numbers tenants: each example has its own."""

Told: TypeAlias = tuple[str, int, dict[str, object]]
"""An event's type, the day it happened, and its data, with days for instants."""

DEEDS: tuple[str, ...] = ("change_plan", "trial", "paid", "past_due", "paused", "resumed")
DEEDS += ("cancelled", "cancelled_now", "renewed", "churned", "reactivated")
OFTEN: Final = 6
"""Plans change so many times as often as anything else happens."""
PLANS = st.sampled_from(["free", "professional", "enterprise"])
OFFSETS = st.integers(-40, 0)


@st.composite
def told(draw: st.DrawFn) -> Told:
    type_ = draw(st.sampled_from([*DEEDS, *["change_plan"] * OFTEN]))
    data: dict[str, object] = {}
    if type_ == "change_plan":
        data["plans"] = [{"plan": draw(PLANS)}]
        if draw(st.booleans()):
            seats = draw(st.integers(5, 9))
            data["plans"] = [{"plan": "price_professional_monthly", "quantity": seats}]
        data["term_end"] = draw(st.sampled_from([None, -20, -3, 5, 30]))
    if type_ == "trial":
        data["trial_until"] = draw(st.integers(-30, 30))
    if type_ == "cancelled":
        data["ends_at"] = draw(st.integers(-30, 30))
    return type_, draw(OFFSETS), data


def bring(came: EventWorld, tenant: str, number: int, each: Told) -> Taken:
    """Let a tenant's event come."""
    type_, at, id_, data = written(came, tenant, number, each)
    return came.bring(type_, at, tenant, id_=id_, **data)


def written(
    came: EventWorld, tenant: str, number: int, each: Told
) -> tuple[str, Instant, str, dict[str, object]]:
    """Give an event's type, instant, id and data as they are sent."""
    type_, day, data = each
    dated = {
        name: (came.now + value * DAY) // 1_000_000
        for name, value in data.items()
        if name in ("term_end", "trial_until", "ends_at") and isinstance(value, int)
    }
    return type_, came.now + day * DAY - 1, f"{tenant}-{number}", data | dated


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[list[Told], list[list[int]]]:
    """Draw events, and two orders in which they come, some of them again."""
    first: Told = ("onboard", -45, {"plans": "free", "admin": ADMIN})
    numbered = [first, *draw(st.lists(told(), min_size=1, max_size=8))]
    numbers = list(range(len(numbered)))
    orders = []
    for _ in range(2):
        order = draw(st.permutations(numbers))
        orders.append([*order, *draw(st.lists(st.sampled_from(numbers), max_size=4))])
    return numbered, orders
