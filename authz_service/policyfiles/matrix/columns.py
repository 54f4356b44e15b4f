"""What each column of a table is: part of a permission's name, a role, a tier, or a remark."""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from authz_service.policyfiles.matrix.cells import Cell, is_ambiguous, meaning
from authz_service.policyfiles.matrix.text import Row


class Kind(StrEnum):
    """What a column holds."""

    SCOPE = "scope"
    RESOURCE = "resource"
    ACTION = "action"
    PERMISSION = "permission"
    ROLE = "role"
    TIER = "tier"
    """The lowest tier that has the permission."""
    SOLD_IN = "sold in"
    """One tier, with a yes or no in each row."""
    IGNORED = "left out"


_NAMES: Final = {
    Kind.SCOPE: "scope level",
    Kind.RESOURCE: "resource object entity module area",
    Kind.ACTION: "action verb operation",
    Kind.PERMISSION: "permission permissions capability right feature",
    Kind.TIER: "tier plan edition package lowest_tier minimum_tier min_tier lowest_plan",
    Kind.IGNORED: "note notes comment comments remark remarks description source tier_source link",
}
_KIND: Final = {name: kind for kind, names in _NAMES.items() for name in names.split()}
_HEADING_WITHIN: Final = 20
"""Rows among which the names of the columns stand: titles may come before them."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column as it was read. `name` is what the file calls it, `id` the role or tier made."""

    name: str
    kind: Kind
    id: str = ""
    words: tuple[tuple[Cell, tuple[str, ...]], ...] = ()
    """For a role: the different cells by what they mean, in the order of Cell."""
    remark: str = ""
    """Why a column is left out, or what was done with its cells."""


def heading(rows: Sequence[Row]) -> int | None:
    """Find the row that names the columns; titles and blank rows may stand above it."""
    for number, row in enumerate(rows[:_HEADING_WITHIN]):
        kinds = {_kind(cell) for cell in row.cells}
        if Kind.PERMISSION in kinds or {Kind.RESOURCE, Kind.ACTION} & kinds:
            return number
    return None


def read_columns(names: Sequence[str], body: Iterable[Row], tiers: Collection[str]) -> list[Column]:
    """Tell what each column holds, by its name or else by what stands in it.

    A column named as one of the `tiers` says by yes and no what that tier has, if no column names
    the lowest tier.
    """
    has_tier = any(_kind(name) is Kind.TIER for name in names)
    by_name = {} if has_tier else {plain(tier): tier for tier in tiers}
    cells = [list[str]() for _ in names]
    for row in body:
        for column, cell in zip(cells, row.cells, strict=False):
            column.append(cell)
    return [
        _column(name, texts, by_name.get(plain(name), ""))
        for name, texts in zip(names, cells, strict=True)
    ]


def _column(name: str, texts: Sequence[str], tier: str) -> Column:
    kind = _kind(name)
    if tier:
        return Column(name, Kind.SOLD_IN, tier, _words(texts))
    if kind is Kind.IGNORED:
        return Column(name, kind, remark="a remark")
    if kind is not None:
        return Column(name, kind)
    if not name:
        return Column(name, Kind.IGNORED, remark="has no name")
    said = [text for text in texts if text]
    if said and all(meaning(text) is None for text in said):
        return Column(name, Kind.IGNORED, remark=f"text, such as {said[0][:40]!r}")
    remark = "`x` may mean no here" if is_ambiguous(frozenset(texts)) else ""
    return Column(name, Kind.ROLE, role_id(name), _words(texts), remark)


def _words(texts: Iterable[str]) -> tuple[tuple[Cell, tuple[str, ...]], ...]:
    """Sort the different cells by what they mean."""
    different = dict.fromkeys(texts)
    return tuple(
        (cell, words)
        for cell in Cell
        if (words := tuple(text for text in different if meaning(text) is cell))
    )


def _kind(name: str) -> Kind | None:
    return _KIND.get(plain(name))


def plain(name: str) -> str:
    """Write a name as two people would compare it: `Minimum Tier` is `minimum_tier`."""
    return re.sub(r"[\s_-]+", "_", name.strip().casefold())


def role_id(name: str) -> str:
    """Make a role's id of a column's name: `team admin` is `team-admin`."""
    return re.sub(r"[^\w.-]+", "-", name.strip(), flags=re.ASCII).strip("-")


def part_id(text: str) -> str:
    """Make a part of a permission's name: `Pull Request` is `pull_request`."""
    return re.sub(r"\s+", "_", text.strip()).lower()
