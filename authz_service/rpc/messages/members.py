"""Messages about members and invitations to values and back."""

from collections.abc import Iterable
from typing import Final

from authz_service.domain.membership import ManagedBy, Membership, MembershipState
from authz_service.domain.tenant import SuspensionReason
from authz_service.gen.authz.v1 import invitation_pb2, suspension_pb2
from authz_service.gen.authz.v1 import member_pb2 as pb
from authz_service.rpc.messages import values
from authz_service.rpc.methods import Shown
from authz_service.usecases.members.invitations import InvitationNow
from authz_service.usecases.members.members import NewMember
from authz_service.usecases.members.roster import MemberNow

SUSPENSIONS: Final = {
    SuspensionReason.BILLING: suspension_pb2.SUSPENSION_REASON_BILLING,
    SuspensionReason.ADMIN: suspension_pb2.SUSPENSION_REASON_ADMIN,
    SuspensionReason.SCIM: suspension_pb2.SUSPENSION_REASON_SCIM,
    SuspensionReason.RISK: suspension_pb2.SUSPENSION_REASON_RISK,
    SuspensionReason.SEATS: suspension_pb2.SUSPENSION_REASON_SEATS,
}
STATES: Final = {
    MembershipState.INVITED: pb.MEMBERSHIP_STATE_INVITED,
    MembershipState.ACTIVE: pb.MEMBERSHIP_STATE_ACTIVE,
    MembershipState.SUSPENDED: pb.MEMBERSHIP_STATE_SUSPENDED,
    MembershipState.REMOVED: pb.MEMBERSHIP_STATE_REMOVED,
}

MANAGED_BY: Final = {
    ManagedBy.NOBODY: pb.MANAGED_BY_UNSPECIFIED,
    ManagedBy.SCIM: pb.MANAGED_BY_SCIM,
}


def suspension_reason(number: int) -> SuspensionReason:
    return values.word(SUSPENSIONS, number, SuspensionReason.ADMIN, "suspension_reason")


def suspension_numbers(
    reasons: Iterable[SuspensionReason],
) -> list[suspension_pb2.SuspensionReason.ValueType]:
    return [SUSPENSIONS[reason] for reason in reasons]


def state_filter(number: int) -> MembershipState | None:
    return values.word(STATES, number, None, "state") if number else None


def new_members(messages: Iterable[pb.NewMember]) -> tuple[NewMember, ...]:
    return tuple(
        new_member(message, f"members[{position}].managed_by")
        for position, message in enumerate(messages)
    )


def new_member(message: pb.NewMember, field: str = "member.managed_by") -> NewMember:
    """Read a member to add; `field` is to blame for a manager that does not exist."""
    membership = Membership(
        tenant="",
        owner=message.owner,
        managed_by=values.word(MANAGED_BY, message.managed_by, None, field),
        **values.shared_texts(message, Membership),
    )
    return NewMember(membership, tuple(message.roles))


def member_message(value: MemberNow) -> pb.Member:
    member = value.membership
    message = pb.Member(
        state=STATES[member.state],
        suspensions=suspension_numbers(sorted(member.suspensions)),
        roles=value.roles,
        revision=value.revision,
        owner=member.owner,
        managed_by=MANAGED_BY[member.managed_by],
    )
    values.set_shared_texts(message, member)
    return message


def invitation_message(value: InvitationNow) -> invitation_pb2.Invitation:
    return invitation_pb2.Invitation(
        id=value.id,
        tenant=value.tenant,
        email=value.email,
        subject=value.subject,
        roles=value.roles,
        invited_by=value.invited_by,
        send_time=values.timestamp(value.sent_at),
        expire_time=values.timestamp(value.expires_at),
        expired=value.expired,
    )


MEMBER: Final = Shown("member", "members", member_message)
INVITATION: Final = Shown("invitation", "invitations", invitation_message)
