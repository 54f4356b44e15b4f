"""Customers' accounts over time, on each database: what is dated happens with no worker running."""

from collections.abc import Callable
from typing import Any

import pytest

from authz_service.domain.catalog import Limit
from authz_service.domain.exception import ExceptionKind, TenantException
from authz_service.domain.grant import RoleGrant
from authz_service.domain.identity import IdentityKind
from authz_service.domain.schedule import ScheduledChange
from authz_service.domain.tenant import SuspensionReason, TenantState
from authz_service.domain.window import Window
from authz_service.errors import AuthzError, ErrorReason
from authz_service.usecases.callers import identities, keys
from authz_service.usecases.callers.caller_changes import CallerFields
from authz_service.usecases.grants import role_grants
from authz_service.usecases.grants.exceptions import CreateException, create_exception
from authz_service.usecases.kernel.paging import PageRequest
from authz_service.usecases.members import members
from authz_service.usecases.members.invitations import InviteMember, invite_member
from authz_service.usecases.tenants import (
    offboarding,
    onboarding,
    scheduled_changes,
    states,
    subscriptions,
)
from authz_service.usecases.tenants.tenant_view import TenantNow
from tests.conformance.store_world import OPS, StoreWorld
from tests.conformance.tenant_world import DAY, TenantWorld

EXPORT = "invoices:export"
"""Sold from `professional` on, and by the add-on `audit`."""
SCHEDULE = "reports:schedule"
"""Sold from `enterprise` on."""


@pytest.fixture
def accounts(store_world: StoreWorld) -> TenantWorld:
    return TenantWorld(store_world)


def refused(call: Callable[[], object]) -> ErrorReason:
    with pytest.raises(AuthzError) as raised:
        call()
    return raised.value.reason


def test_scheduled_tier_is_held_from_its_instant_on_and_the_other_until_then(
    accounts: TenantWorld,
) -> None:
    accounts.move("free", accounts.now + DAY)
    accounts.wait(accounts.now + DAY - 1)
    assert accounts.reason("ada", EXPORT) == "ALLOWED"
    accounts.wait(accounts.now + 1)
    assert accounts.reason("ada", EXPORT) == "ENTITLEMENT_EXPIRED"
    assert accounts.tenant().tier_at(accounts.now) == "free"


def test_second_scheduled_tier_takes_the_place_of_the_first(accounts: TenantWorld) -> None:
    accounts.move("free", accounts.now + DAY)
    accounts.move("enterprise", accounts.now + 2 * DAY)
    (change,) = accounts.scheduled()
    assert change.startswith("tier:enterprise@")
    accounts.wait(accounts.now + DAY)
    assert accounts.tenant().tier_at(accounts.now) == "professional"


def test_tier_set_now_takes_the_place_of_a_scheduled_one(accounts: TenantWorld) -> None:
    accounts.move("free", accounts.now + DAY)
    accounts.move("enterprise")
    assert accounts.scheduled() == []
    accounts.wait(accounts.now + DAY)
    assert accounts.tenant().tier_at(accounts.now) == "enterprise"


def test_scheduling_the_tier_that_is_held_cancels_the_move(accounts: TenantWorld) -> None:
    before = accounts.tenant()
    accounts.move("free", accounts.now + DAY)
    accounts.move("professional", accounts.now + 2 * DAY)
    assert accounts.tenant() == before


def test_cancelled_move_leaves_the_tier_as_if_none_had_been_scheduled(
    accounts: TenantWorld,
) -> None:
    before = accounts.tenant()
    accounts.move("free", accounts.now + DAY)
    (change,) = accounts.scheduled()
    accounts.do(
        scheduled_changes.cancel_scheduled_change,
        scheduled_changes.OneScheduled(tenant="acme", id=change),
    )
    assert accounts.tenant() == before


