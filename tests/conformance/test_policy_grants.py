"""The downgrade policy knows its own grants by what they are, not by what their reasons say."""

from dataclasses import replace
from typing import Any, Final

import pytest
from sqlalchemy import text

from authz_service.domain.billing_policy import Downgrade, Excess
from authz_service.domain.catalog import Role
from authz_service.domain.grant import GrantOrigin, GrantSource, HeldBack, RoleGrant
from authz_service.domain.window import ALWAYS, FOREVER, Window
from authz_service.errors import ErrorReason
from authz_service.store.joining import joining_order
from authz_service.usecases.catalog.deletion import DeleteObject
from authz_service.usecases.catalog.roles import delete_role
from authz_service.usecases.grants import role_grants
from authz_service.usecases.kernel.paging import PageRequest
from authz_service.usecases.members import members
from authz_service.usecases.tenants.downgrade_step import StepKind
from tests.conformance import ledger
from tests.conformance.store_world import StoreWorld
from tests.conformance.tenant_world import DAY
from tests.conformance.test_tier_change import READ_ONLY, Moving, refused, who

ENDS: Final = Downgrade(roles={"billing-admin": ""})
REPLACES: Final = Downgrade(roles={"billing-admin": "viewer"})
NOT_OFFERED: Final = "downgrade policy, not offered: subscription ended"
NO_SEAT: Final = "downgrade policy, no seat: subscription ended"
INSTEAD: Final = "downgrade policy, instead of billing-admin: subscription ended"
"""What the policy writes for people, or once wrote, as anybody may write it."""


class Desk(Moving):
    """Edits single grants."""

    def held(self, name: str, role: str) -> RoleGrant:
        """Find the one grant of a role, in force or not."""
        with self.world.facts() as facts:
            grants = facts.role_grants("acme")
        (grant,) = (g for g in grants if (g.subject, g.role) == (f"user:{name}", role))
        return grant

    def edit(self, grant: RoleGrant, *mask: str, window: Window = ALWAYS, reason: str = "") -> None:
        command = role_grants.UpdateRoleGrant(
            tenant="acme", id=grant.id, mask=mask, window=window, reason=reason
        )
        self.do(role_grants.update_role_grant, command)

    def end(self, grant: RoleGrant) -> None:
        command = role_grants.DeleteRoleGrant(tenant="acme", id=grant.id)
        self.do(role_grants.delete_role_grant, command)

    def listed(self, **filters: Any) -> list[RoleGrant]:
        query = role_grants.ListRoleGrants(tenant="acme", page=PageRequest(100, ""), **filters)
        return list(self.ask(role_grants.list_role_grants, query).items)


@pytest.fixture
def acme(store_world: StoreWorld) -> Desk:
    desk = Desk(store_world)
    desk.add("bill", role="billing-admin")
    return desk


@pytest.mark.parametrize("reason", [NOT_OFFERED, NO_SEAT, INSTEAD, "downgrade policy"])
@pytest.mark.parametrize("source", [GrantSource.MANUAL, GrantSource.CONTRACT])
def test_grant_that_somebody_ended_stays_ended_whatever_its_reason_says(
    acme: Desk, reason: str, source: GrantSource
) -> None:
    acme.grant("vera", "editor", source=source, window=Window(acme.now - DAY, FOREVER))
    over = Window(acme.now - DAY, acme.now)
    acme.edit(acme.held("vera", "editor"), "valid_until", "reason", window=over, reason=reason)
    for policy in (ENDS, REPLACES, READ_ONLY):
        acme.shift("free", policy)
        acme.shift("professional", policy)
    assert acme.roles_of("vera") == {"viewer"}
    assert acme.held("vera", "editor").reason == reason


@pytest.mark.parametrize("reason", [NOT_OFFERED, NO_SEAT, INSTEAD])
def test_grant_that_somebody_made_is_nobody_elses_whatever_its_reason_says(
    acme: Desk, reason: str
) -> None:
    acme.grant("bill", "viewer", reason=reason, source=GrantSource.CONTRACT)
    before = acme.world.stored_index().grants("acme", "user:bill")
    assert acme.tidy(READ_ONLY) == acme.tidy(REPLACES) == ()
    acme.shift("free", REPLACES)
    acme.shift("professional", REPLACES)
    assert set(acme.world.stored_index().grants("acme", "user:bill")) == set(before)


