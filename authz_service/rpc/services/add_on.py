"""AddOnService: what customers buy on top of a tier."""

from typing import Final

from authz_service.domain.catalog import Plan
from authz_service.gen.authz.v1 import add_on_pb2 as pb
from authz_service.rpc.messages import catalog
from authz_service.rpc.messages.catalog import ADD_ONS
from authz_service.rpc.messages.catalog_commands import (
    create,
    deletion,
    named,
    plans_listing,
    update,
)
from authz_service.rpc.messages.moved import moved
from authz_service.rpc.methods import Service, change, read
from authz_service.usecases.catalog import plans


def _plan(request: pb.CreateAddOnRequest | pb.UpdateAddOnRequest) -> Plan:
    return catalog.add_on(request.add_on)


SERVICE: Final = Service(
    pb.DESCRIPTOR.services_by_name["AddOnService"],
    change(plans.create_add_on, create(_plan), ADD_ONS.one),
    change(plans.update_add_on, update(_plan), ADD_ONS.one),
    change(plans.delete_add_on, deletion, moved(ADD_ONS)),
    read(plans.get_add_on, named, ADD_ONS.one),
    read(plans.list_add_ons, plans_listing, ADD_ONS.page),
)
