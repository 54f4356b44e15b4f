"""The decision (design, section 3): a pure, total function of an index, a question, an instant.

The layers are asked in order and the first that objects names the reason. Each is a function of
its own that returns its objection or None, so that `explain.py` and the lists ask the very same
code; each tests the common case first: a plain member of an open tenant without exceptions.
"""

from collections.abc import Iterator
from typing import Final

from authz_service.domain.decision import Decision, DecisionReason, Question, Usage
from authz_service.domain.exception import EVERYONE, TenantException
from authz_service.domain.membership import MembershipState
from authz_service.domain.tenant import OPEN_STATES, TenantState
from authz_service.domain.window import Instant
from authz_service.engine.entitlements import limit_in_force
from authz_service.engine.index import Index, Member, MemberEntry, PermissionEntry, TenantEntry

_ALLOWED: Final = DecisionReason.ALLOWED
_DENIED: Final = DecisionReason.DENIED_BY_EXCEPTION
_ROLE_MISSING: Final = DecisionReason.ROLE_MISSING
_MEMBERSHIP: Final = {
    MembershipState.INVITED: DecisionReason.MEMBERSHIP_INVITED,
    MembershipState.SUSPENDED: DecisionReason.MEMBERSHIP_SUSPENDED,
    MembershipState.REMOVED: DecisionReason.NOT_A_MEMBER,
}


def decide(index: Index, question: Question, at: Instant) -> Decision:
    """Answer the question. Never raises, never waits; doubt denies."""
    return Decision(reason(index, question, at), index.revision)


def reason(index: Index, question: Question, at: Instant) -> DecisionReason:
    """Name the first layer's objection, or ALLOWED."""
    tenant_id, subject, name, scopes, usage = question
    permission = index.permissions.get(name)
    if permission is None:
        return DecisionReason.UNKNOWN_PERMISSION
    tenant = index.tenants.get(tenant_id)
    if tenant is None:
        return DecisionReason.UNKNOWN_TENANT
    member = tenant.members.get(subject)
    return (
        tenant_objection(tenant, at)
        or membership_objection(member)
        or (_DENIED if tenant.denials and denial(tenant, question, at) else None)
        or role_objection(index, member, permission, scopes, at)
        or entitlement_objection(index, tenant, permission, at)
        or (limit_objection(index, tenant, usage, at) if usage is not None else None)
        or _ALLOWED
    )


def tenant_objection(tenant: TenantEntry, at: Instant) -> DecisionReason | None:
    """Layer 1: the tenant's state."""
    if tenant.always_open:
        return None
    state = tenant.fact.state_at(at)
    if state is TenantState.OFFBOARDED:
        return DecisionReason.TENANT_OFFBOARDED
    return None if state in OPEN_STATES else DecisionReason.TENANT_SUSPENDED


def membership_objection(member: Member | None) -> DecisionReason | None:
    """Layer 2: the membership's state."""
    if member.__class__ is int:
        return None
    if isinstance(member, MemberEntry):
        return _MEMBERSHIP.get(member.membership.state)
    return DecisionReason.NOT_A_MEMBER


def denial(tenant: TenantEntry, question: Question, at: Instant) -> TenantException | None:
    """Layer 3: a live deny exception for everyone or this subject, in the tenant or a scope."""
    return next(denials(tenant, question, at), None)


def denials(tenant: TenantEntry, question: Question, at: Instant) -> Iterator[TenantException]:
    """Iterate over every exception that denies this: each has to go for the layer to agree."""
    for exception in tenant.denials.get(question.permission, ()):
        if (
            exception.subject in (EVERYONE, question.subject)
            and (not exception.scope or exception.scope in question.scopes)
            and exception.window.covers(at)
        ):
            yield exception


def role_objection(
    index: Index,
    member: Member | None,
    permission: PermissionEntry,
    scopes: tuple[str, ...],
    at: Instant,
) -> DecisionReason | None:
    """Layer 4: some live grant covers the resource and its role's closure holds the permission."""
    if isinstance(member, int):
        return None if permission.roles & member else _ROLE_MISSING
    if member is None:
        return _ROLE_MISSING
    expired, here = False, ("", member.membership.tenant)
    for grant in member.grants:
        role = index.role(grant.role)
        if role is None or role.fact.tenant not in here or not role.holds(permission):
            continue
        if grant.scope and grant.scope not in scopes:
            continue
        if grant.valid_from <= at < grant.valid_until:
            return None
        expired = expired or grant.valid_until <= at
    return DecisionReason.GRANT_EXPIRED if expired else _ROLE_MISSING


def entitlement_objection(
    index: Index, tenant: TenantEntry, permission: PermissionEntry, at: Instant
) -> DecisionReason | None:
    """Layer 5: a live replacement alone, else tier, add-ons and grant exceptions together."""
    if permission.internal or (permission.plans & tenant.plans and not tenant.replacements):
        return None
    name = permission.fact.id
    replacing = [e for e in tenant.replacements if e.window.covers(at)]
    if replacing:
        replaced = any(name in exception.permissions for exception in replacing)
        return None if replaced else DecisionReason.NOT_ENTITLED
    windows = [e.window for e in tenant.entitling.get(name, ())]
    windows += [
        item.window
        for item in tenant.fact.subscription_items
        if permission.plans & index.plan_bits.get(item.plan, 0)
    ]
    if any(window.covers(at) for window in windows):
        return None
    expired = any(window.valid_until <= at for window in windows)
    return DecisionReason.ENTITLEMENT_EXPIRED if expired else DecisionReason.NOT_ENTITLED


def limit_objection(
    index: Index, tenant: TenantEntry, usage: Usage, at: Instant
) -> DecisionReason | None:
    """Layer 6: what is used and what is wanted stay within the limit; unset is no limit to use."""
    limit = limit_in_force(index, tenant.fact, usage.limit, at)
    if limit is None:
        return DecisionReason.LIMIT_UNKNOWN
    ceiling = limit.limit.value
    within = ceiling is None or usage.used + usage.quantity <= ceiling
    return None if within else DecisionReason.LIMIT_REACHED
