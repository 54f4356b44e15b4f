"""Tables and facts as people see them: nothing is cut, and no id, instant or action is broken."""

import re
from collections.abc import Iterable, Sequence
from typing import Final

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import Segment
from rich.table import Table as Grid
from rich.text import Text

_GAP: Final = 3
"""Blanks between columns."""

# An instant has a blank in it, at which no line may end: a character that no text contains
# (private use) stands for that blank until the lines are laid out.
_JOINED: Final = "\ue000"
_INSTANT: Final = re.compile(r"(?<=\d{4}-\d\d-\d\d) (?=\d\d:\d\d)")


class _Grid(Grid):
    """A grid without lines, in which instants stay whole."""

    def __init__(self, *, show_header: bool) -> None:
        super().__init__(
            box=None,
            pad_edge=False,
            padding=(0, _GAP, 0, 0),
            header_style="bold",
            show_header=show_header,
        )

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for part in super().__rich_console__(console, options):
            match part:
                case Segment(text, style, control):
                    yield Segment(text.replace(_JOINED, " "), style, control)
                case _:
                    yield part


class _Rows(_Grid):
    """Rows under their columns; where the terminal is narrower, a block for each row."""

    def __init__(self, columns: Sequence[str], rows: list[list[Text]]) -> None:
        super().__init__(show_header=True)
        self._names, self._texts = columns, rows
        for name in columns:
            self.add_column(name)
        for row in rows:
            self.add_row(*row)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        widths = self._widths(options.max_width - _GAP * max(0, len(self._names) - 1))
        if widths is not None:
            for column, width in zip(self.columns, widths, strict=True):
                column.width = width
            yield from super().__rich_console__(console, options)
            return
        for number, row in enumerate(self._texts):
            yield from [Text()] if number else []
            yield facts(zip(self._names, row, strict=True))

    def _widths(self, available: int) -> list[int] | None:
        """Give each column its longest word and a share of the rest; None if that is too wide."""
        columns = [
            [Text(name), *(row[number] for row in self._texts)]
            for number, name in enumerate(self._names)
        ]
        least = [max(map(_longest_word, cells)) for cells in columns]
        most = [max(cell.cell_len for cell in cells) for cells in columns]
        spare, needed = available - sum(least), sum(most) - sum(least)
        if spare < 0:
            return None
        share = min(1.0, spare / needed) if needed else 0.0
        return [low + int((high - low) * share) for low, high in zip(least, most, strict=True)]


def table(columns: Sequence[str], rows: Iterable[Sequence[str | Text]]) -> Grid:
    """Lay out rows; a column in which nothing stands is left out.

    A line ends between words only, so that an id, an instant or an action can be copied whole.
    """
    texts = [[_text(cell) for cell in row] for row in rows]
    filled = [
        number for number in range(len(columns)) if not texts or any(row[number] for row in texts)
    ]
    return _Rows(
        [columns[number] for number in filled],
        [[row[number] for number in filled] for row in texts],
    )


def facts(pairs: Iterable[tuple[str, str | Text]]) -> Grid:
    """Lay out the facts of one thing, one a line; those without a value are left out."""
    grid = _Grid(show_header=False)
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in pairs:
        if value:
            grid.add_row(name, _text(value, lines=True))
    return grid


def _longest_word(cell: Text) -> int:
    return max(map(cell_len, cell.plain.split()), default=0)


def _text(cell: str | Text, *, lines: bool = False) -> Text:
    text = cell.copy() if isinstance(cell, Text) else shown(cell, lines=lines)
    text.plain = _INSTANT.sub(_JOINED, text.plain)
    return text


def shown(text: str, *, lines: bool = False) -> Text:
    """Show text as it is, but what a terminal would obey written out, as `repr` does."""
    return Text(
        "".join(c if c.isprintable() or (lines and c == "\n") else _escaped(c) for c in text)
    )


def _escaped(character: str) -> str:
    return repr(character)[1:-1]
