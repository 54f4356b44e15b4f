"""Tables fit the terminal without breaking what somebody wants to copy."""

import re
from io import StringIO

import pytest
from rich.console import Console
from rich.text import Text

from authz_service.cli.display.tables import facts, table

ID = "grant-0188f2a6c1f3a1b2c3d4"
WINDOW = "2026-12-01 14:05 to 2027-01-01 00:00"
REASON = "the contract of the year says so, and goes on for as long as it is paid"
COLUMNS = ("SUBJECT", "ROLE", "IN FORCE", "REASON", "ID")
ROWS = [
    ("user:alice@example.com", "editor", WINDOW, REASON, ID),
    ("user:bob", "viewer", "always", "", f"{ID}-2"),
]
WHOLE = {"user:alice@example.com", "2026-12-01 14:05", "2027-01-01 00:00", ID, f"{ID}-2"}


def printed(width: int, part: object) -> str:
    stream = StringIO()
    Console(file=stream, width=width, markup=False, emoji=False, highlight=False).print(part)
    return stream.getvalue()


@pytest.mark.parametrize("width", [60, 80, 100, 130, 10_000])
def test_lines_fit_and_nothing_that_is_copied_is_broken(width: int) -> None:
    lines = printed(width, table(COLUMNS, ROWS)).splitlines()
    assert max(len(line.rstrip()) for line in lines) <= width
    for text in WHOLE:
        assert any(text in line for line in lines), text
    for word in REASON.split():
        assert any(word in line.split() for line in lines)


def test_rows_stand_under_their_columns_where_there_is_room() -> None:
    head, first, *_ = printed(10_000, table(COLUMNS, ROWS)).splitlines()
    assert [head.index(name) for name in COLUMNS] == [first.index(cell) for cell in ROWS[0]]


def test_narrower_terminals_get_a_block_for_each_row() -> None:
    text = printed(70, table(COLUMNS, ROWS))
    first, second = re.split(r"\n\s*\n", text.strip())
    assert [line.split()[0] for line in second.splitlines()] == ["SUBJECT", "ROLE", "IN", "ID"]
    assert first.startswith("SUBJECT ")


def test_one_row_with_a_long_word_is_a_block_among_the_others() -> None:
    short = ("user:bob", "viewer", "always", "", "7")
    text = printed(60, table(COLUMNS, [short, (*short[:4], "x" * 40), short]))
    assert [line.split()[0] for line in text.splitlines() if line.split()] == [
        *("SUBJECT", "user:bob"), *("SUBJECT", "ROLE", "IN", "ID"), "user:bob",
    ]  # fmt: skip


def test_a_column_without_values_is_left_out_and_an_empty_table_keeps_its_head() -> None:
    assert "REASON" not in printed(200, table(COLUMNS, ROWS[1:]))
    assert printed(200, table(COLUMNS, [])).split() == " ".join(COLUMNS).split()


def test_a_name_longer_than_the_terminal_is_still_shown_to_its_end() -> None:
    text = printed(40, table(("NAME", "ID"), [("x" * 90, "7")]))
    assert text.count("x") == 90
    assert "7" in text


def test_facts_without_a_value_are_left_out() -> None:
    lines = printed(
        80, facts([("name", "acme"), ("tier", ""), ("until", Text("2026-12-01 14:05"))])
    )
    assert [line.split() for line in lines.splitlines()] == [
        ["name", "acme"],
        ["until", "2026-12-01", "14:05"],
    ]
