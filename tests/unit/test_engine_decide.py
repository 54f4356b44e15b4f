"""The decision's layers: what each refuses, with which reason, and in which order."""

import pytest

from authz_service.domain.catalog import Limit, Permission, Plan
from authz_service.domain.change import Fact
from authz_service.domain.decision import Decision, Question, Usage
from authz_service.domain.decision import DecisionReason as Reason
from authz_service.domain.membership import Membership, MembershipState
from authz_service.domain.tenant import (
    StatePeriod,
    SubscriptionItem,
    SuspensionReason,
    Tenant,
    TenantState,
)
from authz_service.domain.window import FOREVER, Window
from authz_service.engine.builder import build
from authz_service.engine.decide import decide
from authz_service.engine.index import Index
from tests.unit.engine_facts import (
    CUSTOMER,
    FUTURE,
    NOW,
    PAST,
    PRESENT,
    acme,
    ask,
    deny,
    entitle,
    grant,
    index,
    replacing,
)

PRO = (SubscriptionItem("tier/pro"),)


def state(*periods: StatePeriod) -> Tenant:
    return Tenant("acme", periods=periods, subscription_items=PRO)


def test_member_with_role_and_entitlement_is_allowed() -> None:
    assert ask(grant()) is Reason.ALLOWED


def test_decision_names_the_revision_it_was_given_at() -> None:
    decision = decide(build(CUSTOMER, 7), Question("acme", "user:a", "doc:read"), NOW)
    assert decision == Decision(Reason.ROLE_MISSING, 7)


def test_empty_index_denies() -> None:
    decision = decide(Index.empty(), Question("acme", "user:a", "doc:read"), NOW)
    assert decision == Decision(Reason.UNKNOWN_PERMISSION, 0)


def test_undeclared_permission_is_denied_though_role_and_tier_list_it() -> None:
    tier = Plan("tier/pro", permissions=frozenset({"doc:burn"}))
    role = index(tier).roles["reader"].fact
    listed = type(role)("reader", frozenset({"doc:burn"}))
    assert ask(tier, listed, grant(), permission="doc:burn") is Reason.UNKNOWN_PERMISSION


def test_unknown_tenant_is_denied() -> None:
    assert ask(grant(), tenant="nowhere") is Reason.UNKNOWN_TENANT


@pytest.mark.parametrize("open_state", ["active", "trial", "grace"])
def test_tenant_in_an_open_state_lets_members_act(open_state: str) -> None:
    assert ask(state(StatePeriod(TenantState(open_state))), grant()) is Reason.ALLOWED


@pytest.mark.parametrize(
    ("closed_state", "reason"),
    [("suspended", Reason.TENANT_SUSPENDED), ("offboarded", Reason.TENANT_OFFBOARDED)],
)
def test_tenant_in_a_closed_state_lets_nobody_act(closed_state: str, reason: Reason) -> None:
    assert ask(state(StatePeriod(TenantState(closed_state))), grant()) is reason


def test_suspension_for_any_reason_closes_an_active_tenant() -> None:
    suspended = Tenant(
        "acme", suspensions=frozenset({SuspensionReason.BILLING}), subscription_items=PRO
    )
    assert ask(suspended, grant()) is Reason.TENANT_SUSPENDED


def test_tenant_state_changes_on_the_instant() -> None:
    ends_now = state(
        StatePeriod(TenantState.TRIAL, Window(0, NOW)),
        StatePeriod(TenantState.OFFBOARDED, Window(NOW, FOREVER)),
    )
    assert ask(ends_now, grant(), at=NOW - 1) is Reason.ALLOWED
    assert ask(ends_now, grant(), at=NOW) is Reason.TENANT_OFFBOARDED


@pytest.mark.parametrize(
    "periods", [(), (StatePeriod(TenantState.ACTIVE, PAST),)], ids=["no period", "past period"]
)
def test_instant_that_no_period_covers_counts_as_suspended(
    periods: tuple[StatePeriod, ...],
) -> None:
    assert ask(state(*periods), grant()) is Reason.TENANT_SUSPENDED


def test_subject_without_membership_is_no_member() -> None:
    assert ask(subject="user:b") is Reason.NOT_A_MEMBER


@pytest.mark.parametrize("kind", ["service", "staff"])
def test_same_id_of_another_kind_is_another_subject(kind: str) -> None:
    assert ask(grant(), subject=f"{kind}:a") is Reason.NOT_A_MEMBER


@pytest.mark.parametrize(
    ("lifecycle", "reason"),
    [("invited", Reason.MEMBERSHIP_INVITED), ("removed", Reason.NOT_A_MEMBER)],
)
def test_member_who_is_not_active_may_not_act(lifecycle: str, reason: Reason) -> None:
    member = Membership("acme", "user:a", MembershipState(lifecycle))
    assert ask(member, grant()) is reason


def test_suspended_member_may_not_act() -> None:
    member = Membership("acme", "user:a", suspensions=frozenset({SuspensionReason.SCIM}))
    assert ask(member, grant()) is Reason.MEMBERSHIP_SUSPENDED


