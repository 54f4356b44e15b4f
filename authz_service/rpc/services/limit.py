"""LimitService: limits, one at a time."""

from typing import Final

from authz_service.domain.catalog import Limit
from authz_service.gen.authz.v1 import limit_pb2 as pb
from authz_service.rpc.messages import catalog
from authz_service.rpc.messages.catalog import PLAN_LIMIT
from authz_service.rpc.messages.catalog_commands import (
    item_creation,
    item_deletion,
    item_update,
    items_listing,
    one_item,
)
from authz_service.rpc.methods import Service, change, read
from authz_service.usecases.catalog import plan_items

_COUNTING: Final = frozenset({"unit", "period", "reset"})
"""What of a limit says how it counts."""


def _limit(request: pb.CreateLimitRequest) -> Limit:
    return catalog.limit(request.limit)


def _updated(request: pb.UpdateLimitRequest) -> Limit:
    """Read a limit; where its amount is not to change, it need not be said."""
    message = request.limit
    if _COUNTING.issuperset(request.update_mask.paths) and not request.allow_missing:
        return Limit(message.name, None, message.unit, *catalog.counting(message, "limit"))
    return catalog.limit(message)


SERVICE: Final = Service(
    pb.DESCRIPTOR.services_by_name["LimitService"],
    change(plan_items.create_limit, item_creation(_limit), PLAN_LIMIT.one),
    change(plan_items.update_limit, item_update(_updated), PLAN_LIMIT.one),
    change(plan_items.delete_limit, item_deletion, PLAN_LIMIT.one),
    read(plan_items.get_limit, one_item, PLAN_LIMIT.one),
    read(plan_items.list_limits, items_listing, PLAN_LIMIT.page),
)
