"""A PostgreSQL server of a test's own, to be stopped and started, or to freeze."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.postgres import Cluster, free_port, new_cluster


class OwnPostgres:
    """A server that keeps its port and its data however often it is stopped."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster, self._port = cluster, free_port()
        self._running = ExitStack()
        self._frozen: list[int] = []
        self._server: subprocess.Popen[Any] | None = None
        self.url = cluster.url(self._port)

    def start(self) -> None:
        """Return when it takes connections."""
        # As in production: without it a commit may be lost when the server stops at once.
        served = self._cluster.served(self._port, fsync=True)
        self._server = self._running.enter_context(served)

    def stop(self) -> None:
        """Stop at once, as a crash would, and return when it has ended."""
        self.thaw()
        self._running.close()

    def freeze(self) -> None:
        """Stop every process of it where it stands, as a disk that hangs does: connections stay
        up and new ones are taken in by the kernel, and nothing answers.
        """
        assert self._server is not None
        first = self._server.pid
        os.kill(first, signal.SIGSTOP)  # before its children, so that it makes no more of them
        self._frozen = [first, *_children(first)]
        for process in self._frozen[1:]:
            os.kill(process, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen server go on; nothing happens to another."""
        while self._frozen:
            os.kill(self._frozen.pop(), signal.SIGCONT)


@contextmanager
def own_postgres() -> Iterator[OwnPostgres]:
    """Lend a running server; skip the test where there are no programs to run."""
    with ExitStack() as made:
        try:
            cluster = made.enter_context(new_cluster())
        except RuntimeError as missing:
            pytest.skip(str(missing))
        server = OwnPostgres(cluster)
        server.start()
        try:
            yield server
        finally:
            server.stop()


def _children(parent: int) -> list[int]:
    """List the processes whose parent this is."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            # pid (name) state parent ...; the name may hold anything.
            after_name = status.read_text().rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
        if int(after_name[1]) == parent:
            found.append(int(status.parent.name))
    return found
