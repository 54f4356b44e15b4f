"""BillingService: what billing and CRM systems tell us, and what becomes of it."""

from collections import Counter
from collections.abc import Callable
from typing import Any

from authz_service.domain.billing_policy import BillingPolicy
from authz_service.gen.authz.v1 import billing_pb2 as pb
from authz_service.rpc.calls import AdminCalls, Context
from authz_service.rpc.messages import billing as to
from authz_service.rpc.messages import subscriptions, values
from authz_service.usecases.billing import event_ingest, event_intake, preview, reconcile
from authz_service.usecases.billing import event_rpcs as events


class BillingServicer:
    def __init__(
        self,
        calls: AdminCalls,
        policy: Callable[[], BillingPolicy],
        counts: "Counter[str]",
    ) -> None:
        self._calls = calls
        self._policy = policy
        self._counts = counts

    def IngestBillingEvent(
        self, request: pb.IngestBillingEventRequest, context: Context
    ) -> pb.IngestBillingEventResponse:
        answer = self._calls.change(
            request, context, event_ingest.ingest_billing_event, self._brought
        )
        if not answer.repeated and not request.validate_only:
            event_ingest.count(self._counts, answer.value)
        return pb.IngestBillingEventResponse(
            event=to.event_message(answer.value.event),
            effects=answer.value.effects,
            duplicate=answer.value.duplicate,
            revision=answer.revision,
        )

    def PreviewBillingEvent(
        self, request: pb.PreviewBillingEventRequest, context: Context
    ) -> pb.PreviewBillingEventResponse:
        answer = self._calls.read(request, context, preview.preview_billing_event, self._previewed)
        value = answer.value
        return pb.PreviewBillingEventResponse(
            event=to.event_message(value.event),
            effects=value.effects,
            duplicate=value.duplicate,
            revision=answer.revision,
            **(subscriptions.effect_fields(value.change) if value.change is not None else {}),
        )

    def GetBillingEvent(
        self, request: pb.GetBillingEventRequest, context: Context
    ) -> pb.GetBillingEventResponse:
        answer = self._calls.read(request, context, events.get_billing_event, self._one)
        return pb.GetBillingEventResponse(
            event=to.event_message(answer.value), revision=answer.revision
        )

    def ListBillingEvents(
        self, request: pb.ListBillingEventsRequest, context: Context
    ) -> pb.ListBillingEventsResponse:
        answer = self._calls.read(request, context, events.list_billing_events, _listing)
        return pb.ListBillingEventsResponse(
            events=[to.event_message(item, with_data=False) for item in answer.value.items],
            next_page_token=answer.value.next_token,
            revision=answer.revision,
        )

    def ReplayBillingEvent(
        self, request: pb.ReplayBillingEventRequest, context: Context
    ) -> pb.ReplayBillingEventResponse:
        answer = self._calls.change(request, context, events.replay_billing_event, self._one)
        return pb.ReplayBillingEventResponse(
            event=to.event_message(answer.value.event),
            effects=answer.value.effects,
            revision=answer.revision,
        )

    def DiscardBillingEvent(
        self, request: pb.DiscardBillingEventRequest, context: Context
    ) -> pb.DiscardBillingEventResponse:
        answer = self._calls.change(request, context, events.discard_billing_event, self._one)
        return pb.DiscardBillingEventResponse(
            event=to.event_message(answer.value.event), revision=answer.revision
        )

    def MapSubject(self, request: pb.MapSubjectRequest, context: Context) -> pb.MapSubjectResponse:
        answer = self._calls.change(request, context, events.map_subject, self._mapped)
        return pb.MapSubjectResponse(
            released=[to.event_message(item.event, with_data=False) for item in answer.value],
            revision=answer.revision,
        )

    def Reconcile(self, request: pb.ReconcileRequest, context: Context) -> pb.ReconcileResponse:
        answer = self._calls.change(request, context, reconcile.reconcile, self._reconciled)
        return pb.ReconcileResponse(
            drifts=[
                pb.Drift(
                    tenant=drift.tenant,
                    differences=drift.differences,
                    repaired=drift.repaired,
                    problem=drift.problem,
                )
                for drift in answer.value.drifts
            ],
            compared=answer.value.compared,
            next_page_token=answer.value.next_token,
            revision=answer.revision,
        )

    def GetIntake(self, request: pb.GetIntakeRequest, context: Context) -> pb.GetIntakeResponse:
        answer = self._calls.read(request, context, event_intake.get_intake, self._intake)
        return pb.GetIntakeResponse(
            intake=to.intake_message(answer.value), revision=answer.revision
        )

    def PauseIntake(
        self, request: pb.PauseIntakeRequest, context: Context
    ) -> pb.PauseIntakeResponse:
        answer = self._calls.change(request, context, event_intake.pause_intake, self._intake)
        return pb.PauseIntakeResponse(
            intake=to.intake_message(answer.value), revision=answer.revision
        )

    def ResumeIntake(
        self, request: pb.ResumeIntakeRequest, context: Context
    ) -> pb.ResumeIntakeResponse:
        answer = self._calls.change(request, context, event_intake.resume_intake, self._intake)
        return pb.ResumeIntakeResponse(
            intake=to.intake_message(answer.value.intake),
            released=answer.value.released,
            revision=answer.revision,
        )

    def _brought(self, request: Any) -> event_ingest.IngestBillingEvent:
        return event_ingest.IngestBillingEvent(
            policy=self._policy(),
            source=request.source,
            data=request.data,
            beside=to.attributes(request),
        )

    def _previewed(self, request: pb.PreviewBillingEventRequest) -> preview.PreviewBillingEvent:
        brought = self._brought(request)
        return preview.PreviewBillingEvent(event=brought, sample=request.sample_size)

    def _one(self, request: Any) -> events.OneEvent:
        return events.OneEvent(policy=self._policy(), source=request.source, id=request.id)

    def _intake(self, _request: Any) -> event_intake.OfIntake:
        return event_intake.OfIntake(policy=self._policy())

    def _mapped(self, request: pb.MapSubjectRequest) -> events.MapSubject:
        return events.MapSubject(
            policy=self._policy(),
            source=request.source,
            subject=request.subject,
            to=request.tenant,
            replace=request.replace,
        )

    def _reconciled(self, request: pb.ReconcileRequest) -> reconcile.Reconcile:
        return reconcile.Reconcile(
            policy=self._policy(),
            page=values.page(request),
            tenant=request.tenant,
            source=request.source,
            desired=tuple(to.desired(desired_contract) for desired_contract in request.desired),
            repair=request.repair,
        )


def _listing(request: pb.ListBillingEventsRequest) -> events.ListBillingEvents:
    return events.ListBillingEvents(
        page=values.page(request),
        source=request.source,
        tenant=request.tenant,
        state=to.state_filter(request.state),
        reason=to.reason_filter(request.reason),
    )
