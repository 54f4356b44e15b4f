"""What a smaller plan has no room for: as the policy says, and back again with a larger one."""

from dataclasses import replace

import pytest

from authz_service.domain.catalogue import SEATS
from authz_service.domain.event import EventReason
from authz_service.domain.grant import RoleGrant
from authz_service.domain.membership import Membership, MembershipState
from authz_service.usecases.contracts.lifecycle_policy import Downgrade, Excess
from tests.conformance.event_world import DAY, EventWorld
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
    return sorted(m.subject for m in members if m and m.state is MembershipState.SUSPENDED)


def roles(came: EventWorld, subject: str) -> set[str]:
    return {grant.role for grant in came.world.index.grants("acme", subject)}


def test_newest_members_are_suspended_and_come_back_with_their_seats(came: EventWorld) -> None:
    downgrading(came, Downgrade(TIERS, limits={SEATS: Excess.SUSPEND_NEWEST}))
    came.bring("change_plan", came.now - 2 * DAY, plans="free")
    assert suspended(came) == ["user:dee", "user:eve"]
    came.bring("change_plan", came.now - DAY, plans="professional")
    assert suspended(came) == []


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
    came.bring("change_plan", came.now - DAY, plans="free")
    assert roles(came, "user:bob") == left


def test_roles_are_fitted_at_the_first_event_after_the_term_ended(came: EventWorld) -> None:
    downgrading(came, Downgrade(TIERS, at_term_end=True, roles={"billing-admin": ""}))
    ends = (came.now + DAY) // 1_000_000
    came.bring("change_plan", came.now - DAY, plans="free", term_end=ends)
    assert "billing-admin" in roles(came, "user:bob")
    came.world.clock.now += 2 * DAY
    came.bring("paid", came.now - 1)
    assert "billing-admin" not in roles(came, "user:bob")


def test_replacement_that_the_tier_does_not_offer_is_refused_and_changes_nothing(
    came: EventWorld,
) -> None:
    downgrading(came, Downgrade(TIERS, roles={"billing-admin": "operator"}))
    before = came.shown()
    taken = came.bring("change_plan", came.now - DAY, plans="free")
    assert taken.event.reason is EventReason.REFUSED
    assert came.shown() == before
