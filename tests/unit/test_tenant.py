"""The life of a tenant: each reason for a suspension is lifted alone, an end is an end."""

import pytest

from authz_service.domain.lifecycle import offboarded, resumed, suspended
from authz_service.domain.subscription import moved_to_tier
from authz_service.domain.tenant import (
    StatePeriod,
    SubscriptionItem,
    SuspensionReason,
    Tenant,
    TenantState,
)
from authz_service.domain.window import Window
from authz_service.errors import ErrorReason, FailedPrecondition

ACME = Tenant(
    "acme", subscription_items=(SubscriptionItem("tier/free"), SubscriptionItem("addon/audit"))
)
BILLING, RISK = SuspensionReason.BILLING, SuspensionReason.RISK


def test_lifting_one_reason_leaves_the_other() -> None:
    both = suspended(suspended(ACME, BILLING, 1), RISK, 2)
    assert resumed(both, BILLING, 3).state_at(3) is TenantState.SUSPENDED
    assert resumed(resumed(both, BILLING, 3), RISK, 4).state_at(4) is TenantState.ACTIVE


def test_a_trial_that_was_suspended_is_a_trial_again() -> None:
    trial = Tenant("acme", periods=(StatePeriod(TenantState.TRIAL),))
    assert resumed(suspended(trial, BILLING, 1), BILLING, 2).state_at(2) is TenantState.TRIAL


def test_what_is_so_already_changes_nothing() -> None:
    once = suspended(ACME, BILLING, 1)
    assert suspended(once, BILLING, 2) == once
    assert resumed(once, RISK, 2) == once


def test_no_resumption_mends_a_trial_that_is_over() -> None:
    over = Tenant("acme", periods=(StatePeriod(TenantState.TRIAL, Window(0, 5)),))
    _refuses(lambda: resumed(over, BILLING, 6))


def test_offboarding_ends_at_the_instant_and_keeps_the_past() -> None:
    ended = offboarded(ACME, 10, 10)
    assert ended.state_at(9) is TenantState.ACTIVE
    assert ended.state_at(10) is TenantState.OFFBOARDED


@pytest.mark.parametrize(
    "step",
    [
        lambda tenant: suspended(tenant, BILLING, 11),
        lambda tenant: resumed(tenant, BILLING, 11),
        lambda tenant: offboarded(tenant, 11, 11),
    ],
    ids=["suspend", "resume", "offboard"],
)
def test_nothing_leads_back_from_the_end(step: object) -> None:
    assert callable(step)
    _refuses(lambda: step(offboarded(ACME, 10, 10)))


def test_a_suspended_tenant_that_ends_is_offboarded_not_suspended() -> None:
    assert offboarded(suspended(ACME, RISK, 1), 2, 2).state_at(2) is TenantState.OFFBOARDED


def test_a_tier_replaces_the_tier_and_leaves_add_ons() -> None:
    moved = moved_to_tier(ACME, "pro")
    assert set(moved.plans_at(1)) == {"tier/pro", "addon/audit"}
    assert moved.tier_at(1) == "pro"


def test_an_instant_that_no_period_covers_is_suspended() -> None:
    gap = Tenant("acme", periods=(StatePeriod(TenantState.ACTIVE, Window(5, 9)),))
    assert [gap.state_at(at) for at in (4, 5, 8, 9)] == [
        TenantState.SUSPENDED,
        TenantState.ACTIVE,
        TenantState.ACTIVE,
        TenantState.SUSPENDED,
    ]


def _refuses(step: object) -> None:
    assert callable(step)
    with pytest.raises(FailedPrecondition) as refusal:
        step()
    assert refusal.value.reason is ErrorReason.TENANT_STATE_CONFLICT
