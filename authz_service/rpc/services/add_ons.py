"""PolicyService: add-ons."""

from authz_service.gen.authz.v1 import policy_pb2 as pb
from authz_service.rpc.calls import AdminCalls, Context
from authz_service.rpc.messages import catalog, values
from authz_service.usecases.catalog import add_ons
from authz_service.usecases.catalog.deletion import DeleteObject
from authz_service.usecases.catalog.objects import Named
from authz_service.usecases.catalog.plans import CreatePlan, ListPlans, PutPlan, UpdatePlan


class AddOnCalls:
    """The RPCs about add-ons; a part of PolicyServicer."""

    _calls: AdminCalls

    def CreateAddOn(
        self, request: pb.CreateAddOnRequest, context: Context
    ) -> pb.CreateAddOnResponse:
        answer = self._calls.change(
            request,
            context,
            add_ons.create_add_on,
            lambda r: CreatePlan(plan=catalog.add_on(r.add_on)),
        )
        return pb.CreateAddOnResponse(
            add_on=catalog.add_on_message(answer.value), revision=answer.revision
        )

    def PutAddOn(self, request: pb.PutAddOnRequest, context: Context) -> pb.PutAddOnResponse:
        answer = self._calls.change(
            request,
            context,
            add_ons.put_add_on,
            lambda r: PutPlan(plan=catalog.add_on(r.add_on), expected_revision=r.expected_revision),
        )
        return pb.PutAddOnResponse(
            add_on=catalog.add_on_message(answer.value), revision=answer.revision
        )

    def UpdateAddOn(
        self, request: pb.UpdateAddOnRequest, context: Context
    ) -> pb.UpdateAddOnResponse:
        answer = self._calls.change(
            request,
            context,
            add_ons.update_add_on,
            lambda r: UpdatePlan(
                plan=catalog.add_on(r.add_on),
                mask=catalog.mask(r.update_mask),
                expected_revision=r.expected_revision,
            ),
        )
        return pb.UpdateAddOnResponse(
            add_on=catalog.add_on_message(answer.value), revision=answer.revision
        )

    def DeleteAddOn(
        self, request: pb.DeleteAddOnRequest, context: Context
    ) -> pb.DeleteAddOnResponse:
        answer = self._calls.change(
            request,
            context,
            add_ons.delete_add_on,
            lambda r: DeleteObject(
                id=r.id, replacement=r.replacement, expected_revision=r.expected_revision
            ),
        )
        return pb.DeleteAddOnResponse(
            add_on=catalog.add_on_message(answer.value.object),
            moved=catalog.moved_messages(answer.value.moved),
            revision=answer.revision,
        )

    def GetAddOn(self, request: pb.GetAddOnRequest, context: Context) -> pb.GetAddOnResponse:
        answer = self._calls.read(request, context, add_ons.get_add_on, lambda r: Named(id=r.id))
        return pb.GetAddOnResponse(
            add_on=catalog.add_on_message(answer.value), revision=answer.revision
        )

    def ListAddOns(self, request: pb.ListAddOnsRequest, context: Context) -> pb.ListAddOnsResponse:
        answer = self._calls.read(
            request,
            context,
            add_ons.list_add_ons,
            lambda r: ListPlans(
                page=values.page(r),
                permission=r.permission,
                feature=r.feature,
            ),
        )
        return pb.ListAddOnsResponse(
            add_ons=[catalog.add_on_message(item) for item in answer.value.items],
            next_page_token=answer.value.next_token,
            revision=answer.revision,
            total_size=answer.value.total_size,
        )
