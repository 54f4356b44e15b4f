"""ChangeService: what a set of changes would do, and doing it."""

from authz_service.gen.authz.v1 import change_pb2 as pb
from authz_service.rpc.calls import AdminCalls, Context
from authz_service.rpc.messages import catalog, changesets, values
from authz_service.rpc.messages.tenants import optional_instant
from authz_service.usecases.catalog import apply_policy
from authz_service.usecases.changesets import preview_apply, scheduling
from authz_service.usecases.changesets.scheduling import OneScheduledPolicy


class ChangeServicer:
    def __init__(self, calls: AdminCalls) -> None:
        self._calls = calls

    def ApplyPolicy(
        self, request: pb.ApplyPolicyRequest, context: Context
    ) -> pb.ApplyPolicyResponse:
        answer = self._calls.change(
            request,
            context,
            apply_policy.apply_policy,
            lambda r: apply_policy.ApplyPolicy(policy=catalog.policy_set(r)),
        )
        return pb.ApplyPolicyResponse(
            created=answer.value.created,
            updated=answer.value.updated,
            unchanged=answer.value.unchanged,
            warnings=answer.value.warnings,
            revision=answer.revision,
        )

    def PreviewChange(
        self, request: pb.PreviewChangeRequest, context: Context
    ) -> pb.PreviewChangeResponse:
        answer = self._calls.read(
            request,
            context,
            preview_apply.preview_change,
            lambda r: preview_apply.PreviewChange(
                changes=changesets.changes(r.changes),
                sample=r.sample_size,
                at=optional_instant(r, "at"),
            ),
        )
        preview = answer.value
        return pb.PreviewChangeResponse(
            objects=map(changesets.object_message, preview.objects),
            effect=changesets.effect_message(preview.summary),
            decisions=map(changesets.decision_message, preview.impacts),
            fingerprint=preview.fingerprint,
            revision=preview.revision,
        )

    def ListAffected(
        self, request: pb.ListAffectedRequest, context: Context
    ) -> pb.ListAffectedResponse:
        answer = self._calls.read(
            request,
            context,
            preview_apply.list_affected,
            lambda r: preview_apply.ListAffected(
                changes=changesets.changes(r.changes),
                page=values.page(r),
                at=optional_instant(r, "at"),
            ),
        )
        return pb.ListAffectedResponse(
            affected=map(changesets.affected_message, answer.value.items),
            next_page_token=answer.value.next_token,
            revision=answer.revision,
        )

    def ApplyChange(
        self, request: pb.ApplyChangeRequest, context: Context
    ) -> pb.ApplyChangeResponse:
        answer = self._calls.change(
            request,
            context,
            preview_apply.apply_change,
            lambda r: preview_apply.ApplyChange(
                changes=changesets.changes(r.changes),
                fingerprint=r.fingerprint,
                at=optional_instant(r, "at"),
            ),
        )
        scheduled = answer.value.scheduled
        return pb.ApplyChangeResponse(
            objects=map(changesets.object_message, answer.value.objects),
            decisions=map(changesets.decision_message, answer.value.impacts),
            revision=answer.revision,
            scheduled=changesets.scheduled_message(scheduled) if scheduled else None,
        )

    def ListScheduledPolicyChanges(
        self, request: pb.ListScheduledPolicyChangesRequest, context: Context
    ) -> pb.ListScheduledPolicyChangesResponse:
        answer = self._calls.read(
            request,
            context,
            scheduling.list_scheduled_policy_changes,
            lambda r: scheduling.ListScheduledPolicy(page=values.page(r)),
        )
        return pb.ListScheduledPolicyChangesResponse(
            scheduled=map(changesets.scheduled_message, answer.value.items),
            next_page_token=answer.value.next_token,
            total_size=answer.value.total_size,
            revision=answer.revision,
        )

    def GetScheduledPolicyChange(
        self, request: pb.GetScheduledPolicyChangeRequest, context: Context
    ) -> pb.GetScheduledPolicyChangeResponse:
        answer = self._calls.read(
            request,
            context,
            scheduling.get_scheduled_policy_change,
            lambda r: OneScheduledPolicy(id=r.id),
        )
        return pb.GetScheduledPolicyChangeResponse(
            scheduled=changesets.scheduled_message(answer.value, whole=True),
            revision=answer.revision,
        )

    def CancelScheduledPolicyChange(
        self, request: pb.CancelScheduledPolicyChangeRequest, context: Context
    ) -> pb.CancelScheduledPolicyChangeResponse:
        answer = self._calls.change(
            request,
            context,
            scheduling.cancel_scheduled_policy_change,
            lambda r: OneScheduledPolicy(id=r.id),
        )
        return pb.CancelScheduledPolicyChangeResponse(
            scheduled=changesets.scheduled_message(answer.value, whole=True),
            revision=answer.revision,
        )
