"""What all changes of a customer's roster are made of."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from authz_service.domain.audit import AuditRecord
from authz_service.domain.grant import GrantSource, RoleGrant
from authz_service.domain.identifiers import checked
from authz_service.domain.invitation import Invitation
from authz_service.domain.membership import ManagedBy, Membership, MembershipState
from authz_service.domain.tenant import Tenant
from authz_service.domain.window import FOREVER, Instant
from authz_service.engine.index import OWNER, Index
from authz_service.errors import ErrorReason, InvalidArgument, NotFound
from authz_service.store.database import Connection
from authz_service.store.facts import Facts
from authz_service.store.filters import GrantFilter
from authz_service.store.member_revisions import member_revisions
from authz_service.store.unit_of_work import Transaction
from authz_service.usecases.grants.role_grants import give, take
from authz_service.usecases.kernel import guard


@dataclass(frozen=True, slots=True)
class MemberNow:
    """A member as it stands at an instant; `roles` are those on the whole tenant, in force."""

    membership: Membership
    roles: tuple[str, ...] = ()
    revision: int = 0


def member_now(index: Index, member: Membership, at: Instant, revision: int = 0) -> MemberNow:
    return MemberNow(member, roles_now(index, member, at), revision)


def roles_now(index: Index, member: Membership, at: Instant) -> tuple[str, ...]:
    """Name the roles that are granted on the whole tenant and in force."""
    grants = index.grants(member.tenant, member.subject)
    return tuple(sorted({g.role for g in grants if not g.scope and g.covers((), at)}))


def members_now(
    connection: Connection, index: Index, members: Sequence[Membership], at: Instant
) -> tuple[MemberNow, ...]:
    """Describe members of one tenant."""
    if not members:
        return ()
    subjects = [member.subject for member in members]
    revisions = member_revisions(connection, members[0].tenant, subjects, index.revision)
    return tuple(
        member_now(index, membership, at, revisions.get(membership.subject, 0))
        for membership in members
    )


def as_changed(tx: Transaction, member: Membership) -> MemberNow:
    """Describe a member as this transaction leaves it, also one that it removes."""
    after = tx.after()
    membership = after.member(member.tenant, member.subject)
    if membership is None:
        removed = Membership(member.tenant, member.subject, MembershipState.REMOVED)
        return MemberNow(removed, revision=tx.revision)
    if not tx.changes:
        return members_now(tx.connection, after, [membership], tx.now)[0]
    return member_now(after, membership, tx.now, tx.revision)


def as_joined(tx: Transaction, tenant: str, subjects: Iterable[str]) -> tuple[MemberNow, ...]:
    """Describe members that this transaction makes."""
    after = tx.after()
    matches = (after.member(tenant, subject) for subject in subjects)
    return tuple(member_now(after, member, tx.now, tx.revision) for member in matches if member)


def owner_of(index: Index, tenant: str) -> Membership | None:
    """Find who owns the account; None if nobody does."""
    for subject, member in index.tenants[tenant].members.items():
        owns = member & OWNER if isinstance(member, int) else member.membership.owner
        if owns:
            return index.member(tenant, subject)
    return None


def find(index: Index, tenant: str, subject: str) -> Membership:
    """Find a member to read or to change. Raises: MEMBER_NOT_FOUND."""
    member = index.member(tenant, checked("subject", subject))
    if member is None:
        raise NotFound(
            ErrorReason.MEMBER_NOT_FOUND,
            f"{subject} is not a member of {tenant!r}; list its members",
            field="subject",
        )
    return member


def require_not_managed(tx: Transaction, member: Membership, by: ManagedBy) -> None:
    """Check that a directory keeps the member only if it is the one that asks.

    Raises:
        FailedPrecondition: MEMBER_MANAGED, unless the caller holds `authz.members:override`.
    """
    guard.require_manager(tx.index, tx.call.actor, member, tx.now, "subject", by)


def changed(tx: Transaction, action: str, before: Membership | None, after: Membership) -> None:
    """Make a membership, or let another take its place; nothing happens if both are equal."""
    if before == after:
        return
    tx.change(before, after)
    tx.record(AuditRecord(action, after.tenant, (after.subject,), before, after, tx.call.reason))


def end_membership(tx: Transaction, member: Membership, but: Invitation | None = None) -> None:
    """End a membership, every grant of it and every invitation to it, `but` the one ended."""
    grant_filter = GrantFilter(subject=member.subject)
    for grant in Facts(tx.connection).role_grants(member.tenant, grant_filter):
        take(tx, grant)
    for invitation in tx.index.tenants[member.tenant].invitations.values():
        if invitation.subject == member.subject and invitation != but:
            end_invitation(tx, "invitation.revoked", invitation)
    tx.change(member, None)
    who = (member.subject,)
    tx.record(AuditRecord("member.removed", member.tenant, who, member, None, tx.call.reason))


def end_invitation(tx: Transaction, action: str, invitation: Invitation) -> None:
    """Let an invitation be no fact any more."""
    tx.change(invitation, None)
    target = (invitation.id,)
    tx.record(AuditRecord(action, invitation.tenant, target, invitation, None, tx.call.reason))


def manual_roles(tx: Transaction, tenant: str, subject: str) -> list[RoleGrant]:
    """List the manual grants on the whole tenant, whatever their window."""
    grant_filter = GrantFilter(subject=subject, scope="", source=GrantSource.MANUAL)
    return Facts(tx.connection).role_grants(tenant, grant_filter)


def give_lacking(
    tx: Transaction, tenant: Tenant, subject: str, roles: Iterable[str], field: str
) -> None:
    """Grant those of the roles that are not held manually from now on and without end."""
    roles_held = {
        grant.role
        for grant in manual_roles(tx, tenant.id, subject)
        if grant.window.covers(tx.now)
        and grant.window.valid_until == FOREVER
        and not grant.held_back
    }
    for role in roles:
        if role not in roles_held:
            give(tx, tenant, RoleGrant(tenant.id, subject, role, reason=tx.call.reason), field)


def require_each_once(names: Sequence[str], field: str) -> None:
    """Check that nothing stands twice in one list of a request."""
    if len(set(names)) < len(names):
        raise InvalidArgument(
            ErrorReason.INVALID_FIELD, "the same one is named twice; name each once", field=field
        )
