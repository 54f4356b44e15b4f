"""Worlds whose windows begin and end around the real time, which a database's clock tells."""

import time
from dataclasses import replace
from typing import Final

from authz_service.domain.change import Delta, Fact, FactChange
from authz_service.domain.exception import TenantException
from authz_service.domain.grant import RoleGrant
from authz_service.domain.tenant import Tenant
from authz_service.domain.window import Instant, Window
from tests.differential.making import INSTANTS
from tests.differential.worlds import World, world

HOUR: Final = 3_600_000_000
OFFSETS: Final = (-2 * HOUR, -HOUR, HOUR, 2 * HOUR)
"""Where the instants of a drawn world lie from now: two are past, two are to come."""


def now() -> Instant:
    return time.time_ns() // 1000


def around(drawn_from: int, at: Instant) -> World:
    """Draw a world with the edges of its windows hours before and after `at`."""
    drawn = world(drawn_from)
    edges = {edge: at + offset for edge, offset in zip(INSTANTS, OFFSETS, strict=True)}
    deltas = tuple(
        Delta(
            delta.revision,
            tuple(
                FactChange(_moved(change.before, edges), _moved(change.after, edges))
                for change in delta.changes
            ),
        )
        for delta in drawn.deltas
    )
    return replace(drawn, deltas=deltas)


def _moved(fact: Fact | None, edges: dict[Instant, Instant]) -> Fact | None:
    match fact:
        case RoleGrant() | TenantException():
            return replace(fact, window=_window(fact.window, edges))
        case Tenant():
            periods = (replace(p, window=_window(p.window, edges)) for p in fact.periods)
            subscription_items = (
                replace(h, window=_window(h.window, edges)) for h in fact.subscription_items
            )
            return replace(
                fact, periods=tuple(periods), subscription_items=tuple(subscription_items)
            )
    return fact


def _window(window: Window, edges: dict[Instant, Instant]) -> Window:
    start, end = window.valid_from, window.valid_until
    return Window(edges.get(start, start), edges.get(end, end))
