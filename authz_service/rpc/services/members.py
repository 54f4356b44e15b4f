"""The half of ProvisioningService that is about members."""

from typing import Any

from authz_service.gen.authz.v1 import provisioning_pb2 as pb
from authz_service.rpc.calls import AdminCalls, Context
from authz_service.rpc.messages import values
from authz_service.usecases.members import members, ownership


class MemberServicer:
    def __init__(self, calls: AdminCalls) -> None:
        self._calls = calls

    def AddMember(self, request: pb.AddMemberRequest, context: Context) -> pb.AddMemberResponse:
        answer = self._calls.change(
            request,
            context,
            members.add_member,
            lambda r: members.AddMember(tenant=r.tenant, member=values.new_member(r.member)),
        )
        return pb.AddMemberResponse(
            member=values.member_message(answer.value), revision=answer.revision
        )

    def RemoveMember(
        self, request: pb.RemoveMemberRequest, context: Context
    ) -> pb.RemoveMemberResponse:
        answer = self._calls.change(request, context, members.remove_member, _one_member)
        return pb.RemoveMemberResponse(
            member=values.member_message(answer.value), revision=answer.revision
        )

    def SuspendMember(
        self, request: pb.SuspendMemberRequest, context: Context
    ) -> pb.SuspendMemberResponse:
        answer = self._calls.change(request, context, members.suspend_member, _suspension)
        return pb.SuspendMemberResponse(
            member=values.member_message(answer.value), revision=answer.revision
        )

    def ResumeMember(
        self, request: pb.ResumeMemberRequest, context: Context
    ) -> pb.ResumeMemberResponse:
        answer = self._calls.change(request, context, members.resume_member, _suspension)
        return pb.ResumeMemberResponse(
            member=values.member_message(answer.value), revision=answer.revision
        )

    def SetMemberRoles(
        self, request: pb.SetMemberRolesRequest, context: Context
    ) -> pb.SetMemberRolesResponse:
        answer = self._calls.change(
            request,
            context,
            members.set_member_roles,
            lambda r: members.SetMemberRoles(
                tenant=r.tenant, subject=r.subject, roles=tuple(r.roles)
            ),
        )
        return pb.SetMemberRolesResponse(
            member=values.member_message(answer.value), revision=answer.revision
        )

    def TransferOwnership(
        self, request: pb.TransferOwnershipRequest, context: Context
    ) -> pb.TransferOwnershipResponse:
        answer = self._calls.change(
            request,
            context,
            ownership.transfer_ownership,
            lambda r: ownership.TransferOwnership(tenant=r.tenant, to=r.to),
        )
        former = answer.value.former
        return pb.TransferOwnershipResponse(
            owner=values.member_message(answer.value.owner),
            former_owner=values.member_message(former) if former is not None else None,
            revision=answer.revision,
        )

    def GetMember(self, request: pb.GetMemberRequest, context: Context) -> pb.GetMemberResponse:
        answer = self._calls.read(request, context, members.get_member, _one_member)
        return pb.GetMemberResponse(
            member=values.member_message(answer.value), revision=answer.revision
        )

    def ListMembers(
        self, request: pb.ListMembersRequest, context: Context
    ) -> pb.ListMembersResponse:
        answer = self._calls.read(request, context, members.list_members, _listing)
        return pb.ListMembersResponse(
            members=[values.member_message(item) for item in answer.value.page.items],
            next_page_token=answer.value.page.next_token,
            revision=answer.revision,
            total_size=answer.value.total,
        )


def _one_member(request: Any) -> members.OneMember:
    return members.OneMember(tenant=request.tenant, subject=request.subject)


def _suspension(request: Any) -> members.MemberSuspension:
    return members.MemberSuspension(
        tenant=request.tenant,
        subject=request.subject,
        reason=values.suspension_reason(request.suspension_reason),
    )


def _listing(request: pb.ListMembersRequest) -> members.ListMembers:
    return members.ListMembers(
        tenant=request.tenant,
        page=values.page(request),
        state=values.member_state_filter(request.state),
        role=request.role,
        subject_prefix=request.subject_prefix,
        owner=request.owner,
    )
