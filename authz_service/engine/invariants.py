"""Invariants of a customer's roster, whichever way a change comes in.

The unit of work checks them for every transaction. They look at what the transaction does to
memberships, role grants and admin roles, and at nothing else: the end of an account is not held
back. A change that takes nothing from anybody is through at once.
"""

from collections.abc import Sequence

from authz_service.domain.catalog import Role
from authz_service.domain.change import Delta, FactChange
from authz_service.domain.grant import RoleGrant
from authz_service.domain.membership import Membership, MembershipState
from authz_service.domain.tenant import OPEN_STATES, SYSTEM, SuspensionReason, TenantState
from authz_service.domain.window import FOREVER, Instant
from authz_service.engine.builder import apply
from authz_service.engine.index import Index
from authz_service.errors import ErrorReason, FailedPrecondition


def require_kept(index: Index, changes: Sequence[FactChange], at: Instant) -> None:
    """Let through changes that leave every customer its owner and an admin.

    Raises:
        FailedPrecondition: MEMBER_IS_OWNER, or LAST_ADMIN.
    """
    risked = [who for who in _losing(changes) if _stands_out(index, *who, at)]
    demoting = any(map(_demotes, changes))
    if not risked and not demoting:
        return
    after = apply(index, Delta(index.revision + 1, tuple(changes), at))
    if demoting:
        _require_admins(index, after, at)
    for tenant, subject in risked:
        _require_owner(index, after, tenant, subject, at)
    admins = [tenant for tenant, subject in risked if is_admin(index, tenant, subject, at)]
    for tenant in dict.fromkeys(admins):
        if _state(after, tenant, at) in OPEN_STATES:
            _require_admin(after, tenant, at)


def is_admin(index: Index, tenant: str, subject: str, at: Instant) -> bool:
    """Tell whether the subject is an active member that holds an admin role as an owner must."""
    member = index.member(tenant, subject)
    active = member is not None and member.state is MembershipState.ACTIVE
    return active and holds_admin_role(index, tenant, subject, at)


def holds_admin_role(index: Index, tenant: str, subject: str, at: Instant) -> bool:
    """Tell whether an admin role is granted on the whole account, in force and without end."""
    for grant in index.grants(tenant, subject):
        role = index.role(grant.role)
        tenant_wide = not grant.scope and grant.valid_from <= at and grant.valid_until == FOREVER
        if tenant_wide and role is not None and role.fact.admin:
            return True
    return False


def _demotes(change: FactChange) -> bool:
    """Tell whether a role that runs accounts is ended, or runs none any more."""
    before, after = change.before, change.after
    still = isinstance(after, Role) and after.admin
    return isinstance(before, Role) and before.admin and not still


def _require_admins(before: Index, after: Index, at: Instant) -> None:
    """Check that each open account which had an admin has one still."""
    for entry in after.tenants.values():
        tenant = entry.fact.id
        if tenant == SYSTEM or entry.fact.state_at(at) not in OPEN_STATES:
            continue
        if before.tenant(tenant) is not None and has_admin(before, tenant, at):
            _require_admin(after, tenant, at)


def _losing(changes: Sequence[FactChange]) -> list[tuple[str, str]]:
    """Name the customers' members from whom something may be taken."""
    demoted = {
        (fact.tenant, fact.subject): None
        for change in changes
        if isinstance(fact := change.before, Membership | RoleGrant) and fact.tenant != SYSTEM
    }
    return list(demoted)


def _stands_out(index: Index, tenant: str, subject: str, at: Instant) -> bool:
    member = index.member(tenant, subject)
    return member is not None and (member.owner or is_admin(index, tenant, subject, at))


def _require_owner(before: Index, after: Index, tenant: str, subject: str, at: Instant) -> None:
    was, now = before.member(tenant, subject), after.member(tenant, subject)
    ended = _state(after, tenant, at) in (None, TenantState.OFFBOARDED)
    if was is None or not was.owner or ended:
        return
    if now is None:
        raise _is_owner(tenant, subject, "cannot be removed")
    if not now.owner:
        return
    if SuspensionReason.ADMIN in now.suspensions - was.suspensions:
        raise _is_owner(tenant, subject, "cannot be suspended by an admin")
    still_admin = holds_admin_role(after, tenant, subject, at)
    if holds_admin_role(before, tenant, subject, at) and not still_admin:
        raise _is_owner(tenant, subject, "keeps an admin role on the whole account, without end")


def has_admin(index: Index, tenant: str, at: Instant) -> bool:
    """Tell whether some active member of a tenant runs the account."""
    entry = index.tenants[tenant]
    bits = sum(index.role_bits[name] for name, role in index.roles.items() if role.fact.admin)
    return any(
        member & bits if isinstance(member, int) else is_admin(index, tenant, subject, at)
        for subject, member in entry.members.items()
    )


def _require_admin(after: Index, tenant: str, at: Instant) -> None:
    if has_admin(after, tenant, at):
        return
    raise FailedPrecondition(
        ErrorReason.LAST_ADMIN,
        f"this would leave {tenant!r} without an active admin; grant an admin role to another "
        "active member first, on the whole account and without end",
        details={"tenant": tenant},
    )


def _state(index: Index, tenant: str, at: Instant) -> TenantState | None:
    fact = index.tenant(tenant)
    return fact.state_at(at) if fact is not None else None


def _is_owner(tenant: str, subject: str, what: str) -> FailedPrecondition:
    return FailedPrecondition(
        ErrorReason.MEMBER_IS_OWNER,
        f"{subject} owns {tenant!r} and {what}; transfer the ownership to another member first",
        details={"tenant": tenant, "subject": subject},
    )
