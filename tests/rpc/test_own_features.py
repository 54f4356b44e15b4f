"""A customer's own value of a feature: an exception with a window, a reason and an approver."""

from typing import Any, Final

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from authz_service.errors import ErrorReason
from authz_service.gen.authz.v1 import audit_pb2, feature_pb2, limit_pb2, subscription_pb2, tier_pb2
from authz_service.gen.authz.v1 import authorization_pb2 as checks
from authz_service.gen.authz.v1 import exception_pb2 as pb
from tests.rpc.account import Account, timestamp
from tests.services import PUT

SSO_ON: Final = feature_pb2.Feature(name="sso", enabled=True)
FAR: Final = 4_102_444_800
"""1 January 2100, in seconds."""


def own(account: Account, feature: feature_pb2.Feature, **more: Any) -> pb.CreateExceptionRequest:
    exception = pb.TenantException(
        tenant=account.id,
        kind=pb.EXCEPTION_KIND_FEATURE,
        feature=feature,
        reason="a pilot",
        approver="user:boss",
        **more,
    )
    return pb.CreateExceptionRequest(exception=exception)


def in_force(account: Account, name: str = "sso") -> tuple[feature_pb2.Feature, Any]:
    (found,) = (f for f in account.entitlements().features if f.feature.name == name)
    return found.feature, found.source


def test_add_on_turns_on_what_the_tier_leaves_off(account: Account) -> None:
    account.onboard("free")
    assert in_force(account)[0].enabled is False
    account.add_on("single-sign-on")
    assert in_force(account) == (SSO_ON, checks.EntitlementSource(add_on="single-sign-on"))
    account.add_on("priority-support")
    phone = feature_pb2.Feature(name="support", text="phone", rank=3)
    assert in_force(account, "support")[0] == phone


def test_exception_sets_a_feature_for_one_customer_and_is_audited(account: Account) -> None:
    account.onboard("free")
    made = account.operator.exceptions.CreateException(own(account, SSO_ON)).exception
    assert in_force(account) == (SSO_ON, checks.EntitlementSource(exception=made.id))
    request = audit_pb2.ListAuditEntriesRequest(
        tenant=account.id, action_prefix="exception.granted"
    )
    (entry,) = account.operator.audit.ListAuditEntries(request).entries
    assert entry.changes[0].after.exception.feature == SSO_ON
    account.delete_exception(made.id)
    assert in_force(account)[0].enabled is False


def test_preview_tells_which_feature_changes_and_writes_nothing(account: Account) -> None:
    account.onboard("free")
    request = own(account, SSO_ON)
    request.validate_only = True
    preview = account.operator.exceptions.CreateException(request).preview
    (effect,) = preview.effect.features
    assert (effect.name, effect.before, effect.after) == ("sso", "false", "true")
    assert in_force(account)[0].enabled is False


def test_value_is_changed_by_its_mask_alone(account: Account) -> None:
    account.onboard("enterprise")
    off = feature_pb2.Feature(name="sso")
    off.enabled = False
    made = account.operator.exceptions.CreateException(own(account, off)).exception
    assert in_force(account)[0].enabled is False
    changed = pb.TenantException(tenant=account.id, id=made.id, feature=SSO_ON)
    request = pb.UpdateExceptionRequest(exception=changed, update_mask=FieldMask(paths=["feature"]))
    assert account.operator.exceptions.UpdateException(request).exception.reason == "a pilot"
    assert in_force(account)[0].enabled is True


def test_two_values_of_one_feature_never_meet_and_may_follow_each_other(account: Account) -> None:
    account.onboard("free")
    first = account.operator.exceptions.CreateException(
        own(account, SSO_ON, valid_until=timestamp(FAR))
    ).exception
    off = feature_pb2.Feature(name="sso", enabled=False)
    found = account.server.refuses(
        own(account, off), ErrorReason.FEATURE_SET, at="exception.feature"
    )
    assert found.metadata["id"] == first.id
    account.operator.exceptions.CreateException(own(account, off, valid_from=timestamp(FAR)))


