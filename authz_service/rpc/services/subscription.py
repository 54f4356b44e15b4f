"""SubscriptionService: a tenant's tier, its add-ons and the limits of its contract."""

from collections.abc import Callable

from authz_service.domain.billing_policy import BillingPolicy
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


def service(billing_policy: Callable[[], BillingPolicy]) -> Service:
    """Describe the service; `billing_policy` gives the policy in use."""

    def move(request: pb.SetTierRequest) -> onboarding.SetTier:
        return onboarding.SetTier(
            tenant=request.tenant,
            tier=request.tier,
            at=tenants.optional_instant(request, "effective_time"),
            downgrade=billing_policy().downgrade if request.apply_downgrade_policy else None,
        )

    def preview(request: pb.PreviewTierChangeRequest) -> tier_change.PreviewTierChange:
        return tier_change.PreviewTierChange(
            tenant=request.tenant,
            policy=billing_policy().downgrade,
            tier=request.tier,
            add_ons=tuple(request.add_ons),
            removed=tuple(request.removed_add_ons),
            at=tenants.optional_instant(request, "effective_time"),
            apply=request.apply_downgrade_policy,
            usage=tuple(tier_change.Use(use.limit, use.used) for use in request.usage),
            sample=request.sample_size,
        )

    def downgrade(request: pb.ApplyDowngradePolicyRequest) -> tier_change.ApplyDowngradePolicy:
        policy = billing_policy().downgrade
        return tier_change.ApplyDowngradePolicy(tenant=request.tenant, policy=policy)

    return Service(
        pb.DESCRIPTOR.services_by_name["SubscriptionService"],
        change(onboarding.set_tier, move, _moved),
        read(tier_change.preview_tier_change, preview, messages.tier_change_fields),
        change(
            tier_change.apply_downgrade_policy,
            downgrade,
            lambda steps: {"downgrade_steps": messages.step_messages(steps)},
        ),
        change(subscriptions.add_add_on, _addition, TENANT.one),
        change(subscriptions.remove_add_on, _removal, TENANT.one),
        change(subscriptions.set_limits, _limits, TENANT.one),
        read(scheduled_changes.list_scheduled_changes, _listing, SCHEDULED.page),
        change(scheduled_changes.cancel_scheduled_change, _scheduled, _cancelled),
    )


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
