"""Features and limits are set and taken out one at a time, in the plan that they belong to."""

from typing import Any

import pytest

from authz_service.errors import ErrorReason
from authz_service.gen.authz.v1 import feature_pb2, limit_pb2, tier_pb2
from tests import services
from tests.rpc.account import Account
from tests.rpc.trail import added, mark


@pytest.fixture
def plan(account: Account) -> str:
    """Make a tier with a feature and a limit; name it as features and limits do."""
    tier = tier_pb2.Tier(
        id=account.id,
        features=[feature_pb2.Feature(name="sso", enabled=False)],
        limits=[limit_pb2.Limit(name="seats", value=3, unit="seat")],
    )
    account.operator.tiers.CreateTier(tier_pb2.CreateTierRequest(tier=tier))
    return f"tier/{account.id}"


def tier_of(account: Account) -> tier_pb2.Tier:
    return account.operator.tiers.GetTier(tier_pb2.GetTierRequest(id=account.id)).tier


def test_feature_is_set_and_the_rest_of_the_plan_stays(account: Account, plan: str) -> None:
    before = tier_of(account)
    feature = feature_pb2.Feature(name="support", text="email")
    answer = account.operator.features.PutFeature(
        feature_pb2.PutFeatureRequest(plan=plan, feature=feature, expected_revision=before.revision)
    )
    assert answer.plan_feature == feature_pb2.PlanFeature(
        plan=plan, feature=feature, plan_revision=answer.revision
    )
    before.features.append(feature)
    before.revision = answer.revision
    before.version += 1
    assert tier_of(account) == before


def test_limit_that_is_set_holds_for_who_has_the_plan(account: Account, plan: str) -> None:
    account.onboard(account.id)
    limit = limit_pb2.Limit(name="seats", unlimited=True, unit="seat")
    account.operator.limits.PutLimit(limit_pb2.PutLimitRequest(plan=plan, limit=limit))
    (found,) = account.entitlements().limits
    assert found.limit == limit


def test_limit_that_is_taken_out_denies(account: Account, plan: str) -> None:
    account.onboard(account.id)
    request = limit_pb2.DeleteLimitRequest(plan=plan, name="seats")
    gone = account.operator.limits.DeleteLimit(request).plan_limit
    assert (gone.limit.value, gone.plan_revision) == (3, account.server.revision)
    assert not account.entitlements().limits
    account.server.refuses(request, ErrorReason.LIMIT_NOT_FOUND, at="name")


def test_feature_that_is_taken_out_is_gone(account: Account, plan: str) -> None:
    request = feature_pb2.DeleteFeatureRequest(plan=plan, name="sso")
    account.operator.features.DeleteFeature(request)
    assert not tier_of(account).features
    account.server.refuses(request, ErrorReason.FEATURE_NOT_FOUND, at="name", says="list the")


@pytest.mark.parametrize("kind", ["Feature", "Limit"])
def test_item_is_guarded_by_the_revision_of_its_plan(
    account: Account, plan: str, kind: str
) -> None:
    items: dict[str, Any] = {
        "Feature": feature_pb2.Feature(name="sso", enabled=True),
        "Limit": limit_pb2.Limit(name="seats", value=9, unit="seat"),
    }
    name, item = items[kind].name, {kind.lower(): items[kind]}
    read = tier_of(account).revision
    put = services.request(f"Put{kind}", plan=plan, expected_revision=read, **item)
    account.operator.call(put)
    delete = services.request(f"Delete{kind}", plan=plan, name=name, expected_revision=read)
    for stale in (put, delete):
        account.server.refuses(stale, ErrorReason.REVISION_MISMATCH, at="expected_revision")


def test_item_that_is_so_already_changes_nothing(account: Account, plan: str) -> None:
    before = tier_of(account)
    limit = limit_pb2.Limit(name="seats", value=3, unit="seat")
    account.operator.limits.PutLimit(limit_pb2.PutLimitRequest(plan=plan, limit=limit))
    assert tier_of(account) == before


@pytest.mark.parametrize(
    ("request_", "reason", "field"),
    [
        (
            limit_pb2.PutLimitRequest(limit=limit_pb2.Limit(name="x", value=-1, unit="u")),
            ErrorReason.INVALID_FIELD,
            "limit.value",
        ),
        (
            limit_pb2.PutLimitRequest(limit=limit_pb2.Limit(name="x", unit="u")),
            ErrorReason.INVALID_FIELD,
            "limit",
        ),
        (
            feature_pb2.PutFeatureRequest(feature=feature_pb2.Feature(name="x y", enabled=True)),
            ErrorReason.INVALID_IDENTIFIER,
            "feature",
        ),
        (
            feature_pb2.PutFeatureRequest(feature=feature_pb2.Feature(name="x", text="a b")),
            ErrorReason.INVALID_IDENTIFIER,
            "feature",
        ),
    ],
    ids=["negative", "no-amount", "bad-name", "bad-word"],
)
def test_item_that_is_wrong_is_refused_by_its_field(
    account: Account, plan: str, request_: Any, reason: ErrorReason, field: str
) -> None:
    request_.plan = plan
    account.server.refuses(request_, reason, at=field)


@pytest.mark.parametrize(
    ("plan", "reason"),
    [
        ("tier/nowhere", ErrorReason.TIER_NOT_FOUND),
        ("addon/nowhere", ErrorReason.ADD_ON_NOT_FOUND),
        ("free", ErrorReason.INVALID_IDENTIFIER),
        ("role/editor", ErrorReason.INVALID_IDENTIFIER),
    ],
)
def test_plan_is_named_with_its_kind(account: Account, plan: str, reason: ErrorReason) -> None:
    for request in (
        feature_pb2.PutFeatureRequest(
            plan=plan, feature=feature_pb2.Feature(name="x", enabled=True)
        ),
        limit_pb2.GetLimitRequest(plan=plan, name="seats"),
        limit_pb2.ListLimitsRequest(plan=plan),
    ):
        account.server.refuses(request, reason, at="plan")


def test_items_are_listed_across_plans_and_filtered(account: Account, plan: str) -> None:
    name = f"only-{account.id}"
    for each in (plan, "addon/audit"):
        feature = feature_pb2.Feature(name=name, enabled=True)
        account.operator.features.PutFeature(
            feature_pb2.PutFeatureRequest(plan=each, feature=feature)
        )
    lists = account.operator.features.ListFeatures
    both = lists(feature_pb2.ListFeaturesRequest(name=name))
    assert [each.plan for each in both.plan_features] == ["addon/audit", plan]
    assert both.total_size == 2
    mine = lists(feature_pb2.ListFeaturesRequest(plan=plan)).plan_features
    assert [each.feature.name for each in mine] == [name, "sso"]
    account.operator.features.DeleteFeature(
        feature_pb2.DeleteFeatureRequest(plan="addon/audit", name=name)
    )


def test_change_of_an_item_is_audited_as_what_it_is(account: Account, plan: str) -> None:
    before = mark(account.server)
    account.operator.limits.PutLimit(
        limit_pb2.PutLimitRequest(
            plan=plan, limit=limit_pb2.Limit(name="seats", value=9, unit="seat"), reason="sale"
        )
    )
    entry, *kept = added(account.server, before)
    assert {each["action"] for each in kept} == {"tier.version_kept"}
    assert (entry["action"], entry["targets"]) == ("limit.put", [plan, "seats"])
    seats = [
        next(limit["value"] for limit in entry[side]["limits"] if limit["name"] == "seats")
        for side in ("before", "after")
    ]
    assert seats == ["3", "9"]
    assert entry["reason"] == "sale"
