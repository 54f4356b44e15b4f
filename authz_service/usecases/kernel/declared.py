"""All that is declared, as a policy: what new definitions are looked up in."""

from authz_service.domain.catalog import ADD_ON, TIER
from authz_service.domain.policy_set import PolicySet
from authz_service.engine.index import Index


def existing(index: Index) -> PolicySet:
    """Collect all that is declared, but tenants' own roles and kept versions of tiers."""
    plans = index.plans.items()
    return PolicySet(
        permissions=tuple(entry.fact for entry in index.permissions.values()),
        roles=tuple(entry.fact for entry in index.roles.values()),
        tiers=tuple(p for name, p in plans if name.startswith(TIER) and not p.is_kept),
        add_ons=tuple(plan for name, plan in plans if name.startswith(ADD_ON)),
    )
