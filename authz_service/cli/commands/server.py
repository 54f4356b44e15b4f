"""`authz serve` and `authz migrate`: the commands that are the server."""

import gc
from typing import Annotated

import typer

from authz_service.cli.display import output as out
from authz_service.cli.display.tables import shown
from authz_service.cli.options import SERVER
from authz_service.cli.registration import local
from authz_service.cli.session import Session
from authz_service.client.failure import ExitCode, Failure

commands = typer.Typer()


@local(commands, panel=SERVER)
def serve(
    session: Session,
    without_jobs: Annotated[
        bool, typer.Option("--without-jobs", help="Send no mails and webhooks: others do.")
    ] = False,
    workers: Annotated[
        int | None,
        typer.Option("--workers", min=0, help="Processes for checks; 0 for all in one process."),
    ] = None,
) -> None:
    """Serve until asked to stop, as the AUTHZ_* variables say."""
    gc.disable()  # a start makes much and drops little: it takes a quarter less time
    from authz_service.app.serve import serve as run

    try:
        chosen = session.settings
        if without_jobs:
            chosen = chosen.model_copy(update={"jobs": False})
        if workers is not None:
            chosen = chosen.model_copy(update={"workers": workers})
        raise typer.Exit(run(chosen))
    except OSError as error:
        advice = (
            "see whether a server runs already; AUTHZ_CHECK_PORT, AUTHZ_ADMIN_PORT and "
            "AUTHZ_HOST choose other addresses"
        )
        failure = Failure(ExitCode.REFUSED, "CANNOT_SERVE", str(error), advice=advice)
        raise failure from error


@local(commands, panel=SERVER)
def migrate(session: Session) -> None:
    """Bring the database to the schema of this version, and to its rights and roles."""
    from authz_service.app.setup import migrate as run

    applied, declared = run(session.settings)
    if session.output is out.Output.JSON:
        out.print_document({"applied": applied, "declared": list(declared)})
        return
    session.print(*map(shown, (*applied, *declared)))
    counts = []
    if applied:
        counts.append(f"{out.counted(len(applied), 'migration')} applied")
    if declared:
        counts.append(f"{out.counted(len(declared), 'definition')} of the service's own renewed")
    session.say(", ".join(counts) or "up to date")
