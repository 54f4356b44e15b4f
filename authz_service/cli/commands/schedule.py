"""`authz schedule`: the changes of policy that come into force by themselves."""

from typing import Annotated

import typer
from rich.console import RenderableType
from rich.text import Text

from authz_service.cli.display import tables
from authz_service.cli.display.preview import object_parts
from authz_service.cli.display.words import instant
from authz_service.cli.options import Limit, Reason
from authz_service.cli.paging import every, total
from authz_service.cli.registration import changes, reads
from authz_service.cli.session import Session
from authz_service.gen.authz.v1 import changeset_pb2 as pb

app = typer.Typer(help="Changes of policy that come into force by themselves: authz apply --at.")

ScheduleId = Annotated[
    str, typer.Argument(metavar="ID", help="As authz schedule list shows it: sch-...")
]


@reads(app, "list")
def list_scheduled(session: Session, limit: Limit = None) -> None:
    """List what lies ahead, the next one first."""
    answer = every(
        session.changesets.ListScheduledChangesets,
        pb.ListScheduledChangesetsRequest(),
        lambda page: page.scheduled,
        limit,
    )
    rows = [
        (changeset.id, instant(changeset.apply_time), f"{changeset.object_count:,}",
         _who(changeset), changeset.reason, _blocker(changeset))
        for changeset in answer.scheduled
    ]  # fmt: skip
    columns = ("ID", "WHEN", "OBJECTS", "BY", "REASON", "WOULD BE REFUSED")
    note = total(len(rows), "scheduled changeset", answer)
    session.show(answer, tables.table(columns, rows), note=note)


@reads(app, "show")
def show_scheduled(session: Session, scheduled: ScheduleId) -> None:
    """Show one, with all that it would do as things stand."""
    request = pb.GetScheduledChangesetRequest(id=scheduled)
    answer = session.changesets.GetScheduledChangeset(request)
    session.show(answer, *_parts(answer.scheduled))


@changes(app)
def cancel(session: Session, scheduled: ScheduleId, reason: Reason = "") -> None:
    """Take one back before its instant."""
    request = pb.CancelScheduledChangesetRequest(id=scheduled, reason=reason)
    answer = session.changesets.CancelScheduledChangeset(request)
    session.show(answer, *_parts(answer.scheduled), note="cancelled")


def _parts(scheduled: pb.ScheduledChangeset) -> tuple[RenderableType | Text, ...]:
    facts = tables.facts(
        [
            ("id", scheduled.id),
            ("when", instant(scheduled.apply_time)),
            ("by", _who(scheduled)),
            ("reason", scheduled.reason),
            ("scheduled", instant(scheduled.create_time)),
            ("would be refused", _blocker(scheduled)),
        ]
    )
    return (facts, Text(), *object_parts(scheduled.objects))


def _who(scheduled: pb.ScheduledChangeset) -> str:
    actor, behalf = scheduled.actor, scheduled.on_behalf_of
    return f"{behalf} by {actor}" if behalf else actor


def _blocker(scheduled: pb.ScheduledChangeset) -> str:
    if not scheduled.HasField("blocker"):
        return ""
    return f"{scheduled.blocker.reason}: {scheduled.blocker.message}"
