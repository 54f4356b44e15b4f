"""The end of a customer's account, and its way back."""

from collections import Counter
from dataclasses import dataclass, fields, replace

from authz_service.domain.audit import AuditRecord
from authz_service.domain.grant import RoleGrant
from authz_service.domain.identity import Identity
from authz_service.domain.key import ApiKey
from authz_service.domain.lifecycle import offboarded, reactivated
from authz_service.domain.membership import MembershipState
from authz_service.domain.schedule import checked_later
from authz_service.domain.subscription import moved_to_tier
from authz_service.domain.tenant import SYSTEM, Tenant, TenantState
from authz_service.domain.window import Instant
from authz_service.errors import AuthzError, ErrorReason
from authz_service.store.endings import Ended, ended_with_tenant
from authz_service.store.facts import Facts
from authz_service.store.filters import GrantFilter
from authz_service.store.unit_of_work import Transaction
from authz_service.usecases.callers.caller_changes import leave
from authz_service.usecases.grants.exceptions import end_exception
from authz_service.usecases.grants.role_grants import take
from authz_service.usecases.kernel import preconditions
from authz_service.usecases.kernel.escalation import TENANT_SCOPE
from authz_service.usecases.kernel.execution import change
from authz_service.usecases.members.roster import end_invitation
from authz_service.usecases.tenants.tenant_view import TenantNow, changed, tenant_now


@dataclass(frozen=True, slots=True, kw_only=True)
class OffboardTenant:
    """`at` None is now."""

    tenant: str
    at: Instant | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReactivateTenant:
    """`tier` "" is the one it had."""

    tenant: str
    tier: str = ""


@dataclass(frozen=True, slots=True)
class Counts:
    """How many of each were ended, or came back."""

    members: int = 0
    role_grants: int = 0
    exceptions: int = 0
    invitations: int = 0
    keys: int = 0
    identities: int = 0


