"""Stripe's events in their real shapes, in both generations of its API."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, TypeAlias

DAY: Final = 86_400
Event: TypeAlias = dict[str, Any]


class Generation(StrEnum):
    """Where the periods of a subscription stand: on it, or since 2025-03-31 on its items."""

    ON_SUBSCRIPTION = "2024-06-20"
    ON_ITEMS = "2025-03-31.basil"


@dataclass(frozen=True)
class Stripe:
    """Writes the events of one customer; `began` is the instant that days are counted from."""

    generation: Generation
    tenant: str
    began: int

    def at(self, day: float) -> int:
        return self.began + round(day * DAY)

    def event(
        self, id_: str, type_: str, day: float, content: Event, previous: Event | None = None
    ) -> Event:
        data: Event = {"object": content}
        if previous is not None:
            data["previous_attributes"] = previous
        return {
            "id": f"evt_{self.tenant}_{id_}",
            "object": "event",
            "api_version": self.generation.value,
            "created": self.at(day),
            "data": data,
            "livemode": True,
            "pending_webhooks": 1,
            "request": {"id": None, "idempotency_key": None},
            "type": type_,
        }

    def checkout(self, id_: str, day: float, sub: str = "a", **other: Any) -> Event:
        kind = other.pop("type", "completed")
        customer = other.pop("customer", "1")
        session = {
            "id": f"cs_{self.tenant}_{id_}",
            "object": "checkout.session",
            "mode": "subscription",
            "payment_status": "paid",
            "status": "complete",
            "customer": f"cus_{self.tenant}_{customer}",
            "subscription": f"sub_{self.tenant}_{sub}",
            "client_reference_id": None,
            "customer_details": {"email": "ada@example.com", "name": "Acme GmbH"},
            "metadata": {"tenant": self.tenant, "admin": "user:ada"},
        }
        return self.event(id_, f"checkout.session.{kind}", day, session | other)

    def subscription(
        self,
        id_: str,
        kind: str,
        day: float,
        sub: str = "a",
        *,
        price: str = "price_enterprise",
        quantity: int | None = 5,
        customer: str = "1",
        period: float | None = None,
        previous: Event | None = None,
        items: list[tuple[str, int | None]] | None = None,
        **other: Any,
    ) -> Event:
        """Write an event about a subscription; `period` is the day on which its period began."""
        start = self.at(0 if period is None else period)
        dates = {"current_period_start": start, "current_period_end": start + 30 * DAY}
        on_items = dates if self.generation is Generation.ON_ITEMS else {}
        rows = [
            {
                "id": f"si_{self.tenant}_{sub}_{number}",
                "object": "subscription_item",
                "price": {"id": each, "object": "price"},
                **({} if units is None else {"quantity": units}),
                **on_items,
            }
            for number, (each, units) in enumerate(items or [(price, quantity)])
        ]
        content = {
            "id": f"sub_{self.tenant}_{sub}",
            "object": "subscription",
            "cancel_at": None,
            "cancel_at_period_end": False,
            "canceled_at": None,
            "collection_method": "charge_automatically",
            "customer": f"cus_{self.tenant}_{customer}",
            "ended_at": None,
            "items": {"object": "list", "data": rows, "has_more": False},
            "livemode": True,
            "metadata": {"tenant": self.tenant},
            "pause_collection": None,
            "schedule": None,
            "start_date": self.at(0),
            "status": "active",
            "trial_end": None,
            "trial_start": None,
            **({} if on_items else dates),
            **other,
        }
        return self.event(id_, f"customer.subscription.{kind}", day, content, previous)

    def created(self, id_: str = "created", day: float = 0, sub: str = "a", **other: Any) -> Event:
        return self.subscription(id_, "created", day, sub, **other)

    def updated(
        self, id_: str, day: float, sub: str = "a", *, previous: Event, **other: Any
    ) -> Event:
        return self.subscription(id_, "updated", day, sub, previous=previous, **other)

    def deleted(self, id_: str, day: float, sub: str = "a", **other: Any) -> Event:
        ended: Event = {"status": "canceled", "ended_at": self.at(day), "canceled_at": self.at(day)}
        return self.subscription(id_, "deleted", day, sub, **(ended | other))

    def invoice(
        self, id_: str, kind: str, day: float, sub: str | None = "a", **other: Any
    ) -> Event:
        name = None if sub is None else f"sub_{self.tenant}_{sub}"
        content: Event = {
            "id": f"in_{self.tenant}_{id_}",
            "object": "invoice",
            "amount_due": 5000,
            "billing_reason": "manual" if sub is None else "subscription_cycle",
            "customer": f"cus_{self.tenant}_1",
            "status": "paid" if kind == "paid" else "open",
        }
        if self.generation is Generation.ON_SUBSCRIPTION:
            content["subscription"] = name
        else:
            details = {"subscription": name, "metadata": {"tenant": self.tenant}}
            content["parent"] = name and {
                "type": "subscription_details",
                "subscription_details": details,
                "quote_details": None,
            }
        return self.event(id_, f"invoice.{kind}", day, content | other)

    def customer_deleted(self, id_: str, day: float, customer: str = "1") -> Event:
        content = {
            "id": f"cus_{self.tenant}_{customer}",
            "object": "customer",
            "metadata": {"tenant": self.tenant},
            "name": "Acme GmbH",
        }
        return self.event(id_, "customer.deleted", day, content)

    def opened(self, **other: Any) -> list[Event]:
        """Write what opens the account: a session that is paid, and its subscription."""
        return [self.checkout("checkout", 0), self.created(**other)]
