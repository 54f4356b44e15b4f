"""The intake of billing events: whether it is open, pausing it, and resuming it."""

from dataclasses import dataclass, replace

from authz_service.domain.billing_event import RELEASED_BY_RESUMING, EventReason, Intake
from authz_service.domain.window import Instant
from authz_service.engine.index import Index
from authz_service.store import events as store
from authz_service.store.database import Connection
from authz_service.store.unit_of_work import Transaction
from authz_service.usecases.billing import circuit_breaker, ingestion
from authz_service.usecases.kernel.billing_policy import in_force
from authz_service.usecases.kernel.execution import View, change, read

RELEASED_AT_ONCE = 500
"""Events that one call of ResumeIntake releases."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OfIntake:
    tenant: str = ""


@dataclass(frozen=True, slots=True)
class IntakeNow:
    """Whether events are taken in, and how many are held up, or parked for another reason."""

    intake: Intake
    held_up: int
    parked: int
    closed: int = 0
    allowed: int = 0


@dataclass(frozen=True, slots=True)
class Resumed:
    intake: IntakeNow
    released: int


@change
def pause_intake(tx: Transaction, _command: OfIntake) -> IntakeNow:
    """Park every event that comes until the intake is resumed. Deliveries are still taken."""
    now = store.intake(tx.connection)
    store.set_intake(tx.connection, replace(now, paused=True, reason=tx.call.reason))
    ingestion.note(tx, "intake.paused", "", "intake")
    return _intake(tx.connection, tx.index, tx.now)


@change
def resume_intake(tx: Transaction, _command: OfIntake) -> Resumed:
    """Take events in again, close the breaker, and do what was held up, oldest first."""
    store.set_intake(tx.connection, Intake(counted_from=tx.now))
    ingestion.note(tx, "intake.resumed", "", "intake")
    events = ingestion.release(tx, in_force(tx.index), RELEASED_BY_RESUMING, RELEASED_AT_ONCE)
    return Resumed(_intake(tx.connection, tx.index, tx.now), len(events))


@read
def get_intake(view: View, _query: OfIntake) -> IntakeNow:
    with view.database.read() as connection:
        return _intake(connection, view.index, view.now)


def _intake(connection: Connection, index: Index, now: Instant) -> IntakeNow:
    intake, policy = store.intake(connection), in_force(index)
    since = circuit_breaker.counted_since(intake, policy, now)
    return IntakeNow(
        intake,
        held_up=store.count_parked(connection, tuple(RELEASED_BY_RESUMING)),
        parked=store.count_parked(connection, tuple(EventReason)),
        closed=len(store.closed_since(connection, since)),
        allowed=circuit_breaker.allowed(index, policy),
    )