@dataclass(frozen=True, slots=True)
class Offboarded(TenantNow):
    """The tenant, and what ended with it."""

    ended: Counts = Counts()


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Grants of a role that did not come back, and why not."""

    role: str
    grants: int
    why: ErrorReason


@dataclass(frozen=True, slots=True)
class Reactivated:
    tenant: TenantNow
    restored: Counts
    left_out: tuple[LeftOut, ...]


@change
def offboard_tenant(tx: Transaction, command: OffboardTenant) -> Offboarded:
    """End an account and all access in it, or set the instant at which access ends.

    A date ends access and nothing else. Once it has passed, offboarding again takes down what is
    left; that is also what makes a reactivation bring it back.
    """
    tenant = preconditions.customer(tx.index, command.tenant)
    if command.at is not None:
        at = checked_later(command.at, tx.now, "end_time")
        after = offboarded(tenant, at, tx.now)
        return _offboarded(changed(tx, "tenant.offboarding_scheduled", tenant, after), Counts())
    over = tenant.state_at(tx.now) is TenantState.OFFBOARDED
    if over and not _anything_left(tx, tenant.id):
        return _offboarded(tenant_now(tenant, tx.now), Counts())
    after = tenant if over else offboarded(tenant, tx.now, tx.now)
    after = replace(after, ended_revision=tx.index.revision + 1)
    now = changed(tx, "tenant.offboarded", tenant, after)
    return _offboarded(now, _take_down(tx, tenant.id))


@change
def reactivate_tenant(tx: Transaction, command: ReactivateTenant) -> Reactivated:
    """Bring an account back with the members, roles and exceptions that its end took from it."""
    tenant = preconditions.customer(tx.index, command.tenant)
    after = reactivated(tenant, tx.now)
    preconditions.tier(tx.index, command.tier or after.tier_at(tx.now))
    if command.tier:
        after = moved_to_tier(after, command.tier)
    ended = ended_with_tenant(tx.connection, tenant)
    now = changed(tx, "tenant.reactivated", tenant, after)
    return _restored(tx, after, now, ended)


def _take_down(tx: Transaction, tenant: str) -> Counts:
    """End all access in a tenant, grants before the memberships that they are of."""
    entry = tx.index.tenants[tenant]
    grants = Facts(tx.connection).role_grants(tenant)
    keys, identities = _callers_of(tx, tenant)
    for grant in grants:
        take(tx, grant)
    for subject in sorted(subject for subject, _ in entry.members.items()):
        membership = tx.index.member(tenant, subject)
        tx.change(membership, None)
        removed = AuditRecord(
            "member.removed", tenant, (subject,), membership, None, tx.call.reason
        )
        tx.record(removed)
    for invitation in entry.invitations.values():
        end_invitation(tx, "invitation.revoked", invitation)
    for exception in entry.exceptions:
        end_exception(tx, exception)
    for key in keys:
        leave(tx, key, "key.revoked")
    for identity in identities:
        leave(tx, identity, "identity.deleted")
    return Counts(
        members=entry.members.size,
        role_grants=len(grants),
        exceptions=len(entry.exceptions),
        invitations=len(entry.invitations),
        keys=len(keys),
        identities=len(identities),
    )


def _anything_left(tx: Transaction, tenant: str) -> bool:
    entry = tx.index.tenants[tenant]
    inside = entry.members.size or entry.invitations or entry.exceptions
    return bool(inside) or any(_callers_of(tx, tenant))


def _callers_of(tx: Transaction, tenant: str) -> tuple[list[ApiKey], list[Identity]]:
    """List the keys, and the identities, that hold all their rights for this tenant alone."""
    scope = TENANT_SCOPE + tenant
    bound = {g.subject for g in Facts(tx.connection).role_grants(SYSTEM, GrantFilter(scope=scope))}
    alone = sorted(
        subject
        for subject in bound
        if all(grant.scope == scope for grant in tx.index.grants(SYSTEM, subject))
    )
    keys = [tx.index.keys.get(subject.removeprefix("service:")) for subject in alone]
    identities = [
        identity for identity in tx.index.identities.values() if identity.subject in alone
    ]
    return [key for key in keys if key is not None], sorted(
        identities, key=lambda caller: caller.id
    )


def _restored(tx: Transaction, tenant: Tenant, now: TenantNow, ended: Ended) -> Reactivated:
    """Make anew what ended; one who was but invited would need the invitation, which is over."""
    reason = tx.call.reason
    joined = [m for m in ended.memberships if m.lifecycle is not MembershipState.INVITED]
    for member in joined:
        tx.change(None, member)
        tx.record(
            AuditRecord("member.restored", tenant.id, (member.subject,), None, member, reason)
        )
    subjects = {member.subject for member in joined}
    objections = {role: _objection(tx, tenant, role) for role in ended.roles}
    of_them = [grant for grant in ended.role_grants if grant.subject in subjects]
    lost = [
        lost_grant
        for lost_grant in of_them
        if not _comes_back(lost_grant, objections[lost_grant.role], tx.now)
    ]
    back = [grant for grant in of_them if grant not in lost]
    for grant in back:
        tx.change(None, grant)
        tx.record(AuditRecord("role.restored", tenant.id, (grant.subject,), None, grant, reason))
    for exception in ended.exceptions:
        tx.change(None, exception)
        record = AuditRecord(
            "exception.restored", tenant.id, (exception.id,), None, exception, reason
        )
        tx.record(record)
    counted = Counter(grant.role for grant in lost)
    left_out = (
        LeftOut(role, counted[role], why)
        for role, why in sorted(objections.items())
        if why is not None and counted[role]
    )
    counts = Counts(len(joined), len(back), len(ended.exceptions))
    return Reactivated(now, counts, tuple(left_out))


def _comes_back(grant: RoleGrant, objection: ErrorReason | None, at: Instant) -> bool:
    """Tell whether a grant is made anew; one that is over or held back gives nothing
    that a tier would have to offer.
    """
    gives_nothing = bool(grant.held_back) or grant.window.valid_until <= at
    return objection is None or (gives_nothing and objection is ErrorReason.ROLE_NOT_ASSIGNABLE)


def _objection(tx: Transaction, tenant: Tenant, role: str) -> ErrorReason | None:
    """Tell why a role cannot be granted in the tenant any more; None if it can."""
    try:
        preconditions.assignable(tx.index, tenant, role, tx.now, "role")
    except AuthzError as refusal:
        return refusal.reason
    return None


def _offboarded(now: TenantNow, ended: Counts) -> Offboarded:
    return Offboarded(**{f.name: getattr(now, f.name) for f in fields(now)}, ended=ended)
