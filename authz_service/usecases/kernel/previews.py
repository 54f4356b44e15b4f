"""What changes that are not made yet would do, and to whom: the same for every dry run."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

from authz_service.domain import comparison
from authz_service.domain.change import FactChange
from authz_service.domain.comparison import ObjectChange
from authz_service.domain.window import FOREVER, Instant, Window
from authz_service.engine.builder import Builder
from authz_service.engine.effect import effect
from authz_service.engine.effect_summary import Summary, summed
from authz_service.engine.impact import Impact, TenantImpact, grouped, tenant_impacts
from authz_service.engine.index import Index


@dataclass(frozen=True, slots=True)
class Preview:
    """The objects that change, who gains and loses what, and what somebody has to accept."""

    objects: tuple[ObjectChange, ...]
    summary: Summary
    impacts: tuple[Impact, ...]
    warnings: tuple[str, ...] = ()


def preview(before: Index, changes: Sequence[FactChange], now: Instant, sample: int) -> Preview:
    """Tell what changes would do, once all that they begin has begun."""
    after, at = index_with(before, changes), max([now, *_starts(changes)])
    return preview_of(before, after, changes, tenant_impacts(before, after, at), at, sample)


def preview_of(
    before: Index,
    after: Index,
    changes: Iterable[FactChange],
    impacts: Iterable[TenantImpact],
    at: Instant,
    sample: int,
) -> Preview:
    """Put together what two indexes and the impacts between them say; name `sample` of each."""
    return Preview(comparison.objects(changes), summed(effect(before, after, at), sample),
                   grouped(impacts, sample))  # fmt: skip


def index_with(index: Index, changes: Iterable[FactChange]) -> Index:
    """Give the index as changes would leave it, still at its own revision."""
    builder = Builder(index)
    for change in changes:
        builder.change(change)
    return builder.finish(index.revision)


def _starts(changes: Iterable[FactChange]) -> Iterator[Instant]:
    for change in changes:
        earlier = set(_windows(change.before))
        new = (window for window in _windows(change.after) if window not in earlier)
        yield from (window.valid_from for window in new if window.valid_from < FOREVER)


def _windows(fact: Any) -> Iterator[Window]:
    """Iterate over the windows of a fact and of its parts."""
    for name in () if fact is None else [field.name for field in fields(fact)]:
        match getattr(fact, name):
            case Window() as window:
                yield window
            case tuple() as items:
                yield from (item.window for item in items if hasattr(item, "window"))
