"""Migrations: bring a database to the schema of this code, or say how far behind it is."""

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from authz_service.errors import ErrorReason, FailedPrecondition
from authz_service.store.database import Database, translated

SCRIPTS: Final = Path(__file__).parent / "migrations"
"""Alembic's folder of this version; functions take another one to try a next version's."""

_LOCK = 0x617574687A
"""Ours among a database's advisory locks: "authz" in ASCII."""


def pending(database: Database, scripts: Path = SCRIPTS) -> list[str]:
    """Name the migrations that the database lacks, oldest first; empty if it is up to date.

    Raises:
        Unavailable: the database does not answer.
    """
    with translated(), database.engine.connect() as connection:
        return _pending(connection, scripts)


def require_migrated(database: Database, scripts: Path = SCRIPTS) -> None:
    """Raises: FailedPrecondition (DATABASE_BEHIND), Unavailable."""
    if behind := pending(database, scripts):
        raise FailedPrecondition(
            ErrorReason.DATABASE_BEHIND,
            f"the database lacks {len(behind)} migration(s): {', '.join(behind)}; "
            "run `authz migrate` first",
        )


def migrate(database: Database, scripts: Path = SCRIPTS) -> list[str]:
    """Apply what is pending, in one transaction, and name it."""
    if not pending(database, scripts):
        return []
    with database.write() as connection, database.unhurried(connection):
        if database.dialect == "postgresql":
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
        # Of several processes that start at once, one migrates and the others find it done.
        if missing := _pending(connection, scripts):
            command.upgrade(_config(scripts, connection), "head")
    return missing


def _pending(connection: Connection, scripts: Path) -> list[str]:
    directory = ScriptDirectory.from_config(_config(scripts))
    current = MigrationContext.configure(connection).get_current_revision()
    missing = directory.iterate_revisions(directory.get_current_head(), current or "base")
    return [f"{script.revision} {script.doc}" for script in missing][::-1]


def _config(scripts: Path, connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(scripts))
    config.attributes["connection"] = connection
    return config
