"""PolicyService: who was granted which role."""

from authz_service.gen.authz.v1 import policy_pb2 as pb
from authz_service.rpc.calls import AdminCalls, Context
from authz_service.rpc.messages import values
from authz_service.usecases.grants import bulk_grants, role_grants
from authz_service.usecases.grants.bulk_grants import BulkGrantRoles, BulkRevokeRoles, Granted


class RoleGrantCalls:
    """The RPCs about role grants; a part of PolicyServicer."""

    _calls: AdminCalls

    def GrantRole(self, request: pb.GrantRoleRequest, context: Context) -> pb.GrantRoleResponse:
        answer = self._calls.change(
            request,
            context,
            role_grants.grant_role,
            lambda r: role_grants.GrantRole(grant=values.role_grant(r.role_grant)),
        )
        return pb.GrantRoleResponse(
            role_grant=values.role_grant_message(answer.value), revision=answer.revision
        )

    def RevokeRole(self, request: pb.RevokeRoleRequest, context: Context) -> pb.RevokeRoleResponse:
        answer = self._calls.change(request, context, role_grants.revoke_role, _revocation)
        return pb.RevokeRoleResponse(
            role_grants=[values.role_grant_message(each) for each in answer.value],
            revision=answer.revision,
        )

    def BulkGrantRoles(
        self, request: pb.BulkGrantRolesRequest, context: Context
    ) -> pb.BulkGrantRolesResponse:
        answer = self._calls.change(request, context, bulk_grants.bulk_grant_roles, _grants)
        return pb.BulkGrantRolesResponse(
            results=[_grant_result(each) for each in answer.value], revision=answer.revision
        )

    def BulkRevokeRoles(
        self, request: pb.BulkRevokeRolesRequest, context: Context
    ) -> pb.BulkRevokeRolesResponse:
        answer = self._calls.change(request, context, bulk_grants.bulk_revoke_roles, _revocations)
        return pb.BulkRevokeRolesResponse(
            results=[_revoke_result(each) for each in answer.value], revision=answer.revision
        )

    def UpdateRoleGrant(
        self, request: pb.UpdateRoleGrantRequest, context: Context
    ) -> pb.UpdateRoleGrantResponse:
        answer = self._calls.change(request, context, role_grants.update_role_grant, _update)
        return pb.UpdateRoleGrantResponse(
            role_grant=values.role_grant_message(answer.value), revision=answer.revision
        )

    def DeleteRoleGrant(
        self, request: pb.DeleteRoleGrantRequest, context: Context
    ) -> pb.DeleteRoleGrantResponse:
        answer = self._calls.change(
            request,
            context,
            role_grants.delete_role_grant,
            lambda r: role_grants.DeleteRoleGrant(
                tenant=r.tenant, id=r.id, expected_revision=r.expected_revision
            ),
        )
        return pb.DeleteRoleGrantResponse(
            role_grant=values.role_grant_message(answer.value), revision=answer.revision
        )

    def GetRoleGrant(
        self, request: pb.GetRoleGrantRequest, context: Context
    ) -> pb.GetRoleGrantResponse:
        answer = self._calls.read(
            request,
            context,
            role_grants.get_role_grant,
            lambda r: role_grants.GetRoleGrant(tenant=r.tenant, id=r.id),
        )
        return pb.GetRoleGrantResponse(
            role_grant=values.role_grant_message(answer.value), revision=answer.revision
        )

    def ListRoleGrants(
        self, request: pb.ListRoleGrantsRequest, context: Context
    ) -> pb.ListRoleGrantsResponse:
        answer = self._calls.read(request, context, role_grants.list_role_grants, _listing)
        return pb.ListRoleGrantsResponse(
            role_grants=[values.role_grant_message(item) for item in answer.value.items],
            next_page_token=answer.value.next_token,
            revision=answer.revision,
            total_size=answer.value.total_size,
        )


def _grants(request: pb.BulkGrantRolesRequest) -> BulkGrantRoles:
    grants = (
        values.role_grant(each, f"role_grants[{number}]")
        for number, each in enumerate(request.role_grants)
    )
    return BulkGrantRoles(grants=tuple(grants))


def _grant_result(value: Granted) -> pb.BulkGrantResult:
    outcome = pb.GRANT_OUTCOME_GRANTED if value.made else pb.GRANT_OUTCOME_ALREADY_HELD
    return pb.BulkGrantResult(outcome=outcome, role_grant_id=value.id)


def _revocation(
    message: pb.RevokeRoleRequest | pb.RoleRevocation, field: str = "source"
) -> role_grants.RevokeRole:
    return role_grants.RevokeRole(
        tenant=message.tenant,
        subject=message.subject,
        role=message.role,
        scope=message.scope,
        source=values.source_filter(message.source, field),
    )


def _revocations(request: pb.BulkRevokeRolesRequest) -> BulkRevokeRoles:
    revocations = (
        _revocation(each, f"revocations[{number}].source")
        for number, each in enumerate(request.revocations)
    )
    return BulkRevokeRoles(revocations=tuple(revocations))


def _revoke_result(ids: tuple[str, ...]) -> pb.BulkRevokeResult:
    outcome = pb.REVOKE_OUTCOME_REVOKED if ids else pb.REVOKE_OUTCOME_NOTHING_TO_REVOKE
    return pb.BulkRevokeResult(outcome=outcome, role_grant_ids=ids)


def _update(request: pb.UpdateRoleGrantRequest) -> role_grants.UpdateRoleGrant:
    return role_grants.UpdateRoleGrant(
        tenant=request.role_grant.tenant,
        id=request.role_grant.id,
        mask=tuple(request.update_mask.paths),
        window=values.window(request.role_grant),
        reason=request.role_grant.reason,
        expected_revision=request.expected_revision,
    )


def _listing(request: pb.ListRoleGrantsRequest) -> role_grants.ListRoleGrants:
    return role_grants.ListRoleGrants(
        tenant=request.tenant,
        page=values.page(request),
        subject=request.subject,
        role=request.role,
        scope=request.scope if request.HasField("scope") else None,
        source=values.source_filter(request.source),
        live_at=values.instant(request.live_at) if request.HasField("live_at") else None,
    )
