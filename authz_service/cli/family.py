"""Commands about one kind of object, each of which runs one RPC, described and not written.

    JOBS = Family(
        app,
        service=lambda session: session.jobs,
        field="job",
        shown=lambda job: jobs_table([job]),
        listed=jobs_table,
    )
    JOBS.lists("list", "ListJobs", "List jobs, the newest first.", tenant=OfTenant)
    JOBS.reads("show", "GetJob", "Show one job.", id=JobId, tenant=OfTenant)
    JOBS.changes("retry", "RetryJob", "Retry a dead job now.", "it is attempted again", id=JobId)

What a command takes is named by the fields of its request.
"""

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import KW_ONLY, dataclass
from inspect import Parameter, Signature
from typing import Any, Concatenate, Final

import typer
from google.protobuf.descriptor_pool import Default
from google.protobuf.message_factory import GetMessageClass
from rich.console import RenderableType

from authz_service.cli import registration
from authz_service.cli.options import Limit, Reason
from authz_service.cli.paging import every, total
from authz_service.cli.session import Session

REQUIRED: Final = Parameter.empty
"""The default of what must be given."""


@dataclass(frozen=True, slots=True)
class Option:
    """What fills a field: its `annotation` for Typer, and how its value is made of what was typed.

    It may be left out unless its `default` is REQUIRED; None leaves the field unset.
    """

    annotation: Any
    read: Callable[[Any], Any] = copy
    default: Any = None


@dataclass(frozen=True, slots=True)
class Family:
    """The commands about one kind of object, which is the answers' `field`."""

    app: typer.Typer
    _: KW_ONLY
    service: Callable[[Session], Any]
    """The stub that has the RPCs."""
    field: str
    shown: Callable[[Any], RenderableType]
    listed: Callable[[Sequence[Any]], RenderableType] | None = None
    """How several are shown; as one is, if it is None."""
    plural: str = ""
    """The field of a page; `field` with an s if empty."""
    noun: str = ""
    """What people call one, where it is not `field`."""

    def reads(self, name: str, rpc: str, doc: str, **fields: Any) -> None:
        """Add a command that shows one."""
        run = self._runner(rpc, fields, "")
        registration.reads(self.app, name)(of_rpc(run, rpc, doc, *_parameters(fields)))

    def changes(self, name: str, rpc: str, doc: str, note: str = "", **fields: Any) -> None:
        """Add a command that changes one, and shows it as it is then."""
        fields["reason"] = Option(Reason, default="")
        run = self._runner(rpc, fields, note)
        registration.changes(self.app, name)(of_rpc(run, rpc, doc, *_parameters(fields)))

    def lists(self, name: str, rpc: str, doc: str, **filters: Any) -> None:
        """Add a command that lists them."""
        plural = self.plural or f"{self.field}s"
        noun = self.noun or self.field.replace("_", " ")

        def run(session: Session, limit: int | None, **values: Any) -> None:
            call = getattr(self.service(session), rpc)
            asked = request(rpc, _read(filters, values))
            answer = every(call, asked, lambda page: getattr(page, plural), limit)
            items = getattr(answer, plural)
            table = (self.listed or self.shown)(items)
            session.show(answer, table, note=total(len(items), noun, answer))

        parameters = [*_parameters(filters), option("limit", Limit)]
        registration.reads(self.app, name)(of_rpc(run, rpc, doc, *parameters))

    def run(self, session: Session, rpc: str, note: str = "", **fields: Any) -> None:
        """Call an RPC about one, and show it as it is then."""
        answer = getattr(self.service(session), rpc)(request(rpc, fields))
        session.show(answer, self.shown(getattr(answer, self.field)), note=note)

    def _runner(self, rpc: str, fields: dict[str, Any], note: str) -> Callable[..., None]:
        return lambda session, **values: self.run(session, rpc, note, **_read(fields, values))


def request(rpc: str, fields: Mapping[str, Any]) -> Any:
    """Make the request of an RPC."""
    kind = Default().FindMessageTypeByName(f"authz.v1.{rpc}Request")
    return GetMessageClass(kind)(**fields)


def _read(fields: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Make each field of what was typed, and leave out what was not."""
    return {
        name: described.read(value) if isinstance(described := fields[name], Option) else value
        for name, value in values.items()
        if value is not None
    }


def number(enum: Any) -> Callable[[Any], int]:
    """Read a member of an enum of ours as the number of the API's: `Kind.WEBHOOK`."""
    prefix = enum.Name(0).removesuffix("UNSPECIFIED")
    return lambda member: int(enum.Value(f"{prefix}{member.name}"))


def _parameters(fields: dict[str, Any]) -> list[Parameter]:
    return [
        option(name, described.annotation, described.default)
        if isinstance(described, Option)
        else required(name, described)
        for name, described in fields.items()
    ]


def required(name: str, annotation: Any) -> Parameter:
    return option(name, annotation, REQUIRED)


def option(name: str, annotation: Any, default: Any = None) -> Parameter:
    return Parameter(name, Parameter.KEYWORD_ONLY, annotation=annotation, default=default)


def of_rpc(
    run: Callable[..., None], rpc: str, doc: str, *parameters: Parameter
) -> Callable[Concatenate[Session, ...], None]:
    """Make a command that runs one RPC, and says which."""
    function = command(run, doc, *parameters)
    function.rpc = rpc  # type: ignore[attr-defined]
    return function


def command(
    run: Callable[..., None], doc: str, *parameters: Parameter
) -> Callable[Concatenate[Session, ...], None]:
    """Give a function the parameters that its command has, and the text of its help."""
    session = Parameter("session", Parameter.POSITIONAL_OR_KEYWORD)
    run.__signature__ = Signature([session, *parameters])  # type: ignore[attr-defined]
    run.__doc__ = doc
    return run
