"""BillingService: what billing and CRM systems tell us, and what becomes of it."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from authz_service.domain.billing_policy import BillingPolicy
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


def service(
    policy: Callable[[], BillingPolicy], counts: "Counter[str]", fetcher: Fetcher
) -> Service:
    """Describe the service; `policy` gives the one in use, `counts` is kept of what came in."""
    requests = _Requests(policy, fetcher)
    return Service(
        pb.DESCRIPTOR.services_by_name["BillingService"],
        change(
            event_ingest.ingest_billing_event,
            requests.event,
            lambda event: {**_outcome(event), "duplicate": event.duplicate},
            done=lambda event: event_ingest.count(counts, event),
        ),
        read(preview.preview_billing_event, requests.preview, _preview),
        read(event_rpcs.get_billing_event, requests.one, EVENT.one),
        read(event_rpcs.list_billing_events, _listing, EVENT_SUMMARY.page),
        change(event_rpcs.replay_billing_event, requests.one, _outcome),
        change(event_rpcs.discard_billing_event, requests.one, lambda d: EVENT.one(d.event)),
        change(event_rpcs.map_subject, requests.mapping, _released),
        change(reconcile.reconcile, requests.reconciliation, _drifts),
        read(event_intake.get_intake, requests.intake, INTAKE.one),
        change(event_intake.pause_intake, requests.intake, INTAKE.one),
        change(event_intake.resume_intake, requests.intake, _resumed),
    )


@dataclass(frozen=True, slots=True)
class _Requests:
    """Requests to commands, each by the policy in use when it comes."""

    policy: Callable[[], BillingPolicy]
    fetcher: Fetcher

    def event(self, request: Any) -> event_ingest.IngestBillingEvent:
        return event_ingest.IngestBillingEvent(
            policy=self.policy(),
            source=request.source,
            data=request.data,
            beside=messages.attributes(request),
        )

    def preview(self, request: pb.PreviewBillingEventRequest) -> preview.PreviewBillingEvent:
        return preview.PreviewBillingEvent(event=self.event(request), sample=request.sample_size)

    def one(self, request: Any) -> event_rpcs.OneEvent:
        return event_rpcs.OneEvent(policy=self.policy(), source=request.source, id=request.id)

    def intake(self, _request: Any) -> event_intake.OfIntake:
        return event_intake.OfIntake(policy=self.policy())

    def mapping(self, request: pb.MapSubjectRequest) -> event_rpcs.MapSubject:
        return event_rpcs.MapSubject(
            policy=self.policy(),
            source=request.source,
            subject=request.subject,
            to=request.tenant,
            replace=request.replace,
        )

    def reconciliation(self, request: pb.ReconcileRequest) -> reconcile.Reconcile:
        return reconcile.Reconcile(
            policy=self.policy(),
            page=values.page(request),
            tenant=request.tenant,
            source=request.source,
            desired=tuple(map(messages.desired, request.desired)),
            repair=request.repair,
            fetcher=self.fetcher,
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
