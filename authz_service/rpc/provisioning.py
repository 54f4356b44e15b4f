"""ProvisioningService: customers' accounts and who belongs to them."""

from typing import Any

from authz_service.gen.authz.v1 import provisioning_pb2 as pb
from authz_service.rpc import convert
from authz_service.rpc.calls import AdminCalls, Context
from authz_service.usecases import members, provisioning


class ProvisioningServicer:
    def __init__(self, calls: AdminCalls) -> None:
        self._calls = calls

    def OnboardTenant(
        self, request: pb.OnboardTenantRequest, context: Context
    ) -> pb.OnboardTenantResponse:
        answer = self._calls.change(request, context, provisioning.onboard_tenant, _onboarding)
        return pb.OnboardTenantResponse(
            tenant=convert.tenant_message(answer.value.tenant),
            members=[convert.member_message(each) for each in answer.value.members],
            revision=answer.revision,
        )

    def SetTier(self, request: pb.SetTierRequest, context: Context) -> pb.SetTierResponse:
        answer = self._calls.change(
            request,
            context,
            provisioning.set_tier,
            lambda r: provisioning.SetTier(tenant=r.tenant, tier=r.tier),
        )
        return pb.SetTierResponse(
            tenant=convert.tenant_message(answer.value), revision=answer.revision
        )

    def SuspendTenant(
        self, request: pb.SuspendTenantRequest, context: Context
    ) -> pb.SuspendTenantResponse:
        answer = self._calls.change(
            request,
            context,
            provisioning.suspend_tenant,
            _suspension,
        )
        return pb.SuspendTenantResponse(
            tenant=convert.tenant_message(answer.value), revision=answer.revision
        )

    def ResumeTenant(
        self, request: pb.ResumeTenantRequest, context: Context
    ) -> pb.ResumeTenantResponse:
        answer = self._calls.change(
            request,
            context,
            provisioning.resume_tenant,
            _suspension,
        )
        return pb.ResumeTenantResponse(
            tenant=convert.tenant_message(answer.value), revision=answer.revision
        )

    def OffboardTenant(
        self, request: pb.OffboardTenantRequest, context: Context
    ) -> pb.OffboardTenantResponse:
        answer = self._calls.change(
            request,
            context,
            provisioning.offboard_tenant,
            lambda r: provisioning.OneTenant(tenant=r.tenant),
        )
        return pb.OffboardTenantResponse(
            tenant=convert.tenant_message(answer.value), revision=answer.revision
        )

    def GetTenant(self, request: pb.GetTenantRequest, context: Context) -> pb.GetTenantResponse:
        answer = self._calls.read(
            request,
            context,
            provisioning.get_tenant,
            lambda r: provisioning.OneTenant(tenant=r.tenant),
        )
        return pb.GetTenantResponse(
            tenant=convert.tenant_message(answer.value), revision=answer.revision
        )

    def ListTenants(
        self, request: pb.ListTenantsRequest, context: Context
    ) -> pb.ListTenantsResponse:
        answer = self._calls.read(
            request,
            context,
            provisioning.list_tenants,
            lambda r: provisioning.ListTenants(
                page=convert.page(r), state=convert.tenant_state_filter(r.state), tier=r.tier
            ),
        )
        return pb.ListTenantsResponse(
            tenants=[convert.tenant_message(each) for each in answer.value.items],
            next_page_token=answer.value.next_token,
            revision=answer.revision,
        )

    def AddMember(self, request: pb.AddMemberRequest, context: Context) -> pb.AddMemberResponse:
        answer = self._calls.change(
            request,
            context,
            members.add_member,
            lambda r: members.AddMember(tenant=r.tenant, member=convert.new_member(r.member)),
        )
        return pb.AddMemberResponse(
            member=convert.member_message(answer.value), revision=answer.revision
        )

    def RemoveMember(
        self, request: pb.RemoveMemberRequest, context: Context
    ) -> pb.RemoveMemberResponse:
        answer = self._calls.change(request, context, members.remove_member, _one_member)
        return pb.RemoveMemberResponse(
            member=convert.member_message(answer.value), revision=answer.revision
        )

    def GetMember(self, request: pb.GetMemberRequest, context: Context) -> pb.GetMemberResponse:
        answer = self._calls.read(request, context, members.get_member, _one_member)
        return pb.GetMemberResponse(
            member=convert.member_message(answer.value), revision=answer.revision
        )

    def ListMembers(
        self, request: pb.ListMembersRequest, context: Context
    ) -> pb.ListMembersResponse:
        answer = self._calls.read(
            request,
            context,
            members.list_members,
            lambda r: members.ListMembers(tenant=r.tenant, page=convert.page(r)),
        )
        return pb.ListMembersResponse(
            members=[convert.member_message(each) for each in answer.value.items],
            next_page_token=answer.value.next_token,
            revision=answer.revision,
        )


def _onboarding(request: pb.OnboardTenantRequest) -> provisioning.OnboardTenant:
    return provisioning.OnboardTenant(
        tenant=request.tenant,
        tier=request.tier,
        display_name=request.display_name,
        trial=request.trial,
        members=tuple(convert.new_member(each) for each in request.members),
    )


def _suspension(request: Any) -> provisioning.Suspension:
    return provisioning.Suspension(
        tenant=request.tenant, reason=convert.suspension_reason(request.suspension_reason)
    )


def _one_member(request: Any) -> members.OneMember:
    return members.OneMember(tenant=request.tenant, subject=request.subject)
