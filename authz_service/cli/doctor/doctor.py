"""`authz doctor`: look a deployment over, and say what to do."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import typer
from rich.text import Text

from authz_service.cli.display import output as out
from authz_service.cli.display import tables
from authz_service.cli.options import SERVER
from authz_service.cli.registration import reads
from authz_service.cli.session import Session
from authz_service.client.failure import ExitCode, Failure

if TYPE_CHECKING:
    from authz_service.cli.doctor.finding import Finding

commands = typer.Typer()

_MARKS: Final = {"ok": (out.YES, "green"), "warning": ("!", "yellow"), "problem": (out.NO, "red")}


@reads(commands, panel=SERVER)
def doctor(session: Session) -> None:
    """Look the deployment over that the AUTHZ_* variables describe, and say what to do.

    Run it where the server runs, with the server's settings. Nothing is changed.
    """
    matches = []
    for finding in _findings(session):
        matches.append(finding)
        if session.output is out.Output.TABLE:
            session.print(*_lines(finding))
    problems = sum(finding.state == "problem" for finding in matches)
    if session.output is out.Output.JSON:
        out.print_document({"ok": not problems, "findings": [item._asdict() for item in matches]})
    else:
        session.say(out.counted(problems, "problem") if problems else "no problem found")
    raise typer.Exit(ExitCode.DENIED if problems else ExitCode.DONE)


def _findings(session: Session) -> "Iterator[Finding]":
    from authz_service.cli.doctor.database import database_findings
    from authz_service.cli.doctor.finding import ok, problem
    from authz_service.cli.doctor.mail import mail_findings
    from authz_service.cli.doctor.server import server_findings, tls_findings

    try:
        settings = session.settings
    except Failure as failure:
        yield problem("settings", failure.message, "mend the variable; all else was not looked at")
        return
    yield ok("settings", "valid")
    yield from database_findings(settings)
    yield from server_findings(session)
    yield from tls_findings(settings)
    yield from mail_findings(settings)


def _lines(finding: "Finding") -> Iterator[Text]:
    mark, colour = _MARKS[finding.state]
    message = tables.shown(finding.message, lines=True)
    yield Text.assemble((mark, f"bold {colour}"), " ", (finding.name, "bold"), ": ", message)
    if finding.advice:
        yield Text.assemble(("    do: ", "bold"), tables.shown(finding.advice))
