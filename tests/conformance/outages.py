"""Ways in which a database cannot be used for a while, and waiting without sleeping blindly."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, LiteralString

import psycopg
from psycopg import sql
from sqlalchemy import make_url

PATIENCE = 20.0
"""Seconds after which something that should happen at once counts as never happening."""


def eventually(happened: Callable[[], object], what: str) -> None:
    """Return when it has happened; fail if it does not."""
    deadline = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < deadline, f"{what}: not within {PATIENCE:g} s"
        time.sleep(0.005)


@contextmanager
def locked(url: str) -> Iterator[None]:
    """Hold what every writer needs, as a writer that does not come to an end would."""
    if url.startswith("sqlite"):
        with _closing(sqlite3.connect(str(make_url(url).database), isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            yield
            other.execute("ROLLBACK")
        return
    with _connected(url) as writer, writer.transaction():
        writer.execute("SELECT revision FROM head FOR UPDATE")
        yield


@contextmanager
def down(base_url: str, url: str) -> Iterator[None]:
    """Cut every connection to a PostgreSQL database and refuse new ones, even to its owner."""
    _allow_connections(base_url, url, "false")
    try:
        cut(base_url, url)
        yield
    finally:
        _allow_connections(base_url, url, "true")


def cut(base_url: str, url: str, query: LiteralString = "%") -> int:
    """End the sessions of a PostgreSQL database whose last statement is like `query`."""
    found = (
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
        " WHERE datname = %s AND query LIKE %s"
    )
    with _connected(base_url) as connection:
        row = connection.execute(found, (make_url(url).database, query)).fetchone()
    return int(row[0]) if row else 0


def listening(base_url: str, url: str) -> bool:
    """Tell whether anybody listens for changes of a PostgreSQL database."""
    query = "SELECT 1 FROM pg_stat_activity WHERE datname = %s AND query LIKE 'LISTEN%%'"
    with _connected(base_url) as connection:
        return connection.execute(query, (make_url(url).database,)).fetchone() is not None


def _allow_connections(base_url: str, url: str, allowed: LiteralString) -> None:
    statement = sql.SQL("ALTER DATABASE {} WITH ALLOW_CONNECTIONS " + allowed)
    with _connected(base_url) as connection:
        connection.execute(statement.format(sql.Identifier(str(make_url(url).database))))


@contextmanager
def _connected(url: str) -> Iterator[psycopg.Connection[Any]]:
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as connection:
        yield connection


@contextmanager
def _closing(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    try:
        yield connection
    finally:
        connection.close()
