"""`authz recover`: a new operator's key when all are lost, from the machine with the database."""

from typing import Annotated

import typer
from rich.text import Text

from authz_service.cli.display import output as out
from authz_service.cli.display import tables
from authz_service.cli.options import SERVER
from authz_service.cli.registration import local
from authz_service.cli.session import Session

commands = typer.Typer()


@local(commands, panel=SERVER)
def recover(
    session: Session,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why, for the audit.")],
    *,
    check: Annotated[
        bool, typer.Option("--check", help="Say what would be mended, and change nothing.")
    ] = False,
) -> None:
    """Make an operator's key on the database itself, when all are lost.

    It takes no key: whoever can write the database is trusted. Rights and
    roles of this release are put back where they are not as it has them. Running servers follow.
    """
    from authz_service.cli.commands.recovery import recovered

    match = recovered(session.settings, reason, dry_run=check)
    if session.output is out.Output.JSON:
        out.print_document(
            {"key": match.key_id, "credential": match.credential, "mended": match.mended}
        )
        return
    session.print(*(tables.shown(f"mended: {item}") for item in match.mended))
    if check:
        session.say("nothing was changed: besides, a new operator's key would be made")
        return
    session.print(Text.assemble((match.credential, "bold")))
    session.say(
        f"{match.key_id}, an operator's key: shown this once, keep it; see with authz keys list "
        "which others are still needed, and revoke the lost ones"
    )
