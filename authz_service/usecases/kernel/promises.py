"""Invitations hold no longer than the right of who sent them.

Acceptance asks again. What takes the right from a customer's member ends the invitations that the
member sent at once, or hands them over to who takes it.
"""

from collections.abc import Iterator
from dataclasses import replace

from authz_service.domain.audit import AuditRecord
from authz_service.domain.grant import RoleGrant
from authz_service.domain.identity import USER
from authz_service.domain.invitation import Invitation
from authz_service.domain.membership import Membership, MembershipState
from authz_service.domain.tenant import SYSTEM
from authz_service.domain.window import Instant
from authz_service.engine.index import Index
from authz_service.errors import ErrorReason, FailedPrecondition
from authz_service.store.facts import Facts
from authz_service.store.filters import GrantFilter
from authz_service.store.unit_of_work import Transaction
from authz_service.usecases.kernel import escalation, guard
from authz_service.usecases.kernel.rights import access_of

INVITING = access_of("InviteMember").right
_OF_SYSTEM = ("service:key-", "service:idn-", USER)
"""Senders whose right is asked. What a billing source or this service itself promised has no end
but that of the invitation.
"""


def missing(index: Index, invitation: Invitation, at: Instant) -> frozenset[str]:
    """Name what the sender of an invitation lacks to send it now; empty if nothing."""
    sender, tenant = invitation.invited_by, invitation.tenant
    if not sender.startswith(_OF_SYSTEM):
        return frozenset()
    if not guard.holds(index, sender, INVITING, tenant, at):
        return frozenset({INVITING})
    lacking: frozenset[str] = frozenset()
    for item in escalation.promises_of(index, invitation):
        lacking |= escalation.lacking(index, sender, item, at)
        ending = escalation.outlasting(index, sender, item, at)
        lacking |= ending.permissions if ending is not None else frozenset()
    return lacking


def require_sender(tx: Transaction, invitation: Invitation) -> None:
    """Check that who sent an invitation could send it now.

    Raises:
        FailedPrecondition: INVITATION_SENDER_LACKS_RIGHT.
    """
    lacking = missing(tx.index, invitation, tx.now)
    if lacking:
        raise FailedPrecondition(
            ErrorReason.INVITATION_SENDER_LACKS_RIGHT,
            "who sent this invitation may no longer promise what it promises; ask for a new one, "
            "or have somebody who may resend it",
            field="token",
            details={"invited_by": invitation.invited_by, "permissions": _some(lacking)},
        )


def end_unbacked(tx: Transaction, *, hand_over: bool) -> None:
    """End the invitations whose senders this transaction takes the right from, or hand them over.

    They are handed over to the caller, or to the person on whose behalf it calls, who must hold
    what they promise as if sending them.
    """
    after = tx.after()
    for invitation in _unbacked(tx, after):
        if hand_over:
            _hand_over(tx, invitation)
        else:
            withdraw(tx, "invitation.sender_lost_right", invitation, after)


def withdraw(tx: Transaction, action: str, invitation: Invitation, index: Index) -> None:
    """End an invitation, and with it the membership of one who has not accepted."""
    tx.change(invitation, None)
    _record(tx, action, invitation, None)
    member = index.member(invitation.tenant, invitation.subject)
    if member is not None and member.lifecycle is MembershipState.INVITED:
        grants = GrantFilter(subject=member.subject)
        for grant in Facts(tx.connection).role_grants(member.tenant, grants):
            tx.change(grant, None)
        tx.change(member, None)
        targets = (member.subject,)
        reason = tx.call.reason
        tx.record(AuditRecord("member.removed", member.tenant, targets, member, None, reason))


def _unbacked(tx: Transaction, after: Index) -> Iterator[Invitation]:
    for tenant, sender in dict.fromkeys(_demoted(tx)):
        entry = after.tenants.get(tenant)
        for invitation in entry.invitations.values() if entry is not None else ():
            if invitation.invited_by == sender and missing(after, invitation, tx.now):
                yield invitation


def _demoted(tx: Transaction) -> Iterator[tuple[str, str]]:
    """Name the customers' members who are removed or lose a grant, or some of it."""
    for change in tx.changes:
        match change.before, change.after:
            case (Membership() as fact, None) | (RoleGrant() as fact, _) if fact.tenant != SYSTEM:
                yield fact.tenant, fact.subject


def _hand_over(tx: Transaction, invitation: Invitation) -> None:
    actor = tx.call.actor
    guard.require(tx.index, actor, INVITING, invitation.tenant, tx.now)
    mine = replace(invitation, invited_by=actor.on_behalf_of or actor.subject)
    tx.change(invitation, mine)
    _record(tx, "invitation.handed_over", invitation, mine)


def _record(tx: Transaction, action: str, before: Invitation, after: Invitation | None) -> None:
    reason = tx.call.reason
    tx.record(AuditRecord(action, before.tenant, (before.id,), before, after, reason))


def _some(permissions: frozenset[str]) -> str:
    return ",".join(sorted(permissions)[:20])
