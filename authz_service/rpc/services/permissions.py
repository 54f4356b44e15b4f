"""PolicyService: the catalogue of permissions."""

from authz_service.gen.authz.v1 import policy_pb2 as pb
from authz_service.rpc.calls import AdminCalls, Context
from authz_service.rpc.messages import catalog, values
from authz_service.usecases.catalog import permissions
from authz_service.usecases.catalog.deletion import DeleteObject
from authz_service.usecases.catalog.objects import Named


class PermissionCalls:
    """The RPCs about permissions; a part of PolicyServicer."""

    _calls: AdminCalls

    def CreatePermission(
        self, request: pb.CreatePermissionRequest, context: Context
    ) -> pb.CreatePermissionResponse:
        answer = self._calls.change(
            request,
            context,
            permissions.create_permission,
            lambda r: permissions.CreatePermission(permission=catalog.permission(r.permission)),
        )
        return pb.CreatePermissionResponse(
            permission=catalog.permission_message(answer.value), revision=answer.revision
        )

    def PutPermission(
        self, request: pb.PutPermissionRequest, context: Context
    ) -> pb.PutPermissionResponse:
        answer = self._calls.change(
            request,
            context,
            permissions.put_permission,
            lambda r: permissions.PutPermission(
                permission=catalog.permission(r.permission),
                expected_revision=r.expected_revision,
            ),
        )
        return pb.PutPermissionResponse(
            permission=catalog.permission_message(answer.value), revision=answer.revision
        )

    def UpdatePermission(
        self, request: pb.UpdatePermissionRequest, context: Context
    ) -> pb.UpdatePermissionResponse:
        answer = self._calls.change(
            request,
            context,
            permissions.update_permission,
            lambda r: permissions.UpdatePermission(
                permission=catalog.permission(r.permission),
                mask=catalog.mask(r.update_mask),
                expected_revision=r.expected_revision,
            ),
        )
        return pb.UpdatePermissionResponse(
            permission=catalog.permission_message(answer.value), revision=answer.revision
        )

    def DeletePermission(
        self, request: pb.DeletePermissionRequest, context: Context
    ) -> pb.DeletePermissionResponse:
        answer = self._calls.change(
            request,
            context,
            permissions.delete_permission,
            lambda r: DeleteObject(
                id=r.id, replacement=r.replacement, expected_revision=r.expected_revision
            ),
        )
        return pb.DeletePermissionResponse(
            permission=catalog.permission_message(answer.value.object),
            moved=catalog.moved_messages(answer.value.moved),
            revision=answer.revision,
        )

    def GetPermission(
        self, request: pb.GetPermissionRequest, context: Context
    ) -> pb.GetPermissionResponse:
        answer = self._calls.read(
            request, context, permissions.get_permission, lambda r: Named(id=r.id)
        )
        return pb.GetPermissionResponse(
            permission=catalog.permission_message(answer.value), revision=answer.revision
        )

    def ListCatalogue(
        self, request: pb.ListCatalogueRequest, context: Context
    ) -> pb.ListCatalogueResponse:
        answer = self._calls.read(
            request,
            context,
            permissions.list_catalogue,
            lambda r: permissions.ListCatalogue(
                page=values.page(r),
                resource_type=r.resource_type,
                internal=r.internal if r.HasField("internal") else None,
                deprecated=r.deprecated if r.HasField("deprecated") else None,
            ),
        )
        return pb.ListCatalogueResponse(
            permissions=[catalog.permission_message(item) for item in answer.value.items],
            next_page_token=answer.value.next_token,
            revision=answer.revision,
            total_size=answer.value.total_size,
        )
