"""The names in a part of the billing policy that a request brings: each in its alphabet."""

from collections.abc import Iterator
from typing import Final

from authz_service.domain.billing_documents import PartKind
from authz_service.domain.billing_part import BillingPart
from authz_service.domain.identifiers import checked

_KINDS: Final = {PartKind.SOURCE: "event_source", PartKind.PRICE: "price"}


def require(kind: PartKind, name: str, field: str) -> None:
    """Check the id of a part. Raises: INVALID_IDENTIFIER."""
    if kind in _KINDS:
        checked(_KINDS[kind], name, field)


def require_names(part: BillingPart) -> None:
    """Check the names of tiers, add-ons and limits in a price. Raises: INVALID_IDENTIFIER."""
    for kind, name, field in _names(part) if part.kind is PartKind.PRICE else ():
        checked(kind, name, f"billing_price.{field}")


def _names(part: BillingPart) -> Iterator[tuple[str, str, str]]:
    data = part.data
    if "tier" in data:
        yield "tier", data["tier"], "tier"
    for at, add_on in enumerate(data.get("add_ons", ())):
        yield "add_on", add_on, f"add_ons[{at}]"
    for limit in data.get("limits", {}):
        yield "limit", limit, "limits"
