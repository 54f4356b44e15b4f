"""A table of permissions x roles with the lowest tier of each, read as a policy.

    scope,resource,action,guest,owner,note,tier,tier_source
    project,issue,create,no,yes,,free,

Cells are taken as they stand: no role includes another, and a `conditional` cell, which depends on
something outside role and tier, grants nothing.
"""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from io import StringIO
from typing import Final

from authz_service.domain.catalog import TIER, Permission, Plan, Role
from authz_service.domain.identifiers import MAX_INCLUSION
from authz_service.domain.identifiers import checked as checked_identifier
from authz_service.domain.policy_set import PolicySet
from authz_service.domain.policy_set import checked as checked_policy
from authz_service.errors import ErrorReason, InvalidArgument
from authz_service.policyfiles.problem import MAX_BYTES, TOO_LARGE, PolicyFileError, Problem

FILE: Final = "matrix.csv"

_NAMING: Final = ("scope", "resource", "action")
_CLOSING: Final = ("note", "tier", "tier_source")
_REQUIRED: Final = (*_NAMING, "tier")
_CELLS: Final = ("yes", "no", "conditional")


@dataclass(slots=True)
class _Matrix:
    """What has been read: the tier of each permission, who holds it, the lines of both."""

    file: str
    columns: list[str]
    roles: dict[str, set[str]]
    tiers: dict[str, set[str]]
    problems: list[Problem]
    lines: dict[str, int] = field(default_factory=dict)

    def blame(self, line: int, column: str, message: str) -> None:
        self.problems.append(Problem(self.file, line, column, message))


def read_matrix(text: str, tiers: tuple[str, ...], file: str = FILE) -> PolicySet:
    """Read a table whose permissions are `<scope>.<resource>:<action>`.

    `tiers` are its tiers, lowest first: each extends the one before, and every role can be assigned
    in each. Roles are the columns between `action` and `note` or `tier`, in their order.

    Raises:
        PolicyFileError: everything found wrong, by line and column.
        InvalidArgument: `tiers` is empty, repeats a tier or is too long a chain.
    """
    _check_tiers(tiers)
    problems: list[Problem] = []
    rows = _rows(text, file, problems)
    heading, columns = next(rows, (1, []))
    matrix = _Matrix(file, columns, {}, {tier: set() for tier in tiers}, problems)
    if not problems:
        _read_columns(matrix, heading)
    if not problems:
        for line, row in rows:
            _read_row(matrix, line, row)
        if not (matrix.lines or problems):
            matrix.blame(heading, "", "no permission stands below the column names: add rows")
    if problems:
        raise PolicyFileError(problems)
    return checked_policy(_policy(matrix))


def _check_tiers(tiers: tuple[str, ...]) -> None:
    for tier in tiers:
        checked_identifier("tier", tier, "tiers")
    if not tiers or len(set(tiers)) < len(tiers):
        message = "name every tier of the matrix once, lowest first"
        raise InvalidArgument(ErrorReason.INVALID_FIELD, message, field="tiers")
    if len(tiers) > MAX_INCLUSION:
        message = f"{len(tiers)} tiers extend each other: name at most {MAX_INCLUSION}"
        raise InvalidArgument(ErrorReason.INCLUSION_TOO_DEEP, message, field="tiers")


