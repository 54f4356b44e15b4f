"""`authz`: the entry point, its commands, and how it ends."""

import io
import os
import re
import sys
import traceback
from collections.abc import Callable, Sequence
from functools import cache
from typing import Final

import typer

from authz_service.cli import options, shared_options
from authz_service.cli.bash_words import completed_whole
from authz_service.cli.commands import (
    add_ons,
    audit,
    billing,
    billing_policy,
    billing_prices,
    billing_sources,
    changes,
    customers,
    decisions,
    events,
    exceptions,
    export,
    features,
    grants,
    histories,
    holders,
    identities,
    invitations,
    jobs,
    keys,
    limits,
    mail_templates,
    matrix,
    members,
    permissions,
    plan,
    policies,
    policy,
    recover,
    resealing,
    roles,
    rules,
    schedule,
    server,
    tenants,
    tiers,
    webhooks,
)
from authz_service.cli.demo import demo
from authz_service.cli.display.output import Output, print_failure
from authz_service.cli.doctor import doctor
from authz_service.client.failure import ExitCode, Failure, advice_on
from authz_service.errors import AuthzError

_EPILOG: Final = r"""
[bold]Exit codes[/]

0   done, or allowed
1   denied (check, explain); a step of the demo went wrong; a policy test failed;
    the doctor found a problem; an audit chain is broken
2   wrong usage; a case file of a policy test is wrong
3   refused: an error of the service, with its reason and what to do
4   no server reached
5   no key
6   authz plan --detailed-exitcode found something to change
70  a bug; AUTHZ_DEBUG=1 shows where

[bold]Where and who[/]

AUTHZ_KEY, or the file AUTHZ_KEY_FILE (var/operator.key), holds the key. Where
neither is, the certificate of --tls-cert and --tls-key says who calls.
AUTHZ_HOST (127.0.0.1) is the server, its ports are AUTHZ_CHECK_PORT (50051)
and, for what is not a question, AUTHZ_ADMIN_PORT (50052).
"""

app = typer.Typer(
    name="authz",
    epilog=_EPILOG,
    # They would show local variables, keys among them.
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.callback(invoke_without_command=True)(shared_options.root)
for _commands in (
    server,
    recover,
    histories,
    doctor,
    demo,
    decisions,
    holders,
    grants,
    changes,
    plan,
    policies,
    export,
):
    app.add_typer(_commands.commands)
webhooks.app.add_typer(resealing.webhook_commands)
keys.app.add_typer(resealing.key_commands)
billing.app.add_typer(events.app, name="events")
policies.imports.add_typer(matrix.commands)
policies.imports.add_typer(customers.commands)
billing.app.add_typer(billing_prices.commands)
billing.app.add_typer(billing_policy.commands)
billing.app.add_typer(billing_prices.app, name="prices")
billing.app.add_typer(billing_sources.sources, name="sources")
billing.app.add_typer(billing_policy.settings, name="settings")
for _panel, _groups in {
    options.CUSTOMERS: {
        "tenants": tenants.app,
        "members": members.app,
        "invitations": invitations.app,
        "grants": grants.app,
        "exceptions": exceptions.app,
        "jobs": jobs.app,
        "mail-templates": mail_templates.app,
        "webhooks": webhooks.app,
    },
    options.POLICY: {
        "import": policies.imports,
        "policy": policy.app,
        "schedule": schedule.app,
        "permissions": permissions.app,
        "roles": roles.app,
        "tiers": tiers.app,
        "add-ons": add_ons.app,
        "features": features.app,
        "limits": limits.app,
        "rules": rules.app,
        "billing": billing.app,
    },
    options.SERVER: {"keys": keys.app, "identities": identities.app, "audit": audit.app},
}.items():
    for _name, _group in _groups.items():
        app.add_typer(_group, name=_name, rich_help_panel=_panel)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit with its code."""
    values = list(sys.argv[1:] if arguments is None else arguments)
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # what its core logs, our errors say
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a poor encoding stops no answer
            stream.reconfigure(errors="backslashreplace")
    with completed_whole(os.environ):
        sys.exit(_run(values))


def _run(value: list[str]) -> int:
    try:
        code = _made()(value, prog_name="authz", standalone_mode=False)
    except typer.Abort:
        sys.stderr.write("nothing was changed\n")
        return ExitCode.INTERRUPTED
    except Exception as error:  # noqa: BLE001 - nothing leaves with a traceback
        if os.environ.get("AUTHZ_DEBUG"):
            traceback.print_exc()
        failure = _failure(error)
        print_failure(failure, _output(value))
        return failure.exit_code
    return code if isinstance(code, int) else ExitCode.DONE


@cache
def _made() -> Callable[..., object]:
    """Make the commands, once: all of them take longer than most of them run."""
    return typer.main.get_command(app)


def _failure(error: Exception) -> Failure:
    match error:
        case Failure():
            return error
        case AuthzError():
            return Failure(
                ExitCode.REFUSED,
                error.reason,
                error.message,
                code=_code(type(error)),
                field=error.field,
                details=error.details,
                advice=advice_on(error.reason),
            )
        case typer.TyperException():
            context = getattr(error, "ctx", None)
            path = context.command_path if context else "authz"
            advice = f"see {path} --help"
            return Failure(ExitCode.USAGE, "USAGE", error.format_message(), advice=advice)
        case _:
            text = str(error).partition("\n")[0]
            message = f"{type(error).__name__}: {text}" if text else type(error).__name__
            advice = "run it again with AUTHZ_DEBUG=1 to see where, and please report it"
            return Failure(ExitCode.BUG, "BUG", message, advice=advice)


def _output(values: list[str]) -> Output:
    """Look for `--output json`: an error may come before options are understood."""
    match = re.search(r"(?:^| )(?:--output[= ]|-o[= ]?)json(?: |$)", " ".join(values))
    return Output.JSON if match else Output.TABLE


def _code(kind: type[AuthzError]) -> str:
    """Name the code of an error's class, one level below `AuthzError`: `INVALID_ARGUMENT`."""
    name = next(item.__name__ for item in kind.__mro__ if item.__base__ is AuthzError)
    return re.sub(r"(?<=.)(?=[A-Z])", "_", name).upper()


if __name__ == "__main__":
    main()
