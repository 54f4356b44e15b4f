"""PolicyService: roles, global and tenants' own."""

from authz_service.domain.catalog import Role
from authz_service.gen.authz.v1 import policy_pb2 as pb
from authz_service.rpc.calls import AdminCalls, Context
from authz_service.rpc.messages import catalog, values
from authz_service.usecases.catalog import roles
from authz_service.usecases.catalog.objects import Named


class RoleCalls:
    """The RPCs about roles; a part of PolicyServicer."""

    _calls: AdminCalls

    def CreateRole(self, request: pb.CreateRoleRequest, context: Context) -> pb.CreateRoleResponse:
        answer = self._calls.change(
            request,
            context,
            roles.create_role,
            lambda r: roles.CreateRole(role=catalog.role(r.role)),
        )
        return pb.CreateRoleResponse(
            role=catalog.role_message(answer.value), revision=answer.revision
        )

    def PutRole(self, request: pb.PutRoleRequest, context: Context) -> pb.PutRoleResponse:
        answer = self._calls.change(
            request,
            context,
            roles.put_role,
            lambda r: roles.PutRole(
                role=catalog.role(r.role), expected_revision=r.expected_revision
            ),
        )
        return pb.PutRoleResponse(role=catalog.role_message(answer.value), revision=answer.revision)

    def UpdateRole(self, request: pb.UpdateRoleRequest, context: Context) -> pb.UpdateRoleResponse:
        answer = self._calls.change(
            request,
            context,
            roles.update_role,
            lambda r: roles.UpdateRole(
                role=catalog.role(r.role),
                mask=catalog.mask(r.update_mask),
                expected_revision=r.expected_revision,
            ),
        )
        return pb.UpdateRoleResponse(
            role=catalog.role_message(answer.value), revision=answer.revision
        )

    def DeleteRole(self, request: pb.DeleteRoleRequest, context: Context) -> pb.DeleteRoleResponse:
        answer = self._calls.change(
            request,
            context,
            roles.delete_role,
            lambda r: roles.DeleteRole(
                id=r.id, replacement=r.replacement, expected_revision=r.expected_revision
            ),
        )
        return pb.DeleteRoleResponse(
            role=catalog.role_message(answer.value.object),
            moved=catalog.moved_messages(answer.value.moved),
            revision=answer.revision,
        )

    def GetRole(self, request: pb.GetRoleRequest, context: Context) -> pb.GetRoleResponse:
        answer = self._calls.read(request, context, roles.get_role, _named)
        return pb.GetRoleResponse(role=catalog.role_message(answer.value), revision=answer.revision)

    def ListRoles(self, request: pb.ListRolesRequest, context: Context) -> pb.ListRolesResponse:
        answer = self._calls.read(
            request,
            context,
            roles.list_roles,
            lambda r: roles.ListRoles(
                page=values.page(r),
                tenant=r.tenant,
                permission=r.permission,
                prefix=r.prefix,
            ),
        )
        return pb.ListRolesResponse(
            roles=[catalog.role_message(item) for item in answer.value.items],
            next_page_token=answer.value.next_token,
            revision=answer.revision,
            total_size=answer.value.total_size,
        )


def _named(request: pb.GetRoleRequest) -> Named:
    return Named(id=request.id, tenant=Role(request.id).tenant)
