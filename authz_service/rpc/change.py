"""ChangeService: what a set of changes would do, and doing it."""

from authz_service.gen.authz.v1 import change_pb2 as pb
from authz_service.rpc import change_set, convert
from authz_service.rpc.calls import AdminCalls, Context
from authz_service.usecases.change_sets import changing


class ChangeServicer:
    def __init__(self, calls: AdminCalls) -> None:
        self._calls = calls

    def PreviewChange(
        self, request: pb.PreviewChangeRequest, context: Context
    ) -> pb.PreviewChangeResponse:
        answer = self._calls.read(
            request,
            context,
            changing.preview_change,
            lambda r: changing.PreviewChange(
                changes=change_set.changes(r.changes), sample=r.sample_size
            ),
        )
        preview = answer.value
        return pb.PreviewChangeResponse(
            objects=map(change_set.object_message, preview.objects),
            effect=change_set.effect_message(preview.summary),
            decisions=map(change_set.decision_message, preview.decisions),
            fingerprint=preview.fingerprint,
            revision=preview.revision,
        )

    def ListAffected(
        self, request: pb.ListAffectedRequest, context: Context
    ) -> pb.ListAffectedResponse:
        answer = self._calls.read(
            request,
            context,
            changing.list_affected,
            lambda r: changing.ListAffected(
                changes=change_set.changes(r.changes), page=convert.page(r)
            ),
        )
        return pb.ListAffectedResponse(
            affected=map(change_set.affected_message, answer.value.items),
            next_page_token=answer.value.next_token,
            revision=answer.revision,
        )

    def ApplyChange(
        self, request: pb.ApplyChangeRequest, context: Context
    ) -> pb.ApplyChangeResponse:
        answer = self._calls.change(
            request,
            context,
            changing.apply_change,
            lambda r: changing.ApplyChange(
                changes=change_set.changes(r.changes), fingerprint=r.fingerprint
            ),
        )
        return pb.ApplyChangeResponse(
            objects=map(change_set.object_message, answer.value.objects),
            decisions=map(change_set.decision_message, answer.value.decisions),
            revision=answer.revision,
        )
