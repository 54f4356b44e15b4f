"""PolicyService: what can be sold and granted, and who was granted what."""

from authz_service.gen.authz.v1 import policy_pb2 as pb
from authz_service.rpc import convert
from authz_service.rpc.calls import AdminCalls, Context
from authz_service.usecases import exceptions, policy, role_grants


class PolicyServicer:
    def __init__(self, calls: AdminCalls) -> None:
        self._calls = calls

    def PutPermission(
        self, request: pb.PutPermissionRequest, context: Context
    ) -> pb.PutPermissionResponse:
        answer = self._calls.change(
            request,
            context,
            policy.put_permission,
            lambda r: policy.PutPermission(permission=convert.permission(r.permission)),
        )
        return pb.PutPermissionResponse(
            permission=convert.permission_message(answer.value), revision=answer.revision
        )

    def GetPermission(
        self, request: pb.GetPermissionRequest, context: Context
    ) -> pb.GetPermissionResponse:
        answer = self._calls.read(
            request, context, policy.get_permission, lambda r: policy.Named(id=r.id)
        )
        return pb.GetPermissionResponse(
            permission=convert.permission_message(answer.value), revision=answer.revision
        )

    def ListCatalogue(
        self, request: pb.ListCatalogueRequest, context: Context
    ) -> pb.ListCatalogueResponse:
        answer = self._calls.read(
            request,
            context,
            policy.list_catalogue,
            lambda r: policy.ListCatalogue(page=convert.page(r)),
        )
        return pb.ListCatalogueResponse(
            permissions=[convert.permission_message(each) for each in answer.value.items],
            next_page_token=answer.value.next_token,
            revision=answer.revision,
        )

    def PutRole(self, request: pb.PutRoleRequest, context: Context) -> pb.PutRoleResponse:
        answer = self._calls.change(
            request,
            context,
            policy.put_role,
            lambda r: policy.PutRole(role=convert.role(r.role)),
        )
        return pb.PutRoleResponse(role=convert.role_message(answer.value), revision=answer.revision)

    def GetRole(self, request: pb.GetRoleRequest, context: Context) -> pb.GetRoleResponse:
        answer = self._calls.read(
            request, context, policy.get_role, lambda r: policy.Named(id=r.id)
        )
        return pb.GetRoleResponse(role=convert.role_message(answer.value), revision=answer.revision)

    def ListRoles(self, request: pb.ListRolesRequest, context: Context) -> pb.ListRolesResponse:
        answer = self._calls.read(
            request,
            context,
            policy.list_roles,
            lambda r: policy.ListCatalogue(page=convert.page(r), tenant=r.tenant),
        )
        return pb.ListRolesResponse(
            roles=[convert.role_message(each) for each in answer.value.items],
            next_page_token=answer.value.next_token,
            revision=answer.revision,
        )

    def PutTier(self, request: pb.PutTierRequest, context: Context) -> pb.PutTierResponse:
        answer = self._calls.change(
            request,
            context,
            policy.put_tier,
            lambda r: policy.PutTier(tier=convert.tier(r.tier)),
        )
        return pb.PutTierResponse(tier=convert.tier_message(answer.value), revision=answer.revision)

    def GetTier(self, request: pb.GetTierRequest, context: Context) -> pb.GetTierResponse:
        answer = self._calls.read(
            request, context, policy.get_tier, lambda r: policy.Named(id=r.id)
        )
        return pb.GetTierResponse(tier=convert.tier_message(answer.value), revision=answer.revision)

    def ListTiers(self, request: pb.ListTiersRequest, context: Context) -> pb.ListTiersResponse:
        answer = self._calls.read(
            request,
            context,
            policy.list_tiers,
            lambda r: policy.ListCatalogue(page=convert.page(r)),
        )
        return pb.ListTiersResponse(
            tiers=[convert.tier_message(each) for each in answer.value.items],
            next_page_token=answer.value.next_token,
            revision=answer.revision,
        )

    def ApplyPolicy(
        self, request: pb.ApplyPolicyRequest, context: Context
    ) -> pb.ApplyPolicyResponse:
        answer = self._calls.change(
            request,
            context,
            policy.apply_policy,
            lambda r: policy.ApplyPolicy(policy=convert.policy_set(r)),
        )
        return pb.ApplyPolicyResponse(
            created=answer.value.created,
            updated=answer.value.updated,
            unchanged=answer.value.unchanged,
            revision=answer.revision,
        )

    def GrantRole(self, request: pb.GrantRoleRequest, context: Context) -> pb.GrantRoleResponse:
        answer = self._calls.change(
            request,
            context,
            role_grants.grant_role,
            lambda r: role_grants.GrantRole(grant=convert.role_grant(r.role_grant)),
        )
        return pb.GrantRoleResponse(
            role_grant=convert.role_grant_message(answer.value), revision=answer.revision
        )

    def RevokeRole(self, request: pb.RevokeRoleRequest, context: Context) -> pb.RevokeRoleResponse:
        answer = self._calls.change(
            request,
            context,
            role_grants.revoke_role,
            lambda r: role_grants.RevokeRole(
                tenant=r.tenant,
                subject=r.subject,
                role=r.role,
                scope=r.scope,
                source=convert.source_filter(r.source),
            ),
        )
        return pb.RevokeRoleResponse(
            role_grants=[convert.role_grant_message(each) for each in answer.value],
            revision=answer.revision,
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
            role_grant=convert.role_grant_message(answer.value), revision=answer.revision
        )

    def ListRoleGrants(
        self, request: pb.ListRoleGrantsRequest, context: Context
    ) -> pb.ListRoleGrantsResponse:
        answer = self._calls.read(
            request,
            context,
            role_grants.list_role_grants,
            lambda r: role_grants.ListRoleGrants(
                tenant=r.tenant, page=convert.page(r), subject=r.subject, role=r.role
            ),
        )
        return pb.ListRoleGrantsResponse(
            role_grants=[convert.role_grant_message(each) for each in answer.value.items],
            next_page_token=answer.value.next_token,
            revision=answer.revision,
        )

    def GrantException(
        self, request: pb.GrantExceptionRequest, context: Context
    ) -> pb.GrantExceptionResponse:
        answer = self._calls.change(
            request,
            context,
            exceptions.grant_exception,
            lambda r: exceptions.GrantException(exception=convert.exception(r.exception)),
        )
        return pb.GrantExceptionResponse(
            exception=convert.exception_message(answer.value), revision=answer.revision
        )

    def RevokeException(
        self, request: pb.RevokeExceptionRequest, context: Context
    ) -> pb.RevokeExceptionResponse:
        answer = self._calls.change(
            request,
            context,
            exceptions.revoke_exception,
            lambda r: exceptions.OneException(tenant=r.tenant, id=r.id),
        )
        return pb.RevokeExceptionResponse(
            exception=convert.exception_message(answer.value), revision=answer.revision
        )

    def GetException(
        self, request: pb.GetExceptionRequest, context: Context
    ) -> pb.GetExceptionResponse:
        answer = self._calls.read(
            request,
            context,
            exceptions.get_exception,
            lambda r: exceptions.OneException(tenant=r.tenant, id=r.id),
        )
        return pb.GetExceptionResponse(
            exception=convert.exception_message(answer.value), revision=answer.revision
        )

    def ListExceptions(
        self, request: pb.ListExceptionsRequest, context: Context
    ) -> pb.ListExceptionsResponse:
        answer = self._calls.read(
            request,
            context,
            exceptions.list_exceptions,
            lambda r: exceptions.ListExceptions(tenant=r.tenant, page=convert.page(r)),
        )
        return pb.ListExceptionsResponse(
            exceptions=[convert.exception_message(each) for each in answer.value.items],
            next_page_token=answer.value.next_token,
            revision=answer.revision,
        )
