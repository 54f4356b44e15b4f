"""TierService: what customers buy."""

from typing import Final

from authz_service.gen.authz.v1 import tier_pb2 as pb
from authz_service.rpc.messages import catalog
from authz_service.rpc.messages.catalog import TIERS, deletion, moved, named, plans_listing
from authz_service.rpc.methods import Service, change, read
from authz_service.usecases.catalog import tiers
from authz_service.usecases.catalog.plans import CreatePlan, PutPlan, UpdatePlan


def _create(request: pb.CreateTierRequest) -> CreatePlan:
    return CreatePlan(plan=catalog.tier(request.tier))


def _put(request: pb.PutTierRequest) -> PutPlan:
    return PutPlan(plan=catalog.tier(request.tier), expected_revision=request.expected_revision)


def _update(request: pb.UpdateTierRequest) -> UpdatePlan:
    return UpdatePlan(
        plan=catalog.tier(request.tier),
        mask=tuple(request.update_mask.paths),
        expected_revision=request.expected_revision,
    )


SERVICE: Final = Service(
    pb.DESCRIPTOR.services_by_name["TierService"],
    change(tiers.create_tier, _create, TIERS.one),
    change(tiers.put_tier, _put, TIERS.one),
    change(tiers.update_tier, _update, TIERS.one),
    change(tiers.delete_tier, deletion, moved(TIERS)),
    read(tiers.get_tier, named, TIERS.one),
    read(tiers.list_tiers, plans_listing, TIERS.page),
)
