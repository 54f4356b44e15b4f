"""Migrations: bring a database to the schema of this code, or say how far behind it is."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from authz_service.errors import ErrorReason, FailedPrecondition
from authz_service.store.database import Database, translated

_SCRIPTS = Path(__file__).parent / "migrations"
_LOCK = 0x617574687A
"""Ours among a database's advisory locks: "authz" in ASCII."""


def pending(database: Database) -> list[str]:
    """Name the migrations that the database lacks, oldest first; empty if it is up to date.

    Raises:
        Unavailable: the database does not answer.
    """
    with translated(), database.engine.connect() as connection:
        return _pending(connection)


def require_migrated(database: Database) -> None:
    """Raises: FailedPrecondition (DATABASE_BEHIND), Unavailable."""
    if behind := pending(database):
        raise FailedPrecondition(
            ErrorReason.DATABASE_BEHIND,
            f"the database lacks {len(behind)} migration(s): {', '.join(behind)}; "
            "run `authz migrate` first",
        )


def migrate(database: Database) -> list[str]:
    """Apply what is pending, in one transaction, and name it."""
    if not pending(database):
        return []
    with database.write() as connection, database.unhurried(connection):
        if database.dialect == "postgresql":
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
        # Of several processes that start at once, one migrates and the others find it done.
        if todo := _pending(connection):
            command.upgrade(_config(connection), "head")
    return todo


def _pending(connection: Connection) -> list[str]:
    scripts = ScriptDirectory.from_config(_config())
    current = MigrationContext.configure(connection).get_current_revision()
    todo = scripts.iterate_revisions(scripts.get_current_head(), current or "base")
    return [f"{each.revision} {each.doc}" for each in todo][::-1]


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS))
    config.attributes["connection"] = connection
    return config
