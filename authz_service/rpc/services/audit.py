"""AuditService: who did what, for whom and why."""

from typing import Any, TypeVar

from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message

from authz_service.domain.audit import DONE, Document
from authz_service.errors import ErrorReason, InvalidArgument
from authz_service.gen.authz.v1 import audit_pb2 as pb
from authz_service.gen.authz.v1 import error_reason_pb2
from authz_service.rpc.calls import AdminCalls, Context
from authz_service.rpc.messages import values
from authz_service.rpc.messages.tenants import optional_instant
from authz_service.store.audit_log import REFUSED, Filters, Revisions
from authz_service.usecases.audit import auditing
from authz_service.usecases.audit.auditing import AuditedChange, ShownEntry

M = TypeVar("M", bound=Message)


class AuditServicer:
    def __init__(self, calls: AdminCalls) -> None:
        self._calls = calls

    def ListChanges(
        self, request: pb.ListChangesRequest, context: Context
    ) -> pb.ListChangesResponse:
        answer = self._calls.read(
            request,
            context,
            auditing.list_changes,
            lambda r: auditing.ListChanges(
                filters=_filters(r),
                page=values.page(r),
                revisions=Revisions(r.after_revision, r.until_revision),
            ),
        )
        return pb.ListChangesResponse(
            changes=[_change(item) for item in answer.value.items],
            next_page_token=answer.value.next_token,
            revision=answer.revision,
        )

    def ListAuditEntries(
        self, request: pb.ListAuditEntriesRequest, context: Context
    ) -> pb.ListAuditEntriesResponse:
        answer = self._calls.read(
            request,
            context,
            auditing.list_audit_entries,
            lambda r: auditing.ListAuditEntries(
                filters=_filters(r, outcome=_outcome(r)), page=values.page(r)
            ),
        )
        return pb.ListAuditEntriesResponse(
            entries=[_entry(item) for item in answer.value.items],
            next_page_token=answer.value.next_token,
            revision=answer.revision,
        )

    def VerifyAudit(
        self, request: pb.VerifyAuditRequest, context: Context
    ) -> pb.VerifyAuditResponse:
        answer = self._calls.read(
            request,
            context,
            auditing.verify_audit,
            lambda r: auditing.VerifyAudit(
                tenant=r.tenant, after_seq=r.after_seq, after_hash=r.after_hash
            ),
        )
        verified = answer.value
        return pb.VerifyAuditResponse(
            whole=not verified.broken_seq,
            broken_seq=verified.broken_seq,
            verified_count=verified.verified,
            last_seq=verified.last_seq,
            last_hash=verified.last_hash,
            revision=answer.revision,
        )


def _filters(request: Any, outcome: str = "") -> Filters:
    return Filters(
        tenant=request.tenant,
        actor=request.actor,
        on_behalf_of=request.on_behalf_of,
        action_prefix=request.action_prefix,
        outcome=outcome,
        start=optional_instant(request, "start_time"),
        end=optional_instant(request, "end_time"),
        oldest_first=request.oldest_first,
    )


def _outcome(request: pb.ListAuditEntriesRequest) -> str:
    """Read both filters of the outcome as one.

    Raises:
        InvalidArgument: INVALID_FIELD: no such value, or a reason for what was done.
    """
    if request.outcome not in pb.AuditOutcome.values():
        raise _wrong(f"{request.outcome} is no outcome", "outcome")
    if not request.refusal:
        outcomes = {pb.AUDIT_OUTCOME_DONE: DONE, pb.AUDIT_OUTCOME_REFUSED: REFUSED}
        return outcomes.get(request.outcome, "")
    if request.outcome == pb.AUDIT_OUTCOME_DONE:
        raise _wrong("what was done has no reason of refusal: leave one of both out", "refusal")
    if request.refusal not in error_reason_pb2.ErrorReason.values():
        raise _wrong(f"{request.refusal} is no reason", "refusal")
    name = error_reason_pb2.ErrorReason.Name(request.refusal)
    return name.removeprefix("ERROR_REASON_")


def _wrong(message: str, field: str) -> InvalidArgument:
    return InvalidArgument(ErrorReason.INVALID_FIELD, message, field=field)


def _entry(shown: ShownEntry) -> pb.AuditEntry:
    """Read the message out of the canonical JSON, which has its form."""
    message = _parsed(shown.document, pb.AuditEntry())
    message.hash = shown.entry.hash
    message.canonical_json = shown.entry.entry
    message.actor_display_name = shown.actor_display_name
    return message


def _change(audited: AuditedChange) -> pb.AuditedChange:
    document = {**audited.entry, "change": audited.change}
    document["change_time"] = document.pop("entry_time")
    message = _parsed(document, pb.AuditedChange())
    message.actor_display_name = audited.actor_display_name
    return message


def _parsed(document: Document, message: M) -> M:
    # An entry outlives the release that sealed it: a field that is no more must not hide the rest.
    return ParseDict(dict(document), message, ignore_unknown_fields=True)
