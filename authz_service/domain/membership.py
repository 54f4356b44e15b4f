"""Memberships and their suspension."""

from dataclasses import dataclass, replace
from enum import StrEnum

from authz_service.domain.tenant import SuspensionReason


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
    """Add a suspension reason; one that is there already changes nothing."""
    return replace(member, suspensions=member.suspensions | {reason})


def resumed(member: Membership, reason: SuspensionReason) -> Membership:
    """Lift a suspension reason; one that is not there changes nothing."""
    return replace(member, suspensions=member.suspensions - {reason})


def joined(member: Membership) -> Membership:
    """Make an invited subject an active member; suspension reasons stay."""
    return replace(member, lifecycle=MembershipState.ACTIVE)
