"""How the permissions of a table are named: by columns, by sections, or in words."""

from collections.abc import Sequence
from typing import NamedTuple

from authz_service.domain.identifiers import checked
from authz_service.errors import InvalidArgument
from authz_service.policyfiles.matrix.columns import Column, Kind, part_id
from authz_service.policyfiles.matrix.text import Row


class Wrong(NamedTuple):
    """What cannot name a permission, by column."""

    column: str
    message: str


class Names:
    """Reads permissions row by row.

    A blank scope or resource is the one above, as in cells that a spreadsheet merged. A row in
    which nothing but its first cell is filled heads a section, whose name is the resource of a
    table that has no column for it.
    """

    def __init__(self, columns: Sequence[Column]) -> None:
        self._at = {column.kind: number for number, column in enumerate(columns)}
        self._columns = columns
        self._above: dict[Kind, str] = {}
        self.sections: list[str] = []
        self.last = columns[self._at.get(Kind.ACTION, self._at.get(Kind.PERMISSION, 0))].name

    def is_section(self, row: Row) -> bool:
        """Tell whether a row heads a section, and remember it if it does."""
        filled = [number for number, cell in enumerate(row.cells) if cell]
        if filled != [0] or len(self._columns) < 2:
            return False
        if self._columns[0].kind is Kind.PERMISSION and _is_permission(part_id(row.cells[0])):
            return False  # a permission that no role has
        self.sections.append(row.cells[0])
        return True

    def permission(self, row: Row) -> tuple[str, Wrong | None]:
        """Read the permission of a row, and what is wrong with it."""
        scope, resource = self._filled(row, Kind.SCOPE), self._filled(row, Kind.RESOURCE)
        section = self.sections[-1] if self.sections else ""
        action, total = self._cell(row, Kind.ACTION), self._cell(row, Kind.PERMISSION)
        if total and not (resource and action):
            resource, action = _split(total, resource or section)
        elif not resource:
            resource = section
        parts = {Kind.SCOPE: scope, Kind.RESOURCE: resource, Kind.ACTION: action}
        name = f"{part_id(f'{scope}.{resource}' if scope else resource)}:{part_id(action)}"
        return name, None if _is_permission(name) else self._wrong(name, parts)

    def _cell(self, row: Row, kind: Kind) -> str:
        return row.cells[self._at[kind]] if kind in self._at else ""

    def _filled(self, row: Row, kind: Kind) -> str:
        self._above[kind] = self._cell(row, kind) or self._above.get(kind, "")
        return self._above[kind]

    def _wrong(self, name: str, parts: dict[Kind, str]) -> Wrong:
        """Name the first column that makes a permission ill-formed."""
        culprit = next(
            (
                kind
                for kind, text in parts.items()
                if kind in self._at and not _is_permission(f"{part_id(text)}:x")
            ),
            Kind.RESOURCE if Kind.RESOURCE in self._at else Kind.PERMISSION,
        )
        return Wrong(
            self._columns[self._at.get(culprit, 0)].name,
            f"{name[:140]!r} is not a permission: {culprit.value} must be letters, digits, . _ - "
            "(scope and resource 64 together); a permission is resource:action, or words that "
            "begin with the action",
        )


def _split(total: str, resource: str) -> tuple[str, str]:
    """Split `invoices:export`, `Export invoices`, or `export` of a resource that is known."""
    before, colon, after = total.partition(":")
    if colon:
        return before, after
    if resource:
        return resource, total
    action, _, rest = total.partition(" ")
    return rest, action


def _is_permission(text: str) -> bool:
    try:
        checked("permission", text)
    except InvalidArgument:
        return False
    return True
