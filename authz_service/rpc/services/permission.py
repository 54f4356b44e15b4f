"""PermissionService: the catalogue of permissions."""

from typing import Final

from authz_service.domain.catalog import Permission
from authz_service.gen.authz.v1 import permission_pb2 as pb
from authz_service.rpc.messages import catalog, values
from authz_service.rpc.messages.catalog import PERMISSION
from authz_service.rpc.messages.catalog_commands import create, deletion, named, update
from authz_service.rpc.messages.moved import moved
from authz_service.rpc.methods import Service, change, read
from authz_service.usecases.catalog import permissions
from authz_service.usecases.catalog.permissions import ListPermissions


def _permission(request: pb.CreatePermissionRequest | pb.UpdatePermissionRequest) -> Permission:
    return catalog.permission(request.permission)


def _listing(request: pb.ListPermissionsRequest) -> ListPermissions:
    return ListPermissions(
        page=values.page(request),
        resource_type=request.resource_type,
        internal=request.internal if request.HasField("internal") else None,
        deprecated=request.deprecated if request.HasField("deprecated") else None,
        include_reserved=request.include_reserved,
    )


SERVICE: Final = Service(
    pb.DESCRIPTOR.services_by_name["PermissionService"],
    change(permissions.create_permission, create(_permission), PERMISSION.one),
    change(permissions.update_permission, update(_permission), PERMISSION.one),
    change(permissions.delete_permission, deletion, moved(PERMISSION)),
    read(permissions.get_permission, named, PERMISSION.one),
    read(permissions.list_permissions, _listing, PERMISSION.page),
)
