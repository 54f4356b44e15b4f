"""A table of permissions x roles, with the lowest tier of each or without, read as a policy.

    scope,resource,action,guest,owner,note,tier
    project,issue,create,no,yes,,free

Cells are taken as they stand: no role includes another, and a `conditional` cell, which depends on
something outside role and tier, grants nothing. Nothing is guessed: what was read as what is told,
column by column, and what could mean two things is refused.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from authz_service.domain.catalog import TIER, Permission, Plan, Role
from authz_service.domain.identifiers import MAX_INCLUSION
from authz_service.domain.identifiers import checked as checked_identifier
from authz_service.domain.policy_set import PolicySet
from authz_service.domain.policy_validation import checked as checked_policy
from authz_service.errors import ErrorReason, InvalidArgument
from authz_service.policyfiles.matrix import columns as reading
from authz_service.policyfiles.matrix.cells import KNOWN, Cell, meaning
from authz_service.policyfiles.matrix.columns import Column, Kind
from authz_service.policyfiles.matrix.names import Names
from authz_service.policyfiles.matrix.text import Row, rows
from authz_service.policyfiles.problem import PolicyFileError, Problem

FILE: Final = "matrix.csv"

_NAMING: Final = (Kind.SCOPE, Kind.RESOURCE, Kind.ACTION, Kind.PERMISSION, Kind.TIER)


@dataclass(frozen=True, slots=True)
class Matrix:
    """A policy, and how each column of the table was read to get there."""

    policy: PolicySet
    columns: tuple[Column, ...]
    sections: tuple[str, ...] = ()
    """What rows say that fill nothing but their first cell: headings, not permissions."""


@dataclass(slots=True)
class _Reader:
    """What has been read: the tier of each permission, who holds it, the lines of both."""

    file: str
    columns: Sequence[Column]
    tiers: dict[str, set[str]]
    problems: list[Problem]
    lines: dict[str, int] = field(default_factory=dict)
    roles: dict[str, set[str]] = field(default_factory=dict)

    def blame(self, line: int, column: str, message: str) -> None:
        self.problems.append(Problem(self.file, line, column, message))


def read_matrix(text: str, tiers: tuple[str, ...] = (), file: str = FILE) -> Matrix:
    """Read a table; its permissions are `<resource>:<action>`, or `<scope>.<resource>:<action>`.

    `tiers` are its tiers, lowest first: each extends the one before, and every role can be assigned
    in each. Without them, and without a tier column, permissions and roles are all that is read.
    Of a table without a tier column, the lowest tier has every permission.

    Raises:
        PolicyFileError: everything found wrong, by line and column.
        InvalidArgument: `tiers` repeats a tier or is too long a chain.
    """
    _check_tiers(tiers)
    problems: list[Problem] = []
    table = list(rows(text, file, problems))
    start = reading.heading(table)
    if start is None:
        if not problems or table:
            problems.append(_without_heading(file, table))
        raise PolicyFileError(problems)
    head, body = table[start], table[start + 1 :]
    columns = reading.read_columns(head.cells, body, tiers)
    reader = _Reader(file, columns, {tier: set() for tier in tiers}, problems)
    names = Names(columns)
    if _check_columns(reader, head, has_body=bool(body)):
        for row in body:
            _read_row(reader, names, row)
    if problems:
        raise PolicyFileError(problems)
    return Matrix(checked_policy(_policy(reader)), tuple(columns), tuple(names.sections))


def _check_tiers(tiers: tuple[str, ...]) -> None:
    for tier in tiers:
        checked_identifier("tier", tier, "tiers")
    if len(set(tiers)) < len(tiers):
        message = "name every tier of the table once, lowest first"
        raise InvalidArgument(ErrorReason.INVALID_FIELD, message, field="tiers")
    if len(tiers) > MAX_INCLUSION:
        message = f"{len(tiers)} tiers extend each other: name at most {MAX_INCLUSION}"
        raise InvalidArgument(ErrorReason.INCLUSION_TOO_DEEP, message, field="tiers")


def _without_heading(file: str, table: Sequence[Row]) -> Problem:
    if not table:
        return Problem(file, 1, "", "the file is empty: begin with the names of the columns")
    message = (
        "no row names the columns: name those with the permission `permission`, or `resource` and "
        "`action` (`scope` before them), each role's by the role"
    )
    return Problem(file, table[0].line, "", message)


def _check_columns(reader: _Reader, head: Row, *, has_body: bool) -> bool:
    """Check that the columns make a table of permissions and roles. Tell whether they do."""
    before = len(reader.problems)
    _check_names(reader, head)
    kinds = [column.kind for column in reader.columns]
    if Kind.TIER in kinds and not reader.tiers:
        reader.blame(head.line, "tier", "name the tiers of the table, lowest first (--tiers)")
    if not has_body:
        reader.blame(head.line, "", "no permission stands below the column names: add rows")
    elif Kind.ROLE not in kinds:
        reader.blame(head.line, "", f"no column is a role's: its cells are {KNOWN}")
    for column in reader.columns:
        if column.kind is Kind.ROLE:
            _check_role(reader, head.line, column)
    return len(reader.problems) == before


def _check_names(reader: _Reader, head: Row) -> None:
    """Check that each column has a name of its own and that they name permissions."""
    names = [name for name in head.cells if name]
    for name in dict.fromkeys(name for name in names if names.count(name) > 1):
        reader.blame(head.line, name, "two columns have this name: keep one")
    kinds = [column.kind for column in reader.columns]
    for kind in _NAMING:
        if kinds.count(kind) > 1:
            reader.blame(head.line, "", f"two columns name the {kind.value}: rename one of them")
    if Kind.PERMISSION not in kinds:
        for kind in (Kind.RESOURCE, Kind.ACTION):
            if kind not in kinds:
                reader.blame(head.line, kind.value, "the column is missing: add it")


def _check_role(reader: _Reader, line: int, column: Column) -> None:
    if column.remark:
        message = "`x` stands beside check marks and may mean no: write yes and no in their place"
        reader.blame(line, column.name, message)
    try:
        # A tier has the alphabet of a global role; a role may be a tenant's own.
        checked_identifier("tier", column.id)
    except InvalidArgument:
        message = f"{column.name[:140]!r} cannot be a role: begin with a letter or digit, 1 to 64"
        reader.blame(line, column.name, message)
    roles = [other for other in reader.columns if other.kind is Kind.ROLE]
    if any(other.id == column.id and other.name != column.name for other in roles):
        message = f"another column would be the role {column.id!r}: rename one of them"
        reader.blame(line, column.name, message)
    reader.roles[column.id] = set()


def _read_row(reader: _Reader, names: Names, row: Row) -> None:
    if names.is_section(row):
        return
    width = len(reader.columns)
    if len(row.cells) < width or any(row.cells[width:]):
        message = f"the row has {len(row.cells)} cells, the table {width} columns"
        reader.blame(row.line, "", f"{message}: check delimiters and quotes")
        return
    permission, wrong = names.permission(row)
    if wrong is not None:
        reader.blame(row.line, wrong.column, wrong.message)
    elif permission in reader.lines:
        message = f"{permission!r} stands on line {reader.lines[permission]} already: keep one"
        reader.blame(row.line, names.last, message)
    reader.lines.setdefault(permission, row.line)
    _read_tier(reader, row, permission)
    for column, cell in zip(reader.columns, row.cells, strict=False):
        if column.kind is Kind.ROLE and _is_yes(reader, row.line, column, cell):
            reader.roles[column.id].add(permission)


def _read_tier(reader: _Reader, row: Row, permission: str) -> None:
    """Note the lowest tier that has a permission."""
    lowest = next(iter(reader.tiers), "")
    sold_in: list[str] = []
    for column, cell in zip(reader.columns, row.cells, strict=False):
        if column.kind is Kind.TIER:
            lowest = _tier(reader, row.line, column, cell)
        elif column.kind is Kind.SOLD_IN and _is_yes(reader, row.line, column, cell):
            sold_in.append(column.id)
    if any(column.kind is Kind.SOLD_IN for column in reader.columns):
        lowest = _lowest(reader, row.line, sold_in)
    if lowest:
        reader.tiers[lowest].add(permission)


def _tier(reader: _Reader, line: int, column: Column, cell: str) -> str:
    by_name = {reading.plain(tier): tier for tier in reader.tiers}
    tier = by_name.get(reading.plain(cell), "")
    if not tier:
        message = f"{cell!r} is not one of the tiers {', '.join(reader.tiers)}: correct one of both"
        reader.blame(line, column.name, message)
    return tier


def _lowest(reader: _Reader, line: int, sold_in: Sequence[str]) -> str:
    """Give the lowest of the tiers that have a permission; each above it has it too."""
    order = list(reader.tiers)
    lowest = min(sold_in, key=order.index, default="")
    missing = (
        [tier for tier in order[order.index(lowest) :] if tier not in sold_in] if lowest else []
    )
    if missing:
        message = f"{lowest} has it and {missing[0]} has not, but each tier extends the one before"
        reader.blame(line, missing[0], message)
    return lowest


def _is_yes(reader: _Reader, line: int, column: Column, cell: str) -> bool:
    match meaning(cell):
        case None:
            reader.blame(line, column.name, f"a cell is {KNOWN}, not {cell[:140]!r}")
            return False
        case said:
            return said is Cell.YES


def _policy(reader: _Reader) -> PolicySet:
    ids = list(reader.tiers)
    below = ["", *(TIER + tier for tier in ids)][: len(ids)]
    names = {column.id: column.name for column in reader.columns if column.id != column.name}
    return PolicySet(
        tuple(Permission(name) for name in reader.lines),
        tuple(
            Role(role, frozenset(permissions), description=names.get(role, ""))
            for role, permissions in reader.roles.items()
        ),
        tuple(
            Plan(
                TIER + tier,
                extends=extends,
                permissions=frozenset(reader.tiers[tier]),
                assignable_roles=frozenset(reader.roles),
            )
            for tier, extends in zip(ids, below, strict=True)
        ),
    )
