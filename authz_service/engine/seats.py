"""Seats taken in a tenant: the one limit that this service counts itself."""

from typing import assert_never

from authz_service.domain.catalog import TIER, chain
from authz_service.domain.invitation import Invitation
from authz_service.domain.membership import MembershipState
from authz_service.domain.tenant import SuspensionReason, Tenant
from authz_service.domain.window import Instant
from authz_service.engine.index import Index, Member, MemberEntry, TenantEntry

_WAITING = frozenset({SuspensionReason.SEATS})


def taken(index: Index, tenant: str, at: Instant) -> int:
    """Count the seats taken: by every member, and every open invitation of a non-member.

    One who was invited is a member, but takes no seat once the invitation's time is over. Where the
    tier says so, a suspended member takes none either.
    """
    entry = index.tenants.get(tenant)
    if entry is None:
        return 0
    invited = sum(_more(entry, invitation, at) for invitation in entry.invitations.values())
    if not suspended_free_seats(index, entry.fact, at):
        return entry.members.size + invited
    return invited + sum(takes_seat(member) for _, member in entry.members.items())


def suspended_free_seats(index: Index, tenant: Tenant, at: Instant) -> bool:
    """Tell whether the tenant's tier lets suspended members free their seats."""
    line = chain(index.plans, TIER + tenant.tier_held_at(at))
    return any(tier.suspended_free_seats for tier in line)


def takes_seat(member: Member) -> bool:
    """Tell whether a member takes a seat where suspended ones do not; who waits for a seat does."""
    if isinstance(member, int):
        return True
    membership = member.membership
    invited = membership.lifecycle is MembershipState.INVITED
    return invited or not membership.suspensions - _WAITING


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
