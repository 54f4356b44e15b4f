"""Remedies as messages: each step is the request of the RPC that makes it."""

from typing import assert_never

from authz_service.engine import remedy_steps as steps
from authz_service.engine.remedies import Remedy
from authz_service.engine.remedy_steps import Step
from authz_service.gen.authz.v1 import authorization_pb2 as pb
from authz_service.gen.authz.v1 import (
    exception_pb2,
    member_pb2,
    permission_pb2,
    role_grant_pb2,
    role_pb2,
    subscription_pb2,
    tenant_pb2,
)
from authz_service.rpc.messages import catalog
from authz_service.rpc.messages.members import SUSPENSIONS


def remedy_message(remedy: Remedy, approver: str) -> pb.Remedy:
    messages = [_step(step) for step in remedy.steps]
    for message in messages:
        if message.HasField("create_exception"):
            message.create_exception.exception.approver = approver
    return pb.Remedy(
        steps=messages,
        summary=remedy.summary,
        gives=remedy.gives,
        takes_away=remedy.takes_away,
    )


def _step(step: Step) -> pb.RemedyStep:
    match step:
        case (
            steps.OnboardTenant()
            | steps.ReactivateTenant()
            | steps.ResumeTenant()
            | steps.ActivateTenant()
        ):
            return _of_tenant(step)
        case steps.SetTier() | steps.AddAddOn() | steps.SetLimit():
            return _of_subscription(step)
        case steps.AddMember(tenant, subject):
            member = member_pb2.NewMember(subject=subject)
            return pb.RemedyStep(
                add_member=member_pb2.AddMemberRequest(tenant=tenant, member=member)
            )
        case steps.ResumeMember(tenant, subject, suspension):
            why = SUSPENSIONS[suspension]
            resume = member_pb2.ResumeMemberRequest(
                tenant=tenant, subject=subject, suspension_reason=why
            )
            return pb.RemedyStep(resume_member=resume)
        case (
            steps.CreatePermission()
            | steps.CreateRole()
            | steps.GrantRole()
            | steps.CreateException()
            | steps.DeleteException()
        ):
            return _of_policy(step)
        case never:
            assert_never(never)


def _of_tenant(
    step: steps.OnboardTenant | steps.ReactivateTenant | steps.ResumeTenant | steps.ActivateTenant,
) -> pb.RemedyStep:
    match step:
        case steps.OnboardTenant(tenant, tier):
            onboard = tenant_pb2.OnboardTenantRequest(tenant=tenant, tier=tier)
            return pb.RemedyStep(onboard_tenant=onboard)
        case steps.ReactivateTenant(tenant):
            reactivate = tenant_pb2.ReactivateTenantRequest(tenant=tenant)
            return pb.RemedyStep(reactivate_tenant=reactivate)
        case steps.ResumeTenant(tenant, suspension):
            why = SUSPENSIONS[suspension]
            resume = tenant_pb2.ResumeTenantRequest(tenant=tenant, suspension_reason=why)
            return pb.RemedyStep(resume_tenant=resume)
        case steps.ActivateTenant(tenant):
            return pb.RemedyStep(activate_tenant=tenant_pb2.ActivateTenantRequest(tenant=tenant))
        case never:
            assert_never(never)


def _of_subscription(step: steps.SetTier | steps.AddAddOn | steps.SetLimit) -> pb.RemedyStep:
    match step:
        case steps.SetTier(tenant, tier):
            return pb.RemedyStep(set_tier=subscription_pb2.SetTierRequest(tenant=tenant, tier=tier))
        case steps.AddAddOn(tenant, add_on):
            bought = subscription_pb2.AddAddOnRequest(tenant=tenant, add_on=add_on)
            return pb.RemedyStep(add_add_on=bought)
        case steps.SetLimit(tenant, limit):
            own = catalog.limit_message(limit)
            return pb.RemedyStep(
                set_limits=subscription_pb2.SetLimitsRequest(tenant=tenant, limits=[own])
            )
        case never:
            assert_never(never)


def _of_policy(
    step: steps.CreatePermission
    | steps.CreateRole
    | steps.GrantRole
    | steps.CreateException
    | steps.DeleteException,
) -> pb.RemedyStep:
    match step:
        case steps.CreatePermission(permission):
            declared = permission_pb2.Permission(id=permission)
            return pb.RemedyStep(
                create_permission=permission_pb2.CreatePermissionRequest(permission=declared)
            )
        case steps.CreateRole(role, permission):
            own = role_pb2.Role(id=role, permissions=[permission])
            return pb.RemedyStep(create_role=role_pb2.CreateRoleRequest(role=own))
        case steps.GrantRole(tenant, subject, role, scope):
            grant = role_grant_pb2.RoleGrant(tenant=tenant, subject=subject, role=role, scope=scope)
            return pb.RemedyStep(grant_role=role_grant_pb2.GrantRoleRequest(role_grant=grant))
        case steps.CreateException(tenant, permission):
            exception = exception_pb2.TenantException(
                kind=exception_pb2.EXCEPTION_KIND_GRANT,
                tenant=tenant,
                permissions=[permission],
                reason=f"{permission} without the tier that includes it",
            )
            return pb.RemedyStep(
                create_exception=exception_pb2.CreateExceptionRequest(exception=exception)
            )
        case steps.DeleteException(tenant, exception_id):
            deleted = exception_pb2.DeleteExceptionRequest(tenant=tenant, id=exception_id)
            return pb.RemedyStep(delete_exception=deleted)
        case never:
            assert_never(never)
