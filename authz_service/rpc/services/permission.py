"""PermissionService: the catalogue of permissions."""

from typing import Final

from authz_service.gen.authz.v1 import permission_pb2 as pb
from authz_service.rpc.messages import catalog, values
from authz_service.rpc.messages.catalog import PERMISSION, deletion, moved, named
from authz_service.rpc.methods import Service, change, read
from authz_service.usecases.catalog import permissions
from authz_service.usecases.catalog.permissions import (
    CreatePermission,
    ListCatalogue,
    PutPermission,
    UpdatePermission,
)


def _create(request: pb.CreatePermissionRequest) -> CreatePermission:
    return CreatePermission(permission=catalog.permission(request.permission))


def _put(request: pb.PutPermissionRequest) -> PutPermission:
    return PutPermission(
        permission=catalog.permission(request.permission),
        expected_revision=request.expected_revision,
    )


def _update(request: pb.UpdatePermissionRequest) -> UpdatePermission:
    return UpdatePermission(
        permission=catalog.permission(request.permission),
        mask=tuple(request.update_mask.paths),
        expected_revision=request.expected_revision,
    )


def _listing(request: pb.ListCatalogueRequest) -> ListCatalogue:
    return ListCatalogue(
        page=values.page(request),
        resource_type=request.resource_type,
        internal=request.internal if request.HasField("internal") else None,
        deprecated=request.deprecated if request.HasField("deprecated") else None,
    )


SERVICE: Final = Service(
    pb.DESCRIPTOR.services_by_name["PermissionService"],
    change(permissions.create_permission, _create, PERMISSION.one),
    change(permissions.put_permission, _put, PERMISSION.one),
    change(permissions.update_permission, _update, PERMISSION.one),
    change(permissions.delete_permission, deletion, moved(PERMISSION)),
    read(permissions.get_permission, named, PERMISSION.one),
    read(permissions.list_catalogue, _listing, PERMISSION.page),
)
