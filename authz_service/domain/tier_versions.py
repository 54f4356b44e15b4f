"""Versions of tiers: every change of the content makes one, and the superseded one is kept.

A tier changes with what it extends, so a change below numbers all tiers above it, too. What is kept
extends what is kept: no later change can reach it. Nothing is kept twice, and nothing before it is
superseded or pinned.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from authz_service.domain.catalog import TIER, VERSION, Plan, chain, kept_id, split_version
from authz_service.domain.change import FactChange


@dataclass(frozen=True, slots=True)
class Numbered:
    """The changes of a transaction with their tiers numbered, and what that adds to them."""

    changes: tuple[FactChange, ...]
    followed: tuple[tuple[Plan, Plan], ...]
    """Tiers that change through what they extend alone."""
    kept: tuple[Plan, ...]
    """What is superseded, as it was."""
    dropped: tuple[Plan, ...]
    """Versions of a tier that is deleted, but for those that others' versions extend."""


def numbered(plans: Mapping[str, Plan], changes: Sequence[FactChange]) -> Numbered | None:
    """Number the tiers that the changes concern; None if they concern none. `plans` is before."""
    own = {plan.id for change in changes if (plan := _tier_of(change)) is not None}
    if not own:
        return None
    after = _replayed(plans, changes)
    sold = [name for name in plans if _is_sold(name)]
    changed = [n for n in sold if n in after and chain(plans, n) != chain(after, n)]
    numbers = {name: plan.version for name, plan in plans.items()}
    numbers |= {name: plans[name].version + 1 for name in changed}
    current = {plan.id: plan for name in changed for plan in frozen(plans, name)}
    current = {name: plan for name, plan in current.items() if name not in after}
    return Numbered(
        tuple(_renumbered(plans, changes, numbers)),
        tuple(
            (plans[name], replace(plans[name], version=numbers[name]))
            for name in changed
            if name not in own
        ),
        tuple(current.values()),
        tuple(_orphans({name for name in sold if name not in after}, {**after, **current})),
    )


def frozen(plans: Mapping[str, Plan], name: str) -> Iterator[Plan]:
    """Iterate over a tier sold now and what it extends, as they are kept; kept ones left out."""
    for plan in chain(plans, name):
        version = kept_id(plan.id, plan.version)
        if version not in plans:
            base = plans.get(plan.extends)
            extends = kept_id(base.id, base.version) if base is not None else ""
            yield replace(plan, id=version, extends=extends)


def next_version(plans: Mapping[str, Plan], name: str) -> int:
    """Tell the number that a tier has after a change, or once it is made."""
    if name in plans:
        return plans[name].version + 1
    return 1 + max((plan.version for plan in kept_of(plans, name)), default=0)


def kept_of(plans: Mapping[str, Plan], name: str) -> list[Plan]:
    """List the versions kept of a tier, the newest first."""
    versions = (plan for plan_id, plan in plans.items() if plan_id.startswith(name + VERSION))
    return sorted(versions, key=lambda plan: plan.version, reverse=True)


def restored(plans: Mapping[str, Plan], name: str, version: Plan) -> Plan:
    """Make what is sold now out of a version kept: every decision by it is as it was.

    If what it extended is another by now, it takes all of that into itself and extends nothing.
    """
    line = chain(plans, version.id)
    base, _ = split_version(version.extends)
    if not base or list(map(_content, chain(plans, base))) == list(map(_content, line[1:])):
        return replace(version, id=name, extends=base)
    features = {feature.name: feature for plan in reversed(line) for feature in plan.features}
    limits = {limit.name: limit for plan in reversed(line) for limit in plan.limits}
    return replace(
        version,
        id=name,
        extends="",
        suspended_free_seats=any(plan.suspended_free_seats for plan in line),
        permissions=frozenset[str]().union(*(plan.permissions for plan in line)),
        features=tuple(features.values()),
        limits=tuple(limits.values()),
        assignable_roles=frozenset[str]().union(*(plan.assignable_roles for plan in line)),
    )


def _content(plan: Plan) -> Plan:
    """Give a plan with its names, and what it extends, without versions."""
    return replace(
        plan, id=split_version(plan.id)[0], extends=split_version(plan.extends)[0], description=""
    )


def _renumbered(
    plans: Mapping[str, Plan], changes: Iterable[FactChange], numbers: Mapping[str, int]
) -> Iterator[FactChange]:
    """Iterate over the changes; what each replaces is what the one before it made."""
    now = dict(plans)
    for change in changes:
        tier = _tier_of(change)
        if tier is None:
            yield change
            continue
        name = tier.id
        number = numbers.get(name) or next_version(plans, name)
        before = now.pop(name) if change.before is not None else None
        if isinstance(change.after, Plan):
            now[name] = replace(change.after, version=number)
        yield FactChange(before, now.get(name))


def _orphans(ended: set[str], plans: Mapping[str, Plan]) -> Iterator[Plan]:
    """Iterate over the versions of tiers that are gone which no version of another tier extends."""
    versions = [plan for plan in plans.values() if plan.is_kept]
    staying = [plan for plan in versions if split_version(plan.id)[0] not in ended]
    needed = {below.id for plan in staying for below in chain(plans, plan.id)}
    for plan in versions:
        if split_version(plan.id)[0] in ended and plan.id not in needed:
            yield plan


def _replayed(plans: Mapping[str, Plan], changes: Iterable[FactChange]) -> dict[str, Plan]:
    after = dict(plans)
    for change in changes:
        if isinstance(change.fact, Plan):
            after.pop(change.fact.id, None)
            if isinstance(change.after, Plan):
                after[change.after.id] = change.after
    return after


def _is_sold(name: str) -> bool:
    return name.startswith(TIER) and VERSION not in name


def _tier_of(change: FactChange) -> Plan | None:
    """Give the tier sold now that a change is about, if it is about one."""
    fact = change.fact
    return fact if isinstance(fact, Plan) and _is_sold(fact.id) else None