def test_denial_for_everyone_outdoes_role_and_entitlement() -> None:
    assert ask(grant(), deny()) is Reason.DENIED_BY_EXCEPTION


def test_denial_of_one_subject_leaves_others_alone() -> None:
    assert ask(grant(), deny("user:a")) is Reason.DENIED_BY_EXCEPTION
    assert ask(grant(), deny("user:b")) is Reason.ALLOWED


def test_denial_of_one_permission_leaves_others_alone() -> None:
    assert ask(grant("editor"), deny(), permission="doc:write") is Reason.ALLOWED


def test_denial_in_a_scope_holds_inside_it_only() -> None:
    denied = deny(scope="project:1")
    assert ask(grant(), denied, scope="project:1/page:2") is Reason.DENIED_BY_EXCEPTION
    assert ask(grant(), denied, scope="project:2") is Reason.ALLOWED
    assert ask(grant(), denied) is Reason.ALLOWED


def test_denial_of_the_whole_tenant_outdoes_a_grant_in_a_scope() -> None:
    asked = ask(grant(scope="project:1"), deny(), scope="project:1")
    assert asked is Reason.DENIED_BY_EXCEPTION


def test_denial_holds_within_its_window_only() -> None:
    assert ask(grant(), deny(window=PRESENT)) is Reason.DENIED_BY_EXCEPTION
    assert ask(grant(), deny(window=PAST)) is Reason.ALLOWED
    assert ask(grant(), deny(window=FUTURE)) is Reason.ALLOWED


def test_internal_permission_needs_a_role_but_no_entitlement() -> None:
    nothing_held = acme()
    assert ask(nothing_held, permission="ops:run") is Reason.ROLE_MISSING
    assert ask(nothing_held, grant("operator"), permission="ops:run") is Reason.ALLOWED


def test_internal_permission_outlives_a_replacement_without_it() -> None:
    asked = ask(grant("operator"), replacing("doc:read"), permission="ops:run")
    assert asked is Reason.ALLOWED


CLOSED = Tenant("acme", suspensions=frozenset({SuspensionReason.RISK}))
INVITED = Membership("acme", "user:a", MembershipState.INVITED)
NOTHING_HELD = acme()
OVER = Usage("seats", 99)


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ((CLOSED, INVITED, deny()), Reason.TENANT_SUSPENDED),
        ((NOTHING_HELD, INVITED, deny()), Reason.MEMBERSHIP_INVITED),
        ((NOTHING_HELD, deny()), Reason.DENIED_BY_EXCEPTION),
        ((NOTHING_HELD,), Reason.ROLE_MISSING),
        ((NOTHING_HELD, grant()), Reason.NOT_ENTITLED),
        ((grant(),), Reason.LIMIT_REACHED),
    ],
    ids=["tenant", "membership", "denial", "role", "entitlement", "limit"],
)
def test_first_layer_that_objects_names_the_reason(facts: tuple[Fact, ...], reason: Reason) -> None:
    assert ask(*facts, usage=OVER) is reason


def test_unknown_permission_is_named_before_any_layer() -> None:
    assert ask(CLOSED, permission="doc:burn") is Reason.UNKNOWN_PERMISSION


@pytest.mark.parametrize(
    ("used", "quantity", "reason"),
    [
        (2, 1, Reason.ALLOWED),
        (3, 0, Reason.ALLOWED),
        (3, 1, Reason.LIMIT_REACHED),
        (0, 4, Reason.LIMIT_REACHED),
    ],
)
def test_use_and_what_is_wanted_stay_within_the_limit(
    used: int, quantity: int, reason: Reason
) -> None:
    assert ask(grant(), usage=Usage("seats", used, quantity)) is reason


def test_limit_that_no_plan_sets_is_unknown() -> None:
    assert ask(grant(), usage=Usage("calls", 0)) is Reason.LIMIT_UNKNOWN


def test_limit_of_a_plan_no_longer_held_is_unknown() -> None:
    held = acme(SubscriptionItem("tier/free", PAST))
    asked = ask(held, grant(), entitle("doc:read"), usage=Usage("seats", 0))
    assert asked is Reason.LIMIT_UNKNOWN


def test_limit_set_to_unlimited_is_never_reached() -> None:
    unlimited = Plan("tier/pro", "tier/free", limits=(Limit("seats", None, "seat"),))
    assert ask(unlimited, grant(), usage=OVER) is Reason.ALLOWED


def test_question_without_usage_is_asked_no_limit() -> None:
    none_left = Plan("tier/pro", "tier/free", limits=(Limit("seats", 0, "seat"),))
    assert ask(none_left, grant()) is Reason.ALLOWED


def test_permission_that_is_internal_no_more_needs_an_entitlement() -> None:
    sold = Permission("ops:run", internal=False)
    assert ask(sold, grant("operator"), permission="ops:run") is Reason.NOT_ENTITLED
