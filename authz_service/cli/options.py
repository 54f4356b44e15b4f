"""What commands share: options, and the way a function becomes a command."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import wraps
from inspect import Parameter
from pathlib import Path
from typing import Annotated, Any, Concatenate, Final, ParamSpec, TypeAlias

import typer

from authz_service.cli import completion
from authz_service.cli.display import instants
from authz_service.cli.display import output as out
from authz_service.cli.display.output import Output
from authz_service.cli.session import Session

P = ParamSpec("P")
Run: TypeAlias = Callable[Concatenate[Session, P], None]

SERVER: Final = "Server"
DECISIONS: Final = "Decisions"
CUSTOMERS: Final = "Customers"
POLICY: Final = "Policy"
"""The panels of `authz --help`."""

_HOW: Final = "How"


def _instant(text: str) -> datetime:
    try:
        return instants.instant(text, datetime.now(UTC))
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _known(text: str) -> str:
    """Check a revision, or write an instant out: what counts from now is settled now."""
    return text if text.isdecimal() and len(text) < 19 else _instant(text).isoformat()


def _span(text: str) -> timedelta:
    try:
        return instants.span(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


Tenant = Annotated[
    str,
    typer.Argument(
        metavar="TENANT",
        help="The customer's account: acme.",
        autocompletion=completion.tenants,
    ),
]
Subject = Annotated[
    str,
    typer.Argument(
        metavar="SUBJECT",
        help="Who: user:alice, service:importer.",
        autocompletion=completion.subjects,
    ),
]
RoleName = Annotated[
    str,
    typer.Argument(
        metavar="ROLE",
        help="editor, or acme/editor for the tenant's own.",
        autocompletion=completion.roles,
    ),
]
TierName = Annotated[
    str,
    typer.Argument(
        metavar="TIER",
        help="As authz tiers list shows them.",
        autocompletion=completion.tiers,
    ),
]
PermissionName = Annotated[
    str,
    typer.Argument(
        metavar="PERMISSION",
        help="resource_type:action, as in invoices:export.",
        autocompletion=completion.permissions,
    ),
]
Scope = Annotated[
    str, typer.Option("--scope", metavar="SCOPE", help="A resource: project:42/document:7.")
]
Reserved = Annotated[
    bool | None,
    typer.Option("--reserved", help="Also the service's own, whose names start with authz."),
]
Description = Annotated[
    str | None, typer.Option("--description", metavar="TEXT", help="For people.")
]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why, for the audit.")]
From = Annotated[
    datetime | None,
    typer.Option("--from", metavar="WHEN", parser=_instant, help="From when, inclusive."),
]
Until = Annotated[
    datetime | None,
    typer.Option(
        "--until",
        metavar="WHEN",
        parser=_instant,
        help=f"Until when, exclusive: {instants.FORMS}.",
    ),
]
NoFrom = Annotated[
    bool, typer.Option("--no-from", help="Let it hold from the beginning of time on.")
]
NoUntil = Annotated[bool, typer.Option("--no-until", help="Let it not end by itself.")]
LiveAt = Annotated[
    datetime | None,
    typer.Option(
        "--live-at", metavar="WHEN", parser=_instant, help="Only those in force then: +0s is now."
    ),
]
ExpectedRevision = Annotated[
    int,
    typer.Option(
        "--expected-revision",
        metavar="N",
        min=0,
        help="Refuse if it has another revision by now; authz ... show tells it.",
    ),
]
UnusedSince = Annotated[
    datetime | None,
    typer.Option(
        "--unused-since",
        metavar="WHEN",
        parser=_instant,
        help="Only those not used since: -90d, 2026-12-01.",
    ),
]
Overlap = Annotated[
    timedelta | None,
    typer.Option(
        "--overlap",
        metavar="TIME",
        parser=_span,
        help=f"How long the old secret goes on: {instants.SPANS}. 24h if not given.",
    ),
]
OpenFor = Annotated[
    timedelta | None,
    typer.Option(
        "--open-for",
        metavar="TIME",
        parser=_span,
        help=f"How long it can be accepted: {instants.SPANS}. 7d if not given.",
    ),
]
ScheduledAt = Annotated[
    datetime | None,
    typer.Option(
        "--at",
        metavar="WHEN",
        parser=_instant,
        help=f"When it happens by itself, now if not given: {instants.FORMS}.",
    ),
]
TrialUntil = Annotated[
    datetime | None,
    typer.Option("--trial-until", metavar="WHEN", parser=_instant, help="When a trial ends: +30d."),
]
Limit = Annotated[
    int | None,
    typer.Option("--limit", metavar="N", min=1, help="List at most this many; all if not given."),
]
MinRevision = Annotated[
    int,
    typer.Option("--min-revision", metavar="N", min=0, help="Wait until this revision is there."),
]

At = Annotated[
    datetime | None,
    typer.Option("--at", metavar="WHEN", parser=_instant, help=f"As of: {instants.FORMS}."),
]
AsKnownAt = Annotated[
    int,
    typer.Option(
        "--as-known-at", metavar="REVISION", min=0, help="As known at this revision; the newest."
    ),
]

KnownAt = Annotated[
    str | None,
    typer.Option(
        "--as-known-at",
        metavar="REVISION|WHEN",
        parser=_known,
        help="As known at this revision, or at an instant; the newest.",
    ),
]

_OutputOption = Annotated[
    Output | None,
    typer.Option("--output", "-o", help="A table for people, the default, or JSON.",
                 show_default=False, rich_help_panel=_HOW),
]  # fmt: skip
_AddressOption = Annotated[
    str | None,
    typer.Option("--address", metavar="HOST[:PORT]", rich_help_panel=_HOW,
                 help="The server; AUTHZ_HOST if not given."),
]  # fmt: skip
_TimeoutOption = Annotated[
    float | None,
    typer.Option("--timeout", metavar="SECONDS", min=0.001, rich_help_panel=_HOW,
                 help="Longest wait for an answer; 10."),
]  # fmt: skip


def _tls(name: str, what: str, setting: str) -> Any:
    return typer.Option(name, metavar="FILE", rich_help_panel=_HOW, show_default=False,
                        help=f"PEM file with {what}; {setting} if not given.")  # fmt: skip


_CaOption = Annotated[Path | None, _tls("--tls-ca", "the CAs to trust", "AUTHZ_TLS_CA")]
_CertOption = Annotated[
    Path | None, _tls("--tls-cert", "the certificate to show", "AUTHZ_TLS_CLIENT_CERT")
]
_KeyOption = Annotated[Path | None, _tls("--tls-key", "its key", "AUTHZ_TLS_CLIENT_KEY")]
_DryRunOption = Annotated[
    bool,
    typer.Option("--dry-run", help="Show the effect, change nothing.", rich_help_panel=_HOW),
]
_RequestIdOption = Annotated[
    str,
    typer.Option("--request-id", metavar="ID", rich_help_panel=_HOW, show_default=False,
                 help="A repeat changes nothing more."),
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Shared:
    """Options given before the command; those after it win. `tls` is by setting."""

    output: Output | None = None
    address: str | None = None
    timeout: float | None = None
    tls: Mapping[str, Path] = field(default_factory=dict)


def _show_version(request: bool) -> None:
    if request:
        from importlib.metadata import PackageNotFoundError, version

        try:
            typer.echo(version("authz-service"))
        except PackageNotFoundError:
            typer.echo("run from its source, not installed")
        raise typer.Exit


def root(
    context: typer.Context,
    output: _OutputOption = None,
    address: _AddressOption = None,
    timeout: _TimeoutOption = None,
    tls_ca: _CaOption = None,
    tls_cert: _CertOption = None,
    tls_key: _KeyOption = None,
    version: Annotated[  # noqa: ARG001 - its callback does it
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Who may do what, in which customer's account, now."""
    values = {"tls_ca": tls_ca, "tls_client_cert": tls_cert, "tls_client_key": tls_key}
    tls = {setting: file for setting, file in values.items() if file is not None}
    context.obj = Shared(output, address, timeout, tls)
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(2)


