"""What is scheduled is what will happen, and what is cancelled will not."""

from collections.abc import Callable
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from authz_service.domain.catalog import Limit
from authz_service.domain.contract_account import led
from authz_service.domain.contract_change import Action, Aspect
from authz_service.domain.lifecycle import activated, in_grace, offboarded, on_trial
from authz_service.domain.schedule import ScheduledChange, ScheduledKind, cancelled, scheduled
from authz_service.domain.subscription import (
    moved_to_tier,
    moving_to_tier,
    with_add_on,
    with_limits,
    without_add_on,
)
from authz_service.domain.tenant import StatePeriod, SubscriptionItem, Tenant, TenantState
from authz_service.domain.window import FOREVER, Instant, Window
from authz_service.errors import AuthzError

NOW = 100
LATER = st.integers(NOW + 1, NOW + 12)
STEPS = st.one_of(
    st.tuples(st.just("tier"), st.sampled_from(["free", "pro", "max"]), LATER),
    st.tuples(st.just("tier now"), st.sampled_from(["free", "pro"]), LATER),
    st.tuples(st.just("trial"), st.sampled_from(["active", "suspended"]), LATER),
    st.tuples(st.just("grace"), st.just(""), LATER),
    st.tuples(st.just("activate"), st.just(""), LATER),
    st.tuples(st.just("end"), st.just(""), LATER),
    st.tuples(st.just("hold"), st.sampled_from(["audit", "seats"]), LATER),
    st.tuples(st.just("drop"), st.sampled_from(["audit", "seats"]), LATER),
    st.tuples(st.just("limit"), st.sampled_from(["seats 5 9", "seats 5", "rows 5 x"]), LATER),
    st.tuples(st.just("limit by hand"), st.sampled_from(["seats", "rows"]), LATER),
)


def dated(tenant: Tenant, what: str, at: Instant) -> Tenant:
    """Let a contract give a limit one amount until an instant, and another or none from then on."""
    name, *amounts = what.split()
    windows = (Window(0, at), Window(at))
    phases = tuple(
        ((None if amount == "x" else int(amount),), window)
        for amount, window in zip(amounts, windows, strict=False)
    )
    return led(
        tenant, Action(Aspect.LIMIT, phases, name=name), NOW, lambda name: Limit(name, 1, name)
    )


DOING: dict[str, Callable[[Tenant, str, Instant], Tenant]] = {
    "tier": lambda tenant, name, at: moving_to_tier(tenant, name, at, NOW),
    "tier now": lambda tenant, name, _: moved_to_tier(tenant, name),
    "trial": lambda tenant, name, at: on_trial(tenant, at, TenantState(name), NOW),
    "grace": lambda tenant, _, at: in_grace(tenant, at, NOW),
    "activate": lambda tenant, *_: activated(tenant, NOW),
    "end": lambda tenant, _, at: offboarded(tenant, at, NOW),
    "hold": lambda tenant, name, at: with_add_on(tenant, name, Window(at, at + 3), NOW),
    "drop": lambda tenant, name, at: without_add_on(tenant, name, at, NOW),
    "limit": dated,
    "limit by hand": lambda tenant, name, _: with_limits(tenant, [Limit(name, 7, name)], ()),
}


def stepped(tenant: Tenant, step: tuple[str, str, Instant]) -> Tenant:
    """Do one thing; what is refused leaves the tenant as it is."""
    what, name, at = step
    try:
        return DOING[what](tenant, name, at)
    except AuthzError:
        return tenant


@st.composite
def tenants(draw: st.DrawFn) -> Tenant:
    tenant = Tenant("acme", subscription_items=(SubscriptionItem("tier/free"),))
    for step in draw(st.lists(STEPS, max_size=8)):
        tenant = stepped(tenant, step)
    return tenant


Seen = tuple[TenantState, str, tuple[str, ...], tuple[Limit, ...]]


def seen(tenant: Tenant, at: Instant) -> Seen:
    bought = tenant.tier_at(at), tenant.add_ons_at(at), tenant.limits_at(at)
    return tenant.dated_state_at(at), *bought


@given(tenants())
def test_dates_never_overlap_and_never_leave_a_gap(tenant: Tenant) -> None:
    assert tenant.periods[0].window.valid_from == 0
    assert tenant.periods[-1].window.valid_until == FOREVER
    for one, other in pairwise(tenant.periods):
        assert one.window.valid_until == other.window.valid_from
    for at in range(NOW, NOW + 20):
        assert sum(held.plan.startswith("tier/") for held in live(tenant, at)) == 1
        assert len({held.plan for held in live(tenant, at)}) == len(live(tenant, at))
        names = [limit.name for limit in tenant.limits_at(at)]
        assert len(set(names)) == len(names)


def live(tenant: Tenant, at: Instant) -> list[SubscriptionItem]:
    return [held for held in tenant.subscription_items if held.window.covers(at)]


@given(tenants())
def test_schedule_tells_everything_that_changes_and_nothing_else(tenant: Tenant) -> None:
    told = {change.at for change in scheduled(tenant, NOW)}
    changing = {at for at in range(NOW + 1, NOW + 20) if seen(tenant, at) != seen(tenant, at - 1)}
    assert told == changing
    ids = [change.id for change in scheduled(tenant, NOW)]
    assert len(set(ids)) == len(ids)


@given(tenants())
def test_what_is_cancelled_does_not_happen_and_nothing_changes_before(tenant: Tenant) -> None:
    for change in scheduled(tenant, NOW):
        without = cancelled(tenant, change)
        assert change.id not in [each.id for each in scheduled(without, NOW)]
        assert aspect(without, change, change.at) == aspect(without, change, change.at - 1)
        for at in range(NOW, change.at):
            assert seen(without, at) == seen(tenant, at)


def aspect(tenant: Tenant, change: ScheduledChange, at: Instant) -> object:
    state, tier, add_ons, _ = seen(tenant, at)
    match change.kind:
        case ScheduledKind.STATE:
            return state
        case ScheduledKind.TIER:
            return tier
        case ScheduledKind.LIMIT:
            limit = change.after or change.before
            assert isinstance(limit, Limit)
            return tenant.limit(limit.name, at)
    return (change.after or change.before) in add_ons


@given(tenants())
def test_cancelling_one_aspect_leaves_the_others(tenant: Tenant) -> None:
    for change in scheduled(tenant, NOW):
        without = cancelled(tenant, change)
        if change.kind is ScheduledKind.STATE:
            assert without.subscription_items == tenant.subscription_items
        else:
            assert without.periods == tenant.periods


def test_id_of_a_change_says_what_will_be_and_when() -> None:
    noon = 1_780_315_200_000_000
    moving = moving_to_tier(
        Tenant("acme", subscription_items=(SubscriptionItem("tier/free"),)), "pro", noon, NOW
    )
    assert [each.id for each in scheduled(moving, NOW)] == ["tier:pro@2026-06-01T12:00:00Z"]
    odd = in_grace(Tenant("acme"), noon + 1, NOW)
    assert [e.id for e in scheduled(odd, NOW)] == ["state:suspended@2026-06-01T12:00:00.000001Z"]


def test_renewal_that_follows_at_once_is_no_change() -> None:
    renewed = with_add_on(
        with_add_on(Tenant("acme"), "a", Window(0, 200), NOW), "a", Window(200), NOW
    )
    assert scheduled(renewed, NOW) == []


def test_activation_after_a_trial_is_decided_without_a_clock() -> None:
    trial = Tenant("acme", periods=(StatePeriod(TenantState.TRIAL),))
    assert activated(trial, NOW).periods == (StatePeriod(TenantState.ACTIVE),)
