"""MemberService: the subjects that belong to a tenant."""

from typing import Any, Final

from authz_service.gen.authz.v1 import member_pb2 as pb
from authz_service.rpc.messages import members as messages
from authz_service.rpc.messages import values
from authz_service.rpc.messages.members import MEMBER, member_message
from authz_service.rpc.methods import Fields, Service, change, read
from authz_service.usecases.members import members, ownership
from authz_service.usecases.members.ownership import TransferOwnership, Transferred


def _addition(request: pb.AddMemberRequest) -> members.AddMember:
    return members.AddMember(tenant=request.tenant, member=messages.new_member(request.member))


def _one(request: Any) -> members.OneMember:
    return members.OneMember(tenant=request.tenant, subject=request.subject)


def _removal(request: pb.RemoveMemberRequest) -> members.RemoveMember:
    return members.RemoveMember(
        tenant=request.tenant, subject=request.subject, hand_over=request.hand_over_invitations
    )


def _suspension(request: Any) -> members.MemberSuspension:
    return members.MemberSuspension(
        tenant=request.tenant,
        subject=request.subject,
        reason=messages.suspension_reason(request.suspension_reason),
    )


def _roles(request: pb.SetMemberRolesRequest) -> members.SetMemberRoles:
    return members.SetMemberRoles(
        tenant=request.tenant,
        subject=request.subject,
        roles=tuple(request.roles),
        hand_over=request.hand_over_invitations,
    )


def _transfer(request: pb.TransferOwnershipRequest) -> TransferOwnership:
    return TransferOwnership(tenant=request.tenant, to=request.new_owner)


def _owners(value: Transferred) -> Fields:
    former = value.former
    return {
        "owner": member_message(value.owner),
        "former_owner": member_message(former) if former is not None else None,
    }


def _listing(request: pb.ListMembersRequest) -> members.ListMembers:
    return members.ListMembers(
        tenant=request.tenant,
        page=values.page(request),
        state=messages.state_filter(request.state),
        role=request.role,
        subject_prefix=request.subject_prefix,
        owner=request.owner,
    )


SERVICE: Final = Service(
    pb.DESCRIPTOR.services_by_name["MemberService"],
    change(members.add_member, _addition, MEMBER.one),
    change(members.remove_member, _removal, MEMBER.one),
    change(members.suspend_member, _suspension, MEMBER.one),
    change(members.resume_member, _suspension, MEMBER.one),
    change(members.set_member_roles, _roles, MEMBER.one),
    change(ownership.transfer_ownership, _transfer, _owners),
    read(members.get_member, _one, MEMBER.one),
    read(members.list_members, _listing, MEMBER.page),
)
