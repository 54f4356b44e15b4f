"""InvitationService: standing offers to become a member."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from authz_service.domain.invitation import digest, write
from authz_service.gen.authz.v1 import invitation_pb2 as pb
from authz_service.rpc.messages import values
from authz_service.rpc.messages.members import INVITATION, MEMBER
from authz_service.rpc.methods import Fields, Service, change, issue, read
from authz_service.usecases.members import invitations
from authz_service.usecases.members.invitations import InvitationNow


def service(new_secret: Callable[[], str], lifetime: timedelta) -> Service:
    """Describe the service; `lifetime` is that of an invitation whose request names none."""
    default = lifetime // timedelta(microseconds=1)

    def lasting(request: Any) -> int:
        return values.duration(request.lifetime) if request.HasField("lifetime") else default

    def invite(request: pb.InviteMemberRequest, secret: str) -> invitations.InviteMember:
        return invitations.InviteMember(
            tenant=request.tenant,
            token_hash=digest(write(secret)),
            lifetime=lasting(request),
            subject=request.subject,
            email=request.email,
            roles=tuple(request.roles),
        )

    def resend(request: pb.ResendInvitationRequest, secret: str) -> invitations.ResendInvitation:
        return invitations.ResendInvitation(
            tenant=request.tenant,
            id=request.id,
            token_hash=digest(write(secret)),
            lifetime=lasting(request),
        )

    return Service(
        pb.DESCRIPTOR.services_by_name["InvitationService"],
        issue(invitations.invite_member, invite, INVITATION.one, _token, new_secret),
        change(invitations.accept_invitation, _acceptance, MEMBER.one),
        issue(invitations.resend_invitation, resend, INVITATION.one, _token, new_secret),
        change(invitations.revoke_invitation, _one, INVITATION.one),
        read(invitations.get_invitation, _one, INVITATION.one),
        read(invitations.list_invitations, _listing, INVITATION.page),
    )


def _token(_: InvitationNow, secret: str) -> Fields:
    return {"token": write(secret)}


def _acceptance(request: pb.AcceptInvitationRequest) -> invitations.AcceptInvitation:
    return invitations.AcceptInvitation(
        tenant=request.tenant, token_hash=digest(request.token), subject=request.subject
    )


def _one(request: Any) -> invitations.OneInvitation:
    return invitations.OneInvitation(tenant=request.tenant, id=request.id)


def _listing(request: pb.ListInvitationsRequest) -> invitations.ListInvitations:
    return invitations.ListInvitations(tenant=request.tenant, page=values.page(request))
