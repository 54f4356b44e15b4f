"""TierService: what customers buy."""

from typing import Final

from authz_service.domain.catalog import Plan
from authz_service.gen.authz.v1 import tier_pb2 as pb
from authz_service.rpc.messages import catalog
from authz_service.rpc.messages.catalog import (
    TIERS,
    create,
    deletion,
    moved,
    named,
    plans_listing,
    update,
)
from authz_service.rpc.methods import Service, change, read
from authz_service.usecases.catalog import plans


def _plan(request: pb.CreateTierRequest | pb.UpdateTierRequest) -> Plan:
    return catalog.tier(request.tier)


SERVICE: Final = Service(
    pb.DESCRIPTOR.services_by_name["TierService"],
    change(plans.create_tier, create(_plan), TIERS.one),
    change(plans.update_tier, update(_plan), TIERS.one),
    change(plans.delete_tier, deletion, moved(TIERS)),
    read(plans.get_tier, named, TIERS.one),
    read(plans.list_tiers, plans_listing, TIERS.page),
)
