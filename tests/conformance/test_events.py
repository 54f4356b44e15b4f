"""Events from outside: each counts once, in its own order, all of it or nothing."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from authz_service.domain.audit import Actor, AuditRecord
from authz_service.domain.billing_event import EventReason, EventState, Stage
from authz_service.domain.billing_policy import BreakerSettings
from authz_service.domain.call import Call
from authz_service.domain.tenant import SYSTEM, SuspensionReason, TenantState
from authz_service.engine.entitlements import limit_in_force
from authz_service.errors import AlreadyExists, ErrorReason, PermissionDenied
from authz_service.store import events as store
from authz_service.store import policy_versions
from authz_service.store.unit_of_work import Transaction
from authz_service.usecases.billing import ingestion as intake
from authz_service.usecases.billing import receipt
from authz_service.usecases.billing.ingestion import Taken
from tests.conformance.event_sets import COUNTER, Told, bring, deliveries
from tests.conformance.event_world import ADMIN, DAY, OPERATOR, SOURCE, EventWorld
from tests.conformance.store_world import StoreWorld


@pytest.fixture
def came(store_world: StoreWorld) -> EventWorld:
    return EventWorld(store_world)


def test_onboarding_opens_an_account_with_tier_and_first_admin(came: EventWorld) -> None:
    taken = came.onboard()
    assert taken.event.state is EventState.APPLIED
    account = came.account()
    assert account is not None
    assert (account.tier, account.state) == ("professional", TenantState.ACTIVE)
    member = came.world.index.member("acme", "user:ada")
    assert member is not None
    assert member.owner
    assert [step.stage for step in taken.event.passage] == [
        Stage.RECEIVED,
        Stage.VERIFIED,
        Stage.APPLIED,
    ]
    assert taken.event.revision == came.world.index.revision


def test_duplicate_is_counted_and_does_nothing(came: EventWorld) -> None:
    came.onboard()
    before = came.world.index.revision
    again = came.onboard()
    assert again.duplicate
    assert again.event.deliveries == 2
    assert came.world.index.revision == before
    assert again.event.passage[-1].stage is Stage.DUPLICATE


def test_older_event_never_regresses_what_a_newer_one_said(came: EventWorld) -> None:
    came.onboard()
    came.bring("change_plan", came.now - DAY, plans="enterprise")
    late = came.bring("change_plan", came.now - 2 * DAY, plans="free")
    assert late.event.state is EventState.APPLIED
    assert late.effects == ()
    account = came.account()
    assert account is not None
    assert account.tier == "enterprise"


def test_what_is_churned_stays_so_until_it_is_reactivated(came: EventWorld) -> None:
    came.onboard()
    came.bring("churned", came.now - 3 * DAY)
    came.bring("change_plan", came.now - 2 * DAY, plans="enterprise")
    assert came.world.index.tenants["acme"].fact.state_at(came.now) is TenantState.OFFBOARDED
    assert came.world.index.member("acme", "user:ada") is None
    came.bring("reactivated", came.now - DAY)
    account = came.account()
    assert account is not None
    assert (account.state, account.tier) == (TenantState.ACTIVE, "professional")
    assert came.world.index.member("acme", "user:ada") is not None


def test_unknown_plan_is_parked_and_no_tier_is_assumed(came: EventWorld) -> None:
    taken = came.bring("onboard", came.now - DAY, plans="gold", admin=ADMIN)
    assert (taken.event.state, taken.event.reason) == (EventState.PARKED, EventReason.UNKNOWN_PLAN)
    assert "'gold'" in taken.event.message
    assert came.account() is None


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"plans": []}, "finds no plan"),
        ({"plans": 7}, "names no plan"),
        ({"plans": None}, "finds nothing"),
        ({"plans": [{"plan": "price_enterprise", "quantity": -1}]}, "sold by quantity"),
        ({"plans": [{"plan": "price_enterprise"}]}, "sold by quantity"),
        ({"plans": [{"plan": "price_enterprise", "quantity": 2**60}]}, "sold by quantity"),
        ({"plans": ["free", "enterprise"]}, "one agreement sells one"),
        ({"plans": "free", "term_end": "soon"}, "`term_end`"),
    ],
)
def test_malformed_event_is_parked_with_the_precise_reason(
    came: EventWorld, data: dict[str, Any], said: str
) -> None:
    came.onboard()
    before = came.shown()
    taken = came.bring("change_plan", came.now - DAY, **data)
    assert taken.event.state is EventState.PARKED
    assert said in taken.event.message
    assert came.shown() == before
    assert came.counts[f"parked {taken.event.reason.value}"] == 1


def test_event_of_the_future_is_parked(came: EventWorld) -> None:
    came.onboard()
    taken = came.bring("change_plan", came.now + 2 * DAY, plans="free")
    assert taken.event.reason is EventReason.MALFORMED


def test_event_of_an_unknown_subject_waits_for_the_one_that_maps_it(came: EventWorld) -> None:
    early = came.bring("change_plan", came.now - DAY, "", subject="cus_1", plans="enterprise")
    assert early.event.reason is EventReason.UNKNOWN_SUBJECT
    came.bring("onboard", came.now - 2 * DAY, subject="cus_1", plans="free", admin=ADMIN)
    account = came.account()
    assert account is not None
    assert account.tier == "enterprise"
    assert came.event(early.event.event.id).state is EventState.APPLIED


def test_subject_of_one_tenant_is_not_taken_by_another(came: EventWorld) -> None:
    came.bring("onboard", came.now - 2 * DAY, "acme", subject="cus_1", plans="free", admin=ADMIN)
    taken = came.bring("churned", came.now - DAY, "globex", subject="cus_1")
    assert taken.event.reason is EventReason.SUBJECT_CONFLICT


def test_plan_waits_for_onboarding_and_onboarding_for_a_plan(came: EventWorld) -> None:
    plan = came.bring("change_plan", came.now - DAY, plans="professional")
    assert plan.event.reason is EventReason.NOT_ONBOARDED
    came.bring("onboard", came.now - 2 * DAY, admin=ADMIN)
    assert came.event(plan.event.event.id).state is EventState.APPLIED
    account = came.account()
    assert account is not None
    assert account.tier == "professional"


def test_tenant_system_is_no_customer(came: EventWorld) -> None:
    taken = came.bring("churned", came.now - DAY, "system")
    assert taken.event.reason is EventReason.MALFORMED
    assert came.world.index.tenants["system"].fact.state_at(came.now) is TenantState.ACTIVE


def test_grace_ends_in_suspension_by_its_date_alone(came: EventWorld) -> None:
    came.onboard()
    came.bring("past_due", came.now - DAY)
    tenant = came.world.index.tenants["acme"].fact
    assert tenant.state_at(came.now) is TenantState.GRACE
    assert tenant.state_at(came.now + 13 * DAY - 1) is TenantState.GRACE
    assert tenant.state_at(came.now + 13 * DAY) is TenantState.SUSPENDED
    came.bring("paid", came.now - 1)
    tenant = came.world.index.tenants["acme"].fact
    assert tenant.state_at(came.now + 99 * DAY) is TenantState.ACTIVE


def test_downgrade_waits_for_the_end_of_the_term_and_upgrade_does_not(came: EventWorld) -> None:
    came.onboard()
    ends = (came.now + 10 * DAY) // 1_000_000
    came.bring("change_plan", came.now - DAY, plans="free", term_end=ends)
    tenant = came.world.index.tenants["acme"].fact
    assert tenant.tier_at(came.now) == "professional"
    assert tenant.tier_at(ends * 1_000_000) == "free"
    came.bring("change_plan", came.now - 1, plans="enterprise", term_end=ends)
    tenant = came.world.index.tenants["acme"].fact
    assert tenant.tier_at(came.now) == tenant.tier_at(ends * 1_000_000) == "enterprise"


def test_own_limit_of_a_smaller_plan_holds_from_the_very_instant(came: EventWorld) -> None:
    def sold(plan: str, seats: int) -> list[dict[str, object]]:
        return [{"plan": plan, "quantity": seats}]

    came.bring("onboard", came.now - 50 * DAY, plans=sold("price_enterprise", 90), admin=ADMIN)
    term_end = (came.now + DAY) // 1_000_000
    came.bring(
        "change_plan",
        came.now - DAY,
        plans=sold("price_professional_monthly", 5),
        term_end=term_end,
    )

    def seats(at: int) -> int | None:
        index = came.world.stored_index()
        found = limit_in_force(index, index.tenants["acme"].fact, "seats", at)
        return found.limit.value if found else -1

    edge = term_end * 1_000_000
    assert (seats(edge - 1), seats(edge)) == (90, 5)
    came.world.clock.now = edge
    came.bring("paid", came.now - 1)
    assert seats(edge) == 5


def test_what_people_changed_stays_until_an_event_changes_that_very_aspect(
    came: EventWorld,
) -> None:
    came.onboard()
    before = came.world.index.tenants["acme"].fact
    by_hand = replace(before, suspensions=frozenset({SuspensionReason.RISK}), display_name="Acme!")
    came.world.replace(before, by_hand)
    came.bring("change_plan", came.now - DAY, plans="enterprise")
    after = came.world.index.tenants["acme"].fact
    assert after.tier_at(came.now) == "enterprise"
    assert (after.suspensions, after.display_name) == (by_hand.suspensions, "Acme!")


def test_refused_event_is_parked_and_leaves_no_trace_of_what_it_began(came: EventWorld) -> None:
    came.onboard()
    staff = {"subject": "staff:mallory"}
    before, revision = came.shown(), came.world.index.revision
    taken = came.bring("onboard", came.now - DAY, plans="enterprise", admin=staff)
    assert taken.event.reason is EventReason.REFUSED
    assert ErrorReason.STAFF_NOT_ALLOWED in taken.event.message
    assert (came.shown(), came.world.index.revision) == (before, revision)


class _Crash(Exception):
    """The process dies."""


def test_crash_amid_what_an_event_does_leaves_it_received_and_nothing_done(
    came: EventWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    came.onboard()
    before = came.world.stored_index().revision
    monkeypatch.setattr(intake, "apply", lambda *_a, **_k: (_ for _ in ()).throw(_Crash))
    with pytest.raises(_Crash):
        came.bring("churned", came.now - DAY, id_="last")
    monkeypatch.undo()
    assert came.world.stored_index().revision == before
    assert came.event("last").state is EventState.RECEIVED
    assert came.shown() is not None
    again = came.bring("churned", came.now - DAY, id_="last")
    assert not again.duplicate
    assert again.event.state is EventState.APPLIED


def test_what_was_received_and_no_more_is_done_later(
    came: EventWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    came.onboard()
    monkeypatch.setattr(intake, "apply", lambda *_a, **_k: (_ for _ in ()).throw(_Crash))
    with pytest.raises(_Crash):
        came.bring("change_plan", came.now - DAY, id_="up", plans="enterprise")
    monkeypatch.undo()
    assert came.door.fold_in_late() == 0, "its own process may still be at it"
    came.world.clock.now += 60_000_000
    assert came.door.fold_in_late() == 1
    assert came.event("up").state is EventState.APPLIED
    account = came.account()
    assert account is not None
    assert account.tier == "enterprise"
    assert came.door.fold_in_late() == 0


def test_event_that_leaves_its_account_as_it_is_waits_for_no_change(came: EventWorld) -> None:
    """Hold the head, as a long change of another account does."""
    came.onboard()
    other = came.world.another(busy_seconds=30)
    with ExitStack() as held:
        if came.world.database.dialect == "postgresql":  # SQLite has one writer
            held.enter_context(other.store.transaction(Call(Actor("user:other"))))
        paid = came.bring("paid", came.now - DAY)
        assert paid.event.state is EventState.APPLIED
        again = came.bring("paid", came.now - DAY)
        assert again.duplicate
        unknown = came.bring("change_plan", came.now - DAY, id_="gold", plans="gold")
        assert unknown.event.reason is EventReason.UNKNOWN_PLAN
        if came.world.database.dialect == "postgresql":
            up = came.bring("change_plan", came.now - DAY, id_="up", plans="enterprise")
            assert up.event.state is EventState.RECEIVED


def test_event_of_a_call_that_leaves_its_account_as_it_is_waits_for_no_change(
    came: EventWorld,
) -> None:
    came.let_operations_in()
    came.onboard()
    revision = came.world.stored_index().revision
    other = came.world.another(busy_seconds=30)
    with ExitStack() as held:
        if came.world.database.dialect == "postgresql":  # SQLite has one writer
            held.enter_context(other.store.transaction(Call(Actor("user:other"))))
        paid = came.bring_by_call("paid", came.now - DAY, request_id="once")
        assert (paid.value.event.state, paid.revision) == (EventState.APPLIED, revision)
        again = came.bring_by_call("paid", came.now - DAY, request_id="once")
        assert (again.repeated, again.value) == (True, paid.value)
        assert came.bring_by_call("paid", came.now - DAY).value.duplicate
        unknown = came.bring_by_call("change_plan", came.now - DAY, id_="gold", plans="gold")
        assert unknown.value.event.reason is EventReason.UNKNOWN_PLAN
        upward = partial(came.bring_by_call, "change_plan", came.now - DAY, plans="enterprise")
        if came.world.database.dialect == "postgresql":
            assert upward(request_id="up").value.event.state is EventState.RECEIVED
    up = upward(request_id="up")
    assert (up.value.event.state, up.repeated) == (EventState.APPLIED, False)
    assert (up.revision, up.value.event.deliveries > 1) == (
        revision + 1,
        came.world.database.dialect == "postgresql",
    )
    assert upward(request_id="up").repeated
    with pytest.raises(AlreadyExists):
        came.bring_by_call("paused", came.now - DAY, request_id="once")


def test_event_of_a_caller_whose_right_was_just_revoked_is_not_kept(came: EventWorld) -> None:
    """This process has not heard of it yet."""
    came.let_operations_in()
    came.onboard()
    heard = came.world.index
    with came.world.another().store.transaction(Call(Actor("user:other"))) as tx:
        tx.change(OPERATOR, None)
        tx.record(AuditRecord("role_grant.revoked", SYSTEM, (OPERATOR.id,), OPERATOR))
    assert came.world.index is heard
    with pytest.raises(PermissionDenied):
        came.bring_by_call("change_plan", came.now - DAY, id_="up", plans="enterprise")
    with came.world.database.read() as connection:
        assert store.find(connection, SOURCE, "up") is None


def test_change_of_another_account_waits_for_no_event_of_a_call(
    came: EventWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Let another account open while an event that a call brings is being kept."""
    if came.world.database.dialect != "postgresql":
        pytest.skip("SQLite has one writer")
    came.let_operations_in()
    came.onboard()
    other = EventWorld(came.world.another(busy_seconds=1))
    opened: list[EventState] = []
    receive = receipt.receive

    def slowly(tx: Transaction, *rest: Any) -> Taken:
        taken = receive(tx, *rest)
        if not opened:
            opened.append(EventState.RECEIVED)
            opened[0] = other.onboard("quick").event.state
        return taken

    monkeypatch.setattr(receipt, "receive", slowly)
    came.bring_by_call("change_plan", came.now - DAY, plans="enterprise")
    assert opened == [EventState.APPLIED]


