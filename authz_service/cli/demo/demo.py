"""`authz demo`: the service at work, through real gRPC, every effect held to what it must be."""

import signal
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import Final

import typer

from authz_service.cli.display import output as out
from authz_service.cli.options import SERVER
from authz_service.cli.registration import local
from authz_service.cli.session import Session
from authz_service.client.failure import ExitCode, Failure

commands = typer.Typer()

_MATRIX: Final = Path("examples", "gitlab", "permissions.csv")


@local(commands, panel=SERVER)
def demo(session: Session) -> None:
    """Show the service at work, on a server of its own that is gone afterwards."""
    # Not above, with grpc and all else, for --help to do without.
    from authz_service.cli.demo.contract import settings
    from authz_service.cli.demo.mail import mailbox
    from authz_service.cli.demo.story import tell
    from authz_service.cli.demo.throwaway_server import trial_server

    matrix = session.settings.policies_dir / _MATRIX
    if not matrix.is_file():
        raise Failure(ExitCode.USAGE, "UNREADABLE_FILE", f"{matrix} is not there")
    policies = {"AUTHZ_POLICIES_DIR": str(session.settings.policies_dir.absolute())}
    signal.signal(signal.SIGTERM, _stop)
    as_json = session.output is out.Output.JSON
    console = out.console(errors=as_json)
    with tempfile.TemporaryDirectory(prefix="authz-demo-") as folder, ExitStack() as stack:
        box = stack.enter_context(mailbox())
        with console.status("starting a server"):
            chosen = {**policies, **settings(box)}
            server = stack.enter_context(trial_server(Path(folder), chosen))
        storyteller = tell(console, server, box, matrix)
    if as_json:
        out.print_document({"steps": storyteller.steps, "surprises": storyteller.surprises})
    raise typer.Exit(ExitCode.DENIED if storyteller.surprises else ExitCode.DONE)


def _stop(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)  # leaves the blocks above, which stop the server
