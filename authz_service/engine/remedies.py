"""What would turn a denial into an allowance."""

from dataclasses import dataclass
from enum import IntEnum

from authz_service.domain.catalogue import TIER
from authz_service.domain.decision import DecisionReason, Question
from authz_service.domain.window import Instant
from authz_service.engine import decide
from authz_service.engine.entitlements import assignable_roles
from authz_service.engine.index import Index, PermissionEntry, TenantEntry


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
    """`options` are the roles or tiers to choose from, where the kind leaves a choice."""

    kind: RemedyKind
    summary: str
    options: tuple[str, ...] = ()


def remedies_of(
    index: Index, question: Question, at: Instant, objection: DecisionReason
) -> list[Remedy]:
    """List what would lift one objection, the most direct first; none for ALLOWED."""
    tenant, subject, name = question.tenant, question.subject, question.permission
    match objection:
        case DecisionReason.UNKNOWN_PERMISSION:
            return [Remedy(RemedyKind.DECLARE_PERMISSION, f"declare {name} in the catalogue")]
        case DecisionReason.UNKNOWN_TENANT:
            return [Remedy(RemedyKind.ONBOARD_TENANT, f"onboard {tenant}, or correct its name")]
        case DecisionReason.TENANT_OFFBOARDED:
            summary = f"{tenant} has ended; onboard a new tenant for this customer"
            return [Remedy(RemedyKind.ONBOARD_TENANT, summary)]
        case DecisionReason.TENANT_SUSPENDED:
            return [Remedy(RemedyKind.RESUME_TENANT, f"lift what suspends {tenant}")]
        case DecisionReason.NOT_A_MEMBER | DecisionReason.MEMBERSHIP_INVITED:
            return [Remedy(RemedyKind.ADD_MEMBER, f"make {subject} an active member of {tenant}")]
        case DecisionReason.MEMBERSHIP_SUSPENDED:
            return [Remedy(RemedyKind.RESUME_MEMBER, f"lift what suspends {subject} in {tenant}")]
        case DecisionReason.LIMIT_REACHED | DecisionReason.LIMIT_UNKNOWN:
            limit = question.usage.limit if question.usage else ""
            return [Remedy(RemedyKind.RAISE_LIMIT, f"use less of {limit}, or buy a higher limit")]
    return _of_known(index, question, at, objection)


def _of_known(
    index: Index, question: Question, at: Instant, objection: DecisionReason
) -> list[Remedy]:
    permission = index.permissions.get(question.permission)
    tenant = index.tenants.get(question.tenant)
    if permission is None or tenant is None:
        return []
    match objection:
        case DecisionReason.DENIED_BY_EXCEPTION:
            found = decide.denial(tenant, question, at)
            summary = f"revoke deny exception {found.id}" if found else "revoke the deny exception"
            return [Remedy(RemedyKind.REVOKE_EXCEPTION, summary, (found.id,) if found else ())]
        case DecisionReason.ROLE_MISSING | DecisionReason.GRANT_EXPIRED:
            return [_grant_role(index, question, at, permission, tenant)]
        case DecisionReason.NOT_ENTITLED | DecisionReason.ENTITLEMENT_EXPIRED:
            return _entitle(index, question, at, permission, tenant)
    return []


def _grant_role(
    index: Index, question: Question, at: Instant, permission: PermissionEntry, tenant: TenantEntry
) -> Remedy:
    candidates = {*assignable_roles(index, tenant.fact, at), *tenant.own_roles}
    found = ((name, index.role(name)) for name in sorted(candidates))
    options = tuple(name for name, role in found if role is not None and role.holds(permission))
    where = f" on {question.scopes[-1]}" if question.scopes else ""
    summary = (
        f"grant {question.subject} one of {_listed(options)} in {question.tenant}{where}"
        if options
        else f"put {permission.fact.id} into a role that {question.tenant} may assign, and grant it"
    )
    return Remedy(RemedyKind.GRANT_ROLE, summary, options)


def _entitle(
    index: Index, question: Question, at: Instant, permission: PermissionEntry, tenant: TenantEntry
) -> list[Remedy]:
    replacing = tuple(sorted(e.id for e in tenant.replacements if e.window.covers(at)))
    if replacing:
        summary = f"revoke replace exception {_listed(replacing)}"
        return [Remedy(RemedyKind.REVOKE_EXCEPTION, summary, replacing)]
    exception = Remedy(
        RemedyKind.GRANT_EXCEPTION,
        f"grant {question.tenant} an exception for {permission.fact.id}",
    )
    options = tuple(
        name.removeprefix(TIER)
        for name, bit in sorted(index.plan_bits.items())
        if name.startswith(TIER) and name in index.plans and permission.plans & bit
    )
    if not options:
        return [exception]
    summary = f"move {question.tenant} to tier {_listed(options)}"
    return [Remedy(RemedyKind.CHANGE_TIER, summary, options), exception]


def _listed(names: tuple[str, ...]) -> str:
    return " or ".join((", ".join(names[:-1]), names[-1])) if len(names) > 1 else "".join(names)
