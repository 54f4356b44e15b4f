"""That something goes on, shown to a person who waits for it."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.text import Text

from authz_service.cli.display import output as out


class Telling(Protocol):
    """Takes the text that says how far it is."""

    def __call__(self, text: str, /) -> None: ...


@contextmanager
def waiting(what: str) -> Iterator[Telling]:
    """Show, at a terminal only, that the command waits for `what`; it may say how far it is."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    with out.console(errors=True).status(Text(f"{what} …")) as status:
        yield lambda text: status.update(Text(f"{what}: {text}"))


class Reaching(Protocol):
    """Takes how far it is, of the whole, and a text that says what came of it."""

    def __call__(self, position: int, text: str, /) -> None: ...


@contextmanager
def advancing(what: str, total: int) -> Iterator[Reaching]:
    """Show, at a terminal only, a bar of how much of `whole` is done; 0 if nobody knows it."""
    if not sys.stderr.isatty():
        yield lambda _, __: None
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[told]}", markup=False),
    )
    with Progress(*columns, console=out.console(errors=True)) as bar:
        task = bar.add_task(what, total=total or None, told="")
        yield lambda position, text: bar.update(task, completed=position, told=text)
