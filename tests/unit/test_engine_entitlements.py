"""Layer 5, and what a tenant bought: permissions, features and limits, and where each is from."""

from dataclasses import replace

import pytest

from authz_service.domain.catalog import MAX_NUMBER, Feature, FeatureKind, Limit, Plan
from authz_service.domain.change import Delta, FactChange
from authz_service.domain.decision import DecisionReason as Reason
from authz_service.domain.decision import Question
from authz_service.domain.exception import ExceptionKind, TenantException
from authz_service.domain.tenant import StatePeriod, SubscriptionItem, Tenant, TenantState
from authz_service.domain.window import FOREVER, Window
from authz_service.engine.builder import apply
from authz_service.engine.entitlements import (
    Entitlements,
    LimitInForce,
    PermissionInForce,
    entitlements,
    limit_in_force,
)
from authz_service.engine.explain import explain
from authz_service.engine.index import Index
from authz_service.engine.remedy_steps import ActivateTenant
from tests.unit.engine_facts import (
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

FREE, PRO, AUDIT = (
    SubscriptionItem("tier/free"),
    SubscriptionItem("tier/pro"),
    SubscriptionItem("addon/audit"),
)
NUMBER, TEXT = FeatureKind.NUMBER, FeatureKind.TEXT
HELP_BY_MAIL = Feature("help", "mail", TEXT)


def bought(built: Index) -> Entitlements:
    entry = built.tenants.get("acme")
    assert entry is not None
    return entitlements(built, entry, NOW)


def seats(built: Index) -> LimitInForce | None:
    tenant = built.tenant("acme")
    assert tenant is not None
    return limit_in_force(built, tenant, "seats", NOW)


def may_audit(*facts: Tenant | Plan | object) -> Reason:
    return ask(grant("auditor"), *facts, permission="doc:audit")  # type: ignore[arg-type]


def test_tier_entitles_to_what_it_lists_and_what_it_extends() -> None:
    assert ask(grant("editor"), permission="doc:write") is Reason.ALLOWED
    assert ask(grant("editor"), permission="doc:read") is Reason.ALLOWED


def test_extended_tier_does_not_entitle_to_the_extending_ones_permissions() -> None:
    asked = ask(acme(FREE), grant("editor"), permission="doc:write")
    assert asked is Reason.NOT_ENTITLED


def test_tenant_that_holds_nothing_is_entitled_to_nothing() -> None:
    assert ask(acme(), grant()) is Reason.NOT_ENTITLED


def test_plan_that_does_not_exist_entitles_to_nothing() -> None:
    assert ask(acme(SubscriptionItem("tier/ghost")), grant()) is Reason.NOT_ENTITLED


def test_add_on_entitles_beside_the_tier() -> None:
    assert may_audit(acme(PRO)) is Reason.NOT_ENTITLED
    assert may_audit(acme(PRO, AUDIT)) is Reason.ALLOWED


@pytest.mark.parametrize(
    ("at", "reason"),
    [
        (NOW - 1, Reason.NOT_ENTITLED),
        (NOW, Reason.ALLOWED),
        (NOW + 9, Reason.ALLOWED),
        (NOW + 10, Reason.ENTITLEMENT_EXPIRED),
    ],
    ids=["before", "first instant", "last instant", "end"],
)
def test_window_of_a_holding_is_half_open(at: int, reason: Reason) -> None:
    held = acme(SubscriptionItem("tier/pro", Window(NOW, NOW + 10)))
    assert ask(held, grant(), at=at) is reason


def test_change_of_tier_takes_effect_on_the_instant() -> None:
    moving = acme(
        SubscriptionItem("tier/free", Window(0, NOW)),
        SubscriptionItem("tier/pro", Window(NOW, FOREVER)),
    )
    asked = {"permission": "doc:write"}
    assert ask(moving, grant("editor"), at=NOW - 1, **asked) is Reason.NOT_ENTITLED  # type: ignore[arg-type]
    assert ask(moving, grant("editor"), at=NOW, **asked) is Reason.ALLOWED  # type: ignore[arg-type]


def test_grant_exception_entitles_to_what_the_tier_lacks() -> None:
    assert may_audit(entitle("doc:audit")) is Reason.ALLOWED


def test_grant_exception_gives_no_role() -> None:
    assert ask(entitle("doc:audit"), permission="doc:audit") is Reason.ROLE_MISSING


def test_grant_exception_holds_within_its_window_only() -> None:
    assert may_audit(entitle("doc:audit", window=PRESENT)) is Reason.ALLOWED
    assert may_audit(entitle("doc:audit", window=PAST)) is Reason.ENTITLEMENT_EXPIRED
    assert may_audit(entitle("doc:audit", window=FUTURE)) is Reason.NOT_ENTITLED


def test_replacement_is_the_whole_entitlement() -> None:
    assert may_audit(replacing("doc:audit")) is Reason.ALLOWED
    assert ask(grant(), replacing("doc:audit")) is Reason.NOT_ENTITLED


def test_replacement_silences_grant_exceptions_and_add_ons() -> None:
    only_reading = (acme(PRO, AUDIT), entitle("doc:audit"), replacing("doc:read"))
    assert may_audit(*only_reading) is Reason.NOT_ENTITLED


def test_replacements_that_overlap_are_a_union() -> None:
    both = (replacing("doc:read", name="one"), replacing("doc:audit", name="two"))
    assert ask(grant(), *both) is Reason.ALLOWED
    assert may_audit(*both) is Reason.ALLOWED


def test_replacement_holds_within_its_window_only() -> None:
    assert ask(grant(), replacing("doc:audit", window=PRESENT)) is Reason.NOT_ENTITLED
    assert ask(grant(), replacing("doc:audit", window=PAST)) is Reason.ALLOWED
    assert ask(grant(), replacing("doc:audit", window=FUTURE)) is Reason.ALLOWED


def test_entitlements_say_which_plan_or_exception_gives_each_permission() -> None:
    built = index(acme(PRO, AUDIT), entitle("ops:run"))
    assert bought(built).permissions == (
        PermissionInForce("doc:audit", "addon/audit"),
        PermissionInForce("doc:read", "tier/free"),
        PermissionInForce("doc:write", "tier/pro"),
        PermissionInForce("ops:run", "exception/grant"),
    )


def test_entitlements_leave_out_undeclared_permissions() -> None:
    assert bought(index(acme(), entitle("doc:burn"))).permissions == ()


def test_entitlements_under_a_replacement_are_what_it_lists() -> None:
    built = index(acme(PRO, AUDIT), entitle("doc:audit"), replacing("doc:read"))
    assert bought(built).permissions == (PermissionInForce("doc:read", "exception/only"),)


def test_entitlements_name_tier_add_ons_state_and_live_exceptions() -> None:
    live = deny(window=PRESENT)
    built = index(
        acme(PRO, AUDIT, SubscriptionItem("addon/old", PAST)),
        live,
        entitle("doc:audit", window=PAST),
    )
    found = bought(built)
    assert (found.tenant, found.state, found.tier) == ("acme", TenantState.ACTIVE, "pro")
    assert found.add_ons == ("addon/audit",)
    assert found.exceptions == (live,)


def test_feature_of_the_extending_tier_outdoes_the_extended_ones() -> None:
    built = index(
        Plan("tier/free", features=(Feature("sso", "false"), HELP_BY_MAIL)),
        Plan("tier/pro", "tier/free", features=(Feature("sso", "true"),)),
    )
    found = {
        (each.feature.name, each.feature.value, each.source) for each in bought(built).features
    }
    assert found == {("sso", "true", "tier/pro"), ("help", "mail", "tier/free")}


@pytest.mark.parametrize(
    ("of_tier", "of_add_on", "source"),
    [
        (Feature("x", "false"), Feature("x", "true"), "addon/audit"),
        (Feature("x", "true"), Feature("x", "false"), "tier/pro"),
        (Feature("x", "true"), Feature("x", "true"), "tier/pro"),
        (Feature("x", "9", NUMBER), Feature("x", "10", NUMBER), "addon/audit"),
        (Feature("x", "10", NUMBER), Feature("x", "9", NUMBER), "tier/pro"),
        (Feature("x", "a", TEXT, 1), Feature("x", "b", TEXT, 2), "addon/audit"),
        (Feature("x", "a", TEXT, 2), Feature("x", "b", TEXT, 1), "tier/pro"),
    ],
)
def test_feature_of_tier_and_add_on_merges_by_the_rule_of_its_kind(
    of_tier: Feature, of_add_on: Feature, source: str
) -> None:
    built = index(
        acme(AUDIT, PRO),
        Plan("tier/pro", features=(of_tier,)),
        Plan("addon/audit", features=(of_add_on,)),
    )
    assert [each.source for each in bought(built).features] == [source]


def test_feature_that_an_exception_sets_holds_within_its_window_whatever_plans_say() -> None:
    own = TenantException(
        "x1", "acme", ExceptionKind.FEATURE, frozenset(), feature=Feature("sso", "false")
    )
    built = index(acme(PRO), Plan("tier/pro", features=(Feature("sso", "true"),)))
    live = apply(built, Delta(built.revision + 1, (FactChange(None, own),)))
    assert [(f.feature.value, f.source) for f in bought(live).features] == [
        ("false", "exception/x1")
    ]
    over = apply(built, Delta(built.revision + 1, (FactChange(None, replace(own, window=PAST)),)))
    assert [f.source for f in bought(over).features] == ["tier/pro"]


def test_sum_of_limits_stops_at_the_largest_number() -> None:
    huge = Limit("seats", MAX_NUMBER - 1, "seat")
    built = index(
        acme(PRO, AUDIT),
        Plan("tier/pro", limits=(huge,)),
        Plan("addon/audit", limits=(Limit("seats", 7, "seat"),)),
    )
    assert seats(built) == LimitInForce(
        Limit("seats", MAX_NUMBER, "seat"), ("tier/pro", "addon/audit")
    )


def test_limit_is_that_of_the_nearest_tier_that_sets_it() -> None:
    assert seats(index()) == LimitInForce(Limit("seats", 3, "seat"), ("tier/free",))
    nearer = Plan("tier/pro", "tier/free", limits=(Limit("seats", 9, "seat"),))
    assert seats(index(nearer)) == LimitInForce(Limit("seats", 9, "seat"), ("tier/pro",))


def test_add_on_adds_to_the_limit_of_the_tier() -> None:
    found = seats(index(acme(PRO, AUDIT)))
    assert found == LimitInForce(Limit("seats", 5, "seat"), ("tier/free", "addon/audit"))


def test_unlimited_in_any_plan_is_unlimited() -> None:
    unlimited = Plan("addon/audit", limits=(Limit("seats", None, "seat"),))
    found = seats(index(acme(PRO, AUDIT), unlimited))
    assert found is not None
    assert found.limit.value is None


def test_add_on_held_by_two_windows_at_once_counts_once() -> None:
    renewed = acme(
        PRO,
        SubscriptionItem("addon/audit", Window(0, NOW + 10)),
        SubscriptionItem("addon/audit", Window(NOW - 10, FOREVER)),
    )
    found = seats(index(renewed))
    assert found == LimitInForce(Limit("seats", 5, "seat"), ("tier/free", "addon/audit"))
    assert bought(index(renewed)).add_ons == ("addon/audit",)


def test_limit_that_nothing_held_sets_is_none() -> None:
    assert seats(index(acme(SubscriptionItem("tier/pro", FUTURE)))) is None


def test_own_limit_stands_in_the_place_of_tier_and_add_on() -> None:
    mine = Limit("seats", 40, "seat")
    bought_more = Tenant("acme", subscription_items=(PRO, AUDIT), limits=(mine,))
    assert seats(index(bought_more)) == LimitInForce(mine, ("tenant/acme",))


def test_entitlements_tell_a_limit_that_only_the_tenant_has() -> None:
    mine = Limit("rockets", None, "rocket")
    built = index(Tenant("acme", subscription_items=(PRO,), limits=(mine,)))
    assert LimitInForce(mine, ("tenant/acme",)) in bought(built).limits
    assert [each.limit.name for each in bought(built).limits] == ["rockets", "seats"]


def test_account_that_a_date_closed_is_opened_by_activation() -> None:
    lapsed = Tenant(
        "acme", periods=(StatePeriod(TenantState.GRACE, PAST),), subscription_items=(PRO,)
    )
    told = explain(index(lapsed, grant()), Question("acme", "user:a", "doc:read"), NOW)
    assert told.decision.reason is Reason.TENANT_SUSPENDED
    remedy = told.remedies[0]
    assert remedy.steps[0] == ActivateTenant("acme")
    assert remedy.summary.startswith("activate acme")
