"""The next index: one change applied to one that is already large."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from authz_service.domain.change import Delta, FactChange
from authz_service.domain.tenant import SubscriptionItem
from authz_service.engine.builder import apply
from authz_service.engine.index import Index
from tests.bench.figures import Topic
from tests.bench.run import Run
from tests.bench.worlds import MEDIUM, PERMISSIONS, ROLES, TIERS, World

REPEATS: Final = 300


def measure(run: Run) -> Topic:
    topic = Topic("One committed change applied to the index")
    for world in dict.fromkeys((MEDIUM, run.largest)):
        index = world.index()
        changes: dict[str, Callable[[Index, int], FactChange]] = {
            "a role granted": _grants(world),
            "a tenant moved to another tier": _moves(world),
            "a permission put into a role": _role,
            "a permission put into a tier": _tier,
        }
        for name, make in changes.items():
            took, index = _apply(index, make, run.pick(REPEATS, REPEATS // 3))
            topic.add(f"{world.name}: {name}, p50", "us", [statistics.median(took)])
            topic.add(f"{world.name}: {name}, p99", "us", [took[len(took) * 99 // 100]])
    return topic


def _apply(
    index: Index, make: Callable[[Index, int], FactChange], times: int
) -> tuple[Sequence[float], Index]:
    """Apply changes one after the other; return microseconds, sorted, and the last index."""
    took = []
    for number in range(times):
        delta = Delta(index.revision + 1, (make(index, number),))
        start = time.perf_counter()
        index = apply(index, delta)
        took.append(1e6 * (time.perf_counter() - start))
    return sorted(took), index


def _grants(world: World) -> Callable[[Index, int], FactChange]:
    fresh = world.new_grants()
    return lambda index, number: FactChange(None, next(fresh))


def _moves(world: World) -> Callable[[Index, int], FactChange]:
    def move(index: Index, number: int) -> FactChange:
        tenant = index.tenants[f"tenant-{number % world.tenants:05}"].fact
        to = TIERS[(TIERS.index(tenant.subscription_items[0].plan) + 1) % len(TIERS)]
        return FactChange(tenant, replace(tenant, subscription_items=(SubscriptionItem(to),)))

    return move


def _role(index: Index, number: int) -> FactChange:
    role = index.roles[ROLES[number % len(ROLES)]].fact
    toggled = role.permissions ^ {PERMISSIONS[number % len(PERMISSIONS)]}
    return FactChange(role, replace(role, permissions=toggled))


def _tier(index: Index, number: int) -> FactChange:
    plan = index.plans[TIERS[number % len(TIERS)]]
    toggled = plan.permissions ^ {PERMISSIONS[number % len(PERMISSIONS)]}
    return FactChange(plan, replace(plan, permissions=toggled))
