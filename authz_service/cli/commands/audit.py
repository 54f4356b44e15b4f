"""`authz audit`: what was done, refused and read, and whether the record of it is whole."""

import json
from collections.abc import Iterable
from typing import Annotated

import typer
from rich.console import RenderableType

from authz_service.cli.display import output as out
from authz_service.cli.display import tables
from authz_service.cli.display.audited import columns_for, in_local_time, who
from authz_service.cli.display.words import instant, timestamp
from authz_service.cli.options import Limit, Tenant
from authz_service.cli.paging import every, total
from authz_service.cli.registration import reads
from authz_service.cli.search_options import (
    ActionPrefix,
    Actor,
    OfTenant,
    OldestFirst,
    OnBehalfOf,
    Since,
    Until,
)
from authz_service.cli.session import Session
from authz_service.client.failure import ExitCode
from authz_service.domain.audit_words import entry_in_words
from authz_service.gen.authz.v1 import audit_pb2 as pb
from authz_service.gen.authz.v1 import error_reason_pb2

app = typer.Typer(help="What was done, refused and read, by whom and why.")


@reads(app, "list")
def list_entries(
    session: Session,
    *,
    tenant: OfTenant = "",
    actor: Actor = "",
    on_behalf_of: OnBehalfOf = "",
    action: ActionPrefix = "",
    outcome: Annotated[
        str,
        typer.Option("--outcome", metavar="OUTCOME", help="done, refused, or the reason of a "
                     "refusal: PERMISSION_DENIED."),
    ] = "",
    start: Since = None,
    end: Until = None,
    oldest_first: OldestFirst = False,
    limit: Limit = None,
) -> None:  # fmt: skip
    """List audit entries of one account or of all, the newest first."""
    request = pb.ListAuditEntriesRequest(
        tenant=tenant,
        actor=actor,
        on_behalf_of=on_behalf_of,
        action_prefix=action,
        start_time=timestamp(start),
        end_time=timestamp(end),
        oldest_first=oldest_first,
    )
    _require_outcome(request, outcome)
    answer = every(session.audit.ListAuditEntries, request, lambda page: page.entries, limit)
    note = total(len(answer.entries), "entry", answer)
    session.show(answer, _table(answer.entries, tenant), note=note)


@reads(app)
def verify(
    session: Session,
    tenant: Tenant,
    *,
    after_seq: Annotated[
        int, typer.Option("--after-seq", metavar="N", min=0, help="Begin after this entry.")
    ] = 0,
    after_hash: Annotated[
        str, typer.Option("--after-hash", metavar="HASH", help="The hash it had then.")
    ] = "",
) -> None:
    """Verify that an account's audit is whole; exit with 1 if it is not.

    Keep the number and the hash of the last entry elsewhere and give them next time: they show
    whether the end was cut off in between.
    """
    request = pb.VerifyAuditRequest(tenant=tenant, after_seq=after_seq, after_hash=after_hash)
    answer = session.audit.VerifyAudit(request)
    session.show(answer, _verdict(answer))
    if not answer.whole:
        raise typer.Exit(ExitCode.DENIED)


def _require_outcome(request: pb.ListAuditEntriesRequest, outcome: str) -> None:
    """Set the filter by outcome. Raises: typer.BadParameter if there is no such outcome."""
    if not outcome:
        return
    kind = f"AUDIT_OUTCOME_{outcome.upper()}"
    reason = f"ERROR_REASON_{outcome.upper()}"
    if kind in pb.AuditOutcome.keys()[1:]:
        request.outcome = pb.AuditOutcome.Value(kind)
    elif reason in error_reason_pb2.ErrorReason.keys()[1:]:
        request.refusal = error_reason_pb2.ErrorReason.Value(reason)
    else:
        raise typer.BadParameter(f"--outcome {outcome!r}: done, refused, or a reason of refusal")


def _table(entries: Iterable[pb.AuditEntry], tenant: str) -> RenderableType:
    rows = [
        (
            instant(entry.entry_time),
            entry.tenant,
            str(entry.seq),
            entry_in_words(json.loads(entry.canonical_json), in_local_time),
            who(entry),
            entry.reason,
        )
        for entry in entries
    ]
    return columns_for(tenant, ("TIME", "TENANT", "ENTRY", "WHAT", "WHO", "REASON"), rows)


def _verdict(answer: pb.VerifyAuditResponse) -> RenderableType:
    broken = f"{out.NO} broken at entry {answer.broken_seq}"
    return tables.facts(
        [
            ("chain", f"{out.YES} whole" if answer.whole else broken),
            ("verified", f"{answer.verified_count:,}"),
            ("last entry", str(answer.last_seq)),
            ("last hash", answer.last_hash),
        ]
    )
