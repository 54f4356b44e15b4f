"""The invariant of what prices sell: a limit that the billing policy sells is one of some plan."""

from collections.abc import Iterable, Iterator, Sequence

from authz_service.domain.billing_part import BillingPrice
from authz_service.domain.catalog import Plan
from authz_service.domain.change import FactChange
from authz_service.engine.index import Index
from authz_service.errors import ErrorReason, FailedPrecondition


def require_counted(index: Index, changes: Sequence[FactChange]) -> None:
    """Let through changes after which no price sells a limit that they take from the last plan.

    Raises:
        FailedPrecondition: INVALID_BILLING_POLICY; names the limit and a price.
    """
    lost = set(_limits(change.before for change in changes))
    lost -= set(_limits(change.after for change in changes))
    if not lost:
        return
    plans, prices = dict(index.plans), {price.id: price for price in _prices(index)}
    for change in changes:
        match change.before:
            case Plan(id=name):
                plans.pop(name, None)
            case BillingPrice(id=name):
                prices.pop(name, None)
    lost -= set(_limits(plans.values()))
    prices |= {c.after.id: c.after for c in changes if isinstance(c.after, BillingPrice)}
    for name, price in sorted(prices.items()):
        for limit in sorted(lost & price.data.get("limits", {}).keys()):
            raise FailedPrecondition(
                ErrorReason.INVALID_BILLING_POLICY,
                f"no tier and no add-on would have the limit {limit!r}, which price {name!r} "
                "sells; change or delete the price first, or in the same changeset",
                details={"limit": limit, "price": name},
            )


def _limits(facts: Iterable[object]) -> Iterator[str]:
    """Name the limits of plans, kept versions of tiers aside."""
    for fact in facts:
        if isinstance(fact, Plan) and not fact.is_kept:
            yield from (limit.name for limit in fact.limits)


def _prices(index: Index) -> Iterator[BillingPrice]:
    yield from (p for p in index.billing.by_name.values() if isinstance(p, BillingPrice))
