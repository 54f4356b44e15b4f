"""What a transaction puts within reach of somebody, and what the giver lacks of it.

It looks at the facts that change, so that no use case can forget to ask.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from authz_service.domain.catalogue import Permission, Plan, Role, chain
from authz_service.domain.change import Change, Delta
from authz_service.domain.decision import DecisionReason, Question
from authz_service.domain.grant import RoleGrant
from authz_service.domain.identifiers import enclosing
from authz_service.domain.identity import USER
from authz_service.domain.invitation import Invitation
from authz_service.domain.key import ApiKey
from authz_service.domain.tenant import SYSTEM, Tenant
from authz_service.domain.window import Instant
from authz_service.engine.builder import apply
from authz_service.engine.decide import reason
from authz_service.engine.index import Index
from authz_service.usecases.rights import RIGHTS

TENANT_SCOPE: Final = "tenant:"
"""In `system`, a role held for one customer is held in the scope `tenant:acme`."""

_HELD: Final = frozenset(
    {
        DecisionReason.ALLOWED,
        DecisionReason.NOT_ENTITLED,
        DecisionReason.ENTITLEMENT_EXPIRED,
    }
)
"""Answers to one who holds a permission, whether or not the tenant has bought it."""


@dataclass(frozen=True, slots=True)
class Given:
    """Permissions put within reach, in one tenant or, if `tenant` is "", in all.

    `to_members` is what the members of a customer's tenant are granted or promised there.
    """

    what: str
    permissions: frozenset[str]
    tenant: str = ""
    scopes: tuple[str, ...] = ()
    to_members: bool = False


def given(index: Index, changes: Sequence[Change], *, to_members: bool) -> Iterator[Given]:
    """Iterate over all that the changes give; `index` is the one before them.

    Without `to_members`, what customers' members are given is passed over: it costs a grant.
    """
    after = _after(index, changes)
    promised = _promised(changes)
    for change in changes:
        match change.after:
            case RoleGrant(tenant=tenant) as grant if tenant == SYSTEM:
                yield _given(after, grant.role, grant.scope.removeprefix(TENANT_SCOPE))
            case RoleGrant() as grant if to_members and (grant.tenant, grant.role) not in promised:
                yield _to_members(after, grant.role, grant.tenant, grant.scope)
            case Invitation(tenant=tenant, roles=roles) if to_members:
                yield from (_to_members(after, role, tenant) for role in roles)
            case ApiKey() as key if isinstance(change.before, ApiKey):
                yield from _by_key(index, change.before, key)
            case (Role() | Permission() | Plan() | Tenant()) as fact:
                yield from _by_policy(index, after, fact)


def lacking(index: Index, subject: str, each: Given, at: Instant) -> frozenset[str]:
    """Name the permissions given that the giver does not hold itself where it gives them.

    Of a customer's user, all are asked, its tier aside; of a caller in `system`, this service's
    own rights, except in what it gives to customers' members: that is its work.
    """
    if subject.startswith(USER):
        return frozenset(
            name
            for name in each.permissions
            if each.tenant in ("", SYSTEM)
            or reason(index, Question(each.tenant, subject, name, each.scopes), at) not in _HELD
        )
    if each.to_members:
        return frozenset()
    scopes = (f"{TENANT_SCOPE}{each.tenant}",) if each.tenant else ()
    return frozenset(
        name
        for name in each.permissions & RIGHTS
        if reason(index, Question(SYSTEM, subject, name, scopes), at) is not DecisionReason.ALLOWED
    )


def _by_policy(
    index: Index, after: Index, fact: Role | Permission | Plan | Tenant
) -> Iterator[Given]:
    """What roles hold that did not; and what customers' members can be granted that could not."""
    match fact:
        case Role(id=role, tenant=tenant):
            added = after.role_permissions(role) - index.role_permissions(role)
            yield Given(f"role {role!r}", added, tenant)
        case Permission(id=name, internal=internal):
            entry = index.permissions.get(name)
            if entry is not None and entry.internal != internal:
                yield Given(f"permission {name!r}", frozenset({name}))
        case Plan(id=plan):
            for role in sorted(_offered(after) - _offered(index)):
                yield _given(after, role, "", f"{plan}, which offers role {role!r},")
        case Tenant(id=tenant, holdings=holdings) if tenant != SYSTEM:
            plans = {holding.plan for holding in holdings} & _withheld(index)
            for role in sorted(_assignable(index, plans) - _offered(index)):
                yield _given(after, role, tenant, f"a tier that offers role {role!r}")


def _by_key(index: Index, before: ApiKey, after: ApiKey) -> Iterator[Given]:
    """A new secret is told to whoever asks for it, a later end gives the key's holder more."""
    if after.secret_hash != before.secret_hash or after.expires_at > before.expires_at:
        for grant in index.grants(SYSTEM, after.subject):
            tenant = grant.scope.removeprefix(TENANT_SCOPE)
            yield _given(index, grant.role, tenant, f"key {after.id!r} with role {grant.role!r}")


def _given(index: Index, role: str, tenant: str, what: str = "") -> Given:
    return Given(what or f"role {role!r}", index.role_permissions(role), tenant)


def _to_members(index: Index, role: str, tenant: str, scope: str = "") -> Given:
    held = index.role_permissions(role)
    return Given(f"role {role!r}", held, tenant, enclosing(scope), to_members=True)


def _after(index: Index, changes: Sequence[Change]) -> Index:
    """Make the index that holds afterwards, if roles have another content then."""
    if any(isinstance(change.fact, Role | Plan | Permission) for change in changes):
        return apply(index, Delta(index.revision + 1, tuple(changes)))
    return index


def _promised(changes: Iterable[Change]) -> set[tuple[str, str]]:
    """Name, by tenant, the roles of invitations that are taken up: asked when they were sent."""
    ended = (change.before for change in changes if change.after is None)
    kept = (each for each in ended if isinstance(each, Invitation))
    return {(invitation.tenant, role) for invitation in kept for role in invitation.roles}


def _offered(index: Index) -> frozenset[str]:
    """Name the roles that some customer's members can be granted, by the plans there are."""
    return _assignable(index, index.plans.keys() - _withheld(index))


def _withheld(index: Index) -> set[str]:
    """Name the plans of `system`, whose offer is for this service's callers, and what is kept of
    tiers: a version that is not sold any more offers nothing until somebody is moved to it.
    """
    system = index.tenant(SYSTEM)
    reserved = {holding.plan for holding in system.holdings} if system is not None else set()
    return reserved | {name for name, plan in index.plans.items() if plan.is_kept}


def _assignable(index: Index, plans: Iterable[str]) -> frozenset[str]:
    found = (each.assignable_roles for plan in plans for each in chain(index.plans, plan))
    return frozenset[str]().union(*found)
