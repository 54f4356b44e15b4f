"""Parts of the billing policy as the API's JSON has them, beside `documents.py`."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final, assert_never

from authz_service.domain.kept import present


class PartKind(StrEnum):
    """What a part of the billing policy is."""

    SOURCE = "source"
    PRICE = "price"
    SETTINGS = "settings"
    """All the rest, which is one part."""


NO_ROLE: Final = "none"
"""What the file says of a role that nothing replaces."""

_SECONDS: Final = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}


def part_document(kind: PartKind, name: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """Write the message of a part; what is unset is left out."""
    match kind:
        case PartKind.SOURCE:
            return {"id": name, "definition": dict(data)}
        case PartKind.PRICE:
            return present(id=name, **_price(data))
        case PartKind.SETTINGS:
            return _settings(data)
        case _:
            assert_never(kind)


def _price(data: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "tier": data.get("tier"),
        "add_ons": data.get("add_ons"),
        "limits": [_limit(name, amount) for name, amount in data.get("limits", {}).items()],
        "ignores_quantity": "quantity" in data,
    }


def _limit(name: str, amount: Any) -> dict[str, Any]:
    match amount:
        case {"each": int(each)}:
            return {"name": name, "each": str(each), **_without_quantity(amount)}
        case int(value):
            return {"name": name, "value": str(value)}
    return {"name": name, "unlimited": True}


def _without_quantity(amount: Mapping[str, Any]) -> dict[str, Any]:
    match amount.get("no_quantity"):
        case int(value):
            return {"default_value": str(value)}
        case "unlimited":
            return {"default_unlimited": True}
        case "tier":
            return {"default_of_tier": True}
    return {}


def _settings(data: Mapping[str, Any]) -> dict[str, Any]:
    quantities = data.get("quantities", {})
    return present(
        first_admin_roles=data.get("first_admin", {}).get("roles"),
        grace_period=_duration(data.get("past_due", {}).get("grace", "0s")),
        after_trial=_fallback(data.get("trial")),
        after_end=_fallback(data.get("cancelled")),
        quantities={name: f"QUANTITY_RULE_{rule.upper()}" for name, rule in quantities.items()},
        downgrade=_downgrade(data.get("downgrade", {})),
        breaker=_breaker(data.get("breaker")),
    )


def _fallback(section: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if section is None:
        return None
    then = section["then"]
    return dict(then) if isinstance(then, Mapping) else {"state": f"TENANT_STATE_{then.upper()}"}


def _downgrade(data: Mapping[str, Any]) -> dict[str, Any]:
    limits, roles = data.get("limits", {}), data.get("roles", {})
    return present(
        order=data.get("order"),
        at_term_end=data.get("when") == "term_end",
        limits={name: f"EXCESS_RULE_{rule.upper()}" for name, rule in limits.items()},
        roles={role: "" if other == NO_ROLE else other for role, other in roles.items()},
        read_only_role=data.get("read_only_role"),
    )


def _breaker(data: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if data is None:
        return None
    return {**data, "window": _duration(data["window"])}


def _duration(text: str) -> str:
    """Write `14d` in seconds, as JSON has durations; "" for none."""
    seconds = int(text[:-1]) * _SECONDS[text[-1]]
    return f"{seconds}s" if seconds else ""
