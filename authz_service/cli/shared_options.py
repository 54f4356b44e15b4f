"""Options that every command takes, before its name or after."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from authz_service.cli.display.output import Output

_HOW: Final = "How"

OutputOption = Annotated[
    Output | None,
    typer.Option("--output", "-o", help="A table for people, the default, or JSON.",
                 show_default=False, rich_help_panel=_HOW),
]  # fmt: skip
AddressOption = Annotated[
    str | None,
    typer.Option("--address", metavar="HOST[:PORT]", rich_help_panel=_HOW,
                 help="The server; AUTHZ_HOST if not given."),
]  # fmt: skip
TimeoutOption = Annotated[
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
DryRunOption = Annotated[
    bool,
    typer.Option("--dry-run", help="Show the effect, change nothing.", rich_help_panel=_HOW),
]
RequestIdOption = Annotated[
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
    output: OutputOption = None,
    address: AddressOption = None,
    timeout: TimeoutOption = None,
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
