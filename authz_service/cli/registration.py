"""How a function becomes a command: its own options, those that all share, and its session."""

import inspect
from collections.abc import Callable
from functools import wraps
from inspect import Parameter
from typing import Any, Concatenate, Final, ParamSpec, TypeAlias

import typer

from authz_service.cli.display import output as out
from authz_service.cli.display.output import Output
from authz_service.cli.session import Session
from authz_service.cli.shared_options import (
    AddressOption,
    DryRunOption,
    OutputOption,
    RequestIdOption,
    Shared,
    TimeoutOption,
)

P = ParamSpec("P")
Run: TypeAlias = Callable[Concatenate[Session, P], None]


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
    _option("output", OutputOption, None),
)
_READING: Final = (
    *_LOCAL,
    _option("address", AddressOption, None),
    _option("timeout", TimeoutOption, None),
)
_CHANGING: Final = (
    _option("dry_run", DryRunOption, default=False),
    _option("request_id", RequestIdOption, ""),
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
