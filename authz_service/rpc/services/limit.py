"""LimitService: limits, one at a time."""

from typing import Final

from authz_service.gen.authz.v1 import limit_pb2 as pb
from authz_service.rpc.messages import catalog
from authz_service.rpc.messages.catalog import PLAN_LIMIT, item, item_deletion, items_listing
from authz_service.rpc.methods import Service, change, read
from authz_service.usecases.catalog import plan_items
from authz_service.usecases.catalog.plan_items import PutLimit


def _put(request: pb.PutLimitRequest) -> PutLimit:
    return PutLimit(
        plan=request.plan,
        limit=catalog.limit(request.limit),
        expected_revision=request.expected_revision,
    )


SERVICE: Final = Service(
    pb.DESCRIPTOR.services_by_name["LimitService"],
    change(plan_items.put_limit, _put, PLAN_LIMIT.one),
    change(plan_items.delete_limit, item_deletion, PLAN_LIMIT.one),
    read(plan_items.get_limit, item, PLAN_LIMIT.one),
    read(plan_items.list_limits, items_listing, PLAN_LIMIT.page),
)
