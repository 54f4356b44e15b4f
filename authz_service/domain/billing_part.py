"""The billing policy as facts: each source, each price, and what applies to all accounts.

A part keeps the text that `billing.yaml` has for it, as JSON. What the parts come to, ready to be
used, is a `BillingPolicy`.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Final, Self

from authz_service.domain.audit import Document
from authz_service.domain.billing_documents import NO_ROLE, PartKind, part_document
from authz_service.domain.billing_policy import BillingPolicy
from authz_service.domain.kept import Kept
from authz_service.domain.window import Instant

SECTIONS: Final[Mapping[PartKind, str]] = {PartKind.SOURCE: "sources", PartKind.PRICE: "prices"}
"""Where the file has the parts that have names."""


@dataclass(frozen=True, slots=True)
class BillingPart(Kept):
    """One part. `body` is a JSON object with its keys in order."""

    KIND: ClassVar[PartKind]

    body: str
    revision: int = field(default=0, compare=False)

    @property
    def kind(self) -> PartKind:
        return self.KIND

    @property
    def data(self) -> dict[str, Any]:
        data: dict[str, Any] = json.loads(self.body)
        return data

    def as_of(self, revision: int) -> Self:
        return replace(self, revision=revision)

    def document(self, _at: Instant, /) -> Document:
        return part_document(self.KIND, self.id, self.data)


@dataclass(frozen=True, slots=True)
class BillingSource(BillingPart):
    """Who sends events, and what each of them means."""

    KIND: ClassVar[PartKind] = PartKind.SOURCE
    MESSAGE: ClassVar[str] = "billing_source"


@dataclass(frozen=True, slots=True)
class BillingPrice(BillingPart):
    """What a price of a sender stands for."""

    KIND: ClassVar[PartKind] = PartKind.PRICE
    MESSAGE: ClassVar[str] = "billing_price"


@dataclass(frozen=True, slots=True)
class BillingSettings(BillingPart):
    """What applies to every account."""

    KIND: ClassVar[PartKind] = PartKind.SETTINGS
    MESSAGE: ClassVar[str] = "billing_settings"


PARTS: Final = (BillingSource, BillingPrice, BillingSettings)
_CLASSES: Final[Mapping[PartKind, type[BillingPart]]] = {kind.KIND: kind for kind in PARTS}

SETTINGS: Final = "settings"
"""The name of the one part that has no other."""


class BillingParts:
    """All parts in force. `policy` is what they come to, once somebody asked; None before."""

    __slots__ = ("by_name", "policy")

    def __init__(self, by_name: Mapping[tuple[PartKind, str], BillingPart]) -> None:
        self.by_name = by_name
        self.policy: BillingPolicy | None = None

    @classmethod
    def collected(cls, kept: Mapping[type[Kept], Mapping[Any, Kept]]) -> Self:
        """Collect the parts among the facts that are kept."""
        parts = (fact for kind in PARTS for fact in kept.get(kind, {}).values())
        return cls({(p.kind, p.id): p for p in parts if isinstance(p, BillingPart)})

    def of(self, kind: PartKind, name: str = SETTINGS) -> BillingPart | None:
        return self.by_name.get((kind, name))

    def each(self, kind: PartKind) -> list[BillingPart]:
        """List the parts of one kind by name."""
        return [part for (of, _), part in sorted(self.by_name.items()) if of is kind]

    @property
    def settings(self) -> BillingPart:
        """Give the settings; without any, all of them are as the service has them."""
        return self.of(PartKind.SETTINGS) or BillingSettings(SETTINGS, "{}")

    def data(self) -> dict[str, Any]:
        """Put the parts together as the file has them."""
        sections = {
            section: {part.id: part.data for part in self.each(kind)}
            for kind, section in SECTIONS.items()
        }
        return {**sections, **self.settings.data}


def part(kind: PartKind, name: str, data: Mapping[str, Any]) -> BillingPart:
    """Make a part of what the file has for it."""
    return _CLASSES[kind](name, json.dumps(data, sort_keys=True, ensure_ascii=False))


def stored(kind: PartKind, name: str, body: str, revision: int) -> BillingPart:
    """Give a part as it is kept."""
    return _CLASSES[kind](name, body, revision)


def parts_of(data: Mapping[str, Any]) -> Iterator[BillingPart]:
    """Take the data of a file apart."""
    for kind, section in SECTIONS.items():
        for name, body in data.get(section, {}).items():
            yield part(kind, name, body)
    settings = {key: value for key, value in data.items() if key not in SECTIONS.values()}
    yield part(PartKind.SETTINGS, SETTINGS, settings)


def renamed(before: BillingPart, kind: str, old: str, new: str) -> BillingPart:
    """Put another tier, add-on or role in the place of one that the part names."""
    swapped = _swapped(before, kind, old, new)
    return replace(before, body=part(before.kind, before.id, swapped).body)


def names(of: BillingPart, kind: str) -> frozenset[str]:
    """Collect the tiers, add-ons or roles (`tier`, `add-on`, `role`) that a part names."""
    return frozenset(_names(of, kind))


def _names(of: BillingPart, kind: str) -> Iterator[str]:
    data = of.data
    match of.kind, kind:
        case PartKind.PRICE, "tier":
            yield from (data[key] for key in ("tier",) if key in data)
        case PartKind.PRICE, "add-on":
            yield from data.get("add_ons", ())
        case PartKind.SETTINGS, "tier":
            yield from data.get("downgrade", {}).get("order", ())
            for section in _LAPSES:
                then = data.get(section, {}).get("then")
                yield from (then["tier"],) if isinstance(then, dict) else ()
        case PartKind.SETTINGS, "role":
            yield from data.get("first_admin", {}).get("roles", ())
            downgrade = data.get("downgrade", {})
            yield from (downgrade[key] for key in ("read_only_role",) if key in downgrade)
            for role, successor in downgrade.get("roles", {}).items():
                yield role
                yield from () if successor == NO_ROLE else (successor,)
        case _:
            return


_LAPSES: Final = ("trial", "cancelled")


def _swapped(of: BillingPart, kind: str, old: str, new: str) -> dict[str, Any]:
    data = of.data
    swap = {old: new}
    if of.kind is PartKind.PRICE:
        key = {"tier": "tier", "add-on": "add_ons"}[kind]
        data[key] = _each(data[key], swap)
        return data
    places = _TIERS_IN_SETTINGS if kind == "tier" else _ROLES_IN_SETTINGS
    for section, key in places:
        inside = data.get(section, {})
        if key in inside:
            inside[key] = _each(inside[key], swap)
    return data


_TIERS_IN_SETTINGS: Final = (("downgrade", "order"), *((name, "then") for name in _LAPSES))
_ROLES_IN_SETTINGS: Final = (
    ("first_admin", "roles"),
    ("downgrade", "roles"),
    ("downgrade", "read_only_role"),
)


def _each(value: Any, swap: Mapping[str, str]) -> Any:
    """Swap names in a text, a list or a mapping; what would stand there twice stands there once."""
    match value:
        case str():
            return swap.get(value, value)
        case list():
            return list(dict.fromkeys(swap.get(item, item) for item in value))
        case dict() if "tier" in value:
            return {"tier": swap.get(value["tier"], value["tier"])}
        case dict():
            pairs = {swap.get(k, k): swap.get(v, v) for k, v in value.items()}
            return {role: other for role, other in pairs.items() if role != other}
    return value
