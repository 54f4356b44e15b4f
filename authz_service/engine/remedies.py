"""What would turn a denial into an allowance: sets of steps, each simulated on the index.

From the first layer that objects on, each way to still it is tried on the index; where another
layer then objects, the ways to still that one follow. What ends in an allowance is a remedy.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

from authz_service.domain.catalog import TIER
from authz_service.domain.change import Fact
from authz_service.domain.decision import DecisionReason, Question
from authz_service.domain.tenant import SYSTEM
from authz_service.domain.window import Instant
from authz_service.engine import decide
from authz_service.engine.entitlements import entitlements
from authz_service.engine.index import Index
from authz_service.engine.lists import permissions_of
from authz_service.engine.remedy_steps import CreatePermission, OnboardTenant, after, words
from authz_service.engine.remedy_ways import MOST_WAYS, Goal, Way, Ways, smallest_first

_MOST: Final = 60
"""Ways that are compared."""
_REMEDIES: Final = 12
"""Remedies that are told."""


@dataclass(frozen=True, slots=True)
class Remedy:
    """`steps` in the order in which they can be made, `summary` the same in words.

    `gives` names the permissions that the subject gains beside the one that was asked about, and
    those that the tenant becomes entitled to; `takes_away` says what the tenant would lose.
    """

    steps: Way
    summary: str
    gives: tuple[str, ...] = ()
    takes_away: tuple[str, ...] = ()


def remedies(
    index: Index, question: Question, at: Instant, returning: tuple[Fact, ...] = ()
) -> tuple[Remedy, ...]:
    """List what would make the answer an allowance, that first which gives the least else.

    `returning` is what a reactivation brings back. There is no remedy for this service's own
    callers, whose roles are changed with their keys, and none that makes vendor staff a member.
    """
    if question.tenant == SYSTEM:
        return ()
    ways = _Search(Goal(question, at, returning)).from_here(index, ())
    matches = [_remedy(index, question, at, way) for way in islice(ways, _MOST)]
    matches.sort(key=lambda r: (len(r.gives), len(r.takes_away), len(r.steps), r.summary))
    return tuple(matches[:_REMEDIES])


@dataclass(frozen=True, slots=True)
class _Search:
    goal: Goal

    def from_here(
        self, index: Index, set_limits: Way, stilled: tuple[DecisionReason, ...] = ()
    ) -> Iterator[Way]:
        """Follow every way on from an index in which some steps are made.

        An objection is stilled three times at most: before a role can be granted, it may take a
        replacement to be revoked and a permission to be bought.
        """
        objection = decide.reason(index, self.goal.question, self.goal.at)
        if objection is DecisionReason.ALLOWED:
            yield set_limits
            return
        if stilled.count(objection) > 2:
            return
        for way in self._ways(index, objection):
            simulated = after(index, way, self.goal.at)
            yield from self.from_here(simulated, (*set_limits, *way), (*stilled, objection))

    def _ways(self, index: Index, objection: DecisionReason) -> list[Way]:
        tenant = index.tenants.get(self.goal.question.tenant)
        if objection is DecisionReason.UNKNOWN_PERMISSION:
            return [(CreatePermission(self.goal.question.permission),)]
        if objection is DecisionReason.UNKNOWN_TENANT:
            return [
                (OnboardTenant(self.goal.question.tenant, tier),) for tier in self._tiers(index)
            ]
        return [] if tenant is None else Ways(self.goal, index, tenant).of(objection)

    def _tiers(self, index: Index) -> list[str]:
        """Name the tiers that sell the permission, or the smallest of all where none does."""
        plans = smallest_first(index, TIER)
        permission = index.permissions[self.goal.question.permission]
        selling = [plan for plan in plans if permission.plans & index.plan_bits[plan]]
        return [plan.removeprefix(TIER) for plan in (selling or plans[:1])[:MOST_WAYS]]


def _remedy(index: Index, question: Question, at: Instant, way: Way) -> Remedy:
    simulated = after(index, way, at)
    gained = _reach(simulated, question, at) - _reach(index, question, at)
    return Remedy(
        way,
        _sentence([words(step) for step in way]),
        tuple(sorted(gained - {question.permission})),
        tuple(_lost(index, simulated, question.tenant, at)),
    )


def _sentence(parts: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1])))


def _reach(index: Index, question: Question, at: Instant) -> set[str]:
    """Name what the subject may do there, and what the tenant is entitled to."""
    tenant = index.tenants.get(question.tenant)
    if tenant is None:
        return set()
    current = permissions_of(index, question.tenant, question.subject, question.scopes, at)
    return {*current, *(entry.permission for entry in entitlements(index, tenant, at).permissions)}


def _lost(before: Index, simulated: Index, tenant_id: str, at: Instant) -> Iterator[str]:
    tenant = before.tenants.get(tenant_id)
    if tenant is None:
        return
    had = entitlements(before, tenant, at)
    has = entitlements(simulated, simulated.tenants[tenant_id], at)
    yield from sorted(
        {p.permission for p in had.permissions} - {p.permission for p in has.permissions}
    )
    features = {entry.feature.name for entry in has.features}
    yield from (f"feature {f.feature.name}" for f in had.features if f.feature.name not in features)
    limits = {entry.limit.name: entry.limit.value for entry in has.limits}
    for entry in had.limits:
        name, value = entry.limit.name, entry.limit.value
        if name not in limits:
            yield f"limit {name}"
        elif (now := limits[name]) is not None and (value is None or now < value):
            yield f"limit {name}: {now} instead of {'unlimited' if value is None else value}"
