"""PolicyService: tiers."""

from authz_service.gen.authz.v1 import policy_pb2 as pb
from authz_service.rpc import convert, convert_policy
from authz_service.rpc.calls import AdminCalls, Context
from authz_service.usecases.policy import tiers
from authz_service.usecases.policy.deleting import DeleteObject
from authz_service.usecases.policy.plans import CreatePlan, ListPlans, PutPlan, UpdatePlan
from authz_service.usecases.policy.policy_objects import Named


class TierCalls:
    """The RPCs about tiers; a part of PolicyServicer."""

    _calls: AdminCalls

    def CreateTier(self, request: pb.CreateTierRequest, context: Context) -> pb.CreateTierResponse:
        answer = self._calls.change(
            request,
            context,
            tiers.create_tier,
            lambda r: CreatePlan(plan=convert_policy.tier(r.tier)),
        )
        return pb.CreateTierResponse(
            tier=convert_policy.tier_message(answer.value), revision=answer.revision
        )

    def PutTier(self, request: pb.PutTierRequest, context: Context) -> pb.PutTierResponse:
        answer = self._calls.change(
            request,
            context,
            tiers.put_tier,
            lambda r: PutPlan(
                plan=convert_policy.tier(r.tier), expected_revision=r.expected_revision
            ),
        )
        return pb.PutTierResponse(
            tier=convert_policy.tier_message(answer.value), revision=answer.revision
        )

    def UpdateTier(self, request: pb.UpdateTierRequest, context: Context) -> pb.UpdateTierResponse:
        answer = self._calls.change(
            request,
            context,
            tiers.update_tier,
            lambda r: UpdatePlan(
                plan=convert_policy.tier(r.tier),
                mask=convert_policy.mask(r.update_mask),
                expected_revision=r.expected_revision,
            ),
        )
        return pb.UpdateTierResponse(
            tier=convert_policy.tier_message(answer.value), revision=answer.revision
        )

    def DeleteTier(self, request: pb.DeleteTierRequest, context: Context) -> pb.DeleteTierResponse:
        answer = self._calls.change(
            request,
            context,
            tiers.delete_tier,
            lambda r: DeleteObject(
                id=r.id, replacement=r.replacement, expected_revision=r.expected_revision
            ),
        )
        return pb.DeleteTierResponse(
            tier=convert_policy.tier_message(answer.value.object),
            moved=convert_policy.moved_messages(answer.value.moved),
            revision=answer.revision,
        )

    def GetTier(self, request: pb.GetTierRequest, context: Context) -> pb.GetTierResponse:
        answer = self._calls.read(request, context, tiers.get_tier, lambda r: Named(id=r.id))
        return pb.GetTierResponse(
            tier=convert_policy.tier_message(answer.value), revision=answer.revision
        )

    def ListTiers(self, request: pb.ListTiersRequest, context: Context) -> pb.ListTiersResponse:
        answer = self._calls.read(
            request,
            context,
            tiers.list_tiers,
            lambda r: ListPlans(
                page=convert.page(r),
                permission=r.permission,
                feature=r.feature,
            ),
        )
        return pb.ListTiersResponse(
            tiers=[convert_policy.tier_message(each) for each in answer.value.items],
            next_page_token=answer.value.next_token,
            revision=answer.revision,
            total_size=answer.value.total_size,
        )
