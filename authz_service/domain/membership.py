"""Memberships and their suspension."""

from dataclasses import dataclass, replace
from enum import StrEnum

from authz_service.domain.tenant import SuspensionReason
from authz_service.errors import ErrorReason, FailedPrecondition


class ManagedBy(StrEnum):
    """Who manages a membership: nobody in particular, or the customer's own directory."""

    NOBODY = ""
    SCIM = "scim"


class MembershipState(StrEnum):
    INVITED = "invited"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class Membership:
    """`lifecycle` is invited or active; suspension is a set of reasons laid over it.

    At most one member of a tenant is its `owner`.
    """

    tenant: str
    subject: str
    lifecycle: MembershipState = MembershipState.ACTIVE
    suspensions: frozenset[SuspensionReason] = frozenset()
    owner: bool = False
    managed_by: ManagedBy = ManagedBy.NOBODY

    @property
    def state(self) -> MembershipState:
        return MembershipState.SUSPENDED if self.suspensions else self.lifecycle


def suspended(member: Membership, reason: SuspensionReason) -> Membership:
    """Add a suspension reason. Raises: FailedPrecondition if the member has it already."""
    if reason in member.suspensions:
        raise _conflict(member, f"is already suspended for reason {reason}", reason)
    return replace(member, suspensions=member.suspensions | {reason})


def resumed(member: Membership, reason: SuspensionReason) -> Membership:
    """Lift a suspension reason. Raises: FailedPrecondition if the member does not have it."""
    if reason not in member.suspensions:
        reasons = ", ".join(sorted(member.suspensions)) or "none"
        raise _conflict(member, f"is not suspended for reason {reason}, but for {reasons}", reason)
    return replace(member, suspensions=member.suspensions - {reason})


def joined(member: Membership) -> Membership:
    """Make an invited subject an active member; suspension reasons stay."""
    return replace(member, lifecycle=MembershipState.ACTIVE)


def _conflict(member: Membership, what: str, reason: SuspensionReason) -> FailedPrecondition:
    return FailedPrecondition(
        ErrorReason.MEMBER_STATE_CONFLICT,
        f"{member.subject} {what}; get the member to see why, resume it to lift a reason",
        field="suspension_reason",
        details={"suspension_reason": reason},
    )
