"""All of authz-service in one process: for tests, and for machines that are very small."""

import threading
from functools import partial

from authz_service.app import door, index_keeping, ports, setup
from authz_service.app.admin_parts import Parts
from authz_service.app.checks import Freshness, check_figures, check_port
from authz_service.app.ports import admin_figures
from authz_service.config import Settings


class Service:
    """One process: its ports, the replica, and what runs beside them."""

    def __init__(self, settings: Settings) -> None:
        """Open the database and the ports.

        Raises:
            AuthzError: the database does not answer, is behind, the policy files are wrong, or
                TLS is set up so that it cannot be served, or not at all off loopback.
            OSError: a port is taken.
        """
        self._settings = settings
        self._parts = parts = Parts(settings, family=door.new_id())
        self.database, self.replica, self.store = parts.database, parts.replica, parts.store
        self.worker, self.explainer = parts.worker, parts.explainer
        freshness = Freshness(settings, lambda: self.check_port)
        self._following = parts.following(self._on_health, freshness.on_age)
        # Before anything is written: a port that is taken must leave no trace.
        self.check_port = check_port(parts)
        self.admin_port = ports.admin_port(parts)
        self._ports = (self.check_port, self.admin_port)
        inside = ports.inside_mounts(
            parts,
            {
                "checks": partial(check_figures, parts, self.check_port, self._following),
                "administration": partial(admin_figures, parts, self.admin_port, self._following),
            },
            lambda: 1,
            self._ailment,
        )
        self.metrics_port = ports.metrics_port(parts, inside)
        self.web_port = ports.web_port(parts, inside)
        self._web = [server for server in (self.metrics_port, self.web_port) if server is not None]
        try:
            setup.prepare(parts)
        except BaseException:
            for server in self._web:
                server.stop()
            self.database.close()
            raise

    def start(self) -> None:
        self._parts.start()
        self._following.start()
        self._parts.shadow.start()
        self.worker.start()
        for server in self._web:
            server.start()
        for port in self._ports:
            port.start()
            port.set_serving(serving=True)

    def stop(self) -> None:
        """Stop gracefully: no new calls, running ones get `drain_seconds`, then all else."""
        drain_seconds = self._settings.drain_seconds
        draining = [
            threading.Thread(target=port.stop, args=(drain_seconds,)) for port in self._ports
        ]
        for thread in draining:
            thread.start()
        for thread in draining:
            thread.join()
        if self.web_port is not None:
            self.web_port.stop()
        self.worker.stop(drain_seconds)
        self._parts.shadow.stop()
        self._parts.stop()
        self._following.stop()
        if self.metrics_port is not None:
            self.metrics_port.stop()
        index_keeping.keep(index_keeping.path_of(self._settings), self.replica.snapshot())
        self._parts.close()

    def _on_health(self, answers: bool) -> None:
        """Changes need the database; checks go on from memory without it."""
        self.admin_port.set_serving(serving=answers)

    def _ailment(self) -> str:
        return "" if self._following.healthy else ports.NO_DATABASE
