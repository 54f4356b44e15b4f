"""PolicyService: what can be sold and granted, and who was granted what."""

from authz_service.gen.authz.v1 import policy_pb2 as pb
from authz_service.rpc import convert_policy
from authz_service.rpc.add_ons import AddOnCalls
from authz_service.rpc.calls import AdminCalls, Context
from authz_service.rpc.exceptions import ExceptionCalls
from authz_service.rpc.permissions import PermissionCalls
from authz_service.rpc.plan_items import PlanItemCalls
from authz_service.rpc.role_grants import RoleGrantCalls
from authz_service.rpc.roles import RoleCalls
from authz_service.rpc.tiers import TierCalls
from authz_service.usecases.policy import whole_policy


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
            whole_policy.apply_policy,
            lambda r: whole_policy.ApplyPolicy(policy=convert_policy.policy_set(r)),
        )
        return pb.ApplyPolicyResponse(
            created=answer.value.created,
            updated=answer.value.updated,
            unchanged=answer.value.unchanged,
            warnings=answer.value.warnings,
            revision=answer.revision,
        )