def test_change_that_took_place_is_not_scheduled_and_cannot_be_cancelled(
    accounts: TenantWorld,
) -> None:
    accounts.move("free", accounts.now + DAY)
    (change,) = accounts.scheduled()
    accounts.wait(accounts.now + DAY)
    assert accounts.scheduled() == []
    late = scheduled_changes.OneScheduled(tenant="acme", id=change)
    reason = refused(lambda: accounts.do(scheduled_changes.cancel_scheduled_change, late))
    assert reason is ErrorReason.SCHEDULED_CHANGE_NOT_FOUND


def test_nothing_is_scheduled_for_the_past_or_for_now(accounts: TenantWorld) -> None:
    for at in (accounts.now - DAY, accounts.now):
        for attempt in (
            lambda at=at: accounts.move("free", at),
            lambda at=at: accounts.trial(at),
            lambda at=at: accounts.grace(at),
            lambda at=at: accounts.offboard(at=at),
            lambda at=at: accounts.do(
                subscriptions.add_add_on,
                subscriptions.AddAddOn(tenant="acme", add_on="audit", window=Window(0, at)),
            ),
        ):
            assert refused(attempt) is ErrorReason.SCHEDULE_IN_PAST


def test_trial_ends_by_itself_and_is_suspended_unless_said_otherwise(accounts: TenantWorld) -> None:
    accounts.trial(accounts.now + DAY)
    assert accounts.tenant().state_at(accounts.now) is TenantState.TRIAL
    accounts.wait(accounts.now + DAY - 1)
    assert accounts.reason("ada", EXPORT) == "ALLOWED"
    accounts.wait(accounts.now + 1)
    assert accounts.reason("ada", EXPORT) == "TENANT_SUSPENDED"


def test_trial_can_be_followed_by_an_active_account(accounts: TenantWorld) -> None:
    accounts.trial(accounts.now + DAY, then=TenantState.ACTIVE)
    accounts.wait(accounts.now + DAY)
    assert accounts.tenant().state_at(accounts.now) is TenantState.ACTIVE


