"""What a transaction puts within reach of somebody, and what the giver lacks of it.

It looks at the facts that change, so that no use case can forget to ask.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias, assert_never

from authz_service.domain.catalog import Permission, Plan, Role, chain
from authz_service.domain.change import Delta, FactChange
from authz_service.domain.decision import DecisionReason, Question
from authz_service.domain.grant import RoleGrant
from authz_service.domain.identifiers import enclosing
from authz_service.domain.identity import USER, Identity
from authz_service.domain.invitation import Invitation
from authz_service.domain.key import ApiKey
from authz_service.domain.own_policy import RIGHTS
from authz_service.domain.tenant import SYSTEM, Tenant
from authz_service.domain.window import ALWAYS, Instant, Window
from authz_service.engine.builder import apply
from authz_service.engine.decide import reason, role_objection
from authz_service.engine.index import Index
from authz_service.usecases.kernel.rights import any_of

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
_ALLOWED: Final = frozenset({DecisionReason.ALLOWED})


_Giving: TypeAlias = RoleGrant | Invitation | ApiKey | Identity | Role | Permission | Plan | Tenant
"""Facts that can give somebody a right."""


@dataclass(frozen=True, slots=True)
class Given:
    """Permissions put within reach, in one tenant or, if `tenant` is "", in all.

    `to_members` is what the members of a customer's tenant are granted or promised there.
    Only a grant has a `window`: what a role holds or an invitation promises does not end.
    """

    what: str
    permissions: frozenset[str]
    tenant: str = ""
    scopes: tuple[str, ...] = ()
    to_members: bool = False
    window: Window = ALWAYS


@dataclass(frozen=True, slots=True)
class Outlasting:
    """Permissions that the giver holds no longer from `at` on, and gives for longer."""

    at: Instant
    permissions: frozenset[str]


def given(index: Index, changes: Sequence[FactChange], *, to_members: bool) -> Iterator[Given]:
    """Iterate over all that the changes give; `index` is the one before them.

    Without `to_members`, what customers' members are given is passed over: it costs a grant.
    """
    after = _after(index, changes)
    promised = _promised(changes)
    for change in changes:
        if not isinstance(change.after, _Giving):
            continue
        match change.after:
            case RoleGrant() as grant if not _held_before(change.before, grant):
                yield from _by_grant(after, grant, promised, to_members=to_members)
            case Invitation() as invitation if to_members:
                yield from promises_of(after, invitation)
            case (ApiKey() | Identity()) as caller:
                yield from _by_caller(index, change.before, caller)
            case (Role() | Permission() | Plan() | Tenant()) as fact:
                yield from _by_policy(index, after, fact)
            case RoleGrant() | Invitation():
                pass
            case _:
                assert_never(change.after)


def lacking(index: Index, subject: str, item: Given, at: Instant) -> frozenset[str]:
    """Name the permissions given that the giver does not hold itself where it gives them.

    Of a customer's user, all are asked, its tier aside; of a caller in `system`, this service's
    own rights, except in what it gives to customers' members: that is its work.
    """
    questions, (home, scopes) = _asked(subject, item), _place(subject, item)
    decision_reasons = _HELD if subject.startswith(USER) else _ALLOWED
    return frozenset(
        name
        for name in questions
        if decision_reasons.isdisjoint(
            reason(index, Question(home, subject, enough, scopes), at)
            for enough in any_of(name, item.tenant)
        )
    )


def outlasting(index: Index, subject: str, item: Given, at: Instant) -> Outlasting | None:
    """Find the first instant from which on the giver itself lacks what it gives for then.

    Its own grants are asked, and nothing else: neither the end of a key nor that of a trial
    bounds what is given before it.
    """
    questions, (home, scopes) = _asked(subject, item), _place(subject, item)
    tenant = index.tenants.get(home)
    member = tenant.members.get(subject) if tenant is not None else None
    for instant in _ends(index, home, subject, item.window, at):
        lost = frozenset(
            name
            for name in questions
            if all(
                role_objection(index, member, index.permissions[enough], scopes, instant)
                for enough in any_of(name, item.tenant)
                if enough in index.permissions
            )
        )
        if lost:
            return Outlasting(instant, lost)
    return None


def _asked(subject: str, item: Given) -> frozenset[str]:
    """Name which of the permissions given the giver must hold itself."""
    if subject.startswith(USER):
        return item.permissions
    return frozenset() if item.to_members else item.permissions & RIGHTS.keys()


def _place(subject: str, item: Given) -> tuple[str, tuple[str, ...]]:
    """Name the tenant and the scopes in which the giver must hold it."""
    if subject.startswith(USER):
        # INVARIANT: what a customer's user holds never counts in `system`, nor without a tenant.
        return ("" if item.tenant == SYSTEM else item.tenant), item.scopes
    return SYSTEM, ((f"{TENANT_SCOPE}{item.tenant}",) if item.tenant else ())


def _ends(index: Index, home: str, subject: str, given_for: Window, at: Instant) -> list[Instant]:
    """List the instants in the window, but for the present, at which the giver may hold less."""
    begins = max(given_for.valid_from, at)
    ends = {grant.valid_until for grant in index.grants(home, subject)}
    later = {end for end in ends if begins < end < given_for.valid_until}
    return sorted(later | ({begins} - {at}))


def _held_before(before: object, grant: RoleGrant) -> bool:
    """Tell whether a grant takes the place of one that gave as much, and for as long."""
    if not isinstance(before, RoleGrant):
        return False
    as_before = replace(
        grant, window=before.window, reason=before.reason, held_back=before.held_back
    )
    comes_back = before.held_back and not grant.held_back
    return as_before == before and not comes_back and before.window.contains(grant.window)


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
        case Tenant(id=tenant, subscription_items=subscription_items) if tenant != SYSTEM:
            plans = {item.plan for item in subscription_items} & _withheld(index)
            for role in sorted(_assignable(index, plans) - _offered(index)):
                yield _given(after, role, tenant, f"a tier that offers role {role!r}")
        case Tenant():
            pass
        case _:
            assert_never(fact)


def _by_grant(
    after: Index, grant: RoleGrant, promised: set[tuple[str, str]], *, to_members: bool
) -> Iterator[Given]:
    if grant.tenant == SYSTEM:
        members = _given(after, grant.role, grant.scope.removeprefix(TENANT_SCOPE))
        yield replace(members, window=grant.window)
    elif to_members and (grant.tenant, grant.role) not in promised:
        members = reach_of(after, grant.role, grant.tenant, grant.scope)
        yield replace(members, window=grant.window)


def _by_caller(index: Index, before: object, caller: ApiKey | Identity) -> Iterator[Given]:
    """A new secret is told to whoever asks for it, a later end gives the caller itself more."""
    match before, caller:
        case ApiKey(secret_hash=old), ApiKey(secret_hash=new) if new != old:
            what = f"a new secret of key {caller.id!r}"
        case ((ApiKey(expires_at=old) | Identity(expires_at=old)), _) if caller.expires_at > old:
            what = f"a later end of {caller.id!r}"
        case _:
            return
    for grant in index.grants(SYSTEM, caller.subject):
        tenant = grant.scope.removeprefix(TENANT_SCOPE)
        yield _given(index, grant.role, tenant, f"{what} with role {grant.role!r}")


def _given(index: Index, role: str, tenant: str, what: str = "") -> Given:
    return Given(what or f"role {role!r}", index.role_permissions(role), tenant)


def promises_of(index: Index, invitation: Invitation) -> Iterator[Given]:
    """Iterate over what an invitation promises to a customer's member."""
    return (reach_of(index, role, invitation.tenant) for role in invitation.roles)


