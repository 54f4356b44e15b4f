"""Features and limits are set and taken out one at a time, in the plan that they belong to."""

from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from authz_service.errors import ErrorReason
from authz_service.gen.authz.v1 import feature_pb2, limit_pb2, tier_pb2
from tests import services
from tests.rpc.account import Account
from tests.rpc.trail import added, mark
from tests.services import PUT


@pytest.fixture
def plan(account: Account) -> str:
    """Make a tier with a feature and a limit; name it."""
    tier = tier_pb2.Tier(
        id=account.id,
        features=[feature_pb2.Feature(name="sso", enabled=False)],
        limits=[limit_pb2.Limit(name="seats", value=3, unit="seat")],
    )
    account.operator.tiers.CreateTier(tier_pb2.CreateTierRequest(tier=tier))
    return account.id


def tier_of(account: Account) -> tier_pb2.Tier:
    return account.operator.tiers.GetTier(tier_pb2.GetTierRequest(id=account.id)).tier


def test_feature_is_set_and_the_rest_of_the_plan_stays(account: Account, plan: str) -> None:
    before = tier_of(account)
    feature = feature_pb2.Feature(name="support", text="email", rank=2)
    answer = account.operator.features.UpdateFeature(
        feature_pb2.UpdateFeatureRequest(
            **PUT, tier=plan, feature=feature, expected_revision=before.revision
        )
    )
    assert answer.plan_feature == feature_pb2.PlanFeature(
        tier=plan, feature=feature, revision=answer.revision
    )
    before.features.append(feature)
    before.revision = answer.revision
    before.version += 1
    assert tier_of(account) == before


def test_limit_that_is_set_holds_for_who_has_the_plan(account: Account, plan: str) -> None:
    account.onboard(account.id)
    limit = limit_pb2.Limit(name="seats", unlimited=True, unit="seat")
    account.operator.limits.UpdateLimit(limit_pb2.UpdateLimitRequest(**PUT, tier=plan, limit=limit))
    (found,) = account.entitlements().limits
    assert found.limit == limit


def test_limit_that_is_taken_out_denies(account: Account, plan: str) -> None:
    account.onboard(account.id)
    request = limit_pb2.DeleteLimitRequest(tier=plan, name="seats")
    gone = account.operator.limits.DeleteLimit(request).plan_limit
    assert (gone.limit.value, gone.revision) == (3, account.server.revision)
    assert not account.entitlements().limits
    account.server.refuses(request, ErrorReason.LIMIT_NOT_FOUND, at="name")


def test_feature_that_is_taken_out_is_gone(account: Account, plan: str) -> None:
    request = feature_pb2.DeleteFeatureRequest(tier=plan, name="sso")
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
    put = services.request(f"Update{kind}", **PUT, tier=plan, expected_revision=read, **item)
    account.operator.call(put)
    delete = services.request(f"Delete{kind}", tier=plan, name=name, expected_revision=read)
    for stale in (put, delete):
        account.server.refuses(stale, ErrorReason.REVISION_MISMATCH, at="expected_revision")


def test_item_that_is_so_already_changes_nothing(account: Account, plan: str) -> None:
    before = tier_of(account)
    limit = limit_pb2.Limit(name="seats", value=3, unit="seat")
    account.operator.limits.UpdateLimit(limit_pb2.UpdateLimitRequest(**PUT, tier=plan, limit=limit))
    assert tier_of(account) == before


@pytest.mark.parametrize(
    ("request_", "reason", "field"),
    [
        (
            limit_pb2.UpdateLimitRequest(
                **PUT, limit=limit_pb2.Limit(name="x", value=-1, unit="u")
            ),
            ErrorReason.INVALID_FIELD,
            "limit.value",
        ),
        (
            limit_pb2.UpdateLimitRequest(**PUT, limit=limit_pb2.Limit(name="x", unit="u")),
            ErrorReason.INVALID_FIELD,
            "limit",
        ),
        (
            feature_pb2.UpdateFeatureRequest(
                **PUT, feature=feature_pb2.Feature(name="x y", enabled=True)
            ),
            ErrorReason.INVALID_IDENTIFIER,
            "feature",
        ),
        (
            feature_pb2.UpdateFeatureRequest(
                **PUT, feature=feature_pb2.Feature(name="x", text="a b")
            ),
            ErrorReason.INVALID_IDENTIFIER,
            "feature",
        ),
    ],
    ids=["negative", "no-amount", "bad-name", "bad-word"],
)
def test_item_that_is_wrong_is_refused_by_its_field(
    account: Account, plan: str, request_: Any, reason: ErrorReason, field: str
) -> None:
    request_.tier = plan
    account.server.refuses(request_, reason, at=field)


@pytest.mark.parametrize(
    ("plan", "reason", "field"),
    [
        ({"tier": "nowhere"}, ErrorReason.TIER_NOT_FOUND, "tier"),
        ({"add_on": "nowhere"}, ErrorReason.ADD_ON_NOT_FOUND, "add_on"),
        ({"tier": "tier/free"}, ErrorReason.INVALID_IDENTIFIER, "tier"),
        ({"add_on": ""}, ErrorReason.INVALID_IDENTIFIER, "add_on"),
    ],
)
def test_plan_is_named_with_its_kind(
    account: Account, plan: dict[str, Any], reason: ErrorReason, field: str
) -> None:
    feature = feature_pb2.Feature(name="x", enabled=True)
    limit = limit_pb2.Limit(name="x", value=1, unit="x")
    for request in (
        feature_pb2.CreateFeatureRequest(**plan, feature=feature),
        feature_pb2.UpdateFeatureRequest(**PUT, **plan, feature=feature),
        limit_pb2.UpdateLimitRequest(**PUT, **plan, limit=limit),
        limit_pb2.GetLimitRequest(**plan, name="seats"),
        limit_pb2.ListLimitsRequest(**plan),
    ):
        account.server.refuses(request, reason, at=field)


