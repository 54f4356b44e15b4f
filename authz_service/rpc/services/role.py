"""RoleService: roles, global and tenants' own."""

from dataclasses import replace
from typing import Final

from authz_service.domain.catalog import Role
from authz_service.gen.authz.v1 import role_pb2 as pb
from authz_service.rpc.messages import catalog, catalog_commands, values
from authz_service.rpc.messages.catalog import ROLE
from authz_service.rpc.messages.catalog_commands import create, update
from authz_service.rpc.messages.moved import moved
from authz_service.rpc.methods import Service, change, read
from authz_service.usecases.catalog import roles
from authz_service.usecases.catalog.deletion import DeleteObject
from authz_service.usecases.catalog.objects import Named
from authz_service.usecases.catalog.roles import ListRoles


def _role(request: pb.CreateRoleRequest | pb.UpdateRoleRequest) -> Role:
    return catalog.role(request.role)


def _deletion(request: pb.DeleteRoleRequest) -> DeleteObject:
    return replace(catalog_commands.deletion(request), tenant=Role(request.id).tenant)


def _named(request: pb.GetRoleRequest) -> Named:
    return replace(catalog_commands.named(request), tenant=Role(request.id).tenant)


def _listing(request: pb.ListRolesRequest) -> ListRoles:
    return ListRoles(
        page=values.page(request),
        tenant=request.tenant,
        permission=request.permission,
        prefix=request.prefix,
        include_reserved=request.include_reserved,
    )


SERVICE: Final = Service(
    pb.DESCRIPTOR.services_by_name["RoleService"],
    change(roles.create_role, create(_role), ROLE.one),
    change(roles.update_role, update(_role), ROLE.one),
    change(roles.delete_role, _deletion, moved(ROLE)),
    read(roles.get_role, _named, ROLE.one),
    read(roles.list_roles, _listing, ROLE.page),
)
