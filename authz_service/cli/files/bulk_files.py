"""CSV files of grants and of revocations, one a line under a line that names the columns."""

import csv
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import typer

from authz_service.cli.display import instants
from authz_service.cli.display.words import timestamp
from authz_service.client.failure import ExitCode, Failure
from authz_service.domain.grant import GrantSource
from authz_service.gen.authz.v1 import role_grant_pb2 as pb

File = Annotated[
    Path, typer.Argument(metavar="FILE", help="CSV whose first line names the columns; - is "
                         "standard input."),
]  # fmt: skip

_REQUIRED: Final = frozenset({"tenant", "subject", "role"})
_REVOCATION: Final = _REQUIRED | {"scope", "source"}
_GRANT: Final = _REVOCATION | {"valid_from", "valid_until", "reason"}


def grants(file: Path) -> list[pb.RoleGrant]:
    """Read grants. Raises: Failure, naming the line that cannot be read."""
    return [
        pb.RoleGrant(
            tenant=row["tenant"],
            subject=row["subject"],
            role=row["role"],
            scope=row.get("scope", ""),
            valid_from=timestamp(_instant(row.get("valid_from", ""), place)),
            valid_until=timestamp(_instant(row.get("valid_until", ""), place)),
            source=_source(row.get("source", ""), place),
            reason=row.get("reason", ""),
        )
        for place, row in _rows(file, _GRANT)
    ]


def revocations(file: Path) -> list[pb.RoleRevocation]:
    """Read revocations. Raises: Failure, naming the line that cannot be read."""
    return [
        pb.RoleRevocation(
            tenant=row["tenant"],
            subject=row["subject"],
            role=row["role"],
            scope=row.get("scope", ""),
            source=_source(row.get("source", ""), place),
        )
        for place, row in _rows(file, _REVOCATION)
    ]


def _rows(file: Path, existing: frozenset[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield each line that is not empty, with its place, as texts by column."""
    standard = str(file) == "-"
    try:
        opened = nullcontext(sys.stdin) if standard else file.open(encoding="utf-8-sig", newline="")
    except OSError as error:
        raise _unreadable(f"{file} was not read: {error.strerror}") from None
    with opened as lines:
        rows = csv.DictReader(lines, skipinitialspace=True)
        columns = set(rows.fieldnames or ())
        if not _REQUIRED <= columns <= existing:
            named = ", ".join(sorted(existing - _REQUIRED))
            raise _unreadable(
                f"line 1 of {file} must name the columns tenant, subject and role, and of {named} "
                "those that are wanted; no others"
            )
        for row in rows:
            place = f"line {rows.line_num} of {file}"
            if None in row or None in row.values():
                raise _unreadable(f"{place} has not as many values as line 1 has columns")
            yield place, {name: value.strip() for name, value in row.items()}


def _instant(text: str, place: str) -> datetime | None:
    if not text:
        return None
    try:
        return instants.instant(text, datetime.now(UTC))
    except ValueError as error:
        raise _unreadable(f"{place}: {error}") from None


def _source(text: str, place: str) -> pb.GrantSource.ValueType:
    if not text:
        return pb.GRANT_SOURCE_UNSPECIFIED
    try:
        return pb.GrantSource.Value(f"GRANT_SOURCE_{GrantSource(text).name}")
    except ValueError:
        existing = ", ".join(GrantSource)
        raise _unreadable(f"{place}: {text!r} is no source; there are {existing}") from None


def _unreadable(message: str) -> Failure:
    return Failure(ExitCode.USAGE, "UNREADABLE_FILE", message)