@pytest.mark.parametrize(
    ("feature", "reason", "part"),
    [
        (feature_pb2.Feature(name="ssoo", enabled=True), ErrorReason.FEATURE_NOT_FOUND, ".name"),
        (feature_pb2.Feature(name="sso", text="on"), ErrorReason.FEATURE_KIND_MISMATCH, ""),
        (feature_pb2.Feature(name="sso", number=1), ErrorReason.FEATURE_KIND_MISMATCH, ""),
        (feature_pb2.Feature(name="sso", enabled=True, rank=1), ErrorReason.INVALID_FIELD, ""),
        (feature_pb2.Feature(name="s s", enabled=True), ErrorReason.INVALID_IDENTIFIER, ".name"),
        (feature_pb2.Feature(name="support", text="a b"), ErrorReason.INVALID_IDENTIFIER, ""),
    ],
    ids=["unknown", "text for a flag", "number for a flag", "ranked flag", "name", "text"],
)
def test_feature_that_cannot_be_is_refused(
    account: Account, feature: feature_pb2.Feature, reason: ErrorReason, part: str
) -> None:
    account.onboard("free")
    account.server.refuses(own(account, feature), reason, at=f"exception.feature{part}")


def test_feature_and_permissions_stand_in_exceptions_of_their_kinds_alone(account: Account) -> None:
    account.onboard("free")
    both = own(account, SSO_ON, permissions=["reports:view"])
    account.server.refuses(both, ErrorReason.INVALID_FIELD, at="exception.permissions")
    none = own(account, SSO_ON)
    none.exception.ClearField("feature")
    account.server.refuses(none, ErrorReason.INVALID_FIELD, at="exception.feature")
    granting = own(account, SSO_ON, permissions=["reports:view"])
    granting.exception.kind = pb.EXCEPTION_KIND_GRANT
    account.server.refuses(granting, ErrorReason.INVALID_FIELD, at="exception.feature")


MOST: Final = 2**53


def calls(value: int, period: limit_pb2.LimitPeriod.ValueType) -> limit_pb2.Limit:
    reset = limit_pb2.LIMIT_RESET_CALENDAR
    return limit_pb2.Limit(name="api-calls", value=value, unit="call", period=period, reset=reset)


def test_limit_beyond_the_largest_number_is_refused_at_every_door(account: Account) -> None:
    account.onboard("free")
    most = calls(MOST, limit_pb2.LIMIT_PERIOD_MONTH)
    assert account.limit(most).limits[0] == most
    more = calls(MOST + 1, limit_pb2.LIMIT_PERIOD_MONTH)
    refuses = account.server.refuses
    own_limit = subscription_pb2.SetLimitsRequest(tenant=account.id, limits=[more])
    refuses(own_limit, ErrorReason.INVALID_FIELD, at="limits[0].value")
    of_plan = limit_pb2.UpdateLimitRequest(**PUT, tier="free", limit=more)
    refuses(of_plan, ErrorReason.INVALID_FIELD, at="limit.value")
    tier = tier_pb2.CreateTierRequest(tier=tier_pb2.Tier(id=account.id, limits=[more]))
    refuses(tier, ErrorReason.INVALID_FIELD, at="tier.limits.api-calls.value")


def test_period_of_a_limit_is_shown_and_no_own_limit_counts_otherwise(account: Account) -> None:
    account.onboard("free")
    limits = {each.limit.name: each.limit for each in account.entitlements().limits}
    sold = limits["api-calls"]
    assert (sold.period, sold.reset) == (
        limit_pb2.LIMIT_PERIOD_MONTH,
        limit_pb2.LIMIT_RESET_CALENDAR,
    )
    daily = calls(9, limit_pb2.LIMIT_PERIOD_DAY)
    request = subscription_pb2.SetLimitsRequest(tenant=account.id, limits=[daily])
    account.server.refuses(
        request, ErrorReason.LIMIT_UNIT_MISMATCH, at="limits[0].unit", says="call per month"
    )


def test_texts_without_a_rank_and_kinds_that_differ_are_refused(account: Account) -> None:
    refuses = account.server.refuses
    words = feature_pb2.Feature(name="support", text="carrier-pigeon", rank=3)
    clash = feature_pb2.UpdateFeatureRequest(**PUT, tier="free", feature=words)
    refuses(clash, ErrorReason.FEATURE_RANK_CONFLICT, at="feature", says="'phone' of rank 3")
    number = feature_pb2.Feature(name="sso", number=3)
    other = feature_pb2.UpdateFeatureRequest(**PUT, add_on="audit", feature=number)
    refuses(other, ErrorReason.FEATURE_KIND_MISMATCH, at="feature", says="as a flag")
