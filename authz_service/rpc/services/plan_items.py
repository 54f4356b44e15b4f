"""PolicyService: features and limits, one at a time."""

from authz_service.gen.authz.v1 import policy_pb2 as pb
from authz_service.rpc.calls import AdminCalls, Context
from authz_service.rpc.messages import catalog, values
from authz_service.usecases.catalog import plan_items


class PlanItemCalls:
    """The RPCs about features and limits; a part of PolicyServicer."""

    _calls: AdminCalls

    def PutFeature(self, request: pb.PutFeatureRequest, context: Context) -> pb.PutFeatureResponse:
        answer = self._calls.change(
            request,
            context,
            plan_items.put_feature,
            lambda r: plan_items.PutFeature(
                plan=r.plan,
                feature=catalog.feature(r.feature),
                expected_revision=r.expected_revision,
            ),
        )
        return pb.PutFeatureResponse(
            plan_feature=catalog.plan_feature_message(answer.value), revision=answer.revision
        )

    def DeleteFeature(
        self, request: pb.DeleteFeatureRequest, context: Context
    ) -> pb.DeleteFeatureResponse:
        answer = self._calls.change(
            request,
            context,
            plan_items.delete_feature,
            lambda r: plan_items.DeleteItem(
                plan=r.plan, name=r.name, expected_revision=r.expected_revision
            ),
        )
        return pb.DeleteFeatureResponse(
            plan_feature=catalog.plan_feature_message(answer.value), revision=answer.revision
        )

    def GetFeature(self, request: pb.GetFeatureRequest, context: Context) -> pb.GetFeatureResponse:
        answer = self._calls.read(
            request,
            context,
            plan_items.get_feature,
            lambda r: plan_items.OneItem(plan=r.plan, name=r.name),
        )
        return pb.GetFeatureResponse(
            plan_feature=catalog.plan_feature_message(answer.value), revision=answer.revision
        )

    def ListFeatures(
        self, request: pb.ListFeaturesRequest, context: Context
    ) -> pb.ListFeaturesResponse:
        answer = self._calls.read(
            request,
            context,
            plan_items.list_features,
            lambda r: plan_items.ListItems(page=values.page(r), plan=r.plan, name=r.name),
        )
        return pb.ListFeaturesResponse(
            plan_features=[catalog.plan_feature_message(item) for item in answer.value.items],
            next_page_token=answer.value.next_token,
            revision=answer.revision,
            total_size=answer.value.total_size,
        )

    def PutLimit(self, request: pb.PutLimitRequest, context: Context) -> pb.PutLimitResponse:
        answer = self._calls.change(
            request,
            context,
            plan_items.put_limit,
            lambda r: plan_items.PutLimit(
                plan=r.plan,
                limit=catalog.limit(r.limit),
                expected_revision=r.expected_revision,
            ),
        )
        return pb.PutLimitResponse(
            plan_limit=catalog.plan_limit_message(answer.value), revision=answer.revision
        )

    def DeleteLimit(
        self, request: pb.DeleteLimitRequest, context: Context
    ) -> pb.DeleteLimitResponse:
        answer = self._calls.change(
            request,
            context,
            plan_items.delete_limit,
            lambda r: plan_items.DeleteItem(
                plan=r.plan, name=r.name, expected_revision=r.expected_revision
            ),
        )
        return pb.DeleteLimitResponse(
            plan_limit=catalog.plan_limit_message(answer.value), revision=answer.revision
        )

    def GetLimit(self, request: pb.GetLimitRequest, context: Context) -> pb.GetLimitResponse:
        answer = self._calls.read(
            request,
            context,
            plan_items.get_limit,
            lambda r: plan_items.OneItem(plan=r.plan, name=r.name),
        )
        return pb.GetLimitResponse(
            plan_limit=catalog.plan_limit_message(answer.value), revision=answer.revision
        )

    def ListLimits(self, request: pb.ListLimitsRequest, context: Context) -> pb.ListLimitsResponse:
        answer = self._calls.read(
            request,
            context,
            plan_items.list_limits,
            lambda r: plan_items.ListItems(page=values.page(r), plan=r.plan, name=r.name),
        )
        return pb.ListLimitsResponse(
            plan_limits=[catalog.plan_limit_message(item) for item in answer.value.items],
            next_page_token=answer.value.next_token,
            revision=answer.revision,
            total_size=answer.value.total_size,
        )
