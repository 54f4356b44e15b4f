"""The fields of a rule, looked up in the data of an event."""

from collections.abc import Mapping
from typing import Any

from authz_service.domain.billing_event import ReceivedEvent
from authz_service.domain.billing_policy import EventRule, Expression, Times
from authz_service.domain.window import Instant
from authz_service.usecases.billing import values

_MOST_DIGITS = 17


class Fields:
    """What one rule finds in one event."""

    def __init__(self, rule: EventRule, event: ReceivedEvent, times: Times) -> None:
        self._paths: Mapping[str, Expression] = rule.fields
        self._data = event.data
        self._times = times

    def has(self, name: str) -> bool:
        return name in self._paths

    def value(self, name: str) -> Any:
        path = self._paths.get(name)
        return None if path is None else values.find(path, self._data, name)

    def text(self, name: str) -> str:
        return values.text(self.value(name), name)

    def label(self, name: str) -> str:
        """Read a name that people typed: what is not printable in it is a space."""
        return values.label(self.value(name), name)

    def instant(self, name: str, *, ends: bool = False) -> Instant | None:
        """Read an instant; None if it is not there. `ends`: a day may be part of what it ends."""
        value = self.value(name)
        if value in (None, False, ""):
            return None
        return values.instant(value, name, self._times, ends=ends)

    def number(self, name: str) -> int:
        """Read a whole number; 0 if it is not there."""
        value = self.value(name)
        digits = isinstance(value, str) and value.isascii() and value.isdecimal()
        if digits and len(value) < _MOST_DIGITS:
            return int(value)
        return value if isinstance(value, int) and not isinstance(value, bool) else 0

    def required_instant(self, name: str) -> Instant:
        """Read the instant at which something ends. Raises: Unreadable, if it is not there."""
        return values.instant(self.value(name), name, self._times, ends=True)

    def plans(self) -> list[tuple[str, object]] | None:
        """List plans and quantities: names, or mappings with `plan` and `quantity`."""
        value = self.value("plans")
        if value is None:
            return None
        items = value if isinstance(value, list) else [value]
        plans = [_plan(item) for item in items]
        if not plans:
            raise values.malformed("`plans` finds no plan in it")
        return plans


def _plan(item: Any) -> tuple[str, object]:
    match item:
        case str(name) if name:
            return name, None
        case {"plan": str(name)} if name:
            quantity = item.get("quantity")
            digits = isinstance(quantity, str) and quantity.isascii() and quantity.isdecimal()
            if digits and len(quantity) < _MOST_DIGITS:
                return name, int(quantity)
            # Salesforce writes whole numbers as 12.0.
            total = isinstance(quantity, float) and quantity.is_integer()
            return name, int(quantity) if total else quantity
    raise values.malformed(f"`plans` finds {str(item)[:100]!r}, which names no plan")
