"""BillingService: what billing and CRM systems tell us, and what becomes of it."""

from collections import Counter
from typing import Any

from authz_service.gen.authz.v1 import billing_pb2 as pb
from authz_service.rpc.messages import billing as messages
from authz_service.rpc.messages import subscriptions, values
from authz_service.rpc.messages.billing import EVENT, EVENT_SUMMARY, INTAKE
from authz_service.rpc.methods import Fields, Service, change, read
from authz_service.usecases.billing import (
    event_ingest,
    event_intake,
    event_rpcs,
    preview,
    reconcile,
)
from authz_service.usecases.billing.ingestion import Taken
from authz_service.usecases.billing.lookup import Fetcher


def service(counts: "Counter[str]", fetcher: Fetcher) -> Service:
    """Describe the service; `counts` is kept of what came in, `fetcher` reads agreements again."""
    return Service(
        pb.DESCRIPTOR.services_by_name["BillingService"],
        change(
            event_ingest.ingest_billing_event,
            _event,
            lambda event: {**_outcome(event), "duplicate": event.duplicate},
            done=lambda event: event_ingest.count(counts, event),
        ),
        read(preview.preview_billing_event, _try, _preview),
        read(event_rpcs.get_billing_event, _one, EVENT.one),
        read(event_rpcs.list_billing_events, _listing, EVENT_SUMMARY.page),
        change(event_rpcs.replay_billing_event, _one, _outcome),
        change(event_rpcs.discard_billing_event, _one, lambda d: EVENT.one(d.event)),
        change(event_rpcs.map_subject, _mapping, _released),
        change(reconcile.reconcile, lambda r: _reconciliation(r, fetcher), _drifts),
        read(event_intake.get_intake, _intake, INTAKE.one),
        change(event_intake.pause_intake, _intake, INTAKE.one),
        change(event_intake.resume_intake, _intake, _resumed),
    )


def _event(request: Any) -> event_ingest.IngestBillingEvent:
    return event_ingest.IngestBillingEvent(
        source=request.source, data=request.data, beside=messages.attributes(request)
    )


def _try(request: pb.PreviewBillingEventRequest) -> preview.PreviewBillingEvent:
    return preview.PreviewBillingEvent(event=_event(request), sample=request.sample_size)


def _one(request: Any) -> event_rpcs.OneEvent:
    return event_rpcs.OneEvent(source=request.source, id=request.id)


def _intake(_request: Any) -> event_intake.OfIntake:
    return event_intake.OfIntake()


def _mapping(request: pb.MapSubjectRequest) -> event_rpcs.MapSubject:
    return event_rpcs.MapSubject(
        source=request.source,
        subject=request.subject,
        to=request.tenant,
        replace=request.replace,
    )


def _reconciliation(request: pb.ReconcileRequest, fetcher: Fetcher) -> reconcile.Reconcile:
    return reconcile.Reconcile(
        page=values.page(request),
        tenant=request.tenant,
        source=request.source,
        desired=tuple(map(messages.desired, request.desired)),
        repair=request.repair,
        fetcher=fetcher,
    )


def _listing(request: pb.ListBillingEventsRequest) -> event_rpcs.ListBillingEvents:
    return event_rpcs.ListBillingEvents(
        page=values.page(request),
        source=request.source,
        tenant=request.tenant,
        state=messages.state_filter(request.state),
        reason=messages.reason_filter(request.reason),
    )


def _outcome(value: Taken) -> Fields:
    return {**EVENT.one(value.event), "effects": value.effects}


def _preview(value: preview.Preview) -> Fields:
    return {
        **EVENT.one(value.event),
        "effects": value.effects,
        "duplicate": value.duplicate,
        **(subscriptions.effect_fields(value.change) if value.change is not None else {}),
    }


def _released(events: tuple[Taken, ...]) -> Fields:
    return {"released": [EVENT_SUMMARY.message(item.event) for item in events]}


def _drifts(value: reconcile.Reconciled) -> Fields:
    return {
        "drifts": map(messages.drift_message, value.drifts),
        "compared": value.compared,
        "next_page_token": value.next_token,
    }


def _resumed(value: event_intake.Resumed) -> Fields:
    return {**INTAKE.one(value.intake), "released": value.released}
