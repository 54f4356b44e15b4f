"""Situations that every Stripe integration meets, and what is right in each.

Days count from 40 days ago: day 40 is now.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from tests.billing.stripe import DAY, Event, Stripe

NOW: Final = 40
"""The day that is today."""


@dataclass(frozen=True)
class Right:
    """What is right on day 40, and on later ones. State "none": no account is opened."""

    state: str
    tier: str = "enterprise"
    seats: int | None = 5
    later: dict[int, str] = field(default_factory=dict)
    tiers_later: dict[int, str] = field(default_factory=dict)
    add_ons: frozenset[str] = frozenset()
    calls: int | None = None
    parked: dict[str, str] = field(default_factory=dict)
    """Reasons of events that stay parked, by the id that the situation gives them."""


Situation: TypeAlias = tuple[Callable[[Stripe], list[Event]], Right]

OPEN: Final = Right("active", later={400: "active"})
SHUT: Final = Right("suspended")
PAUSE: Final = {"behavior": "void", "resumes_at": None}
PAST_DUE: Final = {"status": "active"}


def _paused(s: Stripe, behavior: str = "void", until: float | None = None) -> list[Event]:
    pause: Event = {"behavior": behavior, "resumes_at": None if until is None else s.at(until)}
    before: Event = {"pause_collection": None}
    return [*s.opened(), s.updated("pause", 5, previous=before, pause_collection=pause)]


def _unpaused(s: Stripe, day: float = 9) -> list[Event]:
    return [*_paused(s), s.updated("resume", day, previous={"pause_collection": PAUSE})]


def _cancelled(s: Stripe) -> list[Event]:
    before: Event = {"cancel_at": None, "canceled_at": None}
    told = s.updated("cancel", 35, previous=before, cancel_at=s.at(60), canceled_at=s.at(35))
    return [*s.opened(), told]


def _taken_back(s: Stripe) -> list[Event]:
    before: Event = {"cancel_at": s.at(60), "canceled_at": s.at(35)}
    return [*_cancelled(s), s.updated("stay", 36, previous=before)]


def _at_period_end(s: Stripe) -> list[Event]:
    before: Event = {"cancel_at_period_end": False}
    return [
        *s.opened(),
        s.updated("cancel", 35, previous=before, period=30, cancel_at_period_end=True),
    ]


def _trial(s: Stripe) -> list[Event]:
    trial: Event = {"status": "trialing", "trial_end": s.at(52), "trial_start": s.at(38)}
    return [
        s.checkout("checkout", 38, payment_status="no_payment_required"),
        s.created("created", 38, **trial),
        s.invoice("zero", "paid", 38, amount_due=0, billing_reason="subscription_create"),
    ]


def _trial_paid(s: Stripe) -> list[Event]:
    trial: Event = {"status": "trialing", "trial_end": s.at(14), "trial_start": s.at(0)}
    before: Event = {"status": "trialing"}
    return [
        s.checkout("checkout", 0, payment_status="no_payment_required"),
        s.created("created", 0, **trial),
        s.invoice("zero", "paid", 0, amount_due=0, billing_reason="subscription_create"),
        s.invoice("first", "paid", 14),
        s.updated("paid", 14, previous=before, period=14, trial_end=s.at(14)),
    ]


def _trial_without_card(s: Stripe) -> list[Event]:
    trial: Event = {"trial_end": s.at(14), "trial_start": s.at(0)}
    before: Event = {"status": "trialing"}
    return [
        s.checkout("checkout", 0, payment_status="no_payment_required"),
        s.created("created", 0, status="trialing", **trial),
        s.updated("over", 14, previous=before, status="paused", **trial),
        s.subscription("paused", "paused", 14, status="paused", **trial),
    ]


def _trial_resumed(s: Stripe) -> list[Event]:
    trial: Event = {"trial_end": s.at(14), "trial_start": s.at(0)}
    return [
        *_trial_without_card(s),
        s.subscription("resumed", "resumed", 20, period=20, **trial),
        s.updated("resumed2", 20, previous={"status": "paused"}, period=20, **trial),
    ]


def _first_unpaid(s: Stripe) -> list[Event]:
    before: Event = {"status": "incomplete"}
    reason = "subscription_create"
    return [
        *s.opened(price="price_free", quantity=1),
        s.created("second", 20, "b", status="incomplete", quantity=50),
        s.invoice("failed", "payment_failed", 20, "b", billing_reason=reason),
        s.updated("expired", 21, "b", previous=before, status="incomplete_expired", quantity=50),
    ]


def _first_paid_later(s: Stripe) -> list[Event]:
    reason = "subscription_create"
    return [
        s.checkout("checkout", 20),
        s.created("created", 20, status="incomplete"),
        s.invoice("failed", "payment_failed", 20, billing_reason=reason),
        s.invoice("paid", "paid", 20.5, billing_reason=reason),
        s.updated("active", 20.5, previous={"status": "incomplete"}),
    ]


def _session_unpaid(s: Stripe) -> list[Event]:
    return [
        s.checkout("checkout", 20, payment_status="unpaid"),
        s.created("created", 20, status="incomplete"),
        s.checkout("failed", 25, type="async_payment_failed", payment_status="unpaid"),
    ]


def _session_paid_later(s: Stripe) -> list[Event]:
    return [
        s.checkout("checkout", 20, payment_status="unpaid"),
        s.created("created", 20, status="incomplete"),
        s.checkout("succeeded", 25, type="async_payment_succeeded"),
        s.updated("active", 25, previous={"status": "incomplete"}),
    ]


def _smaller(s: Stripe) -> list[Event]:
    before: Event = {"items": {"data": [{"price": {"id": "price_enterprise"}}]}}
    small: Event = {"price": "price_professional_monthly", "quantity": 3}
    return [*s.opened(), s.updated("turn", 30, previous=before, period=30, **small)]


def _replaced(s: Stripe, metadata: bool = False) -> list[Event]:
    names: Event = {"tenant": s.tenant} | ({"replaces": f"sub_{s.tenant}_a"} if metadata else {})
    small: Event = {"price": "price_professional_monthly", "quantity": 9}
    return [
        *s.opened(),
        s.created("new", 30, "b", metadata=names, **small),
        s.deleted("old", 30.1),
    ]


def _replacing(s: Stripe) -> list[Event]:
    return _replaced(s, metadata=True)[:-1]


def _past_due(s: Stripe) -> list[Event]:
    return [
        *s.opened(),
        s.invoice("failed", "payment_failed", 30),
        s.updated("due", 30, previous={"status": "active"}, period=30, status="past_due"),
    ]


def _paid_again(s: Stripe) -> list[Event]:
    return [
        *_past_due(s),
        s.invoice("paid", "paid", 33),
        s.updated("active", 33, previous={"status": "past_due"}, period=30),
    ]


def _resubscribed(s: Stripe) -> list[Event]:
    small: Event = {"price": "price_professional_monthly", "quantity": 3}
    return [*s.opened(), s.deleted("end", 20), s.created("again", 21, "b", **small)]


def _customer_again(s: Stripe) -> list[Event]:
    return [
        *s.opened(),
        s.deleted("end", 20),
        s.customer_deleted("gone", 20),
        s.checkout("checkout2", 30, "b", customer="2"),
        s.created("again", 30, "b", customer="2"),
    ]


def _old_customer_deleted(s: Stripe) -> list[Event]:
    return [
        *s.opened(),
        s.checkout("checkout2", 20, "b", customer="2"),
        s.created("again", 20, "b", customer="2"),
        s.deleted("end", 21),
        s.customer_deleted("gone", 22),
    ]


def _add_on_apart(s: Stripe, then: list[Event]) -> list[Event]:
    apart: Event = {"price": "price_api_calls_million", "quantity": 3}
    return [*s.opened(), s.created("apart", 10, "b", **apart), *then]


def _flicker(s: Stripe) -> list[Event]:
    """Pause, go on and pause again within one second."""
    pause: Event = {"pause_collection": PAUSE}
    none: Event = {"pause_collection": None}
    return [
        *s.opened(),
        s.updated("p1", 5, previous=none, pause_collection=PAUSE),
        s.updated("r1", 5, previous=pause),
        s.updated("p2", 5, previous=none, pause_collection=PAUSE),
    ]


SITUATIONS: Final[dict[str, Situation]] = {
    "open": (lambda s: s.opened(), OPEN),
    "1 paused": (_paused, SHUT),
    "1 paused and resumed": (_unpaused, OPEN),
    "1 in one second": (lambda s: _unpaused(s, 5), OPEN),
    "paused with an end": (
        lambda s: _paused(s, until=50),
        Right("suspended", later={51: "active"}),
    ),
    "given for free": (lambda s: _paused(s, "keep_as_draft"), OPEN),
    "never collected": (lambda s: _paused(s, "mark_uncollectible"), OPEN),
    "paused thrice in one second": (_flicker, SHUT),
    "2 cancelled": (_cancelled, Right("active", later={59: "active", 61: "suspended"})),
    "2 cancellation taken back": (_taken_back, OPEN),
    "cancelled at the period's end": (
        _at_period_end,
        Right("active", later={59: "active", 61: "suspended"}),
    ),
    "3 trial with a zero invoice": (_trial, Right("trial", later={51: "trial", 53: "suspended"})),
    "trial that is paid": (_trial_paid, OPEN),
    "4 first payment expires": (_first_unpaid, Right("active", "free", None)),
    "first payment made later": (_first_paid_later, OPEN),
    "5 session never paid": (_session_unpaid, Right("none")),
    "5 session paid later": (_session_paid_later, OPEN),
    "6 trial without a card": (_trial_without_card, SHUT),
    "6 trial resumed": (_trial_resumed, OPEN),
    "7 smaller at the period's turn": (_smaller, Right("active", "professional", 3)),
    "8 replaced": (_replaced, Right("active", "professional", 9)),
    "8 replaced as the metadata says": (_replacing, Right("active", "professional", 9)),
    "9 invoice of no subscription": (
        lambda s: [*_past_due(s), s.invoice("manual", "paid", 35, None)],
        Right("grace", later={43: "grace", 45: "suspended"}),
    ),
    "past due and paid": (_paid_again, OPEN),
    "unpaid after all": (
        lambda s: [
            *_past_due(s),
            s.updated("unpaid", 35, previous={"status": "past_due"}, period=30, status="unpaid"),
        ],
        SHUT,
    ),
    "10 failed invoice of no subscription": (
        lambda s: [*s.opened(), s.invoice("manual", "payment_failed", 35, None)],
        OPEN,
    ),
    "invoice written by hand for the subscription fails": (
        lambda s: [
            *s.opened(),
            s.invoice("manual", "payment_failed", 35, billing_reason="manual"),
        ],
        OPEN,
    ),
    "invoice written by hand is paid while the subscription is past due": (
        lambda s: [*_past_due(s), s.invoice("manual", "paid", 35, billing_reason="manual")],
        Right("grace", later={43: "grace", 45: "suspended"}),
    ),
    "11 bought again after an end": (_resubscribed, Right("active", "professional", 3)),
    "12 new customer after the old was deleted": (_customer_again, OPEN),
    "12 old customer deleted later": (_old_customer_deleted, OPEN),
    "customer deleted": (
        lambda s: [*s.opened(), s.deleted("end", 20), s.customer_deleted("gone", 20)],
        Right("offboarded"),
    ),
    "13 late invoice": (
        lambda s: [*s.opened(), s.deleted("end", 20), s.invoice("late", "paid", 25)],
        SHUT,
    ),
    "14 no quantity": (
        lambda s: [*s.opened(), s.updated("metered", 20, previous={}, quantity=None)],
        Right("active", parked={"metered": "malformed"}),
    ),
    "15 more items than listed": (
        lambda s: [
            *s.opened(),
            s.updated("more", 20, previous={}, items=None, price="price_free", quantity=1)
            | {"livemode": False},
        ],
        Right("active", parked={"more": "parked_by_policy"}),
    ),
    "unheard-of status": (
        lambda s: [*s.opened(), s.updated("odd", 20, previous={}, status="on_hold")],
        Right("active", parked={"odd": "unknown_status"}),
    ),
    "add-on apart": (lambda s: _add_on_apart(s, []), Right("active", calls=3_000_000)),
    "add-on apart ends": (lambda s: _add_on_apart(s, [s.deleted("end", 20, "b")]), OPEN),
    "add-on apart is past due": (
        lambda s: _add_on_apart(
            s,
            [
                s.updated(
                    "due",
                    20,
                    "b",
                    previous=PAST_DUE,
                    status="past_due",
                    price="price_api_calls_million",
                    quantity=3,
                )
            ],
        ),
        OPEN,
    ),
    "two by mistake": (
        lambda s: [*s.opened(), s.created("second", 10, "b", quantity=8)],
        Right("active", seats=8),
    ),
    "one of two by mistake ends": (
        lambda s: [
            *s.opened(),
            s.created("second", 10, "b", quantity=8),
            s.deleted("end", 20, "b"),
        ],
        OPEN,
    ),
    "deleted in the second of an update": (
        lambda s: [
            *s.opened(),
            s.updated("meta", 20, previous={"metadata": {"note": "x"}}),
            s.deleted("end", 20),
        ],
        SHUT,
    ),
}


def microseconds(stripe: Stripe, day: float) -> int:
    return (stripe.began + round(day * DAY)) * 1_000_000