def local(
    app: typer.Typer, name: str | None = None, panel: str | None = None
) -> Callable[[Run[P]], Run[P]]:
    """Make a function a command that calls no server; its first parameter is the session."""
    return _command(app, name, panel, _LOCAL)


def reads(
    app: typer.Typer, name: str | None = None, panel: str | None = None
) -> Callable[[Run[P]], Run[P]]:
    """Make a function a command that asks the server and changes nothing."""
    return _command(app, name, panel, _READING)


def changes(
    app: typer.Typer, name: str | None = None, panel: str | None = None
) -> Callable[[Run[P]], Run[P]]:
    """Make a function a command that changes something, once however often it is sent."""
    return _command(app, name, panel, _CHANGING)


def _option(name: str, annotation: object, default: object) -> Parameter:
    return Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


_LOCAL: Final = (
    Parameter("context", Parameter.KEYWORD_ONLY, annotation=typer.Context),
    _option("output", _OutputOption, None),
)
_READING: Final = (
    *_LOCAL,
    _option("address", _AddressOption, None),
    _option("timeout", _TimeoutOption, None),
)
_CHANGING: Final = (
    _option("dry_run", _DryRunOption, default=False),
    _option("request_id", _RequestIdOption, ""),
    *_READING,
)


def _command(
    app: typer.Typer, name: str | None, panel: str | None, shared: tuple[Parameter, ...]
) -> Callable[[Run[P]], Run[P]]:
    def register(run: Run[P]) -> Run[P]:
        own = list(inspect.signature(run).parameters.values())[1:]

        @wraps(run)
        def command(*, context: typer.Context, **values: Any) -> None:
            how = {
                option.name: values.pop(option.name) for option in shared if option.name in values
            }
            with out.to_the_reader():
                run(_session(context, how), **values)  # type: ignore[call-arg] # as Typer was told

        parameters = [item.replace(kind=Parameter.KEYWORD_ONLY) for item in own] + [*shared]
        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        app.command(name, rich_help_panel=panel)(command)
        return run

    return register


def _session(context: typer.Context, how: dict[str, Any]) -> Session:
    before: Shared = context.find_object(Shared) or Shared()
    return Session(
        how["output"] or before.output or Output.TABLE,
        how.get("address") or before.address or "",
        how.get("timeout") or before.timeout or 10.0,
        request_id=how.get("request_id", ""),
        dry_run=how.get("dry_run", False),
        tls=before.tls,
    )
