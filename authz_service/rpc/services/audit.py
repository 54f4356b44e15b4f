"""AuditService: who did what, for whom and why."""

from typing import Any

from google.protobuf.struct_pb2 import Struct

from authz_service.domain.audit import AuditEntry, plain
from authz_service.gen.authz.v1 import audit_pb2 as pb
from authz_service.rpc.calls import AdminCalls, Context
from authz_service.rpc.messages import values
from authz_service.store.audit_log import Filters
from authz_service.usecases.audit import auditing
from authz_service.usecases.audit.auditing import Changed


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
                tenant=r.tenant,
                page=values.page(r),
                after=r.after_revision,
                until=r.until_revision,
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
        answer = self._calls.read(request, context, auditing.list_audit_entries, _listing)
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
        found = answer.value
        return pb.VerifyAuditResponse(
            whole=not found.broken_seq,
            broken_seq=found.broken_seq,
            verified=found.verified,
            last_seq=found.last_seq,
            last_hash=found.last_hash,
            revision=answer.revision,
        )


def _listing(request: pb.ListAuditEntriesRequest) -> auditing.ListAuditEntries:
    filters = Filters(
        tenant=request.tenant,
        actor=request.actor,
        action=request.action,
        outcome=request.outcome,
        start=values.instant(request.start_time) if request.HasField("start_time") else None,
        end=values.instant(request.end_time) if request.HasField("end_time") else None,
        newest_first=request.newest_first,
    )
    return auditing.ListAuditEntries(filters=filters, page=values.page(request))


def _entry(sealed: AuditEntry) -> pb.AuditEntry:
    return pb.AuditEntry(tenant=sealed.tenant, seq=sealed.seq, entry=sealed.entry, hash=sealed.hash)


def _change(changed: Changed) -> pb.Change:
    fact: Any = changed.change.fact
    return pb.Change(
        revision=changed.revision,
        change_time=values.timestamp(changed.at),
        kind=type(fact).__name__,
        id=getattr(fact, "id", "") or getattr(fact, "subject", ""),
        before=_struct(changed.change.before),
        after=_struct(changed.change.after),
        action=changed.action,
        actor=changed.actor,
        on_behalf_of=changed.on_behalf_of,
        reason=changed.reason,
        request_id=changed.request_id,
    )


def _struct(fact: Any) -> Struct | None:
    """Write a fact as the audit writes it; None for none."""
    if fact is None:
        return None
    made = Struct()
    made.update(plain(fact))
    return made
