"""Facts as Casbin rules: the form in which they are stored and can be read by any Casbin.

`policies/model.conf` defines the rule types and shows an example of each.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias, assert_never

from authz_service.domain.catalog import Feature, Limit, Permission, Plan, Role
from authz_service.domain.change import Fact
from authz_service.domain.exception import EVERYONE, ExceptionKind, TenantException
from authz_service.domain.grant import RoleGrant
from authz_service.domain.tenant import Tenant
from authz_service.domain.window import ALWAYS, Window

INTERNAL = "catalogue/internal"
REPLACE = "exception/replace"
UNLIMITED = "unlimited"

_ENCODED: Final = str.maketrans({char: f"%{ord(char):02X}" for char in ' "%()*,/[\\]'})
"""Characters of a subject's id that Casbin's text form or the names around it could not carry."""


CasbinFact: TypeAlias = Permission | Role | Plan | Tenant | RoleGrant | TenantException


@dataclass(frozen=True, slots=True)
class Rule:
    """One Casbin rule, in force within its window. Between two and five values, never empty."""

    ptype: str
    values: tuple[str, ...]
    window: Window = ALWAYS


def rules_of(fact: Fact) -> frozenset[Rule]:
    """List the rules a fact stands for; none for facts that are not Casbin's."""
    return frozenset(_rules(fact)) if isinstance(fact, CasbinFact) else frozenset()


def _rules(fact: CasbinFact) -> Iterator[Rule]:
    match fact:
        case Permission(id=name, internal=internal):
            if internal:
                yield Rule("g2", (INTERNAL, name))
        case Role():
            yield from _role(fact)
        case Plan():
            yield from _plan(fact)
        case Tenant():
            yield from _tenant(fact)
        case RoleGrant():
            if not fact.held_back and not fact.is_foreign:
                yield grant_rule(fact)
        case TenantException():
            yield from _exception(fact)
        case _:
            assert_never(fact)


def grant_rule(grant: RoleGrant) -> Rule:
    """Write the rule of a grant, which Casbin sees unless the grant is held back."""
    who = holder(grant.tenant, grant.subject)
    what = f"role/{grant.role}"
    if not grant.scope:
        return Rule("g", (who, what), grant.window)
    return Rule("p", (who, place(grant.tenant, grant.scope), what, "allow"), grant.window)


def encoded(subject: str) -> str:
    """Write a subject's id as Casbin's rules and questions name it: `user:a%20b` for `user:a b`."""
    return subject.translate(_ENCODED)


def holder(tenant: str, subject: str) -> str:
    """Name a subject in its tenant: `user:alice@acme`."""
    return f"{encoded(subject)}@{tenant}"


def place(tenant: str, scope: str) -> str:
    """Name all that is in a tenant, or in a scope of it: `acme/*`, `acme/project:42/*`.

    INVARIANT: the closing slash keeps `project:4` from covering `project:42`.
    """
    return f"{tenant}/{scope}/*" if scope else f"{tenant}/*"


def _role(role: Role) -> Iterator[Rule]:
    name = f"role/{role.id}"
    yield Rule("p", (name, place(role.tenant, "") if role.tenant else "*", name, "allow"))
    for permission in role.permissions:
        yield Rule("g4", (name, permission))
    for included in role.includes:
        yield Rule("g4", (name, f"role/{included}"))


def _plan(plan: Plan) -> Iterator[Rule]:
    if plan.extends:
        yield Rule("g2", (plan.id, plan.extends))
    for permission in plan.permissions:
        yield Rule("g2", (plan.id, permission))
    for feature in plan.features:
        yield _feature(plan.id, feature)
    yield from _limits(plan.id, plan.limits)
    for role in plan.assignable_roles:
        yield Rule("p2", (plan.id, f"role/{role}", "assignable", "role"))


def _tenant(tenant: Tenant) -> Iterator[Rule]:
    for item in tenant.subscription_items:
        yield Rule("g2", (tenant.id, item.plan), item.window)
    yield from _limits(tenant.id, tenant.limits)
    for dated in tenant.dated_limits:
        yield from _limits(tenant.id, [dated.limit], dated.window)


def _limits(owner: str, limits: Iterable[Limit], window: Window = ALWAYS) -> Iterator[Rule]:
    for limit in limits:
        value = UNLIMITED if limit.value is None else str(limit.value)
        detail = (f"{limit.period}/{limit.reset}",) if limit.period else ()
        yield Rule("p2", (owner, f"limit/{limit.name}", value, limit.unit, *detail), window)


def _feature(owner: str, feature: Feature, window: Window = ALWAYS) -> Rule:
    rank = (str(feature.rank),) if feature.rank else ()
    item = f"feature/{feature.name}"
    return Rule("p2", (owner, item, feature.value, feature.kind.value, *rank), window)


def _exception(exception: TenantException) -> Iterator[Rule]:
    window, tenant = exception.window, exception.tenant
    match exception.kind:
        case ExceptionKind.GRANT:
            for permission in exception.permissions:
                yield Rule("g2", (tenant, permission), window)
        case ExceptionKind.DENY:
            anyone = exception.subject == EVERYONE
            who = EVERYONE if anyone else holder(tenant, exception.subject)
            where = place(tenant, exception.scope)
            for permission in exception.permissions:
                yield Rule("p", (who, where, permission, "deny"), window)
        case ExceptionKind.REPLACE:
            yield Rule("g3", (tenant, REPLACE), window)
            for permission in exception.permissions:
                yield Rule("g3", (tenant, permission), window)
        case ExceptionKind.FEATURE:
            if exception.feature is not None:
                yield _feature(tenant, exception.feature, window)
        case _:
            assert_never(exception.kind)
