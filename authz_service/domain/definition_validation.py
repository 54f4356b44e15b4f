"""The rules for one permission, role, tier or add-on."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, assert_never

from authz_service.domain import own_policy
from authz_service.domain.catalog import (
    ADD_ON,
    MAX_NUMBER,
    SEATS,
    TIER,
    Feature,
    FeatureKind,
    Limit,
    Permission,
    Plan,
    Role,
)
from authz_service.domain.policy_set import PolicySet
from authz_service.domain.violation import (
    Violation,
    check_description,
    check_duplicates_in,
    check_identifier,
    check_names,
    invalid,
)
from authz_service.errors import ErrorReason

MAX_RANK: Final = 1000
"""The highest rank of a text; ranks order the few words of one feature."""


@dataclass(frozen=True, slots=True)
class World:
    """What exists once the policy is applied; the service's own always does."""

    permissions: Mapping[str, Permission]
    roles: Mapping[str, Role]
    tiers: Mapping[str, Plan]

    @classmethod
    def of(cls, policy: PolicySet, existing: PolicySet) -> "World":
        return cls(
            {
                p.id: p
                for p in (*own_policy.PERMISSIONS, *existing.permissions, *policy.permissions)
            },
            {r.id: r for r in (*own_policy.ROLES, *existing.roles, *policy.roles)},
            {t.name: t for t in (*existing.tiers, *policy.tiers)},
        )


def check_permission(permission: Permission, world: World) -> Iterator[Violation]:
    path = ("permissions", permission.id)
    yield from check_identifier("permission", permission.id, path)
    yield from check_reserved("permission", permission, own_policy.PERMISSIONS, path)
    yield from check_description(permission.description, path)
    if not permission.replaced_by:
        return
    if not permission.deprecated:
        yield invalid(
            (*path, "replaced_by"), "only a deprecated permission is replaced: deprecate it too"
        )
    if permission.replaced_by == permission.id:
        yield invalid((*path, "replaced_by"), "it cannot replace itself: name another one")
    yield from check_permissions((*path, "replaced_by"), [permission.replaced_by], world)


def check_role(role: Role, world: World) -> Iterator[Violation]:
    path = ("roles", role.id)
    yield from check_identifier("role", role.id, path)
    yield from check_reserved("role", role, own_policy.ROLES, path)
    if role.tenant:
        yield invalid(
            path,
            f"{role.id!r} is a tenant's own role and a policy holds global ones: create it alone",
        )
    yield from check_description(role.description, path)
    yield from check_permissions((*path, "permissions"), role.permissions, world)
    yield from check_roles((*path, "includes"), role.includes, world)


def check_tier(tier: Plan, world: World) -> Iterator[Violation]:
    path = ("tiers", tier.name)
    if not tier.id.startswith(TIER):
        yield invalid(path, f"{tier.id!r} is not a tier: its id must start with {TIER!r}")
    yield from check_identifier("tier", tier.name, path)
    if tier.extends:
        base = tier.extends.removeprefix(TIER)
        yield from check_names((*path, "extends"), "tier", [base], world.tiers)
    yield from _plan(path, tier, world)


def check_add_on(add_on: Plan, world: World) -> Iterator[Violation]:
    path = ("add_ons", add_on.name)
    if not add_on.id.startswith(ADD_ON):
        yield invalid(path, f"{add_on.id!r} is not an add-on: its id must start with {ADD_ON!r}")
    yield from check_identifier("add_on", add_on.name, path)
    if add_on.extends:
        yield invalid((*path, "extends"), "an add-on extends nothing: write out what it adds")
    yield from _plan(path, add_on, world)


def _plan(path: tuple[str, ...], plan: Plan, world: World) -> Iterator[Violation]:
    yield from check_description(plan.description, path)
    yield from check_permissions((*path, "permissions"), plan.permissions, world)
    yield from _unsellable((*path, "permissions"), plan.permissions, world)
    yield from check_duplicates_in((*path, "features"), [f.name for f in plan.features])
    for feature in plan.features:
        yield from _feature((*path, "features", feature.name), feature)
    yield from check_duplicates_in((*path, "limits"), [limit.name for limit in plan.limits])
    for limit in plan.limits:
        yield from _limit((*path, "limits", limit.name), limit)
    yield from check_roles((*path, "assignable_roles"), plan.assignable_roles, world)


def _unsellable(path: tuple[str, ...], names: Iterable[str], world: World) -> Iterator[Violation]:
    for name in sorted(names):
        if name in world.permissions and world.permissions[name].internal:
            yield invalid(
                path,
                f"{name!r} is internal and no tier sells it: take it out here, or let the "
                "permission not be internal",
                name,
            )


def _feature(path: tuple[str, ...], feature: Feature) -> Iterator[Violation]:
    yield from check_identifier("feature", feature.name, path)
    yield from check_feature_value(path, feature)


def check_feature_value(path: tuple[str, ...], feature: Feature) -> Iterator[Violation]:
    """Find what is wrong with the value of a feature, whoever sets it."""
    match feature.kind:
        case FeatureKind.FLAG:
            if feature.value not in ("true", "false"):
                yield invalid(path, f"a flag is true or false, not {feature.value!r}")
        case FeatureKind.NUMBER:
            number = int(feature.value)
            if not 0 <= number <= MAX_NUMBER:
                yield invalid(path, f"a number is 0 to {MAX_NUMBER}, not {number}")
        case FeatureKind.TEXT:
            yield from check_identifier("value", feature.value, path)
        case _:
            assert_never(feature.kind)
    if not 0 <= feature.rank <= MAX_RANK or (feature.rank and feature.kind is not FeatureKind.TEXT):
        yield invalid(
            (*path, "rank"), f"a rank is 0 to {MAX_RANK}, and only a text has one: take it out"
        )


def _limit(path: tuple[str, ...], limit: Limit) -> Iterator[Violation]:
    yield from check_identifier("limit", limit.name, path)
    yield from check_amount(path, limit)


def check_amount(path: tuple[str, ...], limit: Limit) -> Iterator[Violation]:
    """Find what is wrong with a limit beside its name, whoever sets it."""
    if limit.value is not None and not 0 <= limit.value <= MAX_NUMBER:
        yield invalid(
            (*path, "value"),
            f"a limit is 0 to {MAX_NUMBER}, or unlimited said outright, not {limit.value}",
        )
    yield from check_identifier("unit", limit.unit, (*path, "unit"))
    if limit.reset and not limit.period:
        yield invalid(
            (*path, "reset"), "what has no period does not reset: name its period, or no reset"
        )
    if limit.period and not limit.reset:
        yield invalid(
            (*path, "reset"), "say when it resets: by calendar, with the billing period, or rolling"
        )
    if limit.name == SEATS and limit.period:
        yield invalid(
            (*path, "period"), "seats are taken as long as there are members: they have no period"
        )


def check_permissions(
    path: tuple[str, ...], names: Iterable[str], world: World
) -> Iterator[Violation]:
    return check_names(path, "permission", names, world.permissions)


def check_roles(path: tuple[str, ...], names: Iterable[str], world: World) -> Iterator[Violation]:
    return check_names(path, "role", names, world.roles)


def check_reserved(
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
