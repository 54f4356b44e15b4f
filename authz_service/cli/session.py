"""One command's run: whom it calls, as whom, and how it answers."""

from functools import cached_property
from typing import TYPE_CHECKING

import typer
from google.protobuf.message import Message
from rich.console import RenderableType
from rich.text import Text

from authz_service.cli.display import output as out
from authz_service.cli.display.output import Output
from authz_service.client.failure import ExitCode, Failure
from authz_service.client.services import Services

# gRPC and the settings cost more than all the rest: imported when a command calls, not for --help.
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import grpc

    from authz_service.client.connection import Connection
    from authz_service.config import Settings


class Session(Services):
    """What every command is handed: stubs to call, and a way to show the answer."""

    def __init__(
        self,
        output: Output = Output.TABLE,
        address: str = "",
        timeout: float = 10.0,
        *,
        request_id: str = "",
        dry_run: bool = False,
        tls: "Mapping[str, Path] | None" = None,
    ) -> None:
        """`tls` names files in place of those that the settings name."""
        self._tls = tls or {}
        self.output = output
        self.dry_run = dry_run
        self.request_id = request_id
        self.address = address
        self._timeout = timeout

    @cached_property
    def settings(self) -> "Settings":
        """Settings of the environment, and of the options that stand in for some.

        Raises:
            Failure: a setting is not valid. Its value is not repeated: it may be a key.
        """
        from pydantic import ValidationError

        from authz_service.config import Settings

        try:
            return Settings().model_copy(update=dict(self._tls))
        except ValidationError as error:
            wrong = {
                f"AUTHZ_{'_'.join(map(str, item['loc'])).upper()}": item["msg"]
                for item in error.errors(include_input=False, include_url=False)
            }
        text = "\n".join(f"{name}: {message}" for name, message in wrong.items())
        raise Failure(ExitCode.USAGE, "INVALID_SETTING", text, field=next(iter(wrong)))

    @cached_property
    def check_channel(self) -> "grpc.Channel":
        return self._connection(self.settings.check_port).check_channel

    @cached_property
    def admin_channel(self) -> "grpc.Channel":
        return self._connection(self.settings.admin_port).admin_channel

    def _connection(self, port: int) -> "Connection":
        from authz_service.cli.credentials import key_from, tls_from
        from authz_service.client.connection import Connection, address_of

        return Connection(
            address_of(self.address, self.settings.host, port),
            key_from(self.settings),
            timeout=self._timeout,
            max_message_bytes=self.settings.max_message_bytes,
            credentials=tls_from(self.settings),
            request_id=self.request_id,
            dry_run=self.dry_run,
        )

    def show(self, answer: Message, *parts: RenderableType, note: str = "") -> None:
        """Print an answer: the whole of it as JSON, or the given parts for people.

        The note goes to standard error, so that what is piped on is the table alone.
        """
        if self.output is Output.JSON:
            out.print_json(answer)
            return
        self.print(*parts, *self._preview(answer))
        revision = f"revision {answer.revision}" if hasattr(answer, "revision") else ""
        text = ", ".join(filter(None, [note, revision]))
        self.say(f"dry run, nothing was changed: this is what would be ({text})"
                 if self.dry_run else text)  # fmt: skip

    def _preview(self, answer: Message) -> "Iterator[RenderableType]":
        """Lay out the effect of a dry run, which the answer to every change carries."""
        if self.dry_run and "preview" in answer.DESCRIPTOR.fields_by_name:
            from authz_service.cli.display.preview import preview_parts

            yield from preview_parts(getattr(answer, "preview"))  # noqa: B009 - of any message

    def print(self, *parts: RenderableType) -> None:
        """Print for people, on standard output."""
        console = out.console()
        for part in parts:
            # A line is left to the terminal to wrap, so that it can be copied whole.
            console.print(part, soft_wrap=isinstance(part, Text))

    def say(self, note: str) -> None:
        """Print a remark for people, on standard error."""
        out.console(errors=True).print(Text(note, "dim"))

    @property
    def can_ask(self) -> bool:
        """Whether a person is there who reads what is asked."""
        return self.output is Output.TABLE and out.is_watched()

    def confirm(self, question: str) -> None:
        """Ask before what cannot be undone; on a terminal only, so that scripts go on.

        Raises:
            typer.Abort: the answer is no.
        """
        if self.can_ask and not self.dry_run:
            typer.confirm(question, abort=True, err=True)
