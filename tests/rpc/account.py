"""One customer's account, and what a test does and asks in it."""

from dataclasses import dataclass
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from authz_service.gen.authz.v1 import authorization_pb2 as checks
from authz_service.gen.authz.v1 import (
    exception_pb2,
    invitation_pb2,
    limit_pb2,
    member_pb2,
    role_grant_pb2,
    role_pb2,
    subscription_pb2,
    suspension_pb2,
    tenant_pb2,
)
from tests.rpc.harness import Caller, Server
from tests.services import PUT

GRANT = exception_pb2.EXCEPTION_KIND_GRANT
DENY = exception_pb2.EXCEPTION_KIND_DENY
REPLACE = exception_pb2.EXCEPTION_KIND_REPLACE


@dataclass
class Account:
    """A tenant of a server; `alice` stands for `user:alice`."""

    server: Server
    id: str

    @property
    def operator(self) -> Caller:
        return self.server.operator

    def onboard(
        self, tier: str = "professional", **members: list[str]
    ) -> tenant_pb2.OnboardTenantResponse:
        new = [member(name, *roles) for name, roles in members.items()]
        request = tenant_pb2.OnboardTenantRequest(tenant=self.id, tier=tier, members=new)
        return self.operator.tenants.OnboardTenant(request)

    def ask(self, who: str, permission: str, scope: str = "", **more: Any) -> checks.CheckResponse:
        subject = subject_of(who)
        request = checks.CheckRequest(
            tenant=self.id, subject=subject, permission=permission, scope=scope, **more
        )
        return self.operator.checks.Check(request)

    def may(self, who: str, permission: str, scope: str = "", **more: Any) -> bool:
        return self.ask(who, permission, scope, **more).allowed

    def reason(self, who: str, permission: str, scope: str = "", **more: Any) -> str:
        """Name why the answer is what it is: `ROLE_MISSING`."""
        number = self.ask(who, permission, scope, **more).reason
        return checks.DecisionReason.Name(number).removeprefix("DECISION_REASON_")

    def explain(
        self, who: str, permission: str, scope: str = "", **more: Any
    ) -> checks.ExplainResponse:
        subject = subject_of(who)
        request = checks.ExplainRequest(
            tenant=self.id, subject=subject, permission=permission, scope=scope, **more
        )
        return self.operator.checks.Explain(request)

    def entitlements(self) -> checks.GetEntitlementsResponse:
        return self.operator.checks.GetEntitlements(checks.GetEntitlementsRequest(tenant=self.id))

    def grant(self, who: str, role: str, scope: str = "", **more: Any) -> role_grant_pb2.RoleGrant:
        grant = role_grant_pb2.RoleGrant(
            tenant=self.id, subject=subject_of(who), role=role, scope=scope, **more
        )
        answer = self.operator.role_grants.GrantRole(
            role_grant_pb2.GrantRoleRequest(role_grant=grant)
        )
        return answer.role_grant

    def revoke(
        self, who: str, role: str, scope: str = "", **more: Any
    ) -> list[role_grant_pb2.RoleGrant]:
        request = role_grant_pb2.RevokeRoleRequest(
            tenant=self.id, subject=subject_of(who), role=role, scope=scope, **more
        )
        return list(self.operator.role_grants.RevokeRole(request).role_grants)

    def set_tier(self, tier: str) -> subscription_pb2.SetTierResponse:
        request = subscription_pb2.SetTierRequest(tenant=self.id, tier=tier)
        return self.operator.subscriptions.SetTier(request)

    def move(self, tier: str, at: float) -> tenant_pb2.Tenant:
        """Schedule a tier."""
        request = subscription_pb2.SetTierRequest(
            tenant=self.id, tier=tier, effective_time=timestamp(at)
        )
        return self.operator.subscriptions.SetTier(request).tenant

    def add_on(self, name: str, **window: Any) -> tenant_pb2.Tenant:
        request = subscription_pb2.AddAddOnRequest(tenant=self.id, add_on=name, **window)
        return self.operator.subscriptions.AddAddOn(request).tenant

    def limit(self, *limits: limit_pb2.Limit, removed: tuple[str, ...] = ()) -> tenant_pb2.Tenant:
        """Set and remove limits of the tenant's own."""
        request = subscription_pb2.SetLimitsRequest(tenant=self.id, limits=limits, removed=removed)
        return self.operator.subscriptions.SetLimits(request).tenant

    def grace(self, until: float) -> tenant_pb2.Tenant:
        request = tenant_pb2.StartGraceRequest(tenant=self.id, grace_end_time=timestamp(until))
        return self.operator.tenants.StartGrace(request).tenant

    def trial(self, until: float, **then: Any) -> tenant_pb2.Tenant:
        request = tenant_pb2.StartTrialRequest(
            tenant=self.id, trial_end_time=timestamp(until), **then
        )
        return self.operator.tenants.StartTrial(request).tenant

    def activate(self) -> tenant_pb2.Tenant:
        request = tenant_pb2.ActivateTenantRequest(tenant=self.id)
        return self.operator.tenants.ActivateTenant(request).tenant

    def scheduled(self) -> list[str]:
        request = subscription_pb2.ListScheduledChangesRequest(tenant=self.id)
        answer = self.operator.subscriptions.ListScheduledChanges(request)
        return [change.id for change in answer.changes]

    def cancel(self, change: str) -> tenant_pb2.Tenant:
        request = subscription_pb2.CancelScheduledChangeRequest(tenant=self.id, id=change)
        return self.operator.subscriptions.CancelScheduledChange(request).tenant

    def reactivate(self, tier: str = "") -> tenant_pb2.ReactivateTenantResponse:
        request = tenant_pb2.ReactivateTenantRequest(tenant=self.id, tier=tier)
        return self.operator.tenants.ReactivateTenant(request)

    def now(self) -> tenant_pb2.GetTenantResponse:
        request = tenant_pb2.GetTenantRequest(tenant=self.id)
        return self.operator.tenants.GetTenant(request)

    def suspend(self, reason: str = "ADMIN") -> tenant_pb2.Tenant:
        request = tenant_pb2.SuspendTenantRequest(tenant=self.id, suspension_reason=why(reason))
        return self.operator.tenants.SuspendTenant(request).tenant

    def resume(self, reason: str = "ADMIN") -> tenant_pb2.Tenant:
        request = tenant_pb2.ResumeTenantRequest(tenant=self.id, suspension_reason=why(reason))
        return self.operator.tenants.ResumeTenant(request).tenant

    def offboard(self) -> tenant_pb2.OffboardTenantResponse:
        request = tenant_pb2.OffboardTenantRequest(tenant=self.id)
        return self.operator.tenants.OffboardTenant(request)

    def add(self, who: str, *roles: str) -> member_pb2.AddMemberResponse:
        request = member_pb2.AddMemberRequest(tenant=self.id, member=member(who, *roles))
        return self.operator.members.AddMember(request)

    def remove(self, who: str) -> member_pb2.RemoveMemberResponse:
        request = member_pb2.RemoveMemberRequest(tenant=self.id, subject=subject_of(who))
        return self.operator.members.RemoveMember(request)

    def hold_back(self, who: str, reason: str = "ADMIN") -> member_pb2.Member:
        """Suspend a member."""
        request = member_pb2.SuspendMemberRequest(
            tenant=self.id, subject=subject_of(who), suspension_reason=why(reason)
        )
        return self.operator.members.SuspendMember(request).member

    def let_go(self, who: str, reason: str = "ADMIN") -> member_pb2.Member:
        """Lift one reason of a member's suspension."""
        request = member_pb2.ResumeMemberRequest(
            tenant=self.id, subject=subject_of(who), suspension_reason=why(reason)
        )
        return self.operator.members.ResumeMember(request).member

    def set_roles(self, who: str, *roles: str) -> member_pb2.SetMemberRolesResponse:
        request = member_pb2.SetMemberRolesRequest(
            tenant=self.id, subject=subject_of(who), roles=roles
        )
        return self.operator.members.SetMemberRoles(request)

    def transfer(self, to: str) -> member_pb2.TransferOwnershipResponse:
        request = member_pb2.TransferOwnershipRequest(tenant=self.id, new_owner=subject_of(to))
        return self.operator.members.TransferOwnership(request)

    def invite(self, whom: str, *roles: str, **more: Any) -> invitation_pb2.InviteMemberResponse:
        """Invite an address, or a subject."""
        named = {"email": whom} if "@" in whom else {"subject": subject_of(whom)}
        asked: dict[str, Any] = {"tenant": self.id, "roles": roles, **named, **more}
        return self.operator.invitations.InviteMember(invitation_pb2.InviteMemberRequest(**asked))

    def accept(self, token: str, who: str) -> member_pb2.Member:
        request = invitation_pb2.AcceptInvitationRequest(
            tenant=self.id, token=token, subject=subject_of(who)
        )
        return self.operator.invitations.AcceptInvitation(request).member

    def members(self, **how: Any) -> member_pb2.ListMembersResponse:
        request = member_pb2.ListMembersRequest(tenant=self.id, **how)
        return self.operator.members.ListMembers(request)

    def member(self, who: str) -> member_pb2.Member:
        request = member_pb2.GetMemberRequest(tenant=self.id, subject=subject_of(who))
        return self.operator.members.GetMember(request).member

    def except_(
        self, kind: exception_pb2.ExceptionKind.ValueType, *permissions: str, **more: Any
    ) -> exception_pb2.TenantException:
        """Make an exception, with a reason and an approver."""
        exception = self.exception(kind, *permissions, **more)
        request = exception_pb2.CreateExceptionRequest(exception=exception)
        return self.operator.exceptions.CreateException(request).exception

    def exception(
        self, kind: exception_pb2.ExceptionKind.ValueType, *permissions: str, **more: Any
    ) -> exception_pb2.TenantException:
        approved: dict[str, Any] = {"reason": "agreed", "approver": "user:boss"}
        known = {"tenant": self.id, **approved} | more
        return exception_pb2.TenantException(kind=kind, permissions=permissions, **known)

    def delete_exception(self, exception: str) -> exception_pb2.DeleteExceptionResponse:
        request = exception_pb2.DeleteExceptionRequest(tenant=self.id, id=exception)
        return self.operator.exceptions.DeleteException(request)

    def put_role(
        self, name: str, *permissions: str, includes: tuple[str, ...] = ()
    ) -> role_pb2.UpdateRoleResponse:
        """Put a role of this tenant's own."""
        role = role_pb2.Role(id=f"{self.id}/{name}", permissions=permissions, includes=includes)
        return self.operator.roles.UpdateRole(role_pb2.UpdateRoleRequest(**PUT, role=role))


def subject_of(who: str) -> str:
    return who if ":" in who or not who else f"user:{who}"


def member(who: str, *roles: str) -> member_pb2.NewMember:
    return member_pb2.NewMember(subject=subject_of(who), roles=roles)


def why(reason: str) -> suspension_pb2.SuspensionReason.ValueType:
    return suspension_pb2.SuspensionReason.Value(f"SUSPENSION_REASON_{reason}")


def usage(limit: str, used: int, quantity: int | None = None) -> checks.Usage:
    return checks.Usage(limit=limit, used=used, quantity=quantity)


def timestamp(seconds: float) -> Timestamp:
    """Write seconds since the epoch."""
    whole, rest = divmod(round(seconds * 1_000_000), 1_000_000)
    return Timestamp(seconds=whole, nanos=rest * 1000)
