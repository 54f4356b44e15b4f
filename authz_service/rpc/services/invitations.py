"""The part of ProvisioningService that is about invitations."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from authz_service.domain.invitation import digest, write
from authz_service.gen.authz.v1 import provisioning_pb2 as pb
from authz_service.rpc.calls import AdminCalls, Context
from authz_service.rpc.messages import values
from authz_service.usecases.kernel.execution import Answer
from authz_service.usecases.members import invitations


class InvitationServicer:
    def __init__(
        self, calls: AdminCalls, new_secret: Callable[[], str], lifetime: timedelta
    ) -> None:
        """`lifetime` is that of an invitation for which none is asked."""
        self._calls = calls
        self._new_secret = new_secret
        self._lifetime = lifetime // timedelta(microseconds=1)

    def InviteMember(
        self, request: pb.InviteMemberRequest, context: Context
    ) -> pb.InviteMemberResponse:
        token = write(self._new_secret())
        answer = self._calls.change(
            request,
            context,
            invitations.invite_member,
            lambda r: invitations.InviteMember(
                tenant=r.tenant,
                token_hash=digest(token),
                lifetime=self._asked(r),
                subject=r.subject,
                email=r.email,
                roles=tuple(r.roles),
            ),
        )
        return pb.InviteMemberResponse(
            invitation=values.invitation_message(answer.value),
            token=_shown(token, answer, request),
            revision=answer.revision,
        )

    def AcceptInvitation(
        self, request: pb.AcceptInvitationRequest, context: Context
    ) -> pb.AcceptInvitationResponse:
        answer = self._calls.change(
            request,
            context,
            invitations.accept_invitation,
            lambda r: invitations.AcceptInvitation(
                tenant=r.tenant, token_hash=digest(r.token), subject=r.subject
            ),
        )
        return pb.AcceptInvitationResponse(
            member=values.member_message(answer.value), revision=answer.revision
        )

    def ResendInvitation(
        self, request: pb.ResendInvitationRequest, context: Context
    ) -> pb.ResendInvitationResponse:
        token = write(self._new_secret())
        answer = self._calls.change(
            request,
            context,
            invitations.resend_invitation,
            lambda r: invitations.ResendInvitation(
                tenant=r.tenant, id=r.id, token_hash=digest(token), lifetime=self._asked(r)
            ),
        )
        return pb.ResendInvitationResponse(
            invitation=values.invitation_message(answer.value),
            token=_shown(token, answer, request),
            revision=answer.revision,
        )

    def RevokeInvitation(
        self, request: pb.RevokeInvitationRequest, context: Context
    ) -> pb.RevokeInvitationResponse:
        answer = self._calls.change(request, context, invitations.revoke_invitation, _one)
        return pb.RevokeInvitationResponse(
            invitation=values.invitation_message(answer.value), revision=answer.revision
        )

    def GetInvitation(
        self, request: pb.GetInvitationRequest, context: Context
    ) -> pb.GetInvitationResponse:
        answer = self._calls.read(request, context, invitations.get_invitation, _one)
        return pb.GetInvitationResponse(
            invitation=values.invitation_message(answer.value), revision=answer.revision
        )

    def ListInvitations(
        self, request: pb.ListInvitationsRequest, context: Context
    ) -> pb.ListInvitationsResponse:
        answer = self._calls.read(
            request,
            context,
            invitations.list_invitations,
            lambda r: invitations.ListInvitations(tenant=r.tenant, page=values.page(r)),
        )
        return pb.ListInvitationsResponse(
            invitations=[values.invitation_message(item) for item in answer.value.page.items],
            next_page_token=answer.value.page.next_token,
            revision=answer.revision,
            total_size=answer.value.total,
        )

    def _asked(self, request: Any) -> int:
        asked = request.HasField("lifetime")
        return values.duration(request.lifetime) if asked else self._lifetime


def _one(request: Any) -> invitations.OneInvitation:
    return invitations.OneInvitation(tenant=request.tenant, id=request.id)


def _shown(token: str, answer: Answer[Any], request: Any) -> str:
    """Show the token that was just made; nobody has kept that of a repeated answer."""
    return "" if answer.repeated or request.validate_only else token
