"""`authz changes`: what changed in an account or in all, by whom and why."""

from typing import Annotated

import typer
from google.protobuf.json_format import MessageToDict

from authz_service.cli import completion
from authz_service.cli.display.audited import columns_for, in_local_time, who
from authz_service.cli.display.words import instant, timestamp
from authz_service.cli.options import CUSTOMERS, Limit
from authz_service.cli.paging import every, total
from authz_service.cli.registration import reads
from authz_service.cli.search_options import (
    ActionPrefix,
    Actor,
    OldestFirst,
    OnBehalfOf,
    Since,
    Until,
)
from authz_service.cli.session import Session
from authz_service.domain.audit_words import change_in_words
from authz_service.gen.authz.v1 import audit_pb2 as pb

commands = typer.Typer()


@reads(commands, panel=CUSTOMERS)
def changes(
    session: Session,
    tenant: Annotated[
        str,
        typer.Argument(help="The account; all if not given. system: the catalogue and callers.",
                       autocompletion=completion.tenants),
    ] = "",
    *,
    actor: Actor = "",
    on_behalf_of: OnBehalfOf = "",
    action: ActionPrefix = "",
    start: Since = None,
    end: Until = None,
    after: Annotated[
        int, typer.Option("--after-revision", metavar="N", min=0, help="Only what came after it.")
    ] = 0,
    until: Annotated[
        int,
        typer.Option("--until-revision", metavar="N", min=0, help="Only up to it, inclusive."),
    ] = 0,
    oldest_first: OldestFirst = False,
    limit: Limit = None,
) -> None:  # fmt: skip
    """List what changed in one account or in all, the newest first."""
    request = pb.ListChangesRequest(
        tenant=tenant,
        actor=actor,
        on_behalf_of=on_behalf_of,
        action_prefix=action,
        start_time=timestamp(start),
        end_time=timestamp(end),
        after_revision=after,
        until_revision=until,
        oldest_first=oldest_first,
    )
    answer = every(session.audit.ListChanges, request, lambda page: page.changes, limit)
    rows = [
        (instant(change.change_time), change.tenant, str(change.revision), _what(change),
         who(change), change.reason)
        for change in answer.changes
    ]  # fmt: skip
    columns = ("TIME", "TENANT", "REVISION", "WHAT", "WHO", "REASON")
    note = total(len(rows), "change", answer)
    session.show(answer, columns_for(tenant, columns, rows), note=note)


def _what(change: pb.AuditedChange) -> str:
    document = MessageToDict(change.change, preserving_proto_field_name=True)
    return change_in_words(change.action, document, in_local_time)
