"""A PostgreSQL server of a test's own, to be stopped and started."""

import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests import postgres


class OwnPostgres:
    """A server that keeps its port and its data however often it is stopped."""

    def __init__(self, programs: Path, home: Path, password: str) -> None:
        self._programs, self._home = programs, home
        self._port = postgres._free_port()
        self._running = ExitStack()
        address = f"postgres:{password}@127.0.0.1:{self._port}"
        self.url = f"postgresql+psycopg://{address}/postgres"

    def start(self) -> None:
        """Return when it takes connections."""
        server = self._running.enter_context(
            # As in production: without it a commit may be lost when the server stops at once.
            postgres._server(self._programs, self._home, self._port, fsync=True)
        )
        status = self._home / "data" / "postmaster.pid"
        assert postgres._is_ready(server, status), (self._home / "log").read_text()

    def stop(self) -> None:
        """Stop at once, as a crash would, and return when it has ended."""
        self._running.close()


@contextmanager
def own_postgres() -> Iterator[OwnPostgres]:
    """Lend a running server; skip the test where there are no programs to run."""
    with (
        postgres._folder(postgres._data_disk(fsync=False)) as home,
        postgres._folder(postgres._programs_disk()) as room,
    ):
        try:
            programs = postgres._find_programs(room)
        except RuntimeError as missing:
            pytest.skip(str(missing))
        password = secrets.token_hex(16)
        postgres._make_cluster(programs, home, password)
        server = OwnPostgres(programs, home, password)
        server.start()
        try:
            yield server
        finally:
            server.stop()
