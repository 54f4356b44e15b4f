"""`authz webhooks reseal`, and `authz keys generate`: secrets made and sealed without a server."""

from contextlib import closing

import typer
from rich.text import Text

from authz_service.cli.display import output as out
from authz_service.cli.registration import local
from authz_service.cli.session import Session

webhook_commands = typer.Typer()
key_commands = typer.Typer()


@local(webhook_commands)
def reseal(session: Session) -> None:
    """Seal the secrets of all webhooks with a new key, on the database itself.

    The new key is put first in the file of sealing keys; older ones stay behind it until you take
    them out. Keys that AUTHZ_SEALING_KEY gives are taken as they are: put the new one first there.
    Servers that run read the file again.
    """
    from authz_service.app.sealing import seals_of
    from authz_service.store import jobs
    from authz_service.store.database import Database

    settings = session.settings
    seals = seals_of(settings)
    with closing(Database(settings.database_url, busy_seconds=settings.busy_seconds)) as database:
        with database.read() as connection:
            seals.require_all(jobs.sealed_secrets(connection))
        made = "" if settings.sealing_key else seals.add_key()
        with database.write() as connection:
            count = jobs.reseal(connection, seals)
    if session.output is out.Output.JSON:
        out.print_document({"key": made, "secrets": count})
    else:
        session.say(f"{count} secrets are sealed anew" + (f", with key {made}" if made else ""))


@local(key_commands)
def generate(session: Session) -> None:
    """Write an operator's key for AUTHZ_FIRST_KEY; it opens a database that has none yet."""
    from authz_service.app.door import new_id, new_secret
    from authz_service.domain.key import KeyKind, write

    credential = write(KeyKind.OPERATOR, f"key-{new_id()}", new_secret())
    if session.output is out.Output.JSON:
        out.print_document({"credential": credential})
    else:
        session.print(Text(credential, "bold"))
