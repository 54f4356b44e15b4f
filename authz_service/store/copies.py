"""Which copy of a database this is: what a backup, a dump or a standby does not take along."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from sqlalchemy import Connection

_FILE: Final = "SELECT file FROM pragma_database_list WHERE name = 'main'"

# A promoted standby and a recovery to a point in time begin a new timeline, another cluster has
# another identifier, and a table that was dumped and restored has another oid.
_OF_POSTGRES: Final = (
    "SELECT (SELECT system_identifier FROM pg_control_system()) || '-' || "
    "left(pg_walfile_name(pg_current_wal_insert_lsn()), 8) || '-' || "
    "CAST('head' AS regclass)::oid"
)

_MAY: Final = (
    "SELECT has_function_privilege('pg_control_system()', 'execute') AND NOT pg_is_in_recovery()"
)


def name_of(connection: Connection) -> str:
    """Name the copy; "" where the database does not let us see."""
    if connection.dialect.name == "sqlite":
        return _of_file(connection.exec_driver_sql(_FILE).scalar_one())
    if not connection.exec_driver_sql(_MAY).scalar_one():
        return ""
    return str(connection.exec_driver_sql(_OF_POSTGRES).scalar_one())


def _of_file(file: str) -> str:
    """Name a file by its number in its file system; "" for a database in memory."""
    if not file:
        return ""
    return f"{Path(file).stat().st_ino}-{os.statvfs(file).f_fsid}"


class LastCommit:
    """The newest commit of this machine, kept beside a SQLite file in `FILE-tip`: a file that was
    put back in its place does not have it. A commit is noted only once it is safe.
    """

    def __init__(self, database: str | None) -> None:
        """Open nothing yet; of a database without a file nothing is kept."""
        kept = database and database != ":memory:"
        self._path = f"{database}-tip" if kept else ""
        self._file: int | None = None

    def note(self, revision: int, at: int) -> None:
        """Remember a commit. It waits for no disk."""
        if self._path:
            if self._file is None:
                self._file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
            os.pwrite(self._file, _line(revision, at), 0)

    def read(self) -> tuple[int, int] | None:
        """Give revision and instant of the newest commit; None if none was noted whole."""
        with suppress(OSError, ValueError):
            line = Path(self._path).read_bytes()
            revision, at = map(int, line.split()[:2])
            if line == _line(revision, at):
                return revision, at
        return None

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _line(revision: int, at: int) -> bytes:
    return f"{revision:020} {at:020} {(revision * 31 + at) % 1_000_003:07}\n".encode()
