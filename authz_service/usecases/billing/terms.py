"""What the plans of an agreement sell: at most one tier, all add-ons, limits added up."""

from collections.abc import Iterable
from typing import Final

from authz_service.domain.agreement import Terms
from authz_service.domain.billing_event import EventReason
from authz_service.domain.billing_policy import Amount, BillingPolicy, NoQuantity, Price
from authz_service.domain.catalog import MAX_NUMBER
from authz_service.usecases.billing.values import Unreadable, malformed

_ONE: Final = (None, 1)
"""Quantities that say no more than that something is sold."""


def terms_of(policy: BillingPolicy, plans: Iterable[tuple[str, object]] | None) -> Terms | None:
    """Put together what plans and quantities sell; None for no plans at all.

    Raises:
        Unreadable: UNKNOWN_PLAN, or MALFORMED for what is not a quantity.
    """
    if plans is None:
        return None
    tiers: dict[str, None] = {}
    add_ons: set[str] = set()
    limits: dict[str, int | None] = {}
    for name, quantity in plans:
        plan = _sold(policy, name, quantity)
        tiers |= {plan.tier: None} if plan.tier else {}
        add_ons |= plan.add_ons
        _add_limits(limits, plan, name, quantity)
    if len(tiers) > 1:
        message = f"the plans stand for the tiers {', '.join(tiers)}: one agreement sells one"
        raise Unreadable(EventReason.UNKNOWN_PLAN, message)
    return Terms(next(iter(tiers), ""), frozenset(add_ons), tuple(sorted(limits.items())))


def _sold(policy: BillingPolicy, name: str, quantity: object) -> Price:
    plan = policy.prices.get(name)
    if plan is None:
        raise Unreadable(
            EventReason.UNKNOWN_PLAN,
            f"price {name!r} is not in the billing policy; authz billing map says what it stands "
            "for, and releases the event",
            name,
        )
    if not plan.takes_quantity and quantity not in _ONE:
        raise Unreadable(
            EventReason.UNKNOWN_PLAN,
            f"{quantity!r} of plan {name!r} are sold, and no limit of it takes a quantity: give it "
            "a limit with `each`, or `quantity: ignored`",
        )
    return plan


def _add_limits(limits: dict[str, int | None], plan: Price, name: str, quantity: object) -> None:
    for limit, amount in plan.limits.items():
        value = _amount(amount, name, quantity)
        if value is NoQuantity.TIER:
            continue
        before = limits.get(limit, 0)
        if before is None or not isinstance(value, int):
            limits[limit] = None
        else:
            limits[limit] = min(before + value, MAX_NUMBER)


def _amount(amount: Amount, plan: str, quantity: object) -> int | NoQuantity:
    """Compute what an item sells of a limit; UNLIMITED, or TIER for nothing of its own."""
    if amount.each is None:
        return NoQuantity.UNLIMITED if amount.value is None else amount.value
    if quantity is None and amount.no_quantity is not NoQuantity.PARK:
        return amount.no_quantity
    total = isinstance(quantity, int) and not isinstance(quantity, bool)
    if total and isinstance(quantity, int) and 0 < quantity * amount.each <= MAX_NUMBER:
        return quantity * amount.each
    remedy = "; say what `no_quantity` means" if quantity is None else ""
    raise malformed(f"plan {plan!r} is sold by quantity, not by {quantity!r}{remedy}")
