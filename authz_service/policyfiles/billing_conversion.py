"""The data of `billing.yaml`, which its schema has found good, to a `BillingPolicy`."""

from collections.abc import Mapping
from typing import Any, Final

from authz_service.domain.agreement import Lapse
from authz_service.domain.billing_policy import (
    SECOND,
    Amount,
    BillingPolicy,
    BreakerSettings,
    Downgrade,
    Excess,
    NoQuantity,
    Price,
)
from authz_service.domain.contract import Quantity
from authz_service.domain.tenant import TenantState
from authz_service.policyfiles.billing_sources import event_source
from authz_service.policyfiles.yaml_text import Document

NO_ROLE: Final = "none"

_SECONDS: Final = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}


def billing_policy(document: Document, data: Any) -> BillingPolicy:
    """Convert the data; expressions that do not compile are blamed."""
    sources = data["sources"]
    return BillingPolicy(
        sources={name: event_source(document, name, body) for name, body in sources.items()},
        prices={name: _price(body) for name, body in data["prices"].items()},
        admin_roles=tuple(data.get("first_admin", {}).get("roles", ())),
        grace=_duration(data.get("past_due", {}).get("grace", "0s")),
        trial_then=_lapse(data.get("trial", {}).get("then", "suspended")),
        cancelled_then=_lapse(data.get("cancelled", {}).get("then", "suspended")),
        quantities={name: Quantity(word) for name, word in data.get("quantities", {}).items()},
        downgrade=_downgrade(data.get("downgrade", {})),
        breaker=_breaker(data["breaker"]) if "breaker" in data else BreakerSettings(),
    )


def _lapse(then: Any) -> Lapse:
    if isinstance(then, dict):
        return Lapse(TenantState.ACTIVE, then["tier"])
    return Lapse(TenantState(then))


def _price(body: Mapping[str, Any]) -> Price:
    limits = {name: _amount(value) for name, value in body.get("limits", {}).items()}
    add_ons = frozenset(body.get("add_ons", ()))
    return Price(body.get("tier", ""), add_ons, limits, "quantity" in body)


def _amount(value: Any) -> Amount:
    match value:
        case {"each": int(each)}:
            without = value.get("no_quantity", NoQuantity.PARK)
            name = isinstance(without, str)
            return Amount(each=each, no_quantity=NoQuantity(without) if name else without)
        case int(fixed):
            return Amount(fixed)
    return Amount()


def _downgrade(body: Mapping[str, Any]) -> Downgrade:
    roles = body.get("roles", {})
    return Downgrade(
        tuple(body.get("order", ())),
        body.get("when") == "term_end",
        {name: Excess(word) for name, word in body.get("limits", {}).items()},
        {role: "" if other == NO_ROLE else other for role, other in roles.items()},
        body.get("read_only_role", ""),
    )


def _breaker(body: Mapping[str, Any]) -> BreakerSettings:
    return BreakerSettings(body["share"], body["at_least"], _duration(body["window"]))


def _duration(text: str) -> int:
    """Read `14d` into microseconds."""
    return int(text[:-1]) * _SECONDS[text[-1]] * SECOND
