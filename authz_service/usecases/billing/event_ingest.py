"""Bringing a billing event: by a call, or by a request that its source has signed."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from authz_service.domain.audit import Actor
from authz_service.domain.billing_event import EventState
from authz_service.domain.billing_policy import BillingPolicy, Source
from authz_service.domain.call import Call
from authz_service.errors import ErrorReason, InvalidArgument, NotFound
from authz_service.store.unit_of_work import Store, Transaction
from authz_service.usecases.billing import ingestion
from authz_service.usecases.billing.envelopes import NO_ATTRIBUTES, Attributes, Envelope, envelopes
from authz_service.usecases.billing.ingestion import Taken
from authz_service.usecases.kernel.execution import change

MAX_DATA = 1024 * 1024
"""Bytes of an event's data."""

MOST_NAME = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestBillingEvent:
    """`beside` are attributes that came beside the data; the others are read from it."""

    policy: BillingPolicy
    source: str
    data: bytes
    beside: Attributes = NO_ATTRIBUTES
    tenant: str = ""


class EventDoor:
    """Takes in events whose source was proved by their signature, each in its transaction."""

    def __init__(
        self, store_: Store, policy: Callable[[], BillingPolicy], counts: "Counter[str]"
    ) -> None:
        self._store = store_
        self.policy = policy
        self.counts = counts

    def take(self, envelope: Envelope, how: str, address: str) -> Taken:
        """Take in one event; on return it is committed. Raises: Unavailable."""
        actor = Actor(f"source:{envelope.event.source}", source_address=address)
        with self._store.transaction(Call(actor)) as tx:
            take_in = ingestion.take_in(tx, self.policy(), envelope, how)
        count(self.counts, take_in)
        return take_in


def count(counts: "Counter[str]", used: Taken) -> None:
    """Count what became of an event: `applied`, `duplicate`, or `parked` with its reason."""
    value = used.event.state.value
    if used.event.state is EventState.PARKED:
        value = f"parked {used.event.reason.value}"
    counts["duplicate" if used.duplicate else value] += 1


@change
def ingest_billing_event(tx: Transaction, command: IngestBillingEvent) -> Taken:
    return ingestion.take_in(
        tx, command.policy, enveloped(command), f"sent by {tx.call.actor.subject}"
    )


def enveloped(command: IngestBillingEvent) -> Envelope:
    """Read the one event that a call brings. Raises: EVENT_SOURCE_NOT_FOUND, INVALID_FIELD."""
    source = declared_source(command.policy, command.source)
    if len(command.data) > MAX_DATA:
        raise invalid(f"the data has more than {MAX_DATA:,} bytes", "data")
    for name in ("id", "type", "subject"):
        value: str = getattr(command.beside, name)
        if len(value) > MOST_NAME or (value and not value.isprintable()):
            raise invalid(f"{name} has more than {MOST_NAME} or unprintable characters", name)
    matches = envelopes(source, command.data, command.beside)
    if len(matches) != 1:
        raise invalid("the data is a list; send one event a call", "data")
    return matches[0]


def declared_source(policy: BillingPolicy, name: str) -> Source:
    source = policy.sources.get(name)
    if source is None:
        raise NotFound(
            ErrorReason.EVENT_SOURCE_NOT_FOUND,
            f"billing.yaml declares no source {name[:100]!r}; it declares "
            f"{', '.join(sorted(policy.sources)) or 'none'}",
            field="source",
        )
    return source


def invalid(message: str, field: str) -> InvalidArgument:
    return InvalidArgument(ErrorReason.INVALID_FIELD, message, field=field)
