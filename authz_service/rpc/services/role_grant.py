"""RoleGrantService: who was granted which role."""

from typing import Final

from authz_service.domain.grant import RoleGrant
from authz_service.gen.authz.v1 import role_grant_pb2 as pb
from authz_service.rpc.messages import role_grants as messages
from authz_service.rpc.messages import values
from authz_service.rpc.messages.role_grants import ROLE_GRANT
from authz_service.rpc.methods import Fields, Service, change, read
from authz_service.usecases.grants import batch_grants, role_grants
from authz_service.usecases.grants.batch_grants import BatchGrantRoles, BatchRevokeRoles, Granted
from authz_service.usecases.grants.role_grants import (
    DeleteRoleGrant,
    GetRoleGrant,
    GrantRole,
    ListRoleGrants,
    RevokeRole,
    UpdateRoleGrant,
)


def _grant(request: pb.GrantRoleRequest) -> GrantRole:
    return GrantRole(grant=messages.role_grant(request.role_grant))


def _revocation(
    message: pb.RevokeRoleRequest | pb.RoleRevocation, field: str = "source"
) -> RevokeRole:
    return RevokeRole(
        tenant=message.tenant,
        subject=message.subject,
        role=message.role,
        scope=message.scope,
        source=messages.source_filter(message.source, field),
        hand_over=getattr(message, "hand_over_invitations", False),
    )


def _revoked(grants: tuple[RoleGrant, ...]) -> Fields:
    return {"role_grants": map(messages.role_grant_message, grants)}


def _grants(request: pb.BatchGrantRolesRequest) -> BatchGrantRoles:
    grants = (
        messages.role_grant(message, f"role_grants[{number}]")
        for number, message in enumerate(request.role_grants)
    )
    return BatchGrantRoles(grants=tuple(grants))


def _grant_result(value: Granted) -> pb.BatchGrantResult:
    outcome = pb.GRANT_OUTCOME_GRANTED if value.made else pb.GRANT_OUTCOME_ALREADY_HELD
    return pb.BatchGrantResult(outcome=outcome, role_grant_id=value.id)


def _revocations(request: pb.BatchRevokeRolesRequest) -> BatchRevokeRoles:
    revocations = (
        _revocation(message, f"revocations[{number}].source")
        for number, message in enumerate(request.revocations)
    )
    return BatchRevokeRoles(revocations=tuple(revocations))


def _revoke_result(ids: tuple[str, ...]) -> pb.BatchRevokeResult:
    outcome = pb.REVOKE_OUTCOME_REVOKED if ids else pb.REVOKE_OUTCOME_NOTHING_TO_REVOKE
    return pb.BatchRevokeResult(outcome=outcome, role_grant_ids=ids)


def _update(request: pb.UpdateRoleGrantRequest) -> UpdateRoleGrant:
    return UpdateRoleGrant(
        tenant=request.role_grant.tenant,
        id=request.role_grant.id,
        mask=tuple(request.update_mask.paths),
        window=values.window(request.role_grant),
        reason=request.role_grant.reason,
        expected_revision=request.expected_revision,
    )


def _delete(request: pb.DeleteRoleGrantRequest) -> DeleteRoleGrant:
    return DeleteRoleGrant(
        tenant=request.tenant, id=request.id, expected_revision=request.expected_revision
    )


def _one(request: pb.GetRoleGrantRequest) -> GetRoleGrant:
    return GetRoleGrant(tenant=request.tenant, id=request.id)


def _listing(request: pb.ListRoleGrantsRequest) -> ListRoleGrants:
    return ListRoleGrants(
        tenant=request.tenant,
        page=values.page(request),
        subject=request.subject,
        role=request.role,
        scope=request.scope if request.HasField("scope") else None,
        source=messages.source_filter(request.source),
        live_at=values.instant(request.live_time) if request.HasField("live_time") else None,
    )


SERVICE: Final = Service(
    pb.DESCRIPTOR.services_by_name["RoleGrantService"],
    change(role_grants.grant_role, _grant, ROLE_GRANT.one),
    change(role_grants.revoke_role, _revocation, _revoked),
    change(
        batch_grants.batch_grant_roles,
        _grants,
        lambda grants: {"results": map(_grant_result, grants)},
    ),
    change(
        batch_grants.batch_revoke_roles,
        _revocations,
        lambda ids: {"results": map(_revoke_result, ids)},
    ),
    change(role_grants.update_role_grant, _update, ROLE_GRANT.one),
    change(role_grants.delete_role_grant, _delete, ROLE_GRANT.one),
    read(role_grants.get_role_grant, _one, ROLE_GRANT.one),
    read(role_grants.list_role_grants, _listing, ROLE_GRANT.page),
)
