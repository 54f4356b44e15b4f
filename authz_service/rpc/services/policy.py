"""PolicyService: what can be sold and granted, and who was granted what."""

from authz_service.gen.authz.v1 import policy_pb2 as pb
from authz_service.rpc.calls import AdminCalls, Context
from authz_service.rpc.messages import catalog
from authz_service.rpc.services.add_ons import AddOnCalls
from authz_service.rpc.services.exceptions import ExceptionCalls
from authz_service.rpc.services.permissions import PermissionCalls
from authz_service.rpc.services.plan_items import PlanItemCalls
from authz_service.rpc.services.role_grants import RoleGrantCalls
from authz_service.rpc.services.roles import RoleCalls
from authz_service.rpc.services.tiers import TierCalls
from authz_service.usecases.catalog import apply_policy


class PolicyServicer(
    PermissionCalls,
    RoleCalls,
    TierCalls,
    AddOnCalls,
    PlanItemCalls,
    RoleGrantCalls,
    ExceptionCalls,
):
    def __init__(self, calls: AdminCalls) -> None:
        self._calls = calls

    def ApplyPolicy(
        self, request: pb.ApplyPolicyRequest, context: Context
    ) -> pb.ApplyPolicyResponse:
        answer = self._calls.change(
            request,
            context,
            apply_policy.apply_policy,
            lambda r: apply_policy.ApplyPolicy(policy=catalog.policy_set(r)),
        )
        return pb.ApplyPolicyResponse(
            created=answer.value.created,
            updated=answer.value.updated,
            unchanged=answer.value.unchanged,
            warnings=answer.value.warnings,
            revision=answer.revision,
        )
