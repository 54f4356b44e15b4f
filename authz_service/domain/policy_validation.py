"""The rules that a policy must obey, applied in one go over what exists already."""

from collections.abc import Iterator

from authz_service.domain.catalog import TIER
from authz_service.domain.definition_validation import (
    World,
    check_add_on,
    check_permission,
    check_role,
    check_tier,
)
from authz_service.domain.inclusion_validation import check_inclusions
from authz_service.domain.merging_validation import check_features, check_measures
from authz_service.domain.policy_set import EMPTY, PolicySet
from authz_service.domain.violation import Violation, check_duplicates, invalid
from authz_service.errors import InvalidArgument


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
    """Find what would be invalid with `policy` applied over `existing`, by section, in order."""
    world = World.of(policy, existing)
    yield from check_duplicates("permissions", [p.id for p in policy.permissions])
    for permission in policy.permissions:
        yield from check_permission(permission, world)
    yield from check_duplicates("roles", [r.id for r in policy.roles])
    for role in policy.roles:
        yield from check_role(role, world)
    yield from _role_inclusions(policy, world)
    yield from check_duplicates("tiers", [t.name for t in policy.tiers])
    for tier in policy.tiers:
        yield from check_tier(tier, world)
    yield from _tier_extensions(policy, world)
    yield from check_duplicates("add_ons", [a.name for a in policy.add_ons])
    for add_on in policy.add_ons:
        yield from check_add_on(add_on, world)
    yield from check_measures(policy, existing)
    yield from check_features(policy, existing)
    yield from _sold_by_existing(policy, existing)


def _sold_by_existing(policy: PolicySet, existing: PolicySet) -> Iterator[Violation]:
    """Find permissions that become internal while a plan that stays as it is sells them."""
    replaced = {plan.id for plan in policy.plans}
    internal = {p.id for p in policy.permissions if p.internal}
    for plan in existing.plans:
        for name in sorted(plan.permissions & internal) if plan.id not in replaced else ():
            yield invalid(
                ("permissions", name, "internal"),
                f"{plan.kind} {plan.name!r} sells {name!r}: take it out of the {plan.kind} first",
            )


def _role_inclusions(policy: PolicySet, world: World) -> Iterator[Violation]:
    graph = {name: sorted(role.includes) for name, role in world.roles.items()}
    yield from check_inclusions("roles", "includes", graph, [r.id for r in policy.roles])


def _tier_extensions(policy: PolicySet, world: World) -> Iterator[Violation]:
    graph = {
        name: [tier.extends.removeprefix(TIER)] if tier.extends else []
        for name, tier in world.tiers.items()
    }
    yield from check_inclusions("tiers", "extends", graph, [t.name for t in policy.tiers])