def test_trial_gets_a_later_end(accounts: TenantWorld) -> None:
    accounts.trial(accounts.now + DAY)
    accounts.wait(accounts.now + DAY // 2)
    accounts.trial(accounts.now + DAY)
    accounts.wait(accounts.now + DAY - 1)
    assert accounts.tenant().state_at(accounts.now) is TenantState.TRIAL


def test_account_is_onboarded_on_a_trial_with_add_ons_and_own_limits(
    accounts: TenantWorld,
) -> None:
    wanted = onboarding.OnboardTenant(
        tenant="beta",
        tier="free",
        trial_until=accounts.now + DAY,
        after_trial=TenantState.ACTIVE,
        add_ons=("audit", "extra-seats"),
        limits=(Limit("projects", 9, "project"),),
    )
    made = accounts.do(onboarding.onboard_tenant, wanted).value.tenant
    assert (made.state, made.add_ons) == (TenantState.TRIAL, ("audit", "extra-seats"))
    assert made.limits == (Limit("projects", 9, "project"),)
    assert made.created_at == accounts.now
    accounts.wait(accounts.now + DAY)
    assert accounts.tenant("beta").state_at(accounts.now) is TenantState.ACTIVE


def test_grace_keeps_an_account_open_until_its_instant(accounts: TenantWorld) -> None:
    accounts.grace(accounts.now + DAY)
    accounts.wait(accounts.now + DAY - 1)
    assert accounts.tenant().state_at(accounts.now) is TenantState.GRACE
    assert accounts.reason("ada", EXPORT) == "ALLOWED"
    accounts.wait(accounts.now + 1)
    assert accounts.reason("ada", EXPORT) == "TENANT_SUSPENDED"


def test_saying_the_same_again_later_changes_nothing(accounts: TenantWorld) -> None:
    end = accounts.now + DAY
    for say in (accounts.trial, accounts.grace, lambda at: accounts.move("free", at)):
        say(end)
        head = accounts.world.index.revision
        accounts.wait(accounts.now + 1)
        say(end)
        assert accounts.world.index.revision == head


@pytest.mark.parametrize("late", [False, True], ids=["in time", "too late"])
def test_activation_ends_grace_whether_it_comes_in_time_or_too_late(
    accounts: TenantWorld, late: bool
) -> None:
    accounts.grace(accounts.now + DAY)
    accounts.wait(accounts.now + (2 * DAY if late else DAY // 2))
    accounts.activate()
    accounts.wait(accounts.now + 9 * DAY)
    assert accounts.reason("ada", EXPORT) == "ALLOWED"


def test_activation_lifts_no_reason_of_a_suspension(accounts: TenantWorld) -> None:
    accounts.grace(accounts.now + DAY)
    wanted = states.Suspension(tenant="acme", reason=SuspensionReason.RISK)
    accounts.do(states.suspend_tenant, wanted)
    accounts.activate()
    assert accounts.tenant().state_at(accounts.now) is TenantState.SUSPENDED


def test_account_that_is_active_is_not_activated(accounts: TenantWorld) -> None:
    assert refused(accounts.activate) is ErrorReason.TENANT_STATE_CONFLICT


def test_lifting_a_reason_that_does_not_hold_points_at_the_grace_that_ran_out(
    accounts: TenantWorld,
) -> None:
    accounts.grace(accounts.now + DAY)
    accounts.wait(accounts.now + DAY)
    wanted = states.Suspension(tenant="acme", reason=SuspensionReason.BILLING)
    with pytest.raises(AuthzError, match="activate it"):
        accounts.do(states.resume_tenant, wanted)


def add_on(accounts: TenantWorld, name: str, *window: int) -> None:
    wanted = subscriptions.AddAddOn(tenant="acme", add_on=name, window=Window(*window))
    accounts.do(subscriptions.add_add_on, wanted)


def remove_add_on(accounts: TenantWorld, name: str, at: int | None = None) -> None:
    wanted = subscriptions.RemoveAddOn(tenant="acme", add_on=name, at=at)
    accounts.do(subscriptions.remove_add_on, wanted)


def test_add_on_sells_what_the_tier_lacks_within_its_window(accounts: TenantWorld) -> None:
    accounts.move("free")
    add_on(accounts, "audit", accounts.now + DAY, accounts.now + 2 * DAY)
    assert accounts.reason("ada", EXPORT) == "NOT_ENTITLED"
    accounts.wait(accounts.now + DAY)
    assert accounts.reason("ada", EXPORT) == "ALLOWED"
    accounts.wait(accounts.now + DAY)
    assert accounts.reason("ada", EXPORT) == "ENTITLEMENT_EXPIRED"


def test_add_on_adds_to_the_limit_of_the_tier(accounts: TenantWorld) -> None:
    add_on(accounts, "extra-seats")
    assert accounts.limit("seats") == 35
    remove_add_on(accounts, "extra-seats")
    assert accounts.limit("seats") == 25


def test_add_on_is_renewed_where_its_window_ends_and_not_before(accounts: TenantWorld) -> None:
    end = accounts.now + DAY
    add_on(accounts, "audit", 0, end)
    early = refused(lambda: add_on(accounts, "audit", end - 1, end + DAY))
    assert early is ErrorReason.ADD_ON_HELD
    add_on(accounts, "audit", end, end + DAY)
    assert len(accounts.scheduled()) == 1
    accounts.wait(end)
    assert accounts.tenant().add_ons_at(accounts.now) == ("audit",)


def test_add_on_that_ran_out_is_bought_again(accounts: TenantWorld) -> None:
    add_on(accounts, "audit", 0, accounts.now + DAY)
    accounts.wait(accounts.now + DAY)
    add_on(accounts, "audit")
    assert [held.plan for held in accounts.tenant().subscription_items] == [
        "tier/professional",
        "addon/audit",
    ]


def test_add_on_ends_at_an_instant_and_that_can_be_taken_back(accounts: TenantWorld) -> None:
    add_on(accounts, "audit")
    before = accounts.tenant()
    remove_add_on(accounts, "audit", accounts.now + DAY)
    (change,) = accounts.scheduled()
    assert change.startswith("add-on-end:audit@")
    accounts.do(
        scheduled_changes.cancel_scheduled_change,
        scheduled_changes.OneScheduled(tenant="acme", id=change),
    )
    assert accounts.tenant() == before


def test_add_on_that_is_not_held_or_not_there_is_refused(accounts: TenantWorld) -> None:
    assert refused(lambda: add_on(accounts, "teleport")) is ErrorReason.ADD_ON_NOT_FOUND
    assert refused(lambda: remove_add_on(accounts, "audit")) is ErrorReason.ADD_ON_NOT_HELD


def own(accounts: TenantWorld, *limits: Limit, removed: tuple[str, ...] = ()) -> None:
    wanted = subscriptions.SetLimits(tenant="acme", limits=limits, removed=removed)
    accounts.do(subscriptions.set_limits, wanted)


def test_own_limit_stands_in_the_place_of_tier_and_add_ons(accounts: TenantWorld) -> None:
    add_on(accounts, "extra-seats")
    own(accounts, Limit("seats", 7, "seat"))
    assert accounts.limit("seats") == 7
    own(accounts, Limit("seats", None, "seat"))
    assert accounts.limit("seats") is None
    own(accounts, removed=("seats",))
    assert accounts.limit("seats") == 35


def test_own_limit_is_one_more_rule_of_type_p2(accounts: TenantWorld) -> None:
    own(accounts, Limit("seats", 40, "seat"))
    with accounts.world.database.read() as connection:
        found = connection.exec_driver_sql(
            "SELECT ptype, v0, v1, v2, v3 FROM casbin_rule WHERE v0 = 'acme' AND ptype = 'p2'"
        )
        assert [tuple(row) for row in found] == [("p2", "acme", "limit/seats", "40", "seat")]


def test_own_seats_bound_new_members(accounts: TenantWorld) -> None:
    own(accounts, Limit("seats", 2, "seat"))
    new = members.AddMember(tenant="acme", member=members.NewMember.of("user:nina"))
    assert refused(lambda: accounts.do(members.add_member, new)) is ErrorReason.SEATS_EXHAUSTED
    own(accounts, Limit("seats", 3, "seat"))
    accounts.do(members.add_member, new)


@pytest.mark.parametrize(
    ("limits", "removed", "reason"),
    [
        ([Limit("seats", 3, "user")], (), ErrorReason.LIMIT_UNIT_MISMATCH),
        ([Limit("seats", -1, "seat")], (), ErrorReason.INVALID_FIELD),
        ([Limit("Se ats", 1, "seat")], (), ErrorReason.INVALID_IDENTIFIER),
        ([Limit("seats", 1, "seat")] * 2, (), ErrorReason.INVALID_FIELD),
        ([Limit("seats", 1, "seat")], ("seats",), ErrorReason.INVALID_FIELD),
        ([], (), ErrorReason.INVALID_FIELD),
        ([], ("seats",), ErrorReason.LIMIT_NOT_SET),
    ],
)
def test_own_limit_that_cannot_be_is_refused(
    accounts: TenantWorld, limits: list[Limit], removed: tuple[str, ...], reason: ErrorReason
) -> None:
    before = accounts.tenant()
    assert refused(lambda: own(accounts, *limits, removed=removed)) is reason
    assert accounts.tenant() == before


def test_revision_of_a_tenant_moves_with_the_tenant_and_survives_a_restart(
    accounts: TenantWorld,
) -> None:
    steps: tuple[Callable[[], object], ...] = (
        lambda: add_on(accounts, "audit"),
        lambda: own(accounts, Limit("seats", 7, "seat")),
        lambda: own(accounts, removed=("seats",)),
        lambda: remove_add_on(accounts, "audit"),
        lambda: accounts.grace(accounts.now + DAY),
        accounts.activate,
        lambda: accounts.move("free"),
    )
    head = 0
    for step in steps:
        step()
        head = accounts.world.index.revision
        stored = accounts.world.stored_index().tenant("acme")
        assert stored is not None
        assert accounts.tenant().revision == stored.revision == head
    new = members.AddMember(tenant="acme", member=members.NewMember.of("user:nina"))
    accounts.do(members.add_member, new)
    assert accounts.tenant().revision == head


def rename(accounts: TenantWorld, name: str, **more: Any) -> TenantNow:
    wanted = onboarding.UpdateTenant(
        tenant="acme", display_name=name, mask=("display_name",), **more
    )
    return accounts.do(onboarding.update_tenant, wanted).value


def test_update_is_refused_where_the_tenant_was_changed_since(accounts: TenantWorld) -> None:
    seen = accounts.tenant().revision
    rename(accounts, "Acme", expected_revision=seen)
    late = refused(lambda: rename(accounts, "Other", expected_revision=seen))
    assert late is ErrorReason.REVISION_MISMATCH
    assert accounts.tenant().display_name == "Acme"


def fill(accounts: TenantWorld) -> None:
    """Give acme something of everything that an end takes."""
    grant = RoleGrant("acme", "user:vera", "editor", "project:1", Window(5), reason="helps")
    accounts.do(role_grants.grant_role, role_grants.GrantRole(grant=grant))
    for kind, permission in ((ExceptionKind.DENY, "team:manage"), (ExceptionKind.GRANT, SCHEDULE)):
        exception = TenantException(
            "", "acme", kind, frozenset({permission}), reason="agreed", approver="boss"
        )
        accounts.do(create_exception, CreateException(exception=exception))
    accounts.do(
        invite_member,
        InviteMember(tenant="acme", token_hash="0f" * 32, lifetime=DAY, email="i@example.com"),
    )
    for tenants in (("acme",), ("acme", "beta"), ()):
        rights = CallerFields(roles=("authz.checker",), tenants=tenants)
        key = keys.CreateKey(secret_hash="1f" * 32, fields=rights)
        accounts.do(keys.create_key, key)
        name = ",".join(tenants) or "everywhere"
        identity = identities.CreateIdentity(
            kind=IdentityKind.CERTIFICATE_COMMON_NAME,
            issuer="",
            name=name,
            fields=rights,
        )
        accounts.do(identities.create_identity, identity)


def test_offboarding_takes_down_all_access_and_counts_it(accounts: TenantWorld) -> None:
    accounts.onboard("beta")
    fill(accounts)
    held = len(accounts.world.index.keys)
    ended = accounts.offboard()
    assert ended == offboarding.Counts(2, 3, 2, 1, 1, 1)
    entry = accounts.world.stored_index().tenants["acme"]
    assert (entry.members.size, entry.exceptions, dict(entry.invitations)) == (0, (), {})
    assert len(accounts.world.index.keys) == held - 1
    left = {each.name for each in accounts.world.index.identities.values()}
    assert left == {"acme,beta", "everywhere"}
    with accounts.world.facts() as facts:
        assert facts.role_grants("acme") == []
    assert accounts.reason("ada", EXPORT) == "TENANT_OFFBOARDED"


def test_dry_run_of_an_offboarding_counts_and_changes_nothing(accounts: TenantWorld) -> None:
    accounts.onboard("beta")
    fill(accounts)
    before = accounts.world.index
    wanted = offboarding.OffboardTenant(tenant="acme")
    told = accounts.do(offboarding.offboard_tenant, wanted, validate_only=True).value
    assert accounts.world.index is before
    assert told.ended == accounts.offboard()


def facts_of(accounts: TenantWorld) -> list[object]:
    with accounts.world.facts() as facts:
        who = [facts.memberships("acme", f"user:{name}") for name in ("ada", "vera", "sven")]
        return [who, facts.role_grants("acme"), sorted(facts.exceptions("acme"), key=repr)]


def test_reactivation_brings_back_exactly_what_the_end_took(accounts: TenantWorld) -> None:
    accounts.onboard("beta")
    fill(accounts)
    new = members.AddMember(tenant="acme", member=members.NewMember.of("user:sven", ("editor",)))
    accounts.do(members.add_member, new)
    gone = members.RemoveMember(tenant="acme", subject="user:sven")
    accounts.do(members.remove_member, gone)
    accounts.do(
        role_grants.revoke_role,
        role_grants.RevokeRole(tenant="acme", subject="user:vera", role="viewer"),
    )
    before = facts_of(accounts)
    accounts.offboard()
    accounts.wait(accounts.now + 90 * DAY)
    back = accounts.reactivate()
    assert back.restored == offboarding.Counts(2, 2, 2)
    assert back.left_out == ()
    assert facts_of(accounts) == before
    assert back.tenant.state is TenantState.ACTIVE
    assert accounts.reason("ada", EXPORT) == "ALLOWED"
    assert accounts.reason("ada", "team:manage") == "DENIED_BY_EXCEPTION"


def test_who_was_but_invited_is_to_be_invited_again(accounts: TenantWorld) -> None:
    invited = InviteMember(
        tenant="acme", token_hash="0f" * 32, lifetime=DAY, subject="user:ivy", roles=("viewer",)
    )
    accounts.do(invite_member, invited)
    assert accounts.reason("ivy", EXPORT) == "MEMBERSHIP_INVITED"
    assert accounts.offboard() == offboarding.Counts(3, 2, 0, 1)
    assert accounts.reactivate().restored == offboarding.Counts(2, 2)
    assert accounts.reason("ivy", EXPORT) == "NOT_A_MEMBER"
    accounts.do(invite_member, invited)


def test_second_end_is_undone_apart_from_the_first(accounts: TenantWorld) -> None:
    accounts.offboard()
    accounts.reactivate()
    gone = members.RemoveMember(tenant="acme", subject="user:vera")
    accounts.do(members.remove_member, gone)
    assert accounts.offboard().members == 1
    assert accounts.reactivate().restored.members == 1
    assert accounts.reason("vera", "invoices:view") == "NOT_A_MEMBER"


def test_reactivation_on_a_smaller_tier_names_the_roles_it_left_out(
    accounts: TenantWorld,
) -> None:
    grant = RoleGrant("acme", "user:vera", "billing-admin")
    accounts.do(role_grants.grant_role, role_grants.GrantRole(grant=grant))
    accounts.offboard()
    back = accounts.reactivate("free")
    assert back.tenant.tier == "free"
    (left_out,) = back.left_out
    assert left_out == offboarding.LeftOut("billing-admin", 1, ErrorReason.ROLE_NOT_ASSIGNABLE)
    assert accounts.reason("vera", "invoices:view") == "ALLOWED"
    assert back.restored == offboarding.Counts(2, 2, 0)


def test_only_what_has_ended_is_reactivated(accounts: TenantWorld) -> None:
    assert refused(accounts.reactivate) is ErrorReason.TENANT_STATE_CONFLICT


def test_unknown_tier_brings_nothing_back(accounts: TenantWorld) -> None:
    accounts.offboard()
    assert refused(lambda: accounts.reactivate("platinum")) is ErrorReason.TIER_NOT_FOUND
    assert accounts.tenant().state_at(accounts.now) is TenantState.OFFBOARDED


def test_dated_end_closes_the_account_on_its_instant_and_a_second_call_tidies_up(
    accounts: TenantWorld,
) -> None:
    assert accounts.offboard(at=accounts.now + DAY) == offboarding.Counts()
    accounts.wait(accounts.now + DAY - 1)
    assert accounts.reason("ada", EXPORT) == "ALLOWED"
    accounts.wait(accounts.now + 1)
    assert accounts.reason("ada", EXPORT) == "TENANT_OFFBOARDED"
    assert accounts.offboard() == offboarding.Counts(2, 2)
    assert accounts.offboard() == offboarding.Counts()
    assert accounts.reactivate().restored == offboarding.Counts(2, 2)
    assert accounts.reason("ada", EXPORT) == "ALLOWED"


def test_what_a_dated_end_left_can_be_taken_one_by_one_and_does_not_come_back(
    accounts: TenantWorld,
) -> None:
    accounts.offboard(at=accounts.now + DAY)
    accounts.wait(accounts.now + DAY)
    viewing = role_grants.RevokeRole(tenant="acme", subject="user:vera", role="viewer")
    accounts.do(role_grants.revoke_role, viewing)
    gone = members.RemoveMember(tenant="acme", subject="user:ada")
    accounts.do(members.remove_member, gone)
    assert accounts.offboard() == offboarding.Counts(1, 0)
    assert accounts.reactivate().restored == offboarding.Counts(1, 0)


def test_dated_end_is_moved_and_cancelled(accounts: TenantWorld) -> None:
    before = accounts.tenant()
    accounts.offboard(at=accounts.now + DAY)
    accounts.offboard(at=accounts.now + 3 * DAY)
    (change,) = accounts.scheduled()
    accounts.wait(accounts.now + 2 * DAY)
    assert accounts.reason("ada", EXPORT) == "ALLOWED"
    accounts.do(
        scheduled_changes.cancel_scheduled_change,
        scheduled_changes.OneScheduled(tenant="acme", id=change),
    )
    assert accounts.tenant() == before


def test_grace_and_activation_leave_a_dated_end_in_place(accounts: TenantWorld) -> None:
    end = accounts.now + 3 * DAY
    accounts.offboard(at=end)
    accounts.grace(accounts.now + DAY)
    accounts.activate()
    accounts.wait(end)
    assert accounts.reason("ada", EXPORT) == "TENANT_OFFBOARDED"


def test_scheduled_changes_of_all_accounts_are_listed_next_one_first(
    accounts: TenantWorld,
) -> None:
    accounts.onboard("beta", "free")
    late, soon = accounts.now + 2 * DAY, accounts.now + DAY
    accounts.move("free", late)
    wanted = onboarding.SetTier(tenant="beta", tier="professional", at=soon)
    accounts.do(onboarding.set_tier, wanted)
    pages: list[ScheduledChange] = []
    token = ""
    for _ in range(2):
        page = PageRequest(1, token)
        found = accounts.ask(
            scheduled_changes.list_scheduled_changes, scheduled_changes.ListScheduled(page=page)
        )
        assert found.total_size == 2
        pages += found.items
        token = found.next_token
    assert [(each.tenant, each.before, each.after) for each in pages] == [
        ("beta", "free", "professional"),
        ("acme", "professional", "free"),
    ]
    assert not token


def test_every_fact_that_an_end_takes_has_an_audit_entry_that_says_why(
    accounts: TenantWorld,
) -> None:
    wanted = offboarding.OffboardTenant(tenant="acme")
    answer = accounts.do(offboarding.offboard_tenant, wanted, reason="churned")
    with accounts.world.database.read() as connection:
        found = connection.exec_driver_sql(
            "SELECT action, entry FROM audit_entry WHERE tenant = 'acme' AND revision = "
            f"{answer.revision} ORDER BY seq"
        ).all()
    assert [row[0] for row in found] == [
        "tenant.offboarded", "role.revoked", "role.revoked", "member.removed", "member.removed",
    ]  # fmt: skip
    assert all('"reason":"churned"' in row[1] and f'"{OPS.subject}"' in row[1] for row in found)
