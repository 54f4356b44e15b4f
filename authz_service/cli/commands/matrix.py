"""`authz import matrix`: a table of permissions x roles becomes policy."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import RenderableType
from rich.text import Text

from authz_service.cli.commands.policies import Accept, apply_plan
from authz_service.cli.display import output as out
from authz_service.cli.display import tables
from authz_service.cli.files import folder_changes
from authz_service.cli.options import Reason
from authz_service.cli.registration import changes
from authz_service.cli.session import Session
from authz_service.client.failure import ExitCode, Failure

if TYPE_CHECKING:
    from authz_service.policyfiles.matrix.columns import Column
    from authz_service.policyfiles.matrix.matrix import Matrix

commands = typer.Typer()


@changes(commands)
def matrix(
    session: Session,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A table of permissions x roles, as CSV.")
    ],
    *,
    tiers: Annotated[
        str,
        typer.Option("--tiers", metavar="TIER,...", help="Its tiers, lowest first, if it has any."),
    ] = "",
    reason: Reason = "",
    accept: Accept = None,
) -> None:
    """Create or update permissions, roles and tiers from a table, as a spreadsheet exports it."""
    from authz_service.policyfiles.matrix.matrix import read_matrix
    from authz_service.policyfiles.matrix.text import decoded

    names = tuple(tier.strip() for tier in tiers.split(",") if tier.strip())
    table = read_matrix(decoded(_content(file)), names, file.name)
    if session.output is out.Output.TABLE:
        session.print(*reading_parts(table), Text())
    change_plan = folder_changes.planned(session, table.policy)
    apply_plan(session, change_plan, reason, accept or (), reading_document(table))


def reading_document(table: "Matrix") -> dict[str, Any]:
    """Tell programs how each column of a table was read."""
    columns = [
        {
            "name": column.name,
            "read_as": column.kind.value,
            "id": column.id,
            "cells": {cell.value: list(words) for cell, words in column.words},
            "remark": column.remark,
        }
        for column in table.columns
    ]
    return {"columns": columns, "headings": list(table.sections)}


def reading_parts(table: "Matrix") -> Iterator[RenderableType]:
    """Tell how each column of a table was read."""
    rows = [
        (column.name, f"{column.kind} {column.id}".strip(), _cells(column))
        for column in table.columns
    ]
    yield tables.table(("COLUMN", "READ AS", "CELLS"), rows)
    if table.sections:
        yield Text.assemble(("headings, not permissions: ", "bold"), out.listed(table.sections))


def _cells(column: "Column") -> str:
    parts = (
        f"{cell}: {out.listed(word or 'nothing' for word in words)}" for cell, words in column.words
    )
    return column.remark or "; ".join(parts)


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        message = f"{file} cannot be read: {error.strerror}"
        raise Failure(ExitCode.USAGE, "UNREADABLE_FILE", message, field="FILE") from None