def _rows(text: str, file: str, problems: list[Problem]) -> Iterator[tuple[int, list[str]]]:
    """Yield rows that are not blank, each with the line it begins on; end at what is no CSV."""
    if len(text.encode(errors="replace")) > MAX_BYTES:
        problems.append(Problem(file, 1, "", TOO_LARGE))
        return
    reader = csv.reader(StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    begins = 1
    try:
        for row in reader:
            if row:
                yield begins, row
            begins = reader.line_num + 1
    except csv.Error as error:
        problems.append(Problem(file, begins, "", f"not CSV: {error}; check the quotes"))


def _read_columns(matrix: _Matrix, line: int) -> None:
    """Find the role columns by what stands around them."""
    if not matrix.columns:
        matrix.blame(line, "", "the file is empty: begin with the names of the columns")
        return
    for column in dict.fromkeys(c for c in matrix.columns if matrix.columns.count(c) > 1):
        matrix.blame(line, column, "the column stands here twice: keep one")
    missing = [column for column in _REQUIRED if column not in matrix.columns]
    for column in missing:
        matrix.blame(line, column, "the column is missing: add it")
    if missing:
        return
    first = matrix.columns.index("action") + 1
    last = min(matrix.columns.index(c) for c in _CLOSING if c in matrix.columns)
    for column in matrix.columns[first:last]:
        matrix.roles[column] = set()
        _check_role(matrix, line, column)
    for column in (*matrix.columns[:first], *matrix.columns[last:]):
        if column not in (*_NAMING, *_CLOSING):
            message = "unknown column: a role's stands between `action` and `note` or `tier`"
            matrix.blame(line, column, message)
    if not matrix.roles:
        matrix.blame(line, "", "no role column: add one a role between `action` and `tier`")


def _check_role(matrix: _Matrix, line: int, role: str) -> None:
    try:
        # A tier has the alphabet of a global role; a role may be a tenant's own.
        checked_identifier("tier", role)
    except InvalidArgument:
        message = f"{role[:140]!r} cannot be a role: use letters, digits, . _ - (1 to 64 of them)"
        matrix.blame(line, role, message)


def _read_row(matrix: _Matrix, line: int, row: list[str]) -> None:
    if len(row) != len(matrix.columns):
        message = f"the row has {len(row)} cells, the table {len(matrix.columns)} columns"
        matrix.blame(line, "", f"{message}: check commas and quotes")
        return
    cells = dict(zip(matrix.columns, row, strict=True))
    permission = f"{cells['scope']}.{cells['resource']}:{cells['action']}"
    if column := _misnamed(cells, permission):
        message = f"{permission[:140]!r} is not a permission: {column} must be lower case letters, "
        matrix.blame(line, column, message + "digits, . _ - (scope and resource 64 together)")
    elif permission in matrix.lines:
        message = f"{permission!r} stands on line {matrix.lines[permission]} already: keep one"
        matrix.blame(line, "action", message)
    matrix.lines.setdefault(permission, line)
    _read_tier(matrix, line, permission, cells["tier"])
    for role in matrix.roles:
        _read_cell(matrix, line, permission, role, cells[role])


def _misnamed(cells: dict[str, str], permission: str) -> str:
    """Name the column that makes a permission ill-formed; "" if it is not."""
    alone = (f"{cells['scope']}:x", f"{cells['resource']}:x", f"x:{cells['action']}", permission)
    columns = (*_NAMING, "resource")
    return next((c for c, p in zip(columns, alone, strict=True) if not _is_permission(p)), "")


def _is_permission(text: str) -> bool:
    try:
        checked_identifier("permission", text)
    except InvalidArgument:
        return False
    return True


def _read_tier(matrix: _Matrix, line: int, permission: str, tier: str) -> None:
    if tier in matrix.tiers:
        matrix.tiers[tier].add(permission)
    else:
        known = ", ".join(matrix.tiers)
        matrix.blame(line, "tier", f"{tier!r} is not one of the tiers {known}: correct one of both")


def _read_cell(matrix: _Matrix, line: int, permission: str, role: str, cell: str) -> None:
    if cell == "yes":
        matrix.roles[role].add(permission)
    elif cell not in _CELLS:
        matrix.blame(line, role, f"a cell is {_either(_CELLS)}, not {cell[:140]!r}")


def _either(words: Iterable[str]) -> str:
    *others, last = words
    return f"{', '.join(others)} or {last}"


def _policy(matrix: _Matrix) -> PolicySet:
    names = list(matrix.tiers)
    below = ["", *(TIER + name for name in names[:-1])]
    return PolicySet(
        tuple(Permission(name) for name in matrix.lines),
        tuple(Role(name, frozenset(held)) for name, held in matrix.roles.items()),
        tuple(
            Plan(
                TIER + name,
                extends=extends,
                permissions=frozenset(matrix.tiers[name]),
                assignable_roles=frozenset(matrix.roles),
            )
            for name, extends in zip(names, below, strict=True)
        ),
    )
