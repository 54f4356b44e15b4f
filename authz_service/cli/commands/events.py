"""`authz billing events`: what billing and CRM systems told us, and what became of it."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import RenderableType

from authz_service.cli.display import output as out
from authz_service.cli.display import tables
from authz_service.cli.display.words import instant, word
from authz_service.cli.files.event_files import read_file
from authz_service.cli.options import Limit, Reason, Tenant
from authz_service.cli.paging import every, total
from authz_service.cli.registration import changes, reads
from authz_service.cli.session import Session
from authz_service.client.failure import Failure
from authz_service.domain.billing_event import EventReason, EventState
from authz_service.gen.authz.v1 import billing_pb2 as pb
from authz_service.gen.authz.v1 import tenant_pb2

app = typer.Typer(help="Events of billing and CRM systems: look them up, replay, hold up.")

SourceName = Annotated[
    str, typer.Argument(metavar="SOURCE", help="Who sent it, as billing.yaml names it: stripe.")
]
EventId = Annotated[str, typer.Argument(metavar="EVENT", help="Its id there: evt_1NG8Du2e.")]
OfSource = Annotated[
    str, typer.Option("--source", metavar="SOURCE", help="Only those of this source.")
]


@reads(app, "list")
def list_billing_events(
    session: Session,
    *,
    source: OfSource = "",
    tenant: Annotated[
        str, typer.Option("--tenant", metavar="TENANT", help="Only those of this account.")
    ] = "",
    state: Annotated[
        EventState | None, typer.Option("--state", help="Only those in this state.")
    ] = None,
    reason: Annotated[
        EventReason | None, typer.Option("--reason", help="Only those for this reason.")
    ] = None,
    limit: Limit = None,
) -> None:
    """List events in the order in which they came in."""
    request = pb.ListBillingEventsRequest(source=source, tenant=tenant)
    if state:
        request.state = pb.BillingEventState.Value(f"BILLING_EVENT_STATE_{state.name}")
    if reason:
        request.reason = pb.BillingEventReason.Value(f"BILLING_EVENT_REASON_{reason.name}")
    answer = every(session.billing.ListBillingEvents, request, lambda page: page.events, limit)
    session.show(answer, _table(answer.events), note=total(len(answer.events), "event", answer))


@reads(app)
def show(session: Session, source: SourceName, event: EventId) -> None:
    """Show one event with its passage."""
    answer = session.billing.GetBillingEvent(pb.GetBillingEventRequest(source=source, id=event))
    steps = [
        (
            instant(step.time),
            word(pb.BillingEventStage, step.stage),
            word(pb.BillingEventReason, step.reason),
            str(step.revision or ""),
            step.message,
        )
        for step in answer.event.passage
    ]
    passage = tables.table(("WHEN", "STEP", "REASON", "REVISION", "MESSAGE"), steps)
    session.show(answer, event_facts(answer.event), passage)


@changes(app)
def ingest(
    session: Session,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The event, in JSON.")],
    *,
    source: Annotated[str, typer.Option("--source", metavar="SOURCE", help="Who sent it: stripe.")],
) -> None:
    """Bring an event as its source would have sent it."""
    request = pb.IngestBillingEventRequest(source=source, data=read_file(file))
    answer = session.billing.IngestBillingEvent(request)
    note = "it came before and did nothing" if answer.duplicate else ""
    session.show(answer, event_facts(answer.event), _effects(answer.effects), note=note)


@changes(app)
def replay(session: Session, source: SourceName, event: EventId, reason: Reason = "") -> None:
    """Read an event again, by the policy of now, and do what it says now."""
    request = pb.ReplayBillingEventRequest(source=source, id=event, reason=reason)
    answer = session.billing.ReplayBillingEvent(request)
    session.show(answer, event_facts(answer.event), _effects(answer.effects))


@changes(app)
def discard(session: Session, source: SourceName, event: EventId, reason: Reason = "") -> None:
    """Give up a parked event."""
    request = pb.DiscardBillingEventRequest(source=source, id=event, reason=reason)
    answer = session.billing.DiscardBillingEvent(request)
    session.show(answer, event_facts(answer.event))


@changes(app, "map")
def map_subject(
    session: Session,
    source: SourceName,
    subject: Annotated[str, typer.Argument(metavar="SUBJECT", help="Its name there: cus_Nff.")],
    tenant: Tenant,
    *,
    replace: Annotated[
        bool, typer.Option("--replace", help="Take the place of another account.")
    ] = False,
    reason: Reason = "",
) -> None:
    """Say which account a source means by a subject, and do what waited for that."""
    request = pb.MapSubjectRequest(
        source=source, subject=subject, tenant=tenant, replace=replace, reason=reason
    )
    answer = session.billing.MapSubject(request)
    note = f"{out.counted(len(answer.released), 'event')} released"
    if not answer.released and _is_unknown(session, tenant):
        note += f"; there is no account {tenant!r} yet, the events wait until it is opened"
    session.show(answer, _table(answer.released), note=note)


def _is_unknown(session: Session, tenant: str) -> bool:
    """Tell whether a tenant is not there, as far as this caller may know."""
    try:
        session.tenants.GetTenant(tenant_pb2.GetTenantRequest(tenant=tenant))
    except Failure as failure:
        return failure.reason == "TENANT_NOT_FOUND"
    return False


@changes(app)
def reconcile(
    session: Session,
    *,
    tenant: Annotated[
        str, typer.Option("--tenant", metavar="TENANT", help="Only this account.")
    ] = "",
    source: OfSource = "",
    repair: Annotated[
        bool, typer.Option("--repair", help="Lead the accounts back to their contracts.")
    ] = False,
    reason: Reason = "",
) -> None:
    """Show where accounts and their contracts have come apart."""
    request = pb.ReconcileRequest(
        tenant=tenant, source=source, repair=repair, reason=reason, page_size=1000
    )
    answer = session.billing.Reconcile(request)
    compared = answer.compared
    while answer.next_page_token:
        request.page_token = answer.next_page_token
        page = session.billing.Reconcile(request)
        compared += page.compared
        answer.MergeFrom(page)
        answer.next_page_token = page.next_page_token
    answer.compared = compared
    rows = [
        (
            drift.tenant,
            "yes" if drift.repaired else "no",
            "; ".join(drift.differences),
            drift.problem,
        )
        for drift in answer.drifts
    ]
    table = tables.table(("TENANT", "REPAIRED", "DIFFERENCES", "PROBLEM"), rows)
    session.show(answer, table, note=f"{out.counted(compared, 'account')} compared")


@reads(app)
def intake(session: Session) -> None:
    """Show whether events are taken in, and how many wait."""
    answer = session.billing.GetIntake(pb.GetIntakeRequest())
    session.show(answer, _intake(answer.intake))


@changes(app)
def pause(session: Session, reason: Reason = "") -> None:
    """Park every event that comes until the intake is resumed."""
    answer = session.billing.PauseIntake(pb.PauseIntakeRequest(reason=reason))
    session.show(answer, _intake(answer.intake))


@changes(app)
def resume(session: Session, reason: Reason = "") -> None:
    """Take events in again, close the breaker, and do what was held up."""
    answer = session.billing.ResumeIntake(pb.ResumeIntakeRequest(reason=reason))
    released = answer.released
    while answer.intake.held_up and answer.released and not session.dry_run:
        answer = session.billing.ResumeIntake(pb.ResumeIntakeRequest(reason=reason))
        released += answer.released
    answer.released = released
    note = f"{out.counted(released, 'event')} released"
    session.show(answer, _intake(answer.intake), note=note)


def event_facts(event: pb.BillingEvent) -> RenderableType:
    """Lay out an event."""
    return tables.facts(
        [
            ("event", f"{event.source}/{event.id}"),
            ("type", event.type),
            ("happened", instant(event.time) if event.HasField("time") else ""),
            ("subject", event.subject),
            ("tenant", event.tenant),
            ("state", word(pb.BillingEventState, event.state)),
            ("reason", word(pb.BillingEventReason, event.reason)),
            ("message", event.message),
            ("deliveries", str(event.deliveries)),
            ("revision", str(event.revision or "")),
        ]
    )


def _table(events: Iterable[pb.BillingEvent]) -> RenderableType:
    rows = [
        (
            event.source,
            event.id,
            event.type,
            event.tenant,
            word(pb.BillingEventState, event.state),
            word(pb.BillingEventReason, event.reason),
            event.message,
        )
        for event in events
    ]
    return tables.table(("SOURCE", "EVENT", "TYPE", "TENANT", "STATE", "REASON", "MESSAGE"), rows)


def _effects(effects: Iterable[str]) -> RenderableType:
    return tables.table(("EFFECT",), [(effect,) for effect in effects])


def _intake(now: pb.Intake) -> RenderableType:
    opened = instant(now.breaker_open_time) if now.HasField("breaker_open_time") else ""
    return tables.facts(
        [
            ("intake", "paused" if now.paused else "open"),
            ("because", now.reason),
            ("breaker", f"open since {opened}" if opened else "closed"),
            ("held up", str(now.held_up)),
            ("parked", str(now.parked)),
            ("closed tenants", f"{now.closed} of {now.allowed} allowed"),
        ]
    )
