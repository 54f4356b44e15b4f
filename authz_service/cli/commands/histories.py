"""`authz begin-history`: tell a database that it was put in the place of a newer copy."""

from typing import Annotated

import typer

from authz_service.cli.display import output as out
from authz_service.cli.options import SERVER
from authz_service.cli.registration import local
from authz_service.cli.session import Session

commands = typer.Typer()


@local(commands, panel=SERVER)
def begin_history(
    session: Session,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why, for the audit.")],
) -> None:
    """Begin a new history after a restore that nobody else would notice.

    Servers notice by themselves when a file is replaced, a standby takes over or a dump is
    restored. They cannot when a whole disk is set back: run this before they start.
    """
    from authz_service.cli.commands.recovery import new_history

    history, first = new_history(session.settings, reason)
    if session.output is out.Output.JSON:
        out.print_document({"history": history, "first_revision": first})
        return
    session.say(f"history {history} begins with revision {first}; running servers follow")
