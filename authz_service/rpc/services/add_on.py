"""AddOnService: what customers buy beside a tier."""

from typing import Final

from authz_service.gen.authz.v1 import add_on_pb2 as pb
from authz_service.rpc.messages import catalog
from authz_service.rpc.messages.catalog import ADD_ONS, deletion, moved, named, plans_listing
from authz_service.rpc.methods import Service, change, read
from authz_service.usecases.catalog import add_ons
from authz_service.usecases.catalog.plans import CreatePlan, PutPlan, UpdatePlan


def _create(request: pb.CreateAddOnRequest) -> CreatePlan:
    return CreatePlan(plan=catalog.add_on(request.add_on))


def _put(request: pb.PutAddOnRequest) -> PutPlan:
    return PutPlan(plan=catalog.add_on(request.add_on), expected_revision=request.expected_revision)


def _update(request: pb.UpdateAddOnRequest) -> UpdatePlan:
    return UpdatePlan(
        plan=catalog.add_on(request.add_on),
        mask=tuple(request.update_mask.paths),
        expected_revision=request.expected_revision,
    )


SERVICE: Final = Service(
    pb.DESCRIPTOR.services_by_name["AddOnService"],
    change(add_ons.create_add_on, _create, ADD_ONS.one),
    change(add_ons.put_add_on, _put, ADD_ONS.one),
    change(add_ons.update_add_on, _update, ADD_ONS.one),
    change(add_ons.delete_add_on, deletion, moved(ADD_ONS)),
    read(add_ons.get_add_on, named, ADD_ONS.one),
    read(add_ons.list_add_ons, plans_listing, ADD_ONS.page),
)
