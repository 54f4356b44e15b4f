"""The tables of case files: permissions down, subjects across, an answer in each cell.

permission       user:ann  user:bob
invoices:view    allow     allow
invoices:export  allow     role_missing
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from authz_service.domain.identifiers import checked
from authz_service.errors import InvalidArgument
from authz_service.policyfiles.cases.place import Place

_CORNER: Final = "permission"
_REMARK: Final = "#"


@dataclass(frozen=True, slots=True)
class Cell:
    """`place` is the cell's own, so that each is blamed apart; `line` is that of its row."""

    place: Place
    line: int
    permission: str
    subject: str
    answer: str


def cells(table: Place) -> Iterator[Cell]:
    """Read a table row by row; mistakes are blamed."""
    rows = list(_rows(table))
    if not table.is_there or not isinstance(table.value, str):
        return
    if len(rows) < 2:
        table.blame("a table has a head and at least one row: write them below `table: |`")
        return
    (line, head), *rest = rows
    subjects = _subjects(table, line, head)
    names: set[str] = set()
    for number, (permission, *answers) in rest:
        row = table.at(permission)
        if permission in names:
            table.document.blame(row.steps, "the permission has a row already: keep one", number)
        names.add(permission)
        _check_permission(row, permission, number)
        if len(answers) != len(subjects):
            message = f"the row has {len(answers)} answers for {len(subjects)} subjects"
            table.document.blame(row.steps, message, number)
        for subject, expected in zip(subjects, answers, strict=False):
            yield Cell(row.at(subject), number, permission, subject, expected)


def _rows(table: Place) -> Iterator[tuple[int, list[str]]]:
    """Split the lines into words; the text of a `|` block begins on the line after its key."""
    for number, line in enumerate(table.text.splitlines(), table.line + 1):
        words = line.split()
        if words and not words[0].startswith(_REMARK):
            yield number, words


def _subjects(table: Place, line: int, head: list[str]) -> list[str]:
    corner, *subjects = head
    if corner != _CORNER or not subjects:
        message = f"a table's first line is `{_CORNER}` and the subjects, not {' '.join(head)!r}"
        table.document.blame(table.steps, message, line)
    for index, subject in enumerate(subjects):
        steps = (*table.steps, subject)
        if subject in subjects[:index]:
            table.document.blame(steps, "the subject has a column already: keep one", line)
        try:
            checked("subject", subject)
        except InvalidArgument as wrong:
            table.document.blame(steps, wrong.message, line)
    return subjects


def _check_permission(row: Place, permission: str, line: int) -> None:
    try:
        checked("permission", permission)
    except InvalidArgument as wrong:
        row.document.blame(row.steps, wrong.message, line)
