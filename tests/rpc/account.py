"""One customer's account, and what a test does and asks in it."""

from dataclasses import dataclass
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from authz_service.gen.authz.v1 import authorization_pb2 as checks
from authz_service.gen.authz.v1 import exception_pb2, limit_pb2, role_grant_pb2, role_pb2
from authz_service.gen.authz.v1 import provisioning_pb2 as provisioning
from tests.rpc.harness import Caller, Server

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
    ) -> provisioning.OnboardTenantResponse:
        new = [member(name, *roles) for name, roles in members.items()]
        request = provisioning.OnboardTenantRequest(tenant=self.id, tier=tier, members=new)
        return self.operator.provisioning.OnboardTenant(request)

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

    def set_tier(self, tier: str) -> provisioning.SetTierResponse:
        request = provisioning.SetTierRequest(tenant=self.id, tier=tier)
        return self.operator.provisioning.SetTier(request)

    def move(self, tier: str, at: float) -> provisioning.Tenant:
        """Schedule a tier."""
        request = provisioning.SetTierRequest(tenant=self.id, tier=tier, at=timestamp(at))
        return self.operator.provisioning.SetTier(request).tenant

    def add_on(self, name: str, **window: Any) -> provisioning.Tenant:
        request = provisioning.AddAddOnRequest(tenant=self.id, add_on=name, **window)
        return self.operator.provisioning.AddAddOn(request).tenant

    def limit(self, *limits: limit_pb2.Limit, removed: tuple[str, ...] = ()) -> provisioning.Tenant:
        """Set and remove limits of the tenant's own."""
        request = provisioning.SetLimitsRequest(tenant=self.id, limits=limits, removed=removed)
        return self.operator.provisioning.SetLimits(request).tenant

    def grace(self, until: float) -> provisioning.Tenant:
        request = provisioning.StartGraceRequest(tenant=self.id, until=timestamp(until))
        return self.operator.provisioning.StartGrace(request).tenant

    def trial(self, until: float, **then: Any) -> provisioning.Tenant:
        request = provisioning.StartTrialRequest(tenant=self.id, until=timestamp(until), **then)
        return self.operator.provisioning.StartTrial(request).tenant

    def activate(self) -> provisioning.Tenant:
        request = provisioning.ActivateTenantRequest(tenant=self.id)
        return self.operator.provisioning.ActivateTenant(request).tenant

    def scheduled(self) -> list[str]:
        request = provisioning.ListScheduledChangesRequest(tenant=self.id)
        answer = self.operator.provisioning.ListScheduledChanges(request)
        return [change.id for change in answer.changes]

    def cancel(self, change: str) -> provisioning.Tenant:
        request = provisioning.CancelScheduledChangeRequest(tenant=self.id, id=change)
        return self.operator.provisioning.CancelScheduledChange(request).tenant

    def reactivate(self, tier: str = "") -> provisioning.ReactivateTenantResponse:
        request = provisioning.ReactivateTenantRequest(tenant=self.id, tier=tier)
        return self.operator.provisioning.ReactivateTenant(request)

    def now(self) -> provisioning.GetTenantResponse:
        request = provisioning.GetTenantRequest(tenant=self.id)
        return self.operator.provisioning.GetTenant(request)

    def suspend(self, reason: str = "ADMIN") -> provisioning.Tenant:
        request = provisioning.SuspendTenantRequest(tenant=self.id, suspension_reason=why(reason))
        return self.operator.provisioning.SuspendTenant(request).tenant

    def resume(self, reason: str = "ADMIN") -> provisioning.Tenant:
        request = provisioning.ResumeTenantRequest(tenant=self.id, suspension_reason=why(reason))
        return self.operator.provisioning.ResumeTenant(request).tenant

    def offboard(self) -> provisioning.OffboardTenantResponse:
        request = provisioning.OffboardTenantRequest(tenant=self.id)
        return self.operator.provisioning.OffboardTenant(request)

    def add(self, who: str, *roles: str) -> provisioning.AddMemberResponse:
        request = provisioning.AddMemberRequest(tenant=self.id, member=member(who, *roles))
        return self.operator.provisioning.AddMember(request)

    def remove(self, who: str) -> provisioning.RemoveMemberResponse:
        request = provisioning.RemoveMemberRequest(tenant=self.id, subject=subject_of(who))
        return self.operator.provisioning.RemoveMember(request)

    def hold_back(self, who: str, reason: str = "ADMIN") -> provisioning.Member:
        """Suspend a member."""
        request = provisioning.SuspendMemberRequest(
            tenant=self.id, subject=subject_of(who), suspension_reason=why(reason)
        )
        return self.operator.provisioning.SuspendMember(request).member

    def let_go(self, who: str, reason: str = "ADMIN") -> provisioning.Member:
        """Lift one reason of a member's suspension."""
        request = provisioning.ResumeMemberRequest(
            tenant=self.id, subject=subject_of(who), suspension_reason=why(reason)
        )
        return self.operator.provisioning.ResumeMember(request).member

    def set_roles(self, who: str, *roles: str) -> provisioning.SetMemberRolesResponse:
        request = provisioning.SetMemberRolesRequest(
            tenant=self.id, subject=subject_of(who), roles=roles
        )
        return self.operator.provisioning.SetMemberRoles(request)

    def transfer(self, to: str) -> provisioning.TransferOwnershipResponse:
        request = provisioning.TransferOwnershipRequest(tenant=self.id, to=subject_of(to))
        return self.operator.provisioning.TransferOwnership(request)

    def invite(self, whom: str, *roles: str, **more: Any) -> provisioning.InviteMemberResponse:
        """Invite an address, or a subject."""
        named = {"email": whom} if "@" in whom else {"subject": subject_of(whom)}
        asked: dict[str, Any] = {"tenant": self.id, "roles": roles, **named, **more}
        return self.operator.provisioning.InviteMember(provisioning.InviteMemberRequest(**asked))

    def accept(self, token: str, who: str) -> provisioning.Member:
        request = provisioning.AcceptInvitationRequest(
            tenant=self.id, token=token, subject=subject_of(who)
        )
        return self.operator.provisioning.AcceptInvitation(request).member

    def members(self, **how: Any) -> provisioning.ListMembersResponse:
        request = provisioning.ListMembersRequest(tenant=self.id, **how)
        return self.operator.provisioning.ListMembers(request)

    def member(self, who: str) -> provisioning.Member:
        request = provisioning.GetMemberRequest(tenant=self.id, subject=subject_of(who))
        return self.operator.provisioning.GetMember(request).member

    def except_(
        self, kind: exception_pb2.ExceptionKind.ValueType, *permissions: str, **more: Any
    ) -> exception_pb2.TenantException:
        """Make an exception, with a reason and an approver."""
        exception = self.exception(kind, *permissions, **more)
        request = exception_pb2.GrantExceptionRequest(exception=exception)
        return self.operator.exceptions.GrantException(request).exception

    def exception(
        self, kind: exception_pb2.ExceptionKind.ValueType, *permissions: str, **more: Any
    ) -> exception_pb2.TenantException:
        approved: dict[str, Any] = {"reason": "agreed", "approver": "user:boss"}
        known = {"tenant": self.id, **approved} | more
        return exception_pb2.TenantException(kind=kind, permissions=permissions, **known)

    def revoke_exception(self, exception: str) -> exception_pb2.RevokeExceptionResponse:
        request = exception_pb2.RevokeExceptionRequest(tenant=self.id, id=exception)
        return self.operator.exceptions.RevokeException(request)

    def put_role(
        self, name: str, *permissions: str, includes: tuple[str, ...] = ()
    ) -> role_pb2.PutRoleResponse:
        """Put a role of this tenant's own."""
        role = role_pb2.Role(id=f"{self.id}/{name}", permissions=permissions, includes=includes)
        return self.operator.roles.PutRole(role_pb2.PutRoleRequest(role=role))


def subject_of(who: str) -> str:
    return who if ":" in who or not who else f"user:{who}"


def member(who: str, *roles: str) -> provisioning.NewMember:
    return provisioning.NewMember(subject=subject_of(who), roles=roles)


def why(reason: str) -> provisioning.SuspensionReason.ValueType:
    return provisioning.SuspensionReason.Value(f"SUSPENSION_REASON_{reason}")


def usage(limit: str, used: int, quantity: int | None = None) -> checks.Usage:
    return checks.Usage(limit=limit, used=used, quantity=quantity)


def timestamp(seconds: float) -> Timestamp:
    """Write seconds since the epoch."""
    whole, rest = divmod(round(seconds * 1_000_000), 1_000_000)
    return Timestamp(seconds=whole, nanos=rest * 1000)
