"""`authz billing sources`: who sends billing events, and what each of them means."""

from pathlib import Path
from typing import Annotated

import typer
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.json_format import MessageToDict
from rich.console import RenderableType

from authz_service.cli.display import output as out
from authz_service.cli.display import tables
from authz_service.cli.display.released import released_parts
from authz_service.cli.files.event_files import read_file
from authz_service.cli.options import ExpectedRevision, Limit, Reason
from authz_service.cli.paging import every, total
from authz_service.cli.registration import changes, reads
from authz_service.cli.resource import AllowMissing
from authz_service.cli.session import Session
from authz_service.gen.authz.v1 import billing_policy_pb2 as pb

sources = typer.Typer(help="Who sends billing events, and what each of them means.")

SourceId = Annotated[str, typer.Argument(metavar="SOURCE", help="As sources list has it: stripe.")]


@reads(sources, "list")
def list_sources(session: Session, limit: Limit = None) -> None:
    """List who sends billing events."""
    call, request = session.billing_policy.ListBillingSources, pb.ListBillingSourcesRequest()
    answer = every(call, request, lambda page: page.billing_sources, limit)
    rows = []
    for source in answer.billing_sources:
        definition = MessageToDict(source.definition)
        types = [str(rule["type"]) for rule in definition["events"]]
        rows.append((source.id, definition["scheme"], out.listed(dict.fromkeys(types)),
                     str(source.revision)))  # fmt: skip
    columns = ("SOURCE", "SCHEME", "EVENTS", "REVISION")
    session.show(answer, tables.table(columns, rows), note=total(len(rows), "source", answer))


@reads(sources, "show")
def show_source(session: Session, source: SourceId) -> None:
    """Show what the events of a source do."""
    answer = session.billing_policy.GetBillingSource(pb.GetBillingSourceRequest(id=source))
    session.show(answer, *_source_parts(answer.billing_source))


def _source_parts(source: pb.BillingSource) -> list[RenderableType]:
    definition = MessageToDict(source.definition)
    facts = [("source", source.id), ("scheme", definition["scheme"])]
    facts += [("ignored", out.listed(definition.get("ignore", ())))]
    facts += [("last changed", f"revision {source.revision}")]
    rows = []
    for rule in definition["events"]:
        cases = rule["do"] if isinstance(rule["do"], dict) else {"": rule["do"]}
        for value, verbs in cases.items():
            when = f"{rule['by']} is {value}" if value else rule.get("when", "")
            rows.append((rule["type"], when, out.listed(verbs) or "nothing"))
    return [tables.facts(facts), tables.table(("TYPE", "WHEN", "DOES"), rows)]


@changes(sources, "update")
def update_source(
    session: Session,
    source: SourceId,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="Its entry under `sources`, as YAML or JSON.")
    ],
    *,
    allow_missing: AllowMissing = False,
    expected_revision: ExpectedRevision = 0,
    reason: Reason = "",
) -> None:
    """Put a source, and read again the events of it that could not be understood."""
    from authz_service.policyfiles import yaml_text

    document = yaml_text.parse(file.name, read_file(file).decode("utf-8", "replace"))
    if document.problems or not isinstance(document.data, dict):
        problem = next(iter(document.problems.values()), "it is no mapping")
        raise typer.BadParameter(f"{problem}")
    message = pb.BillingSource(id=source)
    message.definition.update(document.data)
    request = pb.UpdateBillingSourceRequest(
        billing_source=message,
        update_mask=FieldMask(paths=["*"]),
        allow_missing=allow_missing,
        expected_revision=expected_revision,
        reason=reason,
    )
    answer = session.billing_policy.UpdateBillingSource(request)
    session.show(answer, *_source_parts(answer.billing_source), *released_parts(answer))


@changes(sources, "delete")
def delete_source(
    session: Session,
    source: SourceId,
    expected_revision: ExpectedRevision = 0,
    reason: Reason = "",
) -> None:
    """Remove a source: nothing is taken in from it any more."""
    request = pb.DeleteBillingSourceRequest(
        id=source, expected_revision=expected_revision, reason=reason
    )
    answer = session.billing_policy.DeleteBillingSource(request)
    session.show(answer, *_source_parts(answer.billing_source))
