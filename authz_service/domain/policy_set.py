"""A policy as it is written down, applied in one go, and the laws it must obey."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from authz_service.domain import own_policy
from authz_service.domain.catalog import (
    ADD_ON,
    TIER,
    Feature,
    Limit,
    Permission,
    Plan,
    Role,
    checked_inclusion,
)
from authz_service.domain.identifiers import MAX_INCLUSION
from authz_service.domain.identifiers import checked as checked_identifier
from authz_service.domain.suggestions import DID_YOU_MEAN, nearest, undeclared
from authz_service.errors import ErrorReason, InvalidArgument

MAX_LIMIT: Final = 2**63 - 1
"""The largest number a limit can be: a SQL BIGINT, a protobuf int64."""

MAX_DESCRIPTION: Final = 1000

_UNSTORABLE: Final = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
"""Control characters but line feed, and lone surrogates: some databases refuse them."""


@dataclass(frozen=True, slots=True)
class PolicySet:
    """Permissions, global roles, tiers and add-ons. Order is the author's and means nothing."""

    permissions: tuple[Permission, ...] = ()
    roles: tuple[Role, ...] = ()
    tiers: tuple[Plan, ...] = ()
    add_ons: tuple[Plan, ...] = ()

    @property
    def product(self) -> "PolicySet":
        """All but the service's own permissions and roles."""
        return replace(
            self,
            permissions=tuple(p for p in self.permissions if not own_policy.is_own(p.id)),
            roles=tuple(role for role in self.roles if not own_policy.is_own(role.id)),
        )

    @property
    def plans(self) -> tuple[Plan, ...]:
        return (*self.tiers, *self.add_ons)


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule broken at `path` (`roles`, `editor`, `includes`), by `item` if that is a set.

    `suggestion` is the name that may be meant by one that does not exist.
    """

    path: tuple[str, ...]
    reason: ErrorReason
    message: str
    item: str = ""
    suggestion: str = ""

    @property
    def details(self) -> dict[str, str]:
        """What a program is told of it."""
        return {DID_YOU_MEAN: self.suggestion} if self.suggestion else {}

    @property
    def field(self) -> str:
        return ".".join(self.path)


EMPTY: Final = PolicySet()


def checked(policy: PolicySet, existing: PolicySet = EMPTY) -> PolicySet:
    """Return `policy` if it can be applied over `existing`, replacing what has the same id.

    Raises:
        InvalidArgument: the first violation, with its own reason and field.
    """
    first = next(violations(policy, existing), None)
    if first is None:
        return policy
    raise InvalidArgument(first.reason, first.message, field=first.field, details=first.details)


def violations(policy: PolicySet, existing: PolicySet = EMPTY) -> Iterator[Violation]:
    """Find every law that `policy`, applied over `existing`, breaks: by section, in its order."""
    world = _World.of(policy, existing)
    yield from _duplicates("permissions", [p.id for p in policy.permissions])
    for permission in policy.permissions:
        yield from _permission(permission, world)
    yield from _duplicates("roles", [r.id for r in policy.roles])
    for role in policy.roles:
        yield from _role(role, world)
    yield from _role_inclusions(policy, world)
    yield from _duplicates("tiers", [t.name for t in policy.tiers])
    for tier in policy.tiers:
        yield from _tier(tier, world)
    yield from _tier_extensions(policy, world)
    yield from _duplicates("add_ons", [a.name for a in policy.add_ons])
    for add_on in policy.add_ons:
        yield from _add_on(add_on, world)
    yield from _units(policy, existing)
    yield from _sold_by_existing(policy, existing)


@dataclass(frozen=True, slots=True)
class _World:
    """What exists once the policy is applied; the service's own always does."""

    permissions: Mapping[str, Permission]
    roles: Mapping[str, Role]
    tiers: Mapping[str, Plan]

    @classmethod
    def of(cls, policy: PolicySet, existing: PolicySet) -> "_World":
        return cls(
            {
                p.id: p
                for p in (*own_policy.PERMISSIONS, *existing.permissions, *policy.permissions)
            },
            {r.id: r for r in (*own_policy.ROLES, *existing.roles, *policy.roles)},
            {t.name: t for t in (*existing.tiers, *policy.tiers)},
        )


def _permission(permission: Permission, world: _World) -> Iterator[Violation]:
    path = ("permissions", permission.id)
    yield from _identifier("permission", permission.id, path)
    yield from _reserved("permission", permission, own_policy.PERMISSIONS, path)
    yield from _description(permission.description, path)
    if not permission.replaced_by:
        return
    if not permission.deprecated:
        yield _invalid(
            (*path, "replaced_by"), "only a deprecated permission is replaced: deprecate it too"
        )
    if permission.replaced_by == permission.id:
        yield _invalid((*path, "replaced_by"), "it cannot replace itself: name another one")
    yield from _unknown_permissions((*path, "replaced_by"), [permission.replaced_by], world)


