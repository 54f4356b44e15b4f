"""Changes and audit entries in tables."""

from collections.abc import Sequence
from datetime import datetime

from rich.console import RenderableType

from authz_service.cli.display import tables
from authz_service.gen.authz.v1 import audit_pb2 as pb


def who(entry: pb.AuditEntry | pb.AuditedChange) -> str:
    """Name who called, by the name of the key where it has one, and on whose behalf."""
    name = entry.actor_display_name or entry.actor or "the service itself"
    return f"{name} for {entry.on_behalf_of}" if entry.on_behalf_of else name


def in_local_time(instant: str) -> str:
    """Write an RFC 3339 instant in the reader's time zone, to the minute."""
    return f"{datetime.fromisoformat(instant).astimezone():%Y-%m-%d %H:%M}"


def columns_for(
    tenant: str, columns: Sequence[str], rows: Sequence[Sequence[str]]
) -> RenderableType:
    """Make a table; the column TENANT is left out where all rows are of one account."""
    shown = [place for place, name in enumerate(columns) if name != "TENANT" or not tenant]
    cut = [[row[place] for place in shown] for row in rows]
    return tables.table([columns[place] for place in shown], cut)
