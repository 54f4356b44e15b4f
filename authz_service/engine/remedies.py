"""What would turn a denial into an allowance."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from authz_service.domain.catalog import TIER
from authz_service.domain.decision import DecisionReason, Question
from authz_service.domain.window import Instant
from authz_service.engine import decide
from authz_service.engine.entitlements import assignable_roles
from authz_service.engine.index import Index, PermissionEntry, TenantEntry

_OF_THE_SUBJECT: Final = frozenset(
    {
        DecisionReason.NOT_A_MEMBER,
        DecisionReason.ROLE_MISSING,
        DecisionReason.GRANT_EXPIRED,
    }
)


class RemedyKind(IntEnum):
    """What to do about a denial. Numbers are those of `authz.v1.RemedyKind`."""

    DECLARE_PERMISSION = 1
    ONBOARD_TENANT = 2
    RESUME_TENANT = 3
    ADD_MEMBER = 4
    RESUME_MEMBER = 5
    REVOKE_EXCEPTION = 6
    GRANT_ROLE = 7
    CHANGE_TIER = 8
    GRANT_EXCEPTION = 9
    RAISE_LIMIT = 10


@dataclass(frozen=True, slots=True)
class Remedy:
    """`options` are roles, tiers, exceptions or suspension reasons, the least that helps first."""

    kind: RemedyKind
    summary: str
    options: tuple[str, ...] = ()


def remedies_of(
    index: Index, question: Question, at: Instant, objection: DecisionReason
) -> list[Remedy]:
    """List what would lift one objection, the most direct first; none for ALLOWED.

    Nothing here helps vendor staff: membership and roles are refused to them.
    """
    if question.subject.startswith("staff:") and objection in _OF_THE_SUBJECT:
        return []
    tenant, subject, name = question.tenant, question.subject, question.permission
    options: tuple[str, ...] = ()
    match objection:
        case DecisionReason.UNKNOWN_PERMISSION:
            kind, summary = RemedyKind.DECLARE_PERMISSION, f"declare {name} in the catalogue"
        case DecisionReason.UNKNOWN_TENANT:
            kind, summary = RemedyKind.ONBOARD_TENANT, f"onboard {tenant}, or correct its name"
        case DecisionReason.TENANT_OFFBOARDED:
            kind = RemedyKind.ONBOARD_TENANT
            summary = f"{tenant} has ended; reactivate it, or onboard a new tenant"
        case DecisionReason.TENANT_SUSPENDED:
            options = _suspensions(index, tenant)
            lapsed = f"activate {tenant}: its trial or grace is over"
            summary = f"lift what suspends {tenant}" if options else lapsed
            kind = RemedyKind.RESUME_TENANT
        case DecisionReason.NOT_A_MEMBER:
            kind, summary = RemedyKind.ADD_MEMBER, f"make {subject} a member of {tenant}"
        case DecisionReason.MEMBERSHIP_INVITED:
            kind, summary = RemedyKind.ADD_MEMBER, f"{subject} accepts the invitation to {tenant}"
        case DecisionReason.MEMBERSHIP_SUSPENDED:
            kind, summary = RemedyKind.RESUME_MEMBER, f"lift what suspends {subject} in {tenant}"
        case DecisionReason.LIMIT_REACHED | DecisionReason.LIMIT_UNKNOWN:
            limit = question.usage.limit if question.usage else ""
            kind, summary = RemedyKind.RAISE_LIMIT, f"use less of {limit}, or buy a higher limit"
        case _:
            return _of_known(index, question, at, objection)
    return [Remedy(kind, summary, options)]


def _suspensions(index: Index, tenant: str) -> tuple[str, ...]:
    entry = index.tenants.get(tenant)
    return tuple(sorted(entry.fact.suspensions)) if entry is not None else ()


def _of_known(
    index: Index, question: Question, at: Instant, objection: DecisionReason
) -> list[Remedy]:
    permission = index.permissions.get(question.permission)
    tenant = index.tenants.get(question.tenant)
    if permission is None or tenant is None:
        return []
    match objection:
        case DecisionReason.DENIED_BY_EXCEPTION:
            found = tuple(sorted(e.id for e in decide.denials(tenant, question, at)))
            summary = f"revoke deny exception {' and '.join(found)}"
            return [Remedy(RemedyKind.REVOKE_EXCEPTION, summary, found)]
        case DecisionReason.ROLE_MISSING | DecisionReason.GRANT_EXPIRED:
            return [_grant_role(index, question, at, permission, tenant)]
        case DecisionReason.NOT_ENTITLED | DecisionReason.ENTITLEMENT_EXPIRED:
            return _entitle(index, question, at, permission, tenant)
    return []


def _grant_role(
    index: Index, question: Question, at: Instant, permission: PermissionEntry, tenant: TenantEntry
) -> Remedy:
    candidates = {*assignable_roles(index, tenant.fact, at), *tenant.own_roles}
    found = ((name, index.role(name)) for name in candidates)
    holding = (name for name, role in found if role is not None and role.holds(permission))
    options = tuple(sorted(holding, key=lambda name: (len(index.role_permissions(name)), name)))
    where = f" on {question.scopes[-1]}" if question.scopes else ""
    summary = (
        f"grant {question.subject} {_listed(options)} in {question.tenant}{where}"
        if options
        else f"put {permission.fact.id} into a role that {question.tenant} may assign, and grant it"
    )
    return Remedy(RemedyKind.GRANT_ROLE, summary, options)


def _entitle(
    index: Index, question: Question, at: Instant, permission: PermissionEntry, tenant: TenantEntry
) -> list[Remedy]:
    replacing = tuple(sorted(e.id for e in tenant.replacements if e.window.covers(at)))
    if replacing:
        summary = f"revoke replace exception {' and '.join(replacing)}"
        return [Remedy(RemedyKind.REVOKE_EXCEPTION, summary, replacing)]
    exception = Remedy(
        RemedyKind.GRANT_EXCEPTION,
        f"grant {question.tenant} an exception for {permission.fact.id}",
    )
    selling = (
        name
        for name, bit in index.plan_bits.items()
        if name.startswith(TIER) and permission.plans & bit
        if name in index.plans and not index.plans[name].is_kept
    )
    smallest_first = sorted(selling, key=lambda name: (_size(index, name), name))
    options = tuple(name.removeprefix(TIER) for name in smallest_first)
    if not options:
        return [exception]
    summary = f"move {question.tenant} to tier {_listed(options)}"
    return [Remedy(RemedyKind.CHANGE_TIER, summary, options), exception]


def _size(index: Index, plan: str) -> int:
    """Count the permissions in a plan's closure."""
    bit = index.plan_bits[plan]
    return sum(bool(entry.plans & bit) for entry in index.permissions.values())


def _listed(names: tuple[str, ...]) -> str:
    return " or ".join((", ".join(names[:-1]), names[-1])) if len(names) > 1 else "".join(names)
