"""A table's text: its encoding, what stands between its cells, and its rows."""

import csv
from collections.abc import Iterator
from io import StringIO
from typing import Final, NamedTuple

from authz_service.policyfiles.problem import MAX_BYTES, TOO_LARGE, Problem

_DELIMITERS: Final = ",;\t|"
_EXCEL: Final = "sep="
"""With which Excel may begin a file, to name what stands between the cells."""


class Row(NamedTuple):
    """The cells of a row, without blanks around them, and the line that it begins on."""

    line: int
    cells: list[str]


def decoded(content: bytes) -> str:
    """Decode a file as spreadsheets write it: UTF-8, UTF-16 with its mark, else Windows-1252."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", errors="replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")


def rows(text: str, file: str, problems: list[Problem]) -> Iterator[Row]:
    """Yield the rows in which something stands; end at what is not CSV, and say so."""
    if len(text.encode(errors="replace")) > MAX_BYTES:
        problems.append(Problem(file, 1, "", TOO_LARGE))
        return
    text = text.removeprefix("\ufeff")
    delimiter, skipped = _delimiter(text)
    reader = csv.reader(StringIO(text, newline=""), delimiter=delimiter, strict=True)
    begins = 1
    try:
        for cells in reader:
            if begins > skipped and any(cell.strip() for cell in cells):
                yield Row(begins, [cell.strip() for cell in cells])
            begins = reader.line_num + 1
    except csv.Error as error:
        problems.append(Problem(file, begins, "", f"not CSV: {error}; check the quotes"))


def _delimiter(text: str) -> tuple[str, int]:
    """Find what stands between cells, and how many lines come before the table."""
    first = text.partition("\n")[0].rstrip("\r")
    if first.casefold().startswith(_EXCEL) and first[len(_EXCEL) :] in tuple(_DELIMITERS):
        return first[len(_EXCEL) :], 1
    return max(_DELIMITERS, key=lambda delimiter: _widest(text, delimiter)), 0


def _widest(text: str, delimiter: str) -> int:
    """Count the cells that the first lines have most often, were this the delimiter."""
    reader = csv.reader(StringIO(text, newline=""), delimiter=delimiter)
    widths: list[int] = []
    try:
        for cells in reader:
            if cells:
                widths.append(len(cells))
            if len(widths) == 20:
                break
    except csv.Error:
        pass  # `rows` says where, once it is known how to read the file
    return max(widths, key=widths.count, default=0)
