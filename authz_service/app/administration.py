"""The process that changes things: administration, HTTP, jobs."""

from typing import Final

from authz_service.app import index_keeping, ports
from authz_service.app.admin_parts import Parts
from authz_service.app.kin import Kin
from authz_service.app.long_reads import Elsewhere
from authz_service.app.ports import NO_DATABASE, admin_figures
from authz_service.replication.hub import Hub
from authz_service.serving.figures import Figures, Tally

_TO_JOIN: Final = 2.0
"""Seconds that administration waits at most for check workers before it changes anything."""

NO_WORKER: Final = "no checks: no worker is up to date"


class Administration:
    """One process of a `serve`; every change goes through it."""

    def __init__(self, kin: Kin) -> None:
        """Take over the index; bind the ports. Raises: AuthzError, OSError."""
        self._kin = kin
        self._parts = parts = Parts(kin.settings, family=kin.family, hub=self._hub_of)
        parts.replica.load(kin.snapshot)
        parts.jobs.prepare(parts.replica.index)
        self._following = parts.following(self._on_health)
        self._port = ports.admin_port(parts, Elsewhere(kin.long_reads_path))
        self._tally = Tally(kin.board, kin.settings.workers, self._figures)
        figures = {"checks": self._checks, "administration": self._tally.figures}
        inside = ports.inside_mounts(parts, figures, lambda: self._hub.current, self._ailment)
        servers = (ports.metrics_port(parts, inside), ports.web_port(parts, inside))
        self._web = [server for server in servers if server is not None]

    def start(self) -> None:
        self._hub.start()
        self._parts.start()
        self._following.start()
        self._parts.worker.start()
        for server in self._web:
            server.start()
        self._hub.await_workers(self._kin.settings.workers, _TO_JOIN)
        self._port.start()
        self._port.set_serving(serving=self._following.healthy)

    def stop(self) -> None:
        drain_seconds = self._kin.settings.drain_seconds
        self._port.stop(drain_seconds)
        for server in self._web:
            server.stop()
        self._parts.worker.stop(drain_seconds)
        self._parts.stop()
        self._following.stop()
        self._tally.save()
        snapshot = self._parts.replica.snapshot()
        index_keeping.keep(index_keeping.path_of(self._kin.settings), snapshot)
        self._parts.close()

    def beat(self) -> None:
        """Write down what was counted, so that little is lost if this process dies."""
        self._tally.save()

    def _hub_of(self, parts: Parts) -> Hub:
        self._hub = Hub(
            self._kin.listener,
            lambda: parts.replica.index.revision,
            parts.key_use.take,
        )
        return self._hub

    def _checks(self) -> Figures:
        self._hub.refresh()
        return self._kin.board.read_all(range(self._kin.settings.workers))

    def _figures(self) -> Figures:
        return admin_figures(self._parts, self._port, self._following)

    def _on_health(self, answers: bool) -> None:
        """Changes need the database; checks go on from memory without it."""
        self._port.set_serving(serving=answers)

    def _ailment(self) -> str:
        if not self._following.healthy:
            return NO_DATABASE
        return "" if self._hub.current else NO_WORKER
