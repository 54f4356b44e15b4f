"""Tables and facts as people see them: nothing is cut, and no id, instant or action is broken."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
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


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows under their columns. One with a word too long to stand there is a block among them;
    where the terminal is too narrow for most of them, each is.
    """

    columns: Sequence[str]
    texts: Sequence[Sequence[Text]]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        available = options.max_width - _GAP * max(0, len(self.columns) - 1)
        fitting = self._fitting(available)
        if len(fitting) * 2 <= len(self.texts):
            fitting = frozenset()
        widths = self._widths(fitting, available)
        if fitting or not self.texts:
            yield self._grid([], widths, header=True)
        for row_fits, numbers in groupby(range(len(self.texts)), fitting.__contains__):
            rows = [self.texts[number] for number in numbers]
            if row_fits:
                yield self._grid(rows, widths)
            else:
                yield from self._blocks(rows, between=bool(fitting))

    def _blocks(self, rows: list[Sequence[Text]], *, between: bool) -> RenderResult:
        for number, row in enumerate(rows):
            yield from [Text()] if number or between else []
            yield facts(zip(self.columns, row, strict=True))
        yield from [Text()] if between else []

    def _grid(
        self, rows: list[Sequence[Text]], widths: list[int], *, header: bool = False
    ) -> _Grid:
        grid = _Grid(show_header=header)
        for name, width in zip(self.columns, widths, strict=True):
            grid.add_column(name, width=width)
        for row in rows:
            grid.add_row(*row)
        return grid

    def _fitting(self, available: int) -> frozenset[int]:
        """Number the rows whose words fit side by side, those of short words first."""
        words = [[_longest_word(cell) for cell in row] for row in self.texts]
        least = [cell_len(name) for name in self.columns]
        fitting = []
        for number in sorted(range(len(words)), key=lambda number: sum(words[number])):
            least = list(map(max, least, words[number]))
            if sum(least) > available:
                break
            fitting.append(number)
        return frozenset(fitting)

    def _widths(self, fitting: frozenset[int], available: int) -> list[int]:
        """Give each column its longest word and a share of the rest."""
        columns = [
            [Text(name), *(self.texts[number][column] for number in fitting)]
            for column, name in enumerate(self.columns)
        ]
        least = [max(map(_longest_word, cells)) for cells in columns]
        most = [max(cell.cell_len for cell in cells) for cells in columns]
        spare, needed = max(0, available - sum(least)), sum(most) - sum(least)
        share = min(1.0, spare / needed) if needed else 0.0
        return [low + int((high - low) * share) for low, high in zip(least, most, strict=True)]


def table(columns: Sequence[str], rows: Iterable[Sequence[str | Text]]) -> Rows:
    """Lay out rows; a column in which nothing stands is left out.

    A line ends between words only, so that an id, an instant or an action can be copied whole.
    """
    texts = [[_text(cell) for cell in row] for row in rows]
    filled = [
        number for number in range(len(columns)) if not texts or any(row[number] for row in texts)
    ]
    return Rows(
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
