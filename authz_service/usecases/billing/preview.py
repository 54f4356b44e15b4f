"""What an event would do, as things stand: done in a transaction that is never written."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from authz_service.domain.agreement_course import Meaning
from authz_service.domain.audit import Actor
from authz_service.domain.billing_event import EventReason, Passed, Stage, StoredEvent, passed
from authz_service.domain.billing_policy import BillingPolicy
from authz_service.domain.call import Call
from authz_service.errors import AuthzError
from authz_service.store import events as store
from authz_service.store.unit_of_work import Transaction
from authz_service.usecases.billing import ingestion
from authz_service.usecases.billing.envelopes import Envelope
from authz_service.usecases.billing.event_ingest import IngestBillingEvent, enveloped
from authz_service.usecases.billing.interpretation import read
from authz_service.usecases.billing.standing import added
from authz_service.usecases.billing.unclear_order import UNCLEAR
from authz_service.usecases.billing.values import Unreadable
from authz_service.usecases.kernel.billing_policy import in_force
from authz_service.usecases.kernel.dry_run import ahead, dry_run
from authz_service.usecases.kernel.execution import View
from authz_service.usecases.kernel.execution import read as read_case
from authz_service.usecases.kernel.paging import sample_size
from authz_service.usecases.tenants.tier_change import (
    NAMED_MEMBERS,
    TierChange,
    account_change,
    exceeded,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewBillingEvent:
    """`sample` 0 takes the default."""

    event: IngestBillingEvent
    sample: int = 0
    tenant: str = ""


@dataclass(frozen=True, slots=True)
class Preview:
    """What an event would do. `event` is as it would be kept; `change` None where it does nothing
    to an account.
    """

    event: StoredEvent
    effects: tuple[str, ...] = ()
    change: TierChange | None = None
    duplicate: bool = False


@read_case
def preview_billing_event(view: View, query: PreviewBillingEvent) -> Preview:
    """Say what an event would do, as it stands now. Pause and breaker are left aside."""
    sample = sample_size(query.sample, NAMED_MEMBERS)
    with dry_run(view) as tx:
        policy = in_force(tx.index)
        envelope = enveloped(policy, query.event)
        event = envelope.event
        tx.call = Call(Actor(f"source:{event.source}"))
        before = store.find(tx.connection, event.source, event.id)
        if before is not None:
            return Preview(passed(before, Passed(Stage.DUPLICATE, tx.now)), duplicate=True)
        tenant = store.tenant_of_subject(tx.connection, event.source, event.subject)
        stored = StoredEvent(event, tx.now, tenant=tenant)
        try:
            return _previewed(tx, policy, envelope, stored, sample)
        except Unreadable as why:
            return Preview(passed(stored, Passed(Stage.PARKED, tx.now, why.reason, why.message)))


def _previewed(
    tx: Transaction, policy: BillingPolicy, envelope: Envelope, stored: StoredEvent, sample: int
) -> Preview:
    if envelope.wrong:
        raise Unreadable(EventReason.MALFORMED, envelope.wrong)
    reading = read(policy, stored.event, tx.now)
    tenant, new = ingestion.resolved(tx, stored.event, reading)
    stored = replace(stored, tenant=tenant)
    if reading.meaning is None:
        return Preview(passed(stored, Passed(Stage.APPLIED, tx.now, EventReason.IGNORED)))
    released = list(_released(tx, policy, stored) if new else ())
    meanings = [reading.meaning, *(meaning for _, meaning in released)]
    merging = policy.merging
    current = added(tx.connection, tenant, (), meanings, merging)
    is_open = tx.index.tenant(tenant) is not None
    if not is_open and not current.after.complete:
        raise ingestion.not_onboarded(tenant)
    actions = ingestion.steps(is_open, current, merging, tx.now)
    reason = ingestion.due_to([stored, *(waiting for waiting, _ in released)])
    try:
        steps = ingestion.carried_out(tx, policy, tenant, reason, actions)
    except AuthzError as refusal:
        raise ingestion.refused(refusal) from None
    after = ahead(tx)
    change = account_change(tx.index, after, tenant, tx.now, sample)
    over = tuple(exceeded(after, tenant, policy.downgrade, tx.now))
    outcome = Passed(Stage.APPLIED, tx.now)
    if stored.event.name in current.after.unclear:
        unclear = UNCLEAR
        outcome = Passed(Stage.PARKED, tx.now, unclear.reason, unclear.message)
    effects = ingestion.told(actions, steps)
    return Preview(passed(stored, outcome), effects, replace(change, exceeded=over, steps=steps))


def _released(
    tx: Transaction, policy: BillingPolicy, by: StoredEvent
) -> Iterator[tuple[StoredEvent, Meaning]]:
    """Read what waited for an event to say which tenant their subject is."""
    for waiting in store.of_subject(tx.connection, by.event.source, by.event.subject):
        try:
            reading = read(policy, waiting.event, tx.now)
        except Unreadable:
            continue
        if reading.meaning is not None and reading.tenant in ("", by.tenant):
            yield waiting, reading.meaning
