"""Files of customers with their members, CSV or JSON lines, read one customer at a time."""

import csv
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import IO, Any, Final

from google.protobuf.json_format import ParseDict, ParseError

from authz_service.cli.display import instants
from authz_service.cli.display.words import timestamp
from authz_service.client.failure import ExitCode, Failure
from authz_service.domain.tenant import TenantState
from authz_service.gen.authz.v1 import member_pb2, tenant_pb2

REQUIRED: Final = ("tenant", "tier")
OPTIONAL: Final = ("display_name", "add_ons", "trial_end_time", "subject", "roles", "owner")
_OF_MEMBER: Final = ("subject", "roles", "owner")
_LONGEST_LINE: Final = 16 * 1024 * 1024


class Form(StrEnum):
    """How a file is written."""

    CSV = "csv"
    JSONL = "jsonl"


@dataclass(frozen=True, slots=True)
class Customer:
    """A customer of a file: where it stands there, and what it is or why it cannot be read."""

    line: int
    tenant: str
    message: tenant_pb2.NewTenant | None = None
    problem: str = ""


class Source:
    """A file that is being read; `position` tells how many bytes of `size` have been."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self._file = file
        self.size = size
        self.position = 0

    def lines(self) -> Iterator[str]:
        """Yield the lines as text, without the byte order mark that some programs begin with."""
        while content := self._file.readline(_LONGEST_LINE):
            first = not self.position
            self.position += len(content)
            yield content.decode("utf-8-sig" if first else "utf-8", errors="surrogateescape")


@contextmanager
def opened(file: Path) -> Iterator[Source]:
    """Open a file, or standard input for `-`. Raises: Failure."""
    if str(file) == "-":
        yield Source(sys.stdin.buffer, 0)
        return
    try:
        with file.open("rb") as content:
            yield Source(content, file.stat().st_size)
    except OSError as error:
        raise _unreadable(f"{file} was not read: {error.strerror}") from None


def form_of(file: Path) -> Form:
    """Tell the form by the name. Raises: Failure."""
    form = {".csv": Form.CSV, ".jsonl": Form.JSONL, ".ndjson": Form.JSONL}.get(file.suffix.lower())
    if form is None:
        raise _unreadable(f"the name of {file} does not say what it is; give --format csv or jsonl")
    return form


def customers(source: Source, form: Form) -> Iterator[Customer]:
    """Yield the customers in the order of the file; one that cannot be read stops no other.

    Raises: Failure, if the first line of a CSV does not name its columns.
    """
    return _of_json(source.lines()) if form is Form.JSONL else _of_csv(source.lines())


def _of_json(lines: Iterable[str]) -> Iterator[Customer]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            document = json.loads(line)
        except (ValueError, RecursionError):
            yield Customer(number, "", problem="it is not JSON")
            continue
        name = document.get("tenant", "") if isinstance(document, dict) else ""
        tenant = name if isinstance(name, str) else ""
        yield _read(number, tenant, partial(_from_document, document))


def _from_document(document: Any) -> tenant_pb2.NewTenant:
    """Read the message as JSON, dates and the state after a trial as a person writes them."""
    if not isinstance(document, dict):
        raise ValueError("it is not a JSON object")
    plain = dict(document)
    until, then = plain.pop("trial_end_time", ""), plain.pop("after_trial", "")
    message = ParseDict(plain, tenant_pb2.NewTenant())
    _date(message, str(until))
    if then:
        message.after_trial = tenant_pb2.TenantState.Value(f"TENANT_STATE_{TenantState(then).name}")
    return message


def _of_csv(lines: Iterable[str]) -> Iterator[Customer]:
    """Take consecutive lines of one tenant for one customer."""
    rows = csv.DictReader(lines, skipinitialspace=True)
    try:
        yield from _of_rows(rows)
    except csv.Error as error:
        raise _unreadable(f"what follows line {rows.line_num} is not CSV: {error}") from None


def _of_rows(rows: "csv.DictReader[str]") -> Iterator[Customer]:
    columns = tuple(rows.fieldnames or ())
    if not {*REQUIRED} <= {*columns} <= {*REQUIRED, *OPTIONAL} or len({*columns}) < len(columns):
        raise _unreadable(
            f"line 1 must name the columns {' and '.join(REQUIRED)}, and of "
            f"{', '.join(OPTIONAL)} those that are wanted; no others, none twice"
        )
    numbered = ((rows.line_num, row) for row in rows)
    for tenant, group in groupby(numbered, lambda item: (item[1]["tenant"] or "").strip()):
        matches = list(group)
        rows_of_it = [row for _, row in matches]
        yield _read(matches[0][0], tenant, partial(_from_rows, rows_of_it))


def _from_rows(rows: list[dict[str, Any]]) -> tenant_pb2.NewTenant:
    if any(None in row or None in row.values() for row in rows):
        raise ValueError("a line has not as many values as line 1 has columns")
    answers = [{name: value.strip() for name, value in row.items()} for row in rows]
    first = answers[0]
    for row in answers[1:]:
        for name in row.keys() - {*_OF_MEMBER}:
            if row[name] not in ("", first[name]):
                raise ValueError(
                    f"its lines do not agree on {name}: {first[name]!r}, {row[name]!r}"
                )
    message = tenant_pb2.NewTenant(
        tenant=first["tenant"],
        tier=first["tier"],
        display_name=first.get("display_name", ""),
        add_ons=_listed(first.get("add_ons", "")),
        members=[_member(row) for row in answers if row.get("subject")],
    )
    _date(message, first.get("trial_end_time", ""))
    return message


def _member(row: dict[str, str]) -> member_pb2.NewMember:
    owner = row.get("owner", "").lower()
    if owner not in ("", "yes", "no", "true", "false"):
        raise ValueError(f"owner is {owner!r}; write yes, no or nothing")
    roles = _listed(row.get("roles", ""))
    return member_pb2.NewMember(subject=row["subject"], roles=roles, owner=owner in ("yes", "true"))


def _read(line: int, tenant: str, body: Callable[[], tenant_pb2.NewTenant]) -> Customer:
    try:
        return Customer(line, tenant, body())
    except UnicodeEncodeError:
        plain = tenant.encode(errors="backslashreplace").decode()
        return Customer(line, plain, problem="it is not UTF-8")
    except (ValueError, ParseError) as error:
        return Customer(line, tenant, problem=" ".join(str(error).split()))


def _date(message: tenant_pb2.NewTenant, text: str) -> None:
    if text:
        at = timestamp(instants.instant(text, datetime.now(UTC)))
        message.trial_end_time.MergeFrom(at) if at is not None else None


def _listed(text: str) -> list[str]:
    """Split names that stand in one cell, by semicolons or blanks."""
    return text.replace(";", " ").split()


def _unreadable(message: str) -> Failure:
    return Failure(ExitCode.USAGE, "UNREADABLE_FILE", message, field="FILE")
