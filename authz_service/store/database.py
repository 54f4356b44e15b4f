"""One database, SQLite or PostgreSQL: connections, transactions, and what failures mean."""

import select
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Final, TypeAlias, TypeVar, cast

import psycopg
import sqlalchemy
from psycopg.abc import PQGen
from sqlalchemy import Engine, create_engine, event, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DisconnectionError,
    InterfaceError,
    OperationalError,
    ProgrammingError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import QueuePool

from authz_service.errors import ErrorReason, InvalidArgument, Unavailable
from authz_service.store import copies, private_file
from authz_service.store.copies import LastCommit

T = TypeVar("T")

Connection: TypeAlias = sqlalchemy.Connection
"""An open transaction. Above the store it is handed on to the store's questions, nothing else."""

DatabaseUrl: TypeAlias = sqlalchemy.URL

NO_SUCH_TABLE: Final = ProgrammingError
"""What is raised for a table that no migration has made yet."""

_UNUSABLE: Final = (
    OperationalError,
    InterfaceError,
    PoolTimeout,
    sqlite3.OperationalError,
    psycopg.OperationalError,
    psycopg.InterfaceError,
    psycopg.errors.ReadOnlySqlTransaction,  # a primary that has become a standby
)
"""What SQLAlchemy, and the drivers where we use them directly, raise for a lost database."""

INTEGRITY: Final = (sqlite3.IntegrityError, psycopg.IntegrityError)
"""What the drivers raise for rows that may not be there beside each other."""

_LATER_THAN_THE_SERVER: Final = 1.0
"""Seconds that a server gets to say itself that a statement took too long."""

_NOW: Final = {
    "sqlite": "SELECT (julianday('now') - 2440587.5) * 86400",
    "postgresql": "SELECT extract(epoch FROM clock_timestamp())",
}
"""How each database tells the time, in seconds since the epoch."""

_PRAGMAS: Final = (
    "journal_mode = WAL",
    "synchronous = FULL",
    # Checkpoint every 16 MB, not every 4: the pages that each change writes are written back once
    # for many changes (measured at 110k grants: a sixth more grants a second).
    "wal_autocheckpoint = 4000",
)


_COPY: Final = "authz copy"

FAMILY: Final = "authz_family"
"""The option of connections that names the family of the process."""

_AGAIN: Final = 0.01
"""Seconds until a locked file is tried again."""


