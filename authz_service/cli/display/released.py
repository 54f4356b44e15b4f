"""Billing events that were read again, because the billing policy has changed."""

from collections.abc import Iterator
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from authz_service.cli.display import tables
from authz_service.cli.display.words import word
from authz_service.gen.authz.v1 import billing_pb2


def released_parts(answer: Any) -> Iterator[RenderableType]:
    """Lay out the events; nothing if there are none."""
    rows = [
        (
            item.event.id,
            item.event.tenant,
            word(billing_pb2.BillingEventState, item.event.state),
            "; ".join(item.effects) or item.event.message,
        )
        for item in answer.released
    ]
    if rows:
        yield Text("events that waited", "bold")
        yield tables.table(("EVENT", "TENANT", "STATE", "EFFECT"), rows)
