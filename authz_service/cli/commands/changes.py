"""`authz changes`: what changed in an account between two revisions, by whom and why."""

from typing import Annotated, Any

import typer
from google.protobuf.json_format import MessageToDict

from authz_service.cli.display import output as out
from authz_service.cli.display import tables
from authz_service.cli.display.words import instant
from authz_service.cli.options import CUSTOMERS, Limit, Tenant, reads
from authz_service.cli.paging import every, total
from authz_service.cli.session import Session
from authz_service.gen.authz.v1 import audit_pb2 as pb

commands = typer.Typer()


@reads(commands, panel=CUSTOMERS)
def changes(
    session: Session,
    tenant: Tenant,
    *,
    after: Annotated[
        int, typer.Option("--after", metavar="REVISION", min=0, help="Only what came after it.")
    ] = 0,
    until: Annotated[
        int,
        typer.Option("--until", metavar="REVISION", min=0, help="Only up to this one, inclusive."),
    ] = 0,
    limit: Limit = None,
) -> None:
    """List what changed in an account, the oldest first; system is the catalogue and the keys."""
    request = pb.ListChangesRequest(tenant=tenant, after_revision=after, until_revision=until)
    answer = every(session.audit.ListChanges, request, lambda page: page.changes, limit)
    found = answer.changes
    rows = [
        (str(each.revision), instant(each.change_time), each.action, each.kind, each.id,
         _difference(each), each.actor, each.reason)
        for each in found
    ]  # fmt: skip
    columns = ("REVISION", "AT", "ACTION", "KIND", "ID", "WHAT", "ACTOR", "REASON")
    session.show(answer, tables.table(columns, rows), note=total(len(found), "change", answer))


def _difference(change: pb.Change) -> str:
    """Say what is new, what is gone, or which fields are other than before."""
    before, after = MessageToDict(change.before), MessageToDict(change.after)
    if not before or not after:
        return f"{'made' if after else 'ended'}: {_fields(after or before)}"
    names = [name for name in after if after[name] != before.get(name)]
    was = _fields({name: before.get(name) for name in names})
    return f"{was} -> {_fields({name: after[name] for name in names})}"


def _fields(values: dict[str, Any]) -> str:
    return out.listed(f"{name} {_value(value)}" for name, value in values.items() if value)


def _value(value: Any) -> str:
    match value:
        case dict():
            return f"({_fields(value) or 'always'})"
        case list():
            return f"[{out.listed(map(_value, value))}]"
    return str(value)