def test_role_held_back_keeps_all_it_was_and_gives_nothing(acme: Desk) -> None:
    before = acme.held("bill", "billing-admin")
    acme.shift("free", ENDS)
    held_back = acme.held("bill", "billing-admin")
    assert held_back == replace(before, held_back=HeldBack.NOT_OFFERED)
    assert acme.roles_of("bill") == set()
    assert acme.listed(role="billing-admin") == [held_back]
    assert acme.listed(role="billing-admin", live_at=acme.now) == []
    with acme.world.database.read() as connection:
        seen = connection.execute(text("SELECT v0 FROM casbin_rule WHERE v0 LIKE 'user:bill@%'"))
        assert seen.all() == []
    ledger.assert_whole(acme.world.database)
    acme.shift("professional", ENDS)
    assert acme.held("bill", "billing-admin") == before


@pytest.mark.parametrize("reason", ["", "because I say so", INSTEAD, NO_SEAT])
def test_role_held_back_whose_reason_was_edited_comes_back_with_the_tier(
    acme: Desk, reason: str
) -> None:
    acme.shift("free", REPLACES)
    acme.edit(acme.held("bill", "billing-admin"), "reason", reason=reason)
    steps = acme.shift("professional", REPLACES)
    assert who(steps, StepKind.ROLE_RESTORED) == ["bill"]
    assert acme.roles_of("bill") == {"billing-admin"}
    assert acme.held("bill", "billing-admin").reason == reason


def test_substitute_that_was_edited_goes_when_the_role_comes_back(acme: Desk) -> None:
    acme.shift("free", REPLACES)
    substitute = acme.held("bill", "viewer")
    assert substitute.origin is GrantOrigin.SUBSTITUTE
    assert substitute.substitute_for == acme.held("bill", "billing-admin").id
    week = Window(0, acme.now + 7 * DAY)
    acme.edit(substitute, "valid_until", "reason", window=week, reason="for a week")
    acme.shift("professional", REPLACES)
    assert acme.roles_of("bill") == {"billing-admin"}


def test_read_only_grant_whose_reason_was_edited_goes_when_there_is_a_seat(acme: Desk) -> None:
    acme.add("dora")
    acme.shift("free", READ_ONLY)
    reads = acme.held("dora", "viewer")
    assert reads.origin is GrantOrigin.READ_ONLY
    acme.edit(reads, "reason", reason="she reads")
    assert acme.tidy(READ_ONLY) == ()
    steps = acme.shift("professional", READ_ONLY)
    assert who(steps, StepKind.MEMBER_RESTORED) == ["dora"]
    assert acme.roles_of("dora") == {"editor"}


def test_read_only_grant_that_somebody_ended_stays_ended_and_the_roles_come_back(
    acme: Desk,
) -> None:
    acme.add("dora")
    acme.shift("free", READ_ONLY)
    acme.end(acme.held("dora", "viewer"))
    assert acme.tidy(READ_ONLY) == ()
    assert acme.roles_of("dora") == set()
    acme.shift("professional", READ_ONLY)
    assert acme.roles_of("dora") == {"editor"}


def test_role_that_somebody_ended_while_it_was_held_back_for_want_of_a_seat_stays_ended(
    acme: Desk,
) -> None:
    acme.add("dora")
    acme.grant("dora", "editor", scope="project:1")
    acme.shift("free", READ_ONLY)
    (scoped,) = acme.listed(subject="user:dora", scope="project:1")
    assert scoped.held_back is HeldBack.NO_SEAT
    acme.end(scoped)
    acme.shift("professional", READ_ONLY)
    assert acme.listed(subject="user:dora", scope="project:1") == []
    assert acme.roles_of("dora") == {"editor"}


def test_role_held_back_that_was_shortened_comes_back_as_short(acme: Desk) -> None:
    acme.shift("free", ENDS)
    short = Window(0, acme.now + DAY)
    acme.edit(acme.held("bill", "billing-admin"), "valid_until", window=short)
    acme.wait(acme.now + DAY)
    acme.shift("professional", ENDS)
    assert acme.roles_of("bill") == set()


def test_role_held_back_that_was_granted_anew_is_held_once(acme: Desk) -> None:
    acme.shift("free", ENDS)
    acme.move("professional")
    acme.grant("bill", "billing-admin")
    acme.tidy(ENDS)
    assert acme.held("bill", "billing-admin").held_back is HeldBack.NO


