"""Migrations: bring a database to the schema of this code, or say how far behind it is."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection, inspect

from authz_service.errors import ErrorReason, FailedPrecondition
from authz_service.store.database import Database, translated

if TYPE_CHECKING:
    from alembic.config import Config

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
            from alembic import command  # noqa: PLC0415 - see _pending

            command.upgrade(_config(scripts, connection), "head")
    return missing


def _pending(connection: Connection, scripts: Path) -> list[str]:
    current = _current(connection)
    if current == max(
        file.stem.partition("_")[0] for file in (scripts / "versions").glob("*_*.py")
    ):
        return []
    # Nearly half a second, which a process need not take whose database is up to date.
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    directory = ScriptDirectory.from_config(_config(scripts))
    missing = directory.iterate_revisions(directory.get_current_head(), current or "base")
    return [f"{script.revision} {script.doc}" for script in missing][::-1]


def _current(connection: Connection) -> str | None:
    """Read which migration was applied last; None if none was."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    rows = connection.exec_driver_sql("SELECT version_num FROM alembic_version")
    return rows.scalar_one_or_none()


def _config(scripts: Path, connection: Connection | None = None) -> "Config":
    from alembic.config import Config  # noqa: PLC0415 - see _pending

    config = Config()
    config.set_main_option("script_location", str(scripts))
    config.attributes["connection"] = connection
    return config
