"""Moves between tiers, on each database: seen before they are made, and put in order afterwards."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier
from typing import Any, Final

import pytest

from authz_service.domain.billing_policy import BillingPolicy, Downgrade, Excess
from authz_service.domain.call import Call
from authz_service.domain.catalog import Limit
from authz_service.domain.grant import GrantSource, RoleGrant
from authz_service.domain.tenant import SuspensionReason
from authz_service.domain.window import Window
from authz_service.engine.impact import ImpactKind
from authz_service.errors import AuthzError, ErrorReason
from authz_service.usecases.grants import role_grants
from authz_service.usecases.members import members, ownership
from authz_service.usecases.members.invitations import (
    AcceptInvitation,
    InviteMember,
    accept_invitation,
    invite_member,
)
from authz_service.usecases.tenants import states, subscriptions
from authz_service.usecases.tenants.downgrade_step import Step, StepKind
from authz_service.usecases.tenants.onboarding import SetTier, set_tier
from authz_service.usecases.tenants.tier_change import (
    ApplyDowngradePolicy,
    PreviewTierChange,
    TierChange,
    Use,
    apply_downgrade_policy,
    preview_tier_change,
)
from tests.conformance import ledger
from tests.conformance.event_world import decide_by
from tests.conformance.store_world import OPS, StoreWorld
from tests.conformance.tenant_world import DAY, TenantWorld

SUSPEND: Final = Downgrade(limits={"seats": Excess.SUSPEND_NEWEST})
READ_ONLY: Final = Downgrade(limits={"seats": Excess.READ_ONLY_EXCESS}, read_only_role="viewer")
BLOCK: Final = Downgrade(limits={"seats": Excess.BLOCK_NEW})
"""`free` has three seats."""


class Moving(TenantWorld):
    """`acme` on `professional`: ada its admin and owner, vera a viewer, more as they come."""

    def add(self, *names: str, role: str = "editor") -> None:
        for name in names:
            new = members.NewMember.of(f"user:{name}", (role,))
            self.do(members.add_member, members.AddMember(tenant="acme", member=new))

    def invite(self, name: str, *roles: str) -> None:
        wanted = InviteMember(
            tenant="acme",
            token_hash=f"token of {name}",
            lifetime=DAY,
            email=f"{name}@example.com",
            roles=roles or ("viewer",),
        )
        self.do(invite_member, wanted)

    def shift(self, tier: str, policy: Downgrade, **call: Any) -> tuple[Step, ...]:
        decide_by(self.world, BillingPolicy(downgrade=policy))
        wanted = SetTier(tenant="acme", tier=tier, apply_downgrade_policy=True)
        return self.do(set_tier, wanted, **call).value.steps

    def tidy(self, policy: Downgrade) -> tuple[Step, ...]:
        decide_by(self.world, BillingPolicy(downgrade=policy))
        wanted = ApplyDowngradePolicy(tenant="acme")
        return self.do(apply_downgrade_policy, wanted).value

    def preview(self, tier: str = "", policy: Downgrade = BLOCK, **more: Any) -> TierChange:
        decide_by(self.world, BillingPolicy(downgrade=policy))
        wanted = PreviewTierChange(tenant="acme", tier=tier, **more)
        return self.ask(preview_tier_change, wanted)

    def held_back(self) -> list[str]:
        """Name those suspended for want of a seat, as a process sees it that starts now."""
        index = self.world.stored_index()
        found = ((s, index.member("acme", s)) for s, _ in index.tenants["acme"].members.items())
        return sorted(s for s, m in found if m and SuspensionReason.SEATS in m.suspensions)

    def roles_of(self, name: str) -> set[str]:
        grants = self.world.stored_index().grants("acme", f"user:{name}")
        return {grant.role for grant in grants if grant.covers((grant.scope,), self.now)}

    def grant(self, name: str, role: str, **more: Any) -> None:
        grant = RoleGrant("acme", f"user:{name}", role, **more)
        self.do(role_grants.grant_role, role_grants.GrantRole(grant=grant))

    def actions(self) -> list[tuple[str, str]]:
        """List what the audit says was done in the last revision."""
        query = "SELECT action, entry FROM audit_entry WHERE tenant = 'acme' AND revision = "
        with self.world.database.read() as connection:
            rows = connection.exec_driver_sql(f"{query}{self.world.index.revision} ORDER BY seq")
            return [(row.action, row.entry) for row in rows]


@pytest.fixture
def acme(store_world: StoreWorld) -> Moving:
    return Moving(store_world)


def refused(call: Callable[[], object]) -> AuthzError:
    with pytest.raises(AuthzError) as raised:
        call()
    return raised.value


def who(steps: Iterable[Step], kind: StepKind) -> list[str]:
    return [step.subject.removeprefix("user:") for step in steps if step.kind is kind]


def test_newest_members_beyond_the_seats_are_suspended_and_the_others_go_on(acme: Moving) -> None:
    acme.add("carl", "dora", "emil")
    steps = acme.shift("free", SUSPEND)
    assert who(steps, StepKind.MEMBER_SUSPENDED) == ["dora", "emil"]
    assert acme.held_back() == ["user:dora", "user:emil"]
    assert acme.reason("dora", "invoices:view") == "MEMBERSHIP_SUSPENDED"
    assert acme.reason("carl", "invoices:view") == "ALLOWED"


def test_upgrade_lifts_exactly_the_suspensions_that_the_policy_made(acme: Moving) -> None:
    acme.add("carl", "dora", "emil")
    by_hand = members.MemberSuspension(
        tenant="acme", subject="user:emil", reason=SuspensionReason.BILLING
    )
    acme.do(members.suspend_member, by_hand)
    acme.shift("free", SUSPEND)
    steps = acme.shift("professional", SUSPEND)
    assert who(steps, StepKind.MEMBER_RESUMED) == ["dora", "emil"]
    assert acme.reason("dora", "invoices:view") == "ALLOWED"
    assert acme.reason("emil", "invoices:view") == "MEMBERSHIP_SUSPENDED"


def test_whoever_came_back_joined_when_they_came_back(acme: Moving) -> None:
    acme.add("carl", "dora")
    gone = members.RemoveMember(tenant="acme", subject="user:vera")
    acme.do(members.remove_member, gone)
    acme.add("vera", role="viewer")
    assert who(acme.shift("free", SUSPEND), StepKind.MEMBER_SUSPENDED) == ["vera"]


def test_a_changed_membership_does_not_make_a_member_newer(acme: Moving) -> None:
    acme.add("carl", "dora")
    for case in (members.suspend_member, members.resume_member):
        why = members.MemberSuspension(
            tenant="acme", subject="user:vera", reason=SuspensionReason.RISK
        )
        acme.do(case, why)
    assert who(acme.shift("free", SUSPEND), StepKind.MEMBER_SUSPENDED) == ["dora"]


def test_owner_keeps_the_seat_however_late_they_joined(acme: Moving) -> None:
    acme.add("carl", "dora")
    acme.add("olga", role="admin")
    moved = ownership.TransferOwnership(tenant="acme", to="user:olga")
    acme.do(ownership.transfer_ownership, moved)
    steps = acme.shift("free", SUSPEND)
    assert who(steps, StepKind.MEMBER_SUSPENDED) == ["carl", "dora"]


def test_last_admin_keeps_the_seat_where_the_owner_is_suspended(acme: Moving) -> None:
    acme.add("carl", "dora")
    acme.add("olga", role="admin")
    late = members.MemberSuspension(
        tenant="acme", subject="user:ada", reason=SuspensionReason.BILLING
    )
    acme.do(members.suspend_member, late)
    steps = acme.shift("free", SUSPEND)
    assert who(steps, StepKind.MEMBER_SUSPENDED) == ["carl", "dora"]
    assert acme.reason("olga", "invoices:view") == "ALLOWED"


def test_invitations_go_before_members(acme: Moving) -> None:
    acme.add("carl")
    acme.invite("nina")
    steps = acme.shift("free", SUSPEND)
    assert steps == (Step(StepKind.INVITATION_ENDED, "nina@example.com"),)
    assert acme.world.index.tenants["acme"].invitations == {}


def test_last_invitation_goes_first(acme: Moving) -> None:
    acme.invite("nina")
    acme.wait(acme.now + 1)
    acme.invite("nora")
    assert who(acme.shift("free", READ_ONLY), StepKind.INVITATION_ENDED) == ["nora@example.com"]


def test_block_new_takes_nothing_and_lets_nobody_in(acme: Moving) -> None:
    acme.add("carl", "dora")
    acme.invite("nina")
    assert acme.shift("free", BLOCK) == ()
    assert acme.reason("dora", "invoices:view") == "ALLOWED"
    assert refused(lambda: acme.add("emil")).reason is ErrorReason.SEATS_EXHAUSTED


def test_excess_members_keep_the_read_only_role_alone_and_have_all_back_later(
    acme: Moving,
) -> None:
    acme.add("carl", "dora")
    acme.grant("dora", "viewer", scope="project:1", reason="look")
    acme.grant("dora", "editor", source=GrantSource.SCIM)
    before = acme.world.stored_index().grants("acme", "user:dora")
    steps = acme.shift("free", READ_ONLY)
    assert who(steps, StepKind.MEMBER_READ_ONLY) == ["dora"]
    assert acme.roles_of("dora") == {"viewer"}
    assert acme.reason("dora", "invoices:create") == "ROLE_MISSING"
    assert acme.reason("carl", "invoices:create") == "ALLOWED"
    steps = acme.shift("professional", READ_ONLY)
    assert who(steps, StepKind.MEMBER_RESTORED) == ["dora"]
    assert set(acme.world.stored_index().grants("acme", "user:dora")) == set(before)


def test_member_who_only_reads_already_is_left_alone(acme: Moving) -> None:
    acme.add("carl", role="editor")
    acme.add("dora", role="viewer")
    assert acme.shift("free", READ_ONLY) == ()


@pytest.mark.parametrize("policy", [SUSPEND, READ_ONLY])
def test_policy_applied_again_changes_nothing(acme: Moving, policy: Downgrade) -> None:
    policy = replace(policy, roles={"billing-admin": "viewer"})
    acme.add("carl", "dora")
    acme.grant("vera", "billing-admin", source=GrantSource.CONTRACT)
    acme.shift("free", policy)
    before = acme.world.index.revision
    assert acme.tidy(policy) == ()
    assert acme.world.index.revision == before


def test_role_that_leaves_is_replaced_where_and_as_long_as_it_was_held(acme: Moving) -> None:
    acme.add("bill", role="viewer")
    window = Window(acme.now, acme.now + DAY)
    acme.grant("bill", "billing-admin", scope="project:1", window=window, reason="books")
    steps = acme.shift("free", Downgrade(roles={"billing-admin": "editor"}))
    wanted = Step(StepKind.ROLE_REPLACED, "user:bill", "billing-admin", "editor", "project:1")
    assert steps == (wanted,)
    grants = acme.world.index.grants("acme", "user:bill")
    (held,) = (g for g in grants if g.covers(("project:1",), acme.now) and g.scope)
    assert (held.role, held.valid_from, held.valid_until) == (
        "editor",
        window.valid_from,
        window.valid_until,
    )


def test_role_that_leaves_without_a_replacement_ends_and_others_stay(acme: Moving) -> None:
    acme.add("bill", role="billing-admin")
    acme.grant("bill", "viewer")
    steps = acme.shift("free", Downgrade(roles={"billing-admin": "", "editor": "viewer"}))
    assert steps == (Step(StepKind.ROLE_ENDED, "user:bill", "billing-admin"),)
    assert acme.roles_of("bill") == {"viewer"}


def test_every_step_has_its_audit_entry_that_says_why(acme: Moving) -> None:
    acme.add("carl")
    acme.add("bill", role="billing-admin")
    policy = replace(SUSPEND, roles={"billing-admin": "viewer"})
    acme.shift("free", policy, reason="contract 4711")
    told = acme.actions()
    assert [action for action, _ in told] == [
        "tenant.tier_set",
        "member.suspended",
        "role.held_back",
        "role.granted",
    ]
    assert all('"reason":"downgrade policy' in entry for _, entry in told[1:])
    assert all("contract 4711" in entry for _, entry in told[1:])


def test_owner_keeps_the_admin_role_that_leaves_and_other_admins_lose_it(acme: Moving) -> None:
    acme.add("olga", role="admin")
    policy = Downgrade(roles={"admin": "viewer"})
    acme.world.replace(
        plan := acme.world.index.plans["tier/free"],
        replace(plan, assignable_roles=plan.assignable_roles - {"admin"}),
    )
    steps = acme.shift("free", policy)
    assert who(steps, StepKind.ROLE_REPLACED) == ["olga"]
    assert acme.roles_of("ada") == {"admin"}


def test_invitation_promises_what_can_be_granted_when_it_is_accepted(acme: Moving) -> None:
    acme.invite("bill", "billing-admin", "viewer")
    steps = acme.shift("free", Downgrade(roles={"billing-admin": "editor"}))
    assert who(steps, StepKind.ROLE_REPLACED) == ["bill@example.com"]
    taken = AcceptInvitation(tenant="acme", token_hash="token of bill", subject="user:bill")
    assert acme.do(accept_invitation, taken).value.roles == ("editor", "viewer")


def test_replacement_that_the_tier_does_not_offer_is_refused_and_changes_nothing(
    acme: Moving,
) -> None:
    acme.add("bill", role="billing-admin")
    before = acme.world.index.revision
    policy = Downgrade(roles={"billing-admin": "support"})
    found = refused(lambda: acme.shift("free", policy))
    assert (found.reason, found.details) == (
        ErrorReason.INVALID_BILLING_POLICY,
        {"roles": "support"},
    )
    assert acme.tenant().tier_at(acme.now) == "professional"
    # The refusal itself is audited, and is no change.
    assert acme.world.index.revision == before


def test_policy_is_not_applied_ahead_of_time(acme: Moving) -> None:
    wanted = SetTier(tenant="acme", tier="free", at=acme.now + DAY, apply_downgrade_policy=True)
    found = refused(lambda: acme.do(set_tier, wanted))
    assert (found.reason, found.field) == (ErrorReason.INVALID_FIELD, "apply_downgrade_policy")


def test_what_a_scheduled_move_leaves_is_put_in_order_afterwards(acme: Moving) -> None:
    acme.add("carl", "dora")
    acme.move("free", acme.now + DAY)
    assert acme.tidy(SUSPEND) == ()
    acme.wait(acme.now + DAY)
    assert who(acme.tidy(SUSPEND), StepKind.MEMBER_SUSPENDED) == ["dora"]


def test_move_under_the_policy_that_is_only_validated_changes_nothing(acme: Moving) -> None:
    acme.add("carl", "dora")
    steps = acme.shift("free", SUSPEND, validate_only=True)
    assert who(steps, StepKind.MEMBER_SUSPENDED) == ["dora"]
    assert acme.held_back() == []


def test_repeated_move_gives_the_first_answer_with_its_steps(acme: Moving) -> None:
    acme.add("carl", "dora")
    call = {"request_id": "move-1", "fingerprint": "f"}
    first = acme.shift("free", SUSPEND, **call)
    assert acme.shift("free", SUSPEND, **call) == first != ()


@pytest.mark.parametrize("who_", ["member", "tenant"])
def test_nobody_suspends_for_want_of_seats_by_hand(acme: Moving, who_: str) -> None:
    reason = SuspensionReason.SEATS
    found = refused(
        lambda: (
            acme.do(states.suspend_tenant, states.Suspension(tenant="acme", reason=reason))
            if who_ == "tenant"
            else acme.do(
                members.suspend_member,
                members.MemberSuspension(tenant="acme", subject="user:vera", reason=reason),
            )
        )
    )
    assert (found.reason, found.field) == (ErrorReason.INVALID_FIELD, "suspension_reason")


def test_suspended_member_is_resumed_by_hand_only_into_a_free_seat(acme: Moving) -> None:
    acme.add("carl", "dora")
    acme.shift("free", SUSPEND)
    wanted = members.MemberSuspension(
        tenant="acme", subject="user:dora", reason=SuspensionReason.SEATS
    )
    found = refused(lambda: acme.do(members.resume_member, wanted))
    assert found.reason is ErrorReason.SEATS_EXHAUSTED
    acme.do(members.remove_member, members.RemoveMember(tenant="acme", subject="user:vera"))
    assert acme.do(members.resume_member, wanted).value.membership.suspensions == frozenset()


def test_preview_names_what_is_lost_exceeded_and_who_holds_what_leaves(acme: Moving) -> None:
    acme.add("carl", "dora")
    acme.grant("carl", "billing-admin")
    usage = (Use("projects", 12), Use("api-calls", 1000), Use("reports", 1))
    found = acme.preview("free", SUSPEND, usage=usage)
    assert "invoices:export" in found.lost
    assert found.gained == ()
    assert ("seats", "25 seat", "3 seat") in found.limits
    assert [(each.name, each.used, each.policy) for each in found.exceeded] == [
        ("seats", 4, "suspend_newest"),
        ("projects", 12, None),
        ("reports", 1, None),
    ]
    (leaving,) = found.impacts
    assert (leaving.kind, leaving.object) == (ImpactKind.ROLE_NOT_ASSIGNABLE, "billing-admin")
    assert leaving.subjects == ("user:carl",)
    assert who(found.steps, StepKind.MEMBER_SUSPENDED) == ["dora"]
    assert {s for each in found.members for s in each.members.names} >= {"user:ada", "user:carl"}


def test_preview_counts_what_the_policy_does_only_if_asked_to(acme: Moving) -> None:
    acme.add("carl", "dora")
    alone, whole = (acme.preview("free", SUSPEND, apply=apply) for apply in (False, True))
    assert alone.steps == whole.steps != ()

    def lost(found: TierChange) -> set[str]:
        shifts = (each for each in found.members if "user:dora" in each.members.names)
        return {reach.permission for each in shifts for reach in each.shift.lost}

    assert "invoices:create" not in lost(alone)
    assert "invoices:create" in lost(whole)


def test_preview_is_about_the_instant_that_it_names(acme: Moving) -> None:
    acme.do(
        subscriptions.add_add_on,
        subscriptions.AddAddOn(
            tenant="acme", add_on="audit", window=Window(acme.now, acme.now + 2 * DAY)
        ),
    )
    assert "invoices:export" not in acme.preview("free", at=acme.now + DAY).lost
    # The add-on is over by then, whatever the tier.
    assert "invoices:export" in acme.preview("free", at=acme.now + 3 * DAY).lost


def test_preview_of_add_ons_alone_tells_what_they_bring(acme: Moving) -> None:
    acme.move("free")
    found = acme.preview(add_ons=("audit", "extra-seats"))
    assert "invoices:export" in found.gained
    assert ("seats", "3 seat", "13 seat") in found.limits


def test_own_limit_decides_what_is_exceeded(acme: Moving) -> None:
    acme.add("carl", "dora")
    own = subscriptions.SetLimits(tenant="acme", limits=(Limit("seats", 40, "seat"),))
    acme.do(subscriptions.set_limits, own)
    assert acme.preview("free", SUSPEND).exceeded == ()


@pytest.mark.parametrize(
    ("asked", "field", "reason"),
    [
        ({}, "tier", ErrorReason.INVALID_FIELD),
        ({"tier": "gold"}, "tier", ErrorReason.TIER_NOT_FOUND),
        ({"add_ons": ("audit", "x")}, "add_ons[1]", ErrorReason.ADD_ON_NOT_FOUND),
        ({"removed": ("audit",)}, "removed_add_ons[0]", ErrorReason.ADD_ON_NOT_HELD),
        ({"tier": "free", "at": 1}, "effective_time", ErrorReason.SCHEDULE_IN_PAST),
        ({"tier": "free", "sample": 1001}, "sample_size", ErrorReason.INVALID_FIELD),
        ({"tier": "free", "usage": (Use("a", 1),) * 2}, "usage", ErrorReason.INVALID_FIELD),
        ({"tier": "free", "usage": (Use("a b", 1),)}, "usage[0].limit", None),
        ({"tier": "free", "usage": (Use("seats", 1),)}, "usage[0].limit", None),
        ({"tier": "free", "usage": (Use("a", -1),)}, "usage[0].used", ErrorReason.INVALID_FIELD),
    ],
)
def test_preview_that_cannot_be_made_blames_its_own_field(
    acme: Moving, asked: dict[str, Any], field: str, reason: ErrorReason | None
) -> None:
    found = refused(lambda: acme.preview(**asked))
    assert (found.field, found.reason) == (field, reason or found.reason)


def test_preview_of_no_customer_is_refused(acme: Moving) -> None:
    for tenant, reason in (("nowhere", ErrorReason.TENANT_NOT_FOUND), ("system", None)):
        wanted = PreviewTierChange(tenant=tenant, tier="free")
        found = refused(lambda wanted=wanted: acme.ask(preview_tier_change, wanted))  # type: ignore[misc]
        assert found.reason is (reason or ErrorReason.TENANT_RESERVED)


def test_preview_changes_nothing(acme: Moving) -> None:
    acme.add("carl", "dora")
    before = acme.world.index
    acme.preview("free", replace(READ_ONLY, roles={"editor": "viewer"}), apply=True)
    assert acme.world.index is before


def test_of_a_move_and_many_who_join_at_once_no_more_than_the_seats_are_in_use(
    acme: Moving,
) -> None:
    """Whoever comes before the move is held back by it; whoever comes after finds no seat."""
    worlds = [acme.world, acme.world.another("b"), acme.world.another("c")]
    for world in worlds:
        decide_by(world, BillingPolicy(downgrade=SUSPEND))
    barrier = Barrier(7)

    def attempt(at: int) -> ErrorReason | None:
        new = members.NewMember.of(f"user:u{at}", ("viewer",))
        joins = members.AddMember(tenant="acme", member=new)
        moves = SetTier(tenant="acme", tier="free", apply_downgrade_policy=True)
        executor = worlds[at % 3].executor
        barrier.wait()
        try:
            if at == 3:
                executor.change(Call(OPS), set_tier, moves)
            else:
                executor.change(Call(OPS), members.add_member, joins)
        except AuthzError as refusal:
            return refusal.reason
        return None

    with ThreadPoolExecutor(7) as pool:
        ended = set(pool.map(attempt, range(7)))
    assert ended <= {None, ErrorReason.SEATS_EXHAUSTED}
    index = acme.world.stored_index()
    held_back, everybody = acme.held_back(), index.tenants["acme"].members.size
    assert everybody - len(held_back) <= 3
    assert "user:ada" not in held_back
    ledger.assert_whole(acme.world.database)