@pytest.mark.parametrize("verb", ["Create", "Update", "Delete", "Get"])
@pytest.mark.parametrize("kind", ["Feature", "Limit"])
def test_plan_is_required(account: Account, verb: str, kind: str) -> None:
    item = {"limit": {"value": 1}} if kind == "Limit" and verb in ("Create", "Update") else {}
    request = services.request(f"{verb}{kind}", **item)
    account.server.refuses(request, ErrorReason.INVALID_FIELD, at="plan")


@pytest.mark.parametrize("kind", ["Feature", "Limit"])
def test_item_is_created_once(account: Account, plan: str, kind: str) -> None:
    items: dict[str, Any] = {
        "Feature": {"feature": feature_pb2.Feature(name="new", enabled=True)},
        "Limit": {"limit": limit_pb2.Limit(name="new", value=9, unit="thing")},
    }
    request = services.request(f"Create{kind}", tier=plan, **items[kind])
    answer = account.operator.call(request)
    got = account.operator.call(services.request(f"Get{kind}", tier=plan, name="new"))
    field = f"plan_{kind.lower()}"
    assert getattr(answer, field) == getattr(got, field)
    reasons = {"Feature": ErrorReason.FEATURE_EXISTS, "Limit": ErrorReason.LIMIT_EXISTS}
    account.server.refuses(request, reasons[kind], at=f"{kind.lower()}.name", says="update it")


def test_update_without_allow_missing_sets_nothing_new(account: Account, plan: str) -> None:
    request = feature_pb2.UpdateFeatureRequest(
        tier=plan,
        feature=feature_pb2.Feature(name="new", enabled=True),
        update_mask=FieldMask(paths=["enabled"]),
    )
    account.server.refuses(request, ErrorReason.FEATURE_NOT_FOUND, at="feature.name")
    request.allow_missing = True
    account.operator.call(request)
    assert [feature.name for feature in tier_of(account).features] == ["new", "sso"]


@pytest.mark.parametrize(
    ("paths", "fields", "expected"),
    [
        (["unit"], {"unit": "chair"}, (3, False, "chair")),
        (["value"], {"value": 8, "unit": "chair"}, (8, False, "seat")),
        (["unlimited"], {"unlimited": True}, (0, True, "seat")),
        (["value", "unit"], {"value": 8, "unit": "chair"}, (8, False, "chair")),
        (["*"], {"value": 8, "unit": "chair"}, (8, False, "chair")),
    ],
)
def test_update_of_a_limit_changes_what_the_mask_names(
    account: Account, plan: str, paths: list[str], fields: dict[str, Any], expected: Any
) -> None:
    request = limit_pb2.UpdateLimitRequest(
        tier=plan,
        limit=limit_pb2.Limit(name=plan, value=3, unit="seat"),
        **PUT,
    )
    account.operator.call(request)
    request = limit_pb2.UpdateLimitRequest(
        tier=plan,
        limit=limit_pb2.Limit(name=plan, **fields),
        update_mask=FieldMask(paths=paths),
    )
    limit = account.operator.limits.UpdateLimit(request).plan_limit.limit
    assert (limit.value, limit.unlimited, limit.unit) == expected


@pytest.mark.parametrize("path", ["", "name", "amount", "limit.value"])
def test_mask_of_an_item_names_only_what_can_be_updated(
    account: Account, plan: str, path: str
) -> None:
    request = limit_pb2.UpdateLimitRequest(
        tier=plan,
        limit=limit_pb2.Limit(name="seats", value=1, unit="seat"),
        update_mask=FieldMask(paths=[path] if path else []),
    )
    account.server.refuses(request, ErrorReason.INVALID_FIELD, at="update_mask", says=path)


def test_items_are_listed_across_plans_and_filtered(account: Account, plan: str) -> None:
    name = f"only-{account.id}"
    feature = feature_pb2.Feature(name=name, enabled=True)
    for request in (
        feature_pb2.CreateFeatureRequest(tier=plan, feature=feature),
        feature_pb2.CreateFeatureRequest(add_on="audit", feature=feature),
    ):
        account.operator.features.CreateFeature(request)
    lists = account.operator.features.ListFeatures
    both = lists(feature_pb2.ListFeaturesRequest(name=name))
    assert [(each.add_on, each.tier) for each in both.plan_features] == [("audit", ""), ("", plan)]
    assert both.total_size == 2
    mine = lists(feature_pb2.ListFeaturesRequest(tier=plan)).plan_features
    assert [each.feature.name for each in mine] == [name, "sso"]
    account.operator.features.DeleteFeature(
        feature_pb2.DeleteFeatureRequest(add_on="audit", name=name)
    )


def test_change_of_an_item_is_audited_as_what_it_is(account: Account, plan: str) -> None:
    before = mark(account.server)
    account.operator.limits.UpdateLimit(
        limit_pb2.UpdateLimitRequest(
            **PUT,
            tier=plan,
            limit=limit_pb2.Limit(name="seats", value=9, unit="seat"),
            reason="sale",
        )
    )
    entry, *kept = added(account.server, before)
    assert {each["action"] for each in kept} == {"tier.version_kept"}
    assert (entry["action"], entry["targets"]) == ("limit.updated", [f"tier/{plan}", "seats"])
    seats = [
        next(limit["value"] for limit in entry[side]["limits"] if limit["name"] == "seats")
        for side in ("before", "after")
    ]
    assert seats == ["3", "9"]
    assert entry["reason"] == "sale"
