"""PolicyService: tiers."""

from authz_service.gen.authz.v1 import policy_pb2 as pb
from authz_service.rpc.calls import AdminCalls, Context
from authz_service.rpc.messages import catalog, values
from authz_service.usecases.catalog import tiers
from authz_service.usecases.catalog.deletion import DeleteObject
from authz_service.usecases.catalog.objects import Named
from authz_service.usecases.catalog.plans import CreatePlan, ListPlans, PutPlan, UpdatePlan


class TierCalls:
    """The RPCs about tiers; a part of PolicyServicer."""

    _calls: AdminCalls

    def CreateTier(self, request: pb.CreateTierRequest, context: Context) -> pb.CreateTierResponse:
        answer = self._calls.change(
            request,
            context,
            tiers.create_tier,
            lambda r: CreatePlan(plan=catalog.tier(r.tier)),
        )
        return pb.CreateTierResponse(
            tier=catalog.tier_message(answer.value), revision=answer.revision
        )

    def PutTier(self, request: pb.PutTierRequest, context: Context) -> pb.PutTierResponse:
        answer = self._calls.change(
            request,
            context,
            tiers.put_tier,
            lambda r: PutPlan(plan=catalog.tier(r.tier), expected_revision=r.expected_revision),
        )
        return pb.PutTierResponse(tier=catalog.tier_message(answer.value), revision=answer.revision)

    def UpdateTier(self, request: pb.UpdateTierRequest, context: Context) -> pb.UpdateTierResponse:
        answer = self._calls.change(
            request,
            context,
            tiers.update_tier,
            lambda r: UpdatePlan(
                plan=catalog.tier(r.tier),
                mask=catalog.mask(r.update_mask),
                expected_revision=r.expected_revision,
            ),
        )
        return pb.UpdateTierResponse(
            tier=catalog.tier_message(answer.value), revision=answer.revision
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
            tier=catalog.tier_message(answer.value.object),
            moved=catalog.moved_messages(answer.value.moved),
            revision=answer.revision,
        )

    def GetTier(self, request: pb.GetTierRequest, context: Context) -> pb.GetTierResponse:
        answer = self._calls.read(request, context, tiers.get_tier, lambda r: Named(id=r.id))
        return pb.GetTierResponse(tier=catalog.tier_message(answer.value), revision=answer.revision)

    def ListTiers(self, request: pb.ListTiersRequest, context: Context) -> pb.ListTiersResponse:
        answer = self._calls.read(
            request,
            context,
            tiers.list_tiers,
            lambda r: ListPlans(
                page=values.page(r),
                permission=r.permission,
                feature=r.feature,
            ),
        )
        return pb.ListTiersResponse(
            tiers=[catalog.tier_message(item) for item in answer.value.items],
            next_page_token=answer.value.next_token,
            revision=answer.revision,
            total_size=answer.value.total_size,
        )
