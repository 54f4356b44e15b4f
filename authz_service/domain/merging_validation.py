"""The rules by which what several plans set can be merged: one measure of a limit, one kind of a
feature, and a rank for each of its texts.

They are asked of what a policy writes; what an older policy has so already may stay.
"""

from collections.abc import Iterator, Mapping

from authz_service.domain.catalog import Feature, FeatureKind, Limit, Plan
from authz_service.domain.policy_set import PolicySet
from authz_service.domain.violation import Violation
from authz_service.errors import ErrorReason


def check_measures(policy: PolicySet, existing: PolicySet) -> Iterator[Violation]:
    """Find limits of one name that count differently: what a tier and add-ons set is added up, and
    an account may move from any tier to any other.
    """
    before, written = _by_id(existing), _by_id(policy)
    counted: dict[str, tuple[Limit, Plan]] = {}
    for plan in _all(policy, existing):
        for limit in plan.limits:
            like, other = counted.setdefault(limit.name, (limit, plan))
            was = before.get(plan.id)
            if limit.counts_like(like) or other.id == plan.id or plan.id not in written:
                continue
            if was is None or not any(limit.counts_like(x) for x in was.limits if _same(x, limit)):
                yield Violation(
                    (*_section(plan), "limits", limit.name, "unit"),
                    ErrorReason.LIMIT_UNIT_MISMATCH,
                    f"{other.kind} {other.name!r} counts {limit.name!r} in {like.measure!r}, not "
                    f"in {limit.measure!r}: use one unit everywhere, and change it everywhere at "
                    "once",
                )


def check_features(policy: PolicySet, existing: PolicySet) -> Iterator[Violation]:
    """Find features that could not be merged: of two kinds, or texts that no rank tells apart."""
    before, written = _by_id(existing), _by_id(policy)
    earlier: dict[str, list[tuple[Feature, Plan]]] = {}
    for plan in _all(policy, existing):
        was = before.get(plan.id)
        for feature in plan.features:
            others = earlier.setdefault(feature.name, [])
            if plan.id in written and (was is None or feature not in was.features):
                yield from _conflicts(plan, feature, others)
            # Of many plans that say the same, one tier and one add-on stand for all.
            if not any(feature == x and plan.kind == other.kind for x, other in others):
                others.append((feature, plan))


def _conflicts(
    plan: Plan, feature: Feature, others: list[tuple[Feature, Plan]]
) -> Iterator[Violation]:
    path = (*_section(plan), "features", feature.name)
    for other, holder in others:
        has = f"{holder.kind} {holder.name!r} has {feature.name!r}"
        if other.kind is not feature.kind:
            yield Violation(
                path,
                ErrorReason.FEATURE_KIND_MISMATCH,
                f"{has} as a {other.kind}, not as a {feature.kind}: use one kind everywhere, and "
                "change it everywhere at once",
            )
            return
        if feature.kind is FeatureKind.TEXT and _unranked(plan, feature, holder, other):
            yield Violation(
                path,
                ErrorReason.FEATURE_RANK_CONFLICT,
                f"{has} as {other.value!r} of rank {other.rank}, and here {feature.value!r} has "
                f"rank {feature.rank}: give every text of the feature one rank of its own, for the "
                "highest wins where a tier and an add-on set it",
            )
            return


def _unranked(plan: Plan, feature: Feature, holder: Plan, other: Feature) -> bool:
    """Tell whether one text has two ranks, or two have one and can meet: two tiers never do."""
    if feature.value == other.value:
        return feature.rank != other.rank
    can_meet = "add-on" in (plan.kind, holder.kind)
    return feature.rank == other.rank and can_meet


def _all(policy: PolicySet, existing: PolicySet) -> list[Plan]:
    """List the plans as they will be: first those that stay, then those that are written."""
    written = _by_id(policy)
    return [*(plan for plan in existing.plans if plan.id not in written), *policy.plans]


def _by_id(policy: PolicySet) -> Mapping[str, Plan]:
    return {plan.id: plan for plan in policy.plans}


def _section(plan: Plan) -> tuple[str, str]:
    return "tiers" if plan.kind == "tier" else "add_ons", plan.name


def _same(one: Limit, other: Limit) -> bool:
    return one.name == other.name
