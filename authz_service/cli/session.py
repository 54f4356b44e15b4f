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

# gRPC and the settings cost more than all the rest: imported when a command calls, not for --help.
if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from authz_service.client.connection import Connection
    from authz_service.config import Settings
    from authz_service.gen.authz.v1.audit_pb2_grpc import AuditServiceStub
    from authz_service.gen.authz.v1.authorization_pb2_grpc import AuthorizationServiceStub
    from authz_service.gen.authz.v1.change_pb2_grpc import ChangeServiceStub
    from authz_service.gen.authz.v1.event_pb2_grpc import EventServiceStub
    from authz_service.gen.authz.v1.identity_pb2_grpc import IdentityServiceStub
    from authz_service.gen.authz.v1.job_pb2_grpc import JobServiceStub
    from authz_service.gen.authz.v1.key_pb2_grpc import KeyServiceStub
    from authz_service.gen.authz.v1.policy_pb2_grpc import PolicyServiceStub
    from authz_service.gen.authz.v1.provisioning_pb2_grpc import ProvisioningServiceStub
    from authz_service.gen.authz.v1.rule_pb2_grpc import RuleServiceStub
    from authz_service.gen.authz.v1.tier_version_pb2_grpc import TierVersionServiceStub
    from authz_service.gen.authz.v1.webhook_pb2_grpc import WebhookServiceStub


class Session:
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
                f"AUTHZ_{'_'.join(map(str, each['loc'])).upper()}": each["msg"]
                for each in error.errors(include_input=False, include_url=False)
            }
        said = "\n".join(f"{name}: {message}" for name, message in wrong.items())
        raise Failure(ExitCode.USAGE, "INVALID_SETTING", said, field=next(iter(wrong)))

    @cached_property
    def authorization(self) -> "AuthorizationServiceStub":
        """The service on the check port."""
        return self._connection(self.settings.check_port).authorization

    @cached_property
    def policy(self) -> "PolicyServiceStub":
        """A service on the administration port."""
        return self._connection(self.settings.admin_port).policy

    @cached_property
    def provisioning(self) -> "ProvisioningServiceStub":
        """A service on the administration port."""
        return self._connection(self.settings.admin_port).provisioning

    @cached_property
    def audit(self) -> "AuditServiceStub":
        """A service on the administration port."""
        return self._connection(self.settings.admin_port).audit

    @cached_property
    def keys(self) -> "KeyServiceStub":
        """A service on the administration port."""
        return self._connection(self.settings.admin_port).keys

    @cached_property
    def tier_versions(self) -> "TierVersionServiceStub":
        """A service on the administration port."""
        return self._connection(self.settings.admin_port).tier_versions

    @cached_property
    def changes(self) -> "ChangeServiceStub":
        """A service on the administration port."""
        return self._connection(self.settings.admin_port).changes

    @cached_property
    def events(self) -> "EventServiceStub":
        """A service on the administration port."""
        return self._connection(self.settings.admin_port).events

    @cached_property
    def rules(self) -> "RuleServiceStub":
        """A service on the administration port."""
        return self._connection(self.settings.admin_port).rules

    @cached_property
    def jobs(self) -> "JobServiceStub":
        """A service on the administration port."""
        return self._connection(self.settings.admin_port).jobs

    @cached_property
    def webhooks(self) -> "WebhookServiceStub":
        """A service on the administration port."""
        return self._connection(self.settings.admin_port).webhooks

    @cached_property
    def identities(self) -> "IdentityServiceStub":
        """A service on the administration port."""
        return self._connection(self.settings.admin_port).identities

    def _connection(self, port: int) -> "Connection":
        from authz_service.client.connection import Connection, address_of, key_of
        from authz_service.client.tls import credentials_of

        return Connection(
            address_of(self.address, self.settings.host, port),
            key_of(self.settings),
            timeout=self._timeout,
            max_message_bytes=self.settings.max_message_bytes,
            credentials=credentials_of(self.settings),
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
        self.print(*parts)
        revision = f"revision {answer.revision}" if hasattr(answer, "revision") else ""
        said = ", ".join(filter(None, [note, revision]))
        self.say(f"dry run, nothing was changed: this is what would be ({said})"
                 if self.dry_run else said)  # fmt: skip

    def print(self, *parts: RenderableType) -> None:
        """Print for people, on standard output."""
        console = out.console()
        for part in parts:
            # A line is left to the terminal to wrap, so that it can be copied whole.
            console.print(part, soft_wrap=isinstance(part, Text))

    def say(self, note: str) -> None:
        """Print a remark for people, on standard error."""
        out.console(errors=True).print(Text(note, "dim"))

    def confirm(self, question: str) -> None:
        """Ask before what cannot be undone; on a terminal only, so that scripts go on.

        Raises:
            typer.Abort: the answer is no.
        """
        if self.output is Output.TABLE and not self.dry_run and out.is_watched():
            typer.confirm(question, abort=True, err=True)