def test_change_of_another_account_waits_for_no_event(came: EventWorld) -> None:
    """Hold an event's transaction, as a slow disk does."""
    if came.world.database.dialect != "postgresql":
        pytest.skip("SQLite has one writer")
    came.onboard()
    other = EventWorld(came.world.another(busy_seconds=1))
    with came.world.store.aside(Call(Actor("source:slow"))) as tx:
        store.hold(tx.connection, "acme")
        assert policy_versions.in_step(tx.connection, tx.index.revision)
        opened = other.onboard("quick")
    assert opened.event.state is EventState.APPLIED


def test_deliveries_at_once_count_once_and_none_is_lost(came: EventWorld) -> None:
    came.onboard()
    came.onboard("other")
    plans = ("professional", "enterprise")

    def deliver(hand: int) -> None:
        for number in range(12):
            tenant = ("acme", "other")[(number + hand) % 2]
            plan = plans[number // 2 % 2]
            came.bring(
                "change_plan", came.now - DAY + number, tenant, id_=f"{tenant}{number}", plans=plan
            )

    with ThreadPoolExecutor(4) as pool:
        for hand in [pool.submit(deliver, hand) for hand in range(4)]:
            hand.result()
    for tenant in ("acme", "other"):
        events = [came.event(f"{tenant}{number}") for number in range(12)]
        assert [event.state for event in events] == [EventState.APPLIED] * 12
        assert [event.deliveries for event in events] == [2] * 12
        assert [len(event.passage) for event in events] == [4] * 12
        account = came.account(tenant)
        assert account is not None
        assert account.tier == "enterprise"


def test_breaker_stops_an_avalanche(store_world: StoreWorld) -> None:
    came = EventWorld(store_world)
    came.policy = replace(came.policy, breaker=BreakerSettings(1, 2, DAY))
    names = ["t1", "t2", "t3", "t4"]
    for name in names:
        came.onboard(name)
    taken = [came.bring("churned", came.now - DAY, name, id_=f"end-{name}") for name in names]
    assert [each.event.reason for each in taken[:2]] == [EventReason.NONE] * 2
    assert [each.event.reason for each in taken[2:]] == [EventReason.BREAKER_OPEN] * 2
    states = [came.world.index.tenants[name].fact.state_at(came.now) for name in names]
    assert states == [TenantState.OFFBOARDED] * 2 + [TenantState.ACTIVE] * 2
    upgraded = came.bring("change_plan", came.now - 1, "t3", plans="enterprise")
    assert upgraded.event.state is EventState.APPLIED


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(came_in=deliveries())
def test_any_order_and_repetition_ends_in_the_same_account(
    sets_came: EventWorld, came_in: tuple[list[Told], list[list[int]]]
) -> None:
    numbered, orders = came_in
    seen = []
    for order in orders:
        tenant = f"t{next(COUNTER)}"
        for number in order:
            bring(sets_came, tenant, number, numbered[number])
        seen.append(sets_came.shown(tenant))
    assert seen[0] == seen[1]
