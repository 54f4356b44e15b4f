"""FeatureService: features, one at a time."""

from typing import Final

from authz_service.gen.authz.v1 import feature_pb2 as pb
from authz_service.rpc.messages import catalog
from authz_service.rpc.messages.catalog import PLAN_FEATURE, item, item_deletion, items_listing
from authz_service.rpc.methods import Service, change, read
from authz_service.usecases.catalog import plan_items
from authz_service.usecases.catalog.plan_items import PutFeature


def _put(request: pb.PutFeatureRequest) -> PutFeature:
    return PutFeature(
        plan=request.plan,
        feature=catalog.feature(request.feature),
        expected_revision=request.expected_revision,
    )


SERVICE: Final = Service(
    pb.DESCRIPTOR.services_by_name["FeatureService"],
    change(plan_items.put_feature, _put, PLAN_FEATURE.one),
    change(plan_items.delete_feature, item_deletion, PLAN_FEATURE.one),
    read(plan_items.get_feature, item, PLAN_FEATURE.one),
    read(plan_items.list_features, items_listing, PLAN_FEATURE.page),
)
