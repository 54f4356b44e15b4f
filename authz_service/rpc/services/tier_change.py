"""The part of ProvisioningService that is about moving between tiers."""

from collections.abc import Callable, Iterable
from typing import Any, Final

from authz_service.domain.billing_policy import BillingPolicy
from authz_service.gen.authz.v1 import provisioning_pb2 as pb
from authz_service.rpc.calls import AdminCalls, Context
from authz_service.rpc.messages import catalog, changesets, tenants
from authz_service.usecases.tenants import onboarding, tier_change
from authz_service.usecases.tenants.downgrade_step import Step, StepKind

_KINDS: Final = {
    StepKind.MEMBER_SUSPENDED: pb.DOWNGRADE_STEP_KIND_MEMBER_SUSPENDED,
    StepKind.MEMBER_RESUMED: pb.DOWNGRADE_STEP_KIND_MEMBER_RESUMED,
    StepKind.MEMBER_READ_ONLY: pb.DOWNGRADE_STEP_KIND_MEMBER_READ_ONLY,
    StepKind.MEMBER_RESTORED: pb.DOWNGRADE_STEP_KIND_MEMBER_RESTORED,
    StepKind.INVITATION_ENDED: pb.DOWNGRADE_STEP_KIND_INVITATION_ENDED,
    StepKind.ROLE_REPLACED: pb.DOWNGRADE_STEP_KIND_ROLE_REPLACED,
    StepKind.ROLE_ENDED: pb.DOWNGRADE_STEP_KIND_ROLE_ENDED,
    StepKind.ROLE_RESTORED: pb.DOWNGRADE_STEP_KIND_ROLE_RESTORED,
}


class TierChangeServicer:
    """`billing_policy` gives the policy in use."""

    def __init__(self, calls: AdminCalls, billing_policy: Callable[[], BillingPolicy]) -> None:
        self._calls = calls
        self._billing_policy = billing_policy

    def SetTier(self, request: pb.SetTierRequest, context: Context) -> pb.SetTierResponse:
        answer = self._calls.change(request, context, onboarding.set_tier, self._move)
        return pb.SetTierResponse(
            tenant=tenants.tenant_message(answer.value),
            revision=answer.revision,
            downgrade_steps=_step_messages(answer.value.steps),
        )

    def PreviewTierChange(
        self, request: pb.PreviewTierChangeRequest, context: Context
    ) -> pb.PreviewTierChangeResponse:
        case = tier_change.preview_tier_change
        return _change_message(self._calls.read(request, context, case, self._preview).value)

    def ApplyDowngradePolicy(
        self, request: pb.ApplyDowngradePolicyRequest, context: Context
    ) -> pb.ApplyDowngradePolicyResponse:
        answer = self._calls.change(
            request,
            context,
            tier_change.apply_downgrade_policy,
            lambda r: tier_change.ApplyDowngradePolicy(
                tenant=r.tenant, policy=self._billing_policy().downgrade
            ),
        )
        return pb.ApplyDowngradePolicyResponse(
            downgrade_steps=_step_messages(answer.value), revision=answer.revision
        )

    def _move(self, request: pb.SetTierRequest) -> onboarding.SetTier:
        return onboarding.SetTier(
            tenant=request.tenant,
            tier=request.tier,
            at=tenants.optional_instant(request, "at"),
            downgrade=self._billing_policy().downgrade if request.apply_downgrade_policy else None,
        )

    def _preview(self, request: pb.PreviewTierChangeRequest) -> tier_change.PreviewTierChange:
        return tier_change.PreviewTierChange(
            tenant=request.tenant,
            policy=self._billing_policy().downgrade,
            tier=request.tier,
            add_ons=tuple(request.add_ons),
            removed=tuple(request.removed_add_ons),
            at=tenants.optional_instant(request, "at"),
            apply=request.apply_downgrade_policy,
            usage=tuple(tier_change.Use(each.limit, each.used) for each in request.usage),
            sample=request.sample_size,
        )


def _change_message(value: tier_change.TierChange) -> pb.PreviewTierChangeResponse:
    return pb.PreviewTierChangeResponse(
        concerns=map(changesets.concern_message, value.impacts),
        revision=value.revision,
        **effect_fields(value),
    )


def effect_fields(value: tier_change.TierChange) -> dict[str, Any]:
    """Write what an account and its members gain and lose, under the names of the fields."""
    return {
        "gained": value.gained,
        "lost": value.lost,
        "features": map(changesets.value_message, value.features),
        "limits": map(changesets.value_message, value.limits),
        "members": map(_shift_message, value.members),
        "exceeded": map(_exceeded_message, value.exceeded),
        "downgrade_steps": _step_messages(value.steps),
    }


def _shift_message(value: tier_change.MemberShift) -> pb.MemberShift:
    return pb.MemberShift(
        gained=map(changesets.reach_message, value.shift.gained),
        lost=map(changesets.reach_message, value.shift.lost),
        count=value.members.count,
        subjects=value.members.names,
    )


def _exceeded_message(value: tier_change.Exceeded) -> pb.ExceededLimit:
    message = pb.ExceededLimit(used=value.used, policy=value.policy)
    if value.limit is not None:
        message.limit.CopyFrom(catalog.limit_message(value.limit))
    else:
        message.limit.name = value.name
    return message


def _step_messages(values: Iterable[Step]) -> list[pb.DowngradeStep]:
    return [
        pb.DowngradeStep(
            kind=_KINDS[value.kind],
            subject=value.subject,
            role=value.role,
            replacement=value.replacement,
            scope=value.scope,
        )
        for value in values
    ]
