"""`authz audit`: what was done, refused and read, and whether the record of it is whole."""

import json
from collections.abc import Iterable
from typing import Annotated

import typer
from rich.table import Table

from authz_service.cli import completion
from authz_service.cli.display import output as out
from authz_service.cli.display import tables
from authz_service.cli.display.words import timestamp
from authz_service.cli.options import From, Limit, Tenant, Until, reads
from authz_service.cli.paging import every, total
from authz_service.cli.session import Session
from authz_service.client.failure import ExitCode
from authz_service.gen.authz.v1 import audit_pb2 as pb

app = typer.Typer(help="What was done, refused and read, by whom and why.")


@reads(app, "list")
def list_entries(
    session: Session,
    *,
    tenant: Annotated[
        str,
        typer.Option("--tenant", metavar="TENANT", help="Only this account's, or system's.",
                     autocompletion=completion.tenants),
    ] = "",
    actor: Annotated[
        str, typer.Option("--actor", metavar="SUBJECT", help="Only what this caller did.")
    ] = "",
    action: Annotated[
        str,
        typer.Option("--action", metavar="ACTION", help="As in role.granted; reads and refusals "
                     "by their right: role_grants:create."),
    ] = "",
    outcome: Annotated[
        str,
        typer.Option("--outcome", metavar="OUTCOME", help="done, refused, or a reason: "
                     "PERMISSION_DENIED."),
    ] = "",
    start: From = None,
    end: Until = None,
    newest_first: Annotated[
        bool, typer.Option("--newest-first", help="The newest of each account first.")
    ] = False,
    limit: Limit = None,
) -> None:  # fmt: skip
    """List audit entries, account by account, the oldest first."""
    request = pb.ListAuditEntriesRequest(
        tenant=tenant,
        actor=actor,
        action=action,
        outcome=outcome,
        start_time=timestamp(start),
        end_time=timestamp(end),
        newest_first=newest_first,
    )
    answer = every(session.audit.ListAuditEntries, request, lambda page: page.entries, limit)
    found = answer.entries
    session.show(answer, _table(found), note=total(len(found), "entry", answer))


@reads(app)
def verify(
    session: Session,
    tenant: Tenant,
    *,
    after_seq: Annotated[
        int, typer.Option("--after-seq", metavar="N", min=0, help="Begin at this entry.")
    ] = 0,
    after_hash: Annotated[
        str, typer.Option("--after-hash", metavar="HASH", help="The hash it had then.")
    ] = "",
) -> None:
    """Tell whether an account's audit is whole; exit with 1 if it is not.

    Keep the number and hash of the last entry elsewhere and give them next time: they show when
    the end was cut off since.
    """
    request = pb.VerifyAuditRequest(tenant=tenant, after_seq=after_seq, after_hash=after_hash)
    answer = session.audit.VerifyAudit(request)
    session.show(answer, _verdict(answer))
    if not answer.whole:
        raise typer.Exit(ExitCode.DENIED)


def _table(entries: Iterable[pb.AuditEntry]) -> Table:
    rows = [
        (entry.tenant, str(entry.seq), said["at"], said["actor"], said["action"], said["outcome"],
         out.listed(said["targets"]), said["reason"])
        for entry in entries
        for said in (json.loads(entry.entry),)
    ]  # fmt: skip
    columns = ("TENANT", "SEQ", "AT", "ACTOR", "ACTION", "OUTCOME", "TARGETS", "REASON")
    return tables.table(columns, rows)


def _verdict(answer: pb.VerifyAuditResponse) -> Table:
    broken = f"{out.NO} broken at entry {answer.broken_seq}"
    return tables.facts(
        [
            ("chain", f"{out.YES} whole" if answer.whole else broken),
            ("verified", f"{answer.verified:,}"),
            ("last entry", str(answer.last_seq)),
            ("last hash", answer.last_hash),
        ]
    )