class Database:
    """Connections to one database.

    SQLite runs in WAL with synchronous FULL: a commit that returned survives a power cut.
    PostgreSQL keeps its own default, `synchronous_commit = on`.
    """

    def __init__(self, url: str, *, busy_seconds: float = 10.0, family: str = "") -> None:
        """Make ready to connect; nothing is opened yet.

        `family` names the processes that tell each other of their changes themselves, in letters
        and digits; "" for a process that nobody tells.

        Raises:
            InvalidArgument: the URL is malformed, or of another kind of database.
        """
        self.busy_seconds = busy_seconds
        self.url = _parsed(url)
        self.dialect = self.url.get_backend_name()
        self._kept: list[Connection] = []
        self.family = family
        self.engine = _engine(self.url, busy_seconds).execution_options(**{FAMILY: family})
        self.last_commit = LastCommit(self.url.database if self.dialect == "sqlite" else None)

    @contextmanager
    def write(self, *, patience: float | None = None) -> Iterator[Connection]:
        """Open a transaction that commits when the block ends and rolls back if it raises.

        The block may roll back itself and change nothing. `patience` are the seconds that it waits
        for the lock of another transaction on PostgreSQL, if not as long as usual.

        Raises:
            Unavailable: DATABASE_UNAVAILABLE: the database is down or its lock is held too long.
        """
        with translated(), self._writer() as connection:
            self.begin(connection)
            if patience is not None and self.dialect == "postgresql":
                connection.exec_driver_sql(f"SET LOCAL lock_timeout = {round(patience * 1000)}")
            yield connection
            if connection.in_transaction():
                connection.commit()

    def begin(self, connection: Connection) -> None:
        """Open a transaction that writes, on a connection whose last one has ended."""
        connection.begin()
        if self.dialect == "sqlite":
            # A deferred transaction that reads and then writes fails at once when another
            # writer is ahead, whatever the busy timeout (sqlite.org/lang_transaction.html).
            connection.connection.cursor().execute("BEGIN IMMEDIATE")

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Open a transaction that sees one snapshot and changes nothing.

        Raises:
            Unavailable: DATABASE_UNAVAILABLE: the database does not answer.
        """
        with translated(), self.engine.connect() as connection:
            if self.dialect == "sqlite":
                connection.exec_driver_sql("BEGIN")
            else:
                connection.execution_options(isolation_level="REPEATABLE READ")
            yield connection

    def clock(self) -> float:
        """Ask the database for its own time, in seconds since the epoch. Raises: Unavailable."""
        with self.read() as connection:
            return float(connection.exec_driver_sql(_NOW[self.dialect]).scalar_one())

    def copy_of(self, connection: Connection) -> str:
        """Name the copy of the database that a connection is to: a restored one has another name,
        and so has a standby that took over.
        """
        known = connection.info.get(_COPY)
        if known is None:
            known = connection.info[_COPY] = copies.name_of(connection)
        return str(known)

    @property
    def connections_in_use(self) -> int:
        pool = self.engine.pool
        return pool.checkedout() if isinstance(pool, QueuePool) else 0

    @contextmanager
    def unhurried(self, connection: Connection) -> Iterator[None]:
        """Let the statements of a transaction take as long as they take, as a migration may."""
        if self.dialect != "postgresql":
            yield
            return
        connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
        connection.exec_driver_sql("SET LOCAL lock_timeout = 0")
        driven = cast(_Bounded, connection.connection.driver_connection)
        patience, driven.patience = driven.patience, None
        try:
            yield
        finally:
            driven.patience = patience

    def close(self) -> None:
        while self._kept:
            self._kept.pop().close()
        self.engine.dispose()
        self.last_commit.close()

    @contextmanager
    def _writer(self) -> Iterator[Connection]:
        """Lend a connection to write with; on SQLite one is kept, which saves a tenth of a grant.

        On PostgreSQL the pool looks before each use whether the server has closed it.
        """
        try:
            connection = self._kept.pop()
        except IndexError:
            connection = self.engine.connect()
        try:
            yield connection
        except BaseException:
            connection.close()
            raise
        if self.dialect == "sqlite":
            self._kept.append(connection)
        else:
            connection.close()


@contextmanager
def translated() -> Iterator[None]:
    """Raise Unavailable in place of what drivers say when the database cannot be used."""
    try:
        yield
    except _UNUSABLE as error:
        raise Unavailable(
            ErrorReason.DATABASE_UNAVAILABLE,
            "the database does not answer; nothing is known to have changed, try again",
        ) from error


def _parsed(url: str) -> DatabaseUrl:
    try:
        parsed = make_url(url)
    except ArgumentError:
        parsed = None
    if parsed is None or parsed.get_backend_name() not in ("sqlite", "postgresql"):
        raise InvalidArgument(
            ErrorReason.INVALID_FIELD,
            "the database URL must read sqlite:///FILE or postgresql+psycopg://USER@HOST/DATABASE",
            field="AUTHZ_DATABASE_URL",
        )
    return (
        parsed.set(drivername="postgresql+psycopg") if parsed.drivername == "postgresql" else parsed
    )


def _engine(url: DatabaseUrl, busy_seconds: float) -> Engine:
    if url.get_backend_name() == "postgresql":
        engine = create_engine(url, pool_timeout=busy_seconds)

        def connect(_dialect: Any, _record: Any, arguments: Any, options: Any) -> Any:
            return connect_postgres(busy_seconds, *arguments, **options)

        event.listen(engine, "do_connect", connect)
        event.listen(engine, "checkout", _require_connected)
        return engine
    if url.database:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(
        url,
        pool_timeout=busy_seconds,
        # Autocommit mode: we write BEGIN ourselves, the driver never does behind our back.
        connect_args={"timeout": busy_seconds, "isolation_level": None},
    )
    if url.database and not url.database.startswith((":memory:", "file:")):
        file = Path(url.database)
        event.listen(engine, "do_connect", partial(private_file.before_opening, file))
    event.listen(engine, "connect", partial(_set_up_sqlite, busy_seconds))
    return engine


def _require_connected(connection: psycopg.Connection[Any], _record: Any, _proxy: Any) -> None:
    """Take no connection from the pool that the server has closed: it says so unasked, so that
    nothing has to be sent to find out.

    Raises:
        DisconnectionError: the pool connects anew.
    """
    told, _, _ = select.select([connection.fileno()], [], [], 0)
    if told:
        raise DisconnectionError


class _Bounded(psycopg.Connection[Any]):
    """A connection that gives up a server which has stopped answering, though TCP is up.

    `patience` is the longest wait in seconds, None for no end.
    """

    patience: float | None = None

    def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        if timeout is not None or self.patience is None:
            return super().wait(gen, interval, timeout)
        deadline = monotonic() + self.patience
        try:
            return super().wait(gen, interval, self.patience)
        except psycopg.OperationalError:
            if monotonic() >= deadline:
                # What comes later would be taken for the answer to another statement.
                self.pgconn.finish()
            raise


def connect_postgres(
    busy_seconds: float, *arguments: Any, **options: Any
) -> psycopg.Connection[Any]:
    """Connect to a PostgreSQL server so that every wait for it has an end: for the connection, a
    lock, a statement, a peer that is gone, and one that is there and frozen. The options win.
    """
    locked, longest = round(busy_seconds * 1000), round(busy_seconds * 2000)
    bounds: dict[str, Any] = {
        "application_name": "authz",
        "connect_timeout": max(2, round(busy_seconds)),  # libpq takes 1 for 2
        "tcp_user_timeout": longest,
        "keepalives_idle": max(1, round(busy_seconds)),
        "keepalives_interval": max(1, round(busy_seconds / 4)),
        "keepalives_count": 4,
        "options": f"-c lock_timeout={locked} -c statement_timeout={longest}",
    }
    bounds |= options
    connection: _Bounded = _Bounded.connect(*arguments, **bounds)
    connection.patience = busy_seconds * 2 + _LATER_THAN_THE_SERVER
    return connection


def _set_up_sqlite(busy_seconds: float, connection: sqlite3.Connection, _record: Any) -> None:
    deadline = monotonic() + busy_seconds
    for pragma in _PRAGMAS:
        while not _done(connection, f"PRAGMA {pragma}", deadline):
            sleep(_AGAIN)


def _done(connection: sqlite3.Connection, statement: str, deadline: float) -> bool:
    """Execute; false if the file is locked. Of several processes that make a fresh file's journal
    a WAL at once, SQLite refuses all but one without waiting, whatever the busy timeout.
    """
    try:
        connection.execute(statement)
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or monotonic() >= deadline:
            raise
        return False
    return True