def _role(role: Role, world: _World) -> Iterator[Violation]:
    path = ("roles", role.id)
    yield from _identifier("role", role.id, path)
    yield from _reserved("role", role, own_policy.ROLES, path)
    if role.tenant:
        yield _invalid(
            path,
            f"{role.id!r} is a tenant's own role and a policy holds global ones: put it by itself",
        )
    yield from _description(role.description, path)
    yield from _unknown_permissions((*path, "permissions"), role.permissions, world)
    yield from _unknown_roles((*path, "includes"), role.includes, world)


def _tier(tier: Plan, world: _World) -> Iterator[Violation]:
    path = ("tiers", tier.name)
    if not tier.id.startswith(TIER):
        yield _invalid(path, f"{tier.id!r} is not a tier: its id must start with {TIER!r}")
    yield from _identifier("tier", tier.name, path)
    if tier.extends:
        base = tier.extends.removeprefix(TIER)
        yield from _unknown((*path, "extends"), "tier", [base], world.tiers)
    yield from _plan(path, tier, world)


def _add_on(add_on: Plan, world: _World) -> Iterator[Violation]:
    path = ("add_ons", add_on.name)
    if not add_on.id.startswith(ADD_ON):
        yield _invalid(path, f"{add_on.id!r} is not an add-on: its id must start with {ADD_ON!r}")
    yield from _identifier("add_on", add_on.name, path)
    if add_on.extends:
        yield _invalid((*path, "extends"), "an add-on extends nothing: write out what it adds")
    yield from _plan(path, add_on, world)


def _plan(path: tuple[str, ...], plan: Plan, world: _World) -> Iterator[Violation]:
    yield from _description(plan.description, path)
    yield from _unknown_permissions((*path, "permissions"), plan.permissions, world)
    yield from _unsellable((*path, "permissions"), plan.permissions, world)
    yield from _duplicates_in((*path, "features"), [f.name for f in plan.features])
    for feature in plan.features:
        yield from _feature((*path, "features", feature.name), feature)
    yield from _duplicates_in((*path, "limits"), [limit.name for limit in plan.limits])
    for limit in plan.limits:
        yield from _limit((*path, "limits", limit.name), limit)
    yield from _unknown_roles((*path, "assignable_roles"), plan.assignable_roles, world)


def _unsellable(path: tuple[str, ...], names: Iterable[str], world: _World) -> Iterator[Violation]:
    for name in sorted(names):
        if name in world.permissions and world.permissions[name].internal:
            yield _invalid(
                path,
                f"{name!r} is internal and no tier sells it: take it out here, or let the "
                "permission not be internal",
                name,
            )


def _feature(path: tuple[str, ...], feature: Feature) -> Iterator[Violation]:
    yield from _identifier("feature", feature.name, path)
    match feature.kind:
        case "flag" if feature.value not in ("true", "false"):
            yield _invalid(path, f"a flag is true or false, not {feature.value!r}")
        case "value":
            yield from _identifier("value", feature.value, path)
        case kind if kind != "flag":
            yield _invalid(path, f"a feature is a flag or a value, not a {kind!r}")


def _limit(path: tuple[str, ...], limit: Limit) -> Iterator[Violation]:
    yield from _identifier("limit", limit.name, path)
    if limit.value is not None and not 0 <= limit.value <= MAX_LIMIT:
        yield _invalid(
            (*path, "value"),
            f"a limit is 0 to {MAX_LIMIT}, or unlimited said outright, not {limit.value}",
        )
    yield from _identifier("unit", limit.unit, (*path, "unit"))


def _units(policy: PolicySet, existing: PolicySet) -> Iterator[Violation]:
    """Find limits of one name in two units: what a tier and add-ons set is summed, and an account
    may move from any tier to any other. What an older policy counts so already may stay.
    """
    written = {plan.id for plan in policy.plans}
    before = {(plan.id, limit.name, limit.unit) for plan in existing.plans for limit in plan.limits}
    counted: dict[str, tuple[str, Plan]] = {}
    for plan in existing.plans:
        for limit in plan.limits if plan.id not in written else ():
            counted.setdefault(limit.name, (limit.unit, plan))
    for plan in policy.plans:
        for limit in plan.limits:
            unit, other = counted.setdefault(limit.name, (limit.unit, plan))
            if unit != limit.unit and (plan.id, limit.name, limit.unit) not in before:
                section = "tiers" if plan.kind == "tier" else "add_ons"
                yield Violation(
                    (section, plan.name, "limits", limit.name, "unit"),
                    ErrorReason.LIMIT_UNIT_MISMATCH,
                    f"{other.kind} {other.name!r} counts {limit.name!r} in {unit!r}, not in "
                    f"{limit.unit!r}: use one unit everywhere, and change it everywhere at once",
                )