def reach_of(index: Index, role: str, tenant: str, scope: str = "") -> Given:
    """Tell what a role gives a customer's member."""
    role_permissions = index.role_permissions(role)
    return Given(f"role {role!r}", role_permissions, tenant, enclosing(scope), to_members=True)


def _after(index: Index, changes: Sequence[FactChange]) -> Index:
    """Make the index that holds afterwards, if roles have another content then."""
    if any(isinstance(change.fact, Role | Plan | Permission) for change in changes):
        return apply(index, Delta(index.revision + 1, tuple(changes)))
    return index


def _promised(changes: Iterable[FactChange]) -> set[tuple[str, str]]:
    """Name, by tenant, the roles of invitations that are taken up: asked when they were sent."""
    ended = (change.before for change in changes if change.after is None)
    current = (changeset for changeset in ended if isinstance(changeset, Invitation))
    return {(invitation.tenant, role) for invitation in current for role in invitation.roles}


def _offered(index: Index) -> frozenset[str]:
    """Name the roles that some customer's members can be granted, by the plans there are."""
    return _assignable(index, index.plans.keys() - _withheld(index))


def _withheld(index: Index) -> set[str]:
    """Name what is kept of tiers: a version that is not sold any more offers nothing until somebody
    is moved to it.
    """
    return {name for name, plan in index.plans.items() if plan.is_kept}


def _assignable(index: Index, plans: Iterable[str]) -> frozenset[str]:
    assignable_roles = (
        item.assignable_roles for plan in plans for item in chain(index.plans, plan)
    )
    return frozenset[str]().union(*assignable_roles)
