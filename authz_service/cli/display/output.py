"""What commands print: tables for people, one JSON document for programs."""

import json
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Final

import typer
from google.protobuf.json_format import MessageToJson
from google.protobuf.message import Message
from rich.console import Console
from rich.text import Text

from authz_service.cli.display.tables import shown
from authz_service.client.failure import Failure

YES: Final = "✓"
NO: Final = "✗"

# Wide enough that nothing is cut or wrapped for a program, a file or a pager.
_UNCUT: Final = 10_000


class Output(StrEnum):
    """Who reads the output."""

    TABLE = "table"
    JSON = "json"


class _Console(Console):
    def on_broken_pipe(self) -> None:
        raise  # noqa: PLE0704 - called where it was caught; Rich would exit with 1: a denial


def console(*, errors: bool = False) -> Console:
    """Open standard output, or standard error, for people.

    Markup is off: a customer's name is shown as it is, never interpreted.
    """
    stream = sys.stderr if errors else sys.stdout
    return _Console(
        file=stream,
        width=None if stream.isatty() else _UNCUT,
        soft_wrap=False,
        markup=False,
        emoji=False,
        highlight=False,
    )


@contextmanager
def to_the_reader() -> Iterator[None]:
    """Print inside; a reader that has seen enough of a pipe ends the command quietly.

    Raises:
        typer.Exit: 141, as a process that the closed pipe killed.
    """
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the flush at exit
        raise typer.Exit(141) from None


def is_watched() -> bool:
    """Tell whether a person is there to be asked."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def print_json(message: Message) -> None:
    """Write one document: fields as proto/ names them, those with their default value too."""
    document = MessageToJson(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    sys.stdout.write(document + "\n")


def print_document(document: object) -> None:
    """Write one document that is no message of the API."""
    sys.stdout.write(json.dumps(document, indent=2) + "\n")


def print_failure(failure: Failure, output: Output) -> None:
    """Say on standard error what went wrong and what to do about it."""
    if output is Output.JSON:
        sys.stderr.write(json.dumps(failure.as_json(), indent=2) + "\n")
        return
    stream = console(errors=True)
    head = Text(f"{NO} {failure.reason}", "bold red")
    if failure.code != failure.reason:
        head.append(f"  {failure.code}", "dim")
    stream.print(head)
    lines = [("", failure.message), ("field", failure.field), ("do", failure.advice)]
    for name, value in lines:
        if value:
            label = f"{name}: " if name else ""
            stream.print(Text.assemble("  ", (label, "bold"), shown(value, lines=True)))


def listed(values: Iterable[str]) -> str:
    """Write names in one cell."""
    return ", ".join(values)


def counted(number: int, noun: str) -> str:
    """Write `1 tenant`, `2 tenants`, `1,000 tenants`, `2 entries`."""
    if number != 1:
        noun = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{number:,} {noun}"


def verdict(*, allowed: bool) -> Text:
    """Write the answer so that it is seen from afar."""
    return Text(f"{YES} allowed", "bold green") if allowed else Text(f"{NO} denied", "bold red")
