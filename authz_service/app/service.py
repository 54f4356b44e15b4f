"""Start and stop of one process of authz-service."""

import gc
import signal
import threading

import structlog

from authz_service.app import index_keeping, ports, setup
from authz_service.app.parts import Parts
from authz_service.config import Settings
from authz_service.serving import logs

log = structlog.get_logger()


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
        self._parts = parts = Parts(settings)
        self.database, self.replica, self.store = parts.database, parts.replica, parts.store
        self.worker, self.explainer = parts.worker, parts.explainer
        self._too_old = False
        self._following = parts.following(self._on_health, self._on_age)
        # Before anything is written: a port that is taken must leave no trace.
        self.check_port = ports.check_port(parts)
        self.admin_port = ports.admin_port(parts)
        self._ports = (self.check_port, self.admin_port)
        inside = ports.inside_mounts(parts, self._ports, self._following)
        self.metrics_port = ports.metrics_port(settings, inside)
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
        self._parts.tokens.start()
        self._following.start()
        self._parts.shadow.start()
        self._parts.key_use.start()
        self.worker.start()
        for server in self._web:
            server.start()
        for port in self._ports:
            port.start()
            port.set_serving(serving=True)

    def stop(self) -> None:
        """Stop gracefully: no new calls, running ones get `drain_seconds`, then all else."""
        parts, drain_seconds = self._parts, self._settings.drain_seconds
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
        parts.shadow.stop()
        parts.key_use.stop()
        self._following.stop()
        parts.tokens.stop()
        if parts.tracing is not None:
            parts.tracing.close()
        if self.metrics_port is not None:
            self.metrics_port.stop()
        index_keeping.keep(index_keeping.path_of(self._settings), self.replica.snapshot())
        self.database.close()

    def _on_health(self, answers: bool) -> None:
        """Changes need the database; checks go on from memory without it."""
        self.admin_port.set_serving(serving=answers)

    def _on_age(self, age: float) -> None:
        """Tell health checks once what is known is so old that checks are refused."""
        settings = self._settings
        too_old = age > settings.max_stale_seconds and settings.stale_checks == "refuse"
        if too_old != self._too_old:
            self._too_old = too_old
            self.check_port.set_serving(serving=not too_old)
            if too_old:
                log.critical("checks are refused: the database was last read too long ago")
            else:
                log.info("checks are answered again")


def serve(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT. Returns the process's exit code."""
    logs.set_up(settings.log_level, settings.log_format)
    service = Service(settings)
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    service.start()
    gc.freeze()  # what is there stays, the index above all: collecting need not look through it
    gc.enable()
    log.info(
        "serving",
        checks=f"{settings.host}:{service.check_port.number}",
        administration=f"{settings.host}:{service.admin_port.number}",
        database=service.database.url.render_as_string(hide_password=True),
        revision=service.replica.index.revision,
        **_where_metrics_are(settings, service),
    )
    stopping.wait()
    log.info("stopping", drain_seconds=settings.drain_seconds)
    service.stop()
    return 0


def _where_metrics_are(settings: Settings, service: Service) -> dict[str, str]:
    port = service.metrics_port
    return {"metrics": f"http://{settings.metrics_host}:{port.number}/metrics"} if port else {}
