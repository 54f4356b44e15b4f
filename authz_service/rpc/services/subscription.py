"""SubscriptionService: a tenant's tier, its add-ons and the limits of its contract."""

from typing import Final

from authz_service.gen.authz.v1 import subscription_pb2 as pb
from authz_service.rpc.messages import subscriptions as messages
from authz_service.rpc.messages import tenants, values
from authz_service.rpc.messages.subscriptions import SCHEDULED
from authz_service.rpc.messages.tenants import TENANT, tenant_message
from authz_service.rpc.methods import Fields, Service, change, read
from authz_service.usecases.tenants import (
    onboarding,
    scheduled_changes,
    subscriptions,
    tier_change,
)
from authz_service.usecases.tenants.scheduled_changes import Cancelled, ListScheduled, OneScheduled


def _move(request: pb.SetTierRequest) -> onboarding.SetTier:
    return onboarding.SetTier(
        tenant=request.tenant,
        tier=request.tier,
        at=tenants.optional_instant(request, "effective_time"),
        apply_downgrade_policy=request.apply_downgrade_policy,
    )


def _preview(request: pb.PreviewTierChangeRequest) -> tier_change.PreviewTierChange:
    return tier_change.PreviewTierChange(
        tenant=request.tenant,
        tier=request.tier,
        add_ons=tuple(request.add_ons),
        removed=tuple(request.removed_add_ons),
        at=tenants.optional_instant(request, "effective_time"),
        apply=request.apply_downgrade_policy,
        usage=tuple(tier_change.Use(use.limit, use.used) for use in request.usage),
        sample=request.sample_size,
    )


def _downgrade(request: pb.ApplyDowngradePolicyRequest) -> tier_change.ApplyDowngradePolicy:
    return tier_change.ApplyDowngradePolicy(tenant=request.tenant)


def _moved(value: onboarding.Moved) -> Fields:
    return {
        "tenant": tenant_message(value),
        "downgrade_steps": messages.step_messages(value.steps),
    }


def _addition(request: pb.AddAddOnRequest) -> subscriptions.AddAddOn:
    window = values.window(request)
    return subscriptions.AddAddOn(tenant=request.tenant, add_on=request.add_on, window=window)


def _removal(request: pb.RemoveAddOnRequest) -> subscriptions.RemoveAddOn:
    at = tenants.optional_instant(request, "end_time")
    return subscriptions.RemoveAddOn(tenant=request.tenant, add_on=request.add_on, at=at)


def _limits(request: pb.SetLimitsRequest) -> subscriptions.SetLimits:
    return subscriptions.SetLimits(
        tenant=request.tenant,
        limits=tenants.limits(request.limits),
        removed=tuple(request.removed),
    )


def _listing(request: pb.ListScheduledChangesRequest) -> ListScheduled:
    return ListScheduled(tenant=request.tenant, page=values.page(request))


def _scheduled(request: pb.CancelScheduledChangeRequest) -> OneScheduled:
    return OneScheduled(tenant=request.tenant, id=request.id)


def _cancelled(value: Cancelled) -> Fields:
    return {"tenant": tenant_message(value.tenant), **SCHEDULED.one(value.change)}


SERVICE: Final = Service(
    pb.DESCRIPTOR.services_by_name["SubscriptionService"],
    change(onboarding.set_tier, _move, _moved),
    read(tier_change.preview_tier_change, _preview, messages.tier_change_fields),
    change(
        tier_change.apply_downgrade_policy,
        _downgrade,
        lambda steps: {"downgrade_steps": messages.step_messages(steps)},
    ),
    change(subscriptions.add_add_on, _addition, TENANT.one),
    change(subscriptions.remove_add_on, _removal, TENANT.one),
    change(subscriptions.set_limits, _limits, TENANT.one),
    read(scheduled_changes.list_scheduled_changes, _listing, SCHEDULED.page),
    change(scheduled_changes.cancel_scheduled_change, _scheduled, _cancelled),
)
