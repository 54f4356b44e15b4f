"""Seats taken in a tenant: the one limit that this service counts itself."""

from typing import assert_never

from authz_service.domain.invitation import Invitation
from authz_service.domain.membership import MembershipState
from authz_service.domain.window import Instant
from authz_service.engine.index import Index, MemberEntry, TenantEntry


def taken(index: Index, tenant: str, at: Instant) -> int:
    """Count the seats taken: every member, and every open invitation of somebody who is none.

    One who was invited is a member, but takes no seat once the invitation's time is over.
    """
    entry = index.tenants.get(tenant)
    if entry is None:
        return 0
    return entry.members.size + sum(
        _more(entry, invitation, at) for invitation in entry.invitations.values()
    )


def _more(entry: TenantEntry, invitation: Invitation, at: Instant) -> int:
    """Tell what an invitation adds to the number of members."""
    live = invitation.live(at)
    match entry.members.get(invitation.subject):
        case None:
            return int(live)
        case MemberEntry(membership) if membership.lifecycle is MembershipState.INVITED:
            return int(live) - 1
        case MemberEntry() | int():
            return 0
        case never:
            assert_never(never)