def _sold_by_existing(policy: PolicySet, existing: PolicySet) -> Iterator[Violation]:
    """Find permissions that become internal while a plan that stays as it is sells them."""
    replaced = {plan.id for plan in policy.plans}
    internal = {p.id for p in policy.permissions if p.internal}
    for plan in existing.plans:
        for name in sorted(plan.permissions & internal) if plan.id not in replaced else ():
            yield _invalid(
                ("permissions", name, "internal"),
                f"{plan.kind} {plan.name!r} sells {name!r}: take it out of the {plan.kind} first",
            )


def _role_inclusions(policy: PolicySet, world: _World) -> Iterator[Violation]:
    graph = {name: sorted(role.includes) for name, role in world.roles.items()}
    yield from _inclusions("roles", "includes", graph, [r.id for r in policy.roles])


def _tier_extensions(policy: PolicySet, world: _World) -> Iterator[Violation]:
    graph = {
        name: [tier.extends.removeprefix(TIER)] if tier.extends else []
        for name, tier in world.tiers.items()
    }
    yield from _inclusions("tiers", "extends", graph, [t.name for t in policy.tiers])


def _inclusions(
    section: str, key: str, graph: dict[str, list[str]], names: Iterable[str]
) -> Iterator[Violation]:
    """Find circles and chains that are too long. A name found is cut off: each is told once."""
    below, above = _depths(graph), _depths(_reverse(graph))
    for name in names:
        if below[name] + above.get(name, 1) - 1 <= MAX_INCLUSION:
            continue
        path = (section, name, key)
        try:
            checked_inclusion(graph, name, ".".join(path))
        except InvalidArgument as wrong:
            yield Violation(path, wrong.reason, wrong.message)
            graph[name] = []


def _depths(graph: Mapping[str, Iterable[str]]) -> dict[str, int]:
    """Count the names in each one's longest chain, up to one more than is allowed."""
    depths = dict.fromkeys(graph, 1)
    for _ in range(MAX_INCLUSION):
        depths = {
            name: 1 + max((depths.get(other, 1) for other in included), default=0)
            for name, included in graph.items()
        }
    return depths


def _reverse(graph: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
    reverse: dict[str, list[str]] = {}
    for name, included in graph.items():
        for other in included:
            reverse.setdefault(other, []).append(name)
    return reverse


def _unknown_permissions(
    path: tuple[str, ...], names: Iterable[str], world: _World
) -> Iterator[Violation]:
    return _unknown(path, "permission", names, world.permissions)


def _unknown_roles(
    path: tuple[str, ...], names: Iterable[str], world: _World
) -> Iterator[Violation]:
    return _unknown(path, "role", names, world.roles)


def _unknown(
    path: tuple[str, ...], kind: str, names: Iterable[str], declared: Mapping[str, object]
) -> Iterator[Violation]:
    for name in sorted(names):
        if name not in declared:
            message, close = undeclared(kind, name, declared), nearest(name, declared)
            reason = ErrorReason(f"{kind.upper()}_NOT_FOUND")
            yield Violation(path, reason, message, name, close)


def _identifier(kind: str, value: str, path: tuple[str, ...]) -> Iterator[Violation]:
    try:
        checked_identifier(kind, value)
    except InvalidArgument as wrong:
        yield Violation(path, wrong.reason, wrong.message)


def _reserved(
    kind: str, fact: Permission | Role, own: Iterable[Permission | Role], path: tuple[str, ...]
) -> Iterator[Violation]:
    """Refuse the service's own names; what is exactly as its release has it changes nothing."""
    if own_policy.is_own(fact.id) and fact not in own:
        yield Violation(
            path,
            ErrorReason.NAME_RESERVED,
            f"names that begin with {own_policy.OWN!r} are the service's own: give the {kind} "
            "another name",
        )


def _description(text: str, path: tuple[str, ...]) -> Iterator[Violation]:
    if len(text) > MAX_DESCRIPTION:
        yield _invalid(
            (*path, "description"),
            f"the description has {len(text)} characters: shorten it to {MAX_DESCRIPTION}",
        )
    if unstorable := _UNSTORABLE.search(text):
        yield _invalid(
            (*path, "description"), f"the description holds {unstorable[0]!r}: remove the character"
        )


def _duplicates(section: str, names: Iterable[str]) -> Iterator[Violation]:
    return _duplicates_in((section,), names)


def _duplicates_in(path: tuple[str, ...], names: Iterable[str]) -> Iterator[Violation]:
    earlier: set[str] = set()
    for name in names:
        if name in earlier:
            yield _invalid((*path, name), f"{name!r} stands here twice: keep one")
        earlier.add(name)


def _invalid(path: tuple[str, ...], message: str, item: str = "") -> Violation:
    return Violation(path, ErrorReason.INVALID_FIELD, message, item)
