"""The names that a billing policy takes from the catalogue: each must be there."""

from collections.abc import Iterable, Iterator

from authz_service.domain.billing_policy import BillingPolicy
from authz_service.domain.catalog import chain
from authz_service.domain.policy_set import PolicySet
from authz_service.policyfiles.billing_inspection import tiers_of
from authz_service.policyfiles.yaml_text import Document, Steps


def look_up(document: Document, policy: BillingPolicy, policy_set: PolicySet) -> None:
    """Blame names that the catalogue does not have."""
    plans = {plan.name: plan for plan in policy_set.tiers}
    tiers, add_ons = set(plans), {plan.name for plan in policy_set.add_ons}
    roles = {role.id for role in policy_set.roles}
    limits = {limit.name for plan in policy_set.plans for limit in plan.limits}
    looked_up = (*_names(policy, tiers, add_ons, roles), *_limits(policy, limits))
    for steps, kind, name, names in looked_up:
        if name not in names:
            document.blame(steps, f"there is no {kind} {name!r}: {_alternatives(kind, names)}")
    by_id = {plan.id: plan for plan in policy_set.tiers}
    for tier in sorted({plan.tier for plan in policy.prices.values()} & tiers):
        offered = {r for plan in chain(by_id, plans[tier].id) for r in plan.assignable_roles}
        for index, role in enumerate(policy.admin_roles):
            if role in roles and role not in offered:
                message = f"tier {tier!r} does not list role {role!r} as assignable"
                document.blame(("first_admin", "roles", index), message)


def _names(
    policy: BillingPolicy, tiers: set[str], add_ons: set[str], roles: set[str]
) -> Iterator[tuple[Steps, str, str, set[str]]]:
    """Yield every name that the file takes from the catalogue, and where it stands."""
    for steps, tier in tiers_of(policy):
        yield steps, "tier", tier, tiers
    for name, price in policy.prices.items():
        for index, add_on in enumerate(sorted(price.add_ons)):
            yield ("prices", name, "add_ons", index), "add-on", add_on, add_ons
    for index, tier in enumerate(policy.downgrade.order):
        yield ("downgrade", "order", index), "tier", tier, tiers
    for index, role in enumerate(policy.admin_roles):
        yield ("first_admin", "roles", index), "role", role, roles
    for role, instead in policy.downgrade.roles.items():
        yield ("downgrade", "roles", role), "role", role, roles
        if instead:
            yield ("downgrade", "roles", role), "role", instead, roles
    if policy.downgrade.read_only_role:
        yield ("downgrade", "read_only_role"), "role", policy.downgrade.read_only_role, roles


def _limits(policy: BillingPolicy, limits: set[str]) -> Iterator[tuple[Steps, str, str, set[str]]]:
    """Yield every limit that the file names: one that no plan has means nothing to anybody."""
    for name, price in policy.prices.items():
        for limit in price.limits:
            yield ("prices", name, "limits", limit), "limit", limit, limits
    for limit in policy.quantities:
        yield ("quantities", limit), "limit", limit, limits
    for limit in policy.downgrade.limits:
        yield ("downgrade", "limits", limit), "limit", limit, limits


def _alternatives(kind: str, names: Iterable[str]) -> str:
    listed = ", ".join(sorted(names)[:20])
    return f"there are {listed}" if listed else f"no {kind} is declared at all"
