"""FeatureService: features, one at a time."""

from typing import Final

from authz_service.domain.catalog import Feature
from authz_service.gen.authz.v1 import feature_pb2 as pb
from authz_service.rpc.messages import catalog
from authz_service.rpc.messages.catalog import PLAN_FEATURE
from authz_service.rpc.messages.catalog_commands import (
    item_creation,
    item_deletion,
    item_update,
    items_listing,
    one_item,
)
from authz_service.rpc.methods import Service, change, read
from authz_service.usecases.catalog import plan_items


def _feature(request: pb.CreateFeatureRequest | pb.UpdateFeatureRequest) -> Feature:
    return catalog.feature(request.feature)


SERVICE: Final = Service(
    pb.DESCRIPTOR.services_by_name["FeatureService"],
    change(plan_items.create_feature, item_creation(_feature), PLAN_FEATURE.one),
    change(plan_items.update_feature, item_update(_feature), PLAN_FEATURE.one),
    change(plan_items.delete_feature, item_deletion, PLAN_FEATURE.one),
    read(plan_items.get_feature, one_item, PLAN_FEATURE.one),
    read(plan_items.list_features, items_listing, PLAN_FEATURE.page),
)
