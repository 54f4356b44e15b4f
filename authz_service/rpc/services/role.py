"""RoleService: roles, global and tenants' own."""

from typing import Final

from authz_service.domain.catalog import Role
from authz_service.gen.authz.v1 import role_pb2 as pb
from authz_service.rpc.messages import catalog, values
from authz_service.rpc.messages.catalog import ROLE, moved
from authz_service.rpc.methods import Service, change, read
from authz_service.usecases.catalog import roles
from authz_service.usecases.catalog.objects import Named
from authz_service.usecases.catalog.roles import (
    CreateRole,
    DeleteRole,
    ListRoles,
    PutRole,
    UpdateRole,
)


def _create(request: pb.CreateRoleRequest) -> CreateRole:
    return CreateRole(role=catalog.role(request.role))


def _put(request: pb.PutRoleRequest) -> PutRole:
    return PutRole(role=catalog.role(request.role), expected_revision=request.expected_revision)


def _update(request: pb.UpdateRoleRequest) -> UpdateRole:
    return UpdateRole(
        role=catalog.role(request.role),
        mask=tuple(request.update_mask.paths),
        expected_revision=request.expected_revision,
    )


def _delete(request: pb.DeleteRoleRequest) -> DeleteRole:
    return DeleteRole(
        id=request.id,
        replacement=request.replacement,
        expected_revision=request.expected_revision,
    )


def _named(request: pb.GetRoleRequest) -> Named:
    return Named(id=request.id, tenant=Role(request.id).tenant)


def _listing(request: pb.ListRolesRequest) -> ListRoles:
    return ListRoles(
        page=values.page(request),
        tenant=request.tenant,
        permission=request.permission,
        prefix=request.prefix,
    )


SERVICE: Final = Service(
    pb.DESCRIPTOR.services_by_name["RoleService"],
    change(roles.create_role, _create, ROLE.one),
    change(roles.put_role, _put, ROLE.one),
    change(roles.update_role, _update, ROLE.one),
    change(roles.delete_role, _delete, moved(ROLE)),
    read(roles.get_role, _named, ROLE.one),
    read(roles.list_roles, _listing, ROLE.page),
)
