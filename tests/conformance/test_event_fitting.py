"""What a smaller plan has no room for: as the policy says, and back again with a larger one."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from authz_service.domain.billing_event import EventReason
from authz_service.domain.billing_policy import Downgrade, Excess
from authz_service.domain.catalog import SEATS, Role
from authz_service.domain.grant import GrantSource, HeldBack, RoleGrant
from authz_service.domain.membership import Membership
from authz_service.domain.tenant import SuspensionReason
from tests.conformance.event_sets import COUNTER, Told, bring, deliveries
from tests.conformance.event_world import ADMIN, DAY, EventWorld
from tests.conformance.store_world import StoreWorld

TIERS = ("free", "professional", "enterprise")


@pytest.fixture
def came(store_world: StoreWorld) -> EventWorld:
    """Lend an account on `professional` with five members; the later the name, the newer."""
    came = EventWorld(store_world)
    came.onboard()
    for name in ("bob", "cy", "dee", "eve"):
        came.world.put(
            Membership("acme", f"user:{name}"),
            RoleGrant("acme", f"user:{name}", "editor", id=f"grant-{name}"),
        )
    came.world.put(RoleGrant("acme", "user:bob", "billing-admin", id="grant-billing"))
    return came


def downgrading(came: EventWorld, downgrade: Downgrade) -> None:
    came.policy = replace(came.policy, downgrade=downgrade)


def suspended(came: EventWorld) -> list[str]:
    index = came.world.index
    members = [index.member("acme", s) for s, _ in index.tenants["acme"].members.items()]
    return sorted(m.subject for m in members if m and SuspensionReason.SEATS in m.suspensions)


def roles(came: EventWorld, subject: str) -> set[str]:
    """Name the roles in force, as a process sees them that starts now."""
    found = came.world.stored_index().grants("acme", subject)
    return {grant.role for grant in found if grant.covers((), came.now)}


def test_newest_members_are_suspended_and_come_back_with_their_seats(came: EventWorld) -> None:
    downgrading(came, Downgrade(TIERS, limits={SEATS: Excess.SUSPEND_NEWEST}))
    taken = came.bring("change_plan", came.now - 2 * DAY, plans="free")
    assert suspended(came) == ["user:dee", "user:eve"]
    assert "downgrade: user:eve suspended, no seat" in taken.effects
    came.bring("change_plan", came.now - DAY, plans="professional")
    assert suspended(came) == []


def test_member_suspended_for_another_reason_stays_so(came: EventWorld) -> None:
    downgrading(came, Downgrade(TIERS, limits={SEATS: Excess.SUSPEND_NEWEST}))
    eve = Membership("acme", "user:eve")
    unpaid = frozenset({SuspensionReason.BILLING})
    came.world.replace(eve, replace(eve, suspensions=unpaid))
    came.bring("change_plan", came.now - 2 * DAY, plans="free")
    came.bring("change_plan", came.now - DAY, plans="professional")
    member = came.world.index.member("acme", "user:eve")
    assert member is not None
    assert member.suspensions == unpaid


def test_newest_members_keep_a_role_that_only_reads(came: EventWorld) -> None:
    limits = {SEATS: Excess.READ_ONLY_EXCESS}
    downgrading(came, Downgrade(TIERS, limits=limits, read_only_role="viewer"))
    came.bring("change_plan", came.now - DAY, plans="free")
    assert [roles(came, f"user:{name}") for name in ("cy", "dee", "eve")] == [
        {"editor"},
        {"viewer"},
        {"viewer"},
    ]


def test_blocking_new_members_takes_nothing_from_those_who_are_there(came: EventWorld) -> None:
    downgrading(came, Downgrade(TIERS, limits={SEATS: Excess.BLOCK_NEW}))
    came.bring("change_plan", came.now - DAY, plans="free")
    assert suspended(came) == []
    assert roles(came, "user:eve") == {"editor"}


@pytest.mark.parametrize(("instead", "left"), [("viewer", {"editor", "viewer"}), ("", {"editor"})])
def test_role_that_leaves_the_tier_is_replaced_or_taken(
    came: EventWorld, instead: str, left: set[str]
) -> None:
    downgrading(came, Downgrade(TIERS, roles={"billing-admin": instead}))
    came.bring("change_plan", came.now - 2 * DAY, plans="free")
    assert roles(came, "user:bob") == left
    came.bring("change_plan", came.now - DAY, plans="professional")
    assert roles(came, "user:bob") == {"editor", "billing-admin"}


def test_role_given_by_hand_in_place_of_one_held_back_stays(came: EventWorld) -> None:
    downgrading(came, Downgrade(TIERS, roles={"billing-admin": "viewer"}))
    came.world.put(RoleGrant("acme", "user:bob", "viewer", id="by-hand"))
    came.bring("change_plan", came.now - 2 * DAY, plans="free")
    came.bring("change_plan", came.now - DAY, plans="professional")
    assert roles(came, "user:bob") == {"editor", "viewer", "billing-admin"}


def test_role_that_was_revoked_while_held_back_does_not_come_back(came: EventWorld) -> None:
    downgrading(came, Downgrade(TIERS, roles={"billing-admin": ""}))
    came.bring("change_plan", came.now - 2 * DAY, plans="free")
    with came.world.facts() as facts:
        held = [g for g in facts.role_grants("acme") if g.role == "billing-admin"]
    came.world.end(*held)
    came.bring("change_plan", came.now - DAY, plans="professional")
    assert roles(came, "user:bob") == {"editor"}


def test_role_held_back_outlasts_the_end_of_the_account_and_its_return(came: EventWorld) -> None:
    downgrading(came, Downgrade(TIERS, roles={"billing-admin": ""}))
    came.bring("change_plan", came.now - 9 * DAY, plans="free")
    came.bring("churned", came.now - 8 * DAY)
    came.bring("reactivated", came.now - 7 * DAY)
    assert "billing-admin" not in roles(came, "user:bob")
    came.bring("change_plan", came.now - DAY, plans="professional")
    assert roles(came, "user:bob") == {"editor", "billing-admin"}


def test_members_who_come_back_with_their_account_are_as_old_as_before(came: EventWorld) -> None:
    downgrading(came, Downgrade(TIERS, limits={SEATS: Excess.SUSPEND_NEWEST}))
    bob = Membership("acme", "user:bob")
    held = replace(bob, suspensions=frozenset({SuspensionReason.RISK}))
    came.world.replace(bob, held)
    came.world.replace(held, bob)
    came.bring("churned", came.now - 9 * DAY)
    came.bring("reactivated", came.now - 8 * DAY)
    came.bring("change_plan", came.now - DAY, plans="free")
    assert suspended(came) == ["user:dee", "user:eve"]


def test_contract_that_was_smaller_for_a_moment_costs_nobody_a_role(came: EventWorld) -> None:
    """Two events change places: the account ends as if they had not."""
    limits = {SEATS: Excess.READ_ONLY_EXCESS}
    downgrading(came, Downgrade(TIERS, False, limits, {"billing-admin": ""}, "viewer"))
    before = came.shown()
    came.bring("change_plan", came.now - 2 * DAY, plans="free")
    assert came.shown() != before
    came.bring("change_plan", came.now - DAY, plans="professional")
    assert came.shown() == before


def test_roles_of_many_are_held_back_at_one_instant(came: EventWorld) -> None:
    downgrading(came, Downgrade(TIERS, roles={"billing-admin": ""}))
    came.world.put(RoleGrant("acme", "user:cy", "billing-admin", id="grant-cy"))
    twice = RoleGrant("acme", "user:cy", "billing-admin", source=GrantSource.SCIM, id="grant-cy-2")
    came.world.put(twice)
    came.bring("change_plan", came.now - DAY, plans="free")
    with came.world.facts() as facts:
        grants = [g for g in facts.role_grants("acme") if g.role == "billing-admin"]
    assert [grant.held_back for grant in grants] == [HeldBack.NOT_OFFERED] * 3


def test_role_held_back_comes_back_under_the_name_that_it_was_given_since(
    came: EventWorld,
) -> None:
    downgrading(came, Downgrade(TIERS, roles={"billing-admin": "viewer"}))
    came.bring("change_plan", came.now - 2 * DAY, plans="free")
    with came.world.facts() as facts:
        (mark,) = (g for g in facts.role_grants("acme") if g.role == "billing-admin")
    came.world.put(Role("treasurer", frozenset({"invoices:view"})))
    came.world.replace(mark, replace(mark, role="treasurer"))
    came.bring("change_plan", came.now - DAY, plans="professional")
    assert roles(came, "user:bob") == {"editor", "treasurer"}


def test_preview_on_each_database_names_what_the_policy_will_do(came: EventWorld) -> None:
    limits = {SEATS: Excess.READ_ONLY_EXCESS}
    downgrading(came, Downgrade(TIERS, False, limits, {"billing-admin": ""}, "viewer"))
    found = came.preview("change_plan", came.now - DAY, plans="free")
    taken = came.bring("change_plan", came.now - DAY, plans="free")
    assert found.effects == taken.effects
    assert found.change is not None
    assert {step.subject for step in found.change.steps} == {"user:bob", "user:dee", "user:eve"}


def test_tidying_is_done_in_the_transaction_of_the_event(came: EventWorld) -> None:
    downgrading(came, Downgrade(TIERS, roles={"billing-admin": ""}))
    revision = came.world.index.revision
    came.bring("change_plan", came.now - DAY, plans="free")
    assert came.world.index.revision == revision + 1


def test_replacement_that_the_tier_does_not_offer_is_refused_and_changes_nothing(
    came: EventWorld,
) -> None:
    downgrading(came, Downgrade(TIERS, roles={"billing-admin": "authz.operator"}))
    before = came.shown()
    taken = came.bring("change_plan", came.now - DAY, plans="free")
    assert taken.event.reason is EventReason.REFUSED
    assert came.shown() == before


POLICIES = st.builds(
    Downgrade,
    order=st.just(TIERS),
    at_term_end=st.booleans(),
    limits=st.fixed_dictionaries({SEATS: st.sampled_from(Excess)}),
    roles=st.fixed_dictionaries({"billing-admin": st.sampled_from(["", "viewer", "editor"])}),
    read_only_role=st.just("viewer"),
)
ROLES = st.sets(st.sampled_from(["viewer", "editor", "billing-admin"]))
SCOPES = st.sampled_from(["", "project:1"])


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    policy=POLICIES,
    held=st.lists(st.tuples(ROLES, SCOPES), min_size=1, max_size=6),
    came_in=deliveries(),
)
def test_any_order_and_repetition_ends_in_the_same_roster(
    sets_came: EventWorld,
    policy: Downgrade,
    held: list[tuple[set[str], str]],
    came_in: tuple[list[Told], list[list[int]]],
) -> None:
    """Members are there from the first event on; the contract of the others goes up and down."""
    downgrading(sets_came, policy)
    numbered, orders = came_in
    seen = []
    for order in orders:
        tenant = f"m{next(COUNTER)}"
        bring(sets_came, tenant, 0, ("onboard", -45, {"plans": "enterprise", "admin": ADMIN}))
        for number, (roles_, scope) in enumerate(held):
            who = f"user:m{number}"
            grants = [
                RoleGrant(tenant, who, role, scope, id=f"{tenant}-{number}-{role}")
                for role in sorted(roles_)
            ]
            sets_came.world.put(Membership(tenant, who), *grants)
        for number in order:
            if number:
                bring(sets_came, tenant, number, numbered[number])
        seen.append(sets_came.shown(tenant))
    assert seen[0] == seen[1]