def test_role_granted_anew_and_held_back_again_is_held_back_once(acme: Desk) -> None:
    acme.shift("free", REPLACES)
    acme.move("professional")
    acme.grant("bill", "billing-admin")
    acme.shift("free", REPLACES)
    assert acme.held("bill", "billing-admin").held_back is HeldBack.NOT_OFFERED
    acme.shift("professional", REPLACES)
    assert acme.roles_of("bill") == {"billing-admin"}


def test_grant_held_back_cannot_be_made_like_another_one_that_is(acme: Desk) -> None:
    acme.grant("bill", "billing-admin", window=Window(0, acme.now + DAY))
    acme.shift("free", ENDS)
    for_a_day, always = sorted(
        acme.listed(role="billing-admin"), key=lambda g: g.window.valid_until
    )
    same = refused(lambda: acme.edit(always, "valid_until", window=for_a_day.window))
    assert same.reason is ErrorReason.ROLE_GRANT_EXISTS
    longer = refused(lambda: acme.edit(for_a_day, "valid_until", window=ALWAYS))
    assert longer.reason is ErrorReason.ROLE_NOT_ASSIGNABLE


def test_chain_of_substitutes_ends_with_what_it_stood_in_for(acme: Desk) -> None:
    acme.add("carl", role="billing-admin")
    acme.shift("free", Downgrade(roles={"billing-admin": "editor"}))
    acme.world.put(Role("clerk", frozenset({"invoices:view"})))
    editor = acme.held("carl", "editor")
    stood_in = replace(editor, held_back=HeldBack.NOT_OFFERED)
    acme.world.replace(editor, stood_in)
    acme.world.put(replace(editor, role="clerk", id="clerk", substitute_for=editor.id))
    acme.shift("professional", Downgrade(roles={"billing-admin": "editor"}))
    assert acme.roles_of("carl") == {"billing-admin"}
    assert [grant.role for grant in acme.listed(subject="user:carl")] == ["billing-admin"]


def test_role_that_is_held_back_from_somebody_is_in_use(acme: Desk) -> None:
    acme.shift("free", ENDS)
    refusal = refused(lambda: acme.do(delete_role, DeleteObject(id="billing-admin")))
    assert refusal.reason is ErrorReason.STILL_IN_USE


def test_role_held_back_goes_with_the_member(acme: Desk) -> None:
    acme.add("dora")
    acme.grant("dora", "billing-admin")
    acme.shift("free", replace(READ_ONLY, roles={"billing-admin": ""}))
    acme.do(members.remove_member, members.RemoveMember(tenant="acme", subject="user:dora"))
    assert acme.listed(subject="user:dora") == []
    acme.move("professional")
    acme.add("dora", role="viewer")
    acme.tidy(replace(READ_ONLY, roles={"billing-admin": ""}))
    assert acme.roles_of("dora") == {"viewer"}


def test_policy_that_changes_its_mind_about_seats_gives_the_roles_back(acme: Desk) -> None:
    acme.add("dora")
    acme.shift("free", READ_ONLY)
    steps = acme.tidy(Downgrade(limits={"seats": Excess.SUSPEND_NEWEST}))
    assert who(steps, StepKind.MEMBER_SUSPENDED) == who(steps, StepKind.MEMBER_RESTORED) == ["dora"]
    assert acme.roles_of("dora") == {"editor"}


def test_members_of_one_step_joined_by_name_and_ids_of_rows_say_nothing(acme: Desk) -> None:
    """Whoever came back with the account, in whatever order its rows were written, is as old."""
    acme.add("emil", "carl")
    acme.offboard()
    acme.reactivate()
    steps = acme.shift("free", Downgrade(limits={"seats": Excess.SUSPEND_NEWEST}))
    assert who(steps, StepKind.MEMBER_SUSPENDED) == ["emil", "carl"]
    acme.onboard("twins", "professional", zoe=("admin",), eve=("viewer",), adam=("viewer",))
    with acme.world.database.read() as connection:
        assert joining_order(connection, "twins") == ["user:adam", "user:eve", "user:zoe"]


def test_account_that_ended_by_its_date_and_then_by_hand_ends_on_its_date(acme: Desk) -> None:
    acme.offboard(at=acme.now + DAY)
    periods = acme.tenant().periods
    acme.wait(acme.now + DAY)
    assert acme.offboard().members == 3
    assert acme.tenant().periods == periods
    assert acme.tenant().ended_revision == acme.world.index.revision
    assert acme.reactivate().restored.members == 3
    assert acme.tenant().ended_revision == 0
