"""`authz serve`: all that it starts."""

import gc
import signal
import threading
from functools import partial

import structlog

from authz_service.app import door, setup
from authz_service.app.addresses import Addresses
from authz_service.app.child import Role
from authz_service.app.kin import Kin, kin
from authz_service.app.supervisor import Supervisor
from authz_service.config import Settings
from authz_service.serving import logs
from authz_service.store.database import Database

log = structlog.get_logger()


def serve(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT. Returns the process's exit code.

    Raises:
        AuthzError: the database does not answer, is behind, or a setting or a policy file is wrong.
        OSError: a port is taken.
    """
    logs.set_up(settings.log_level, settings.log_format)
    return _with_workers(settings) if settings.workers else _alone(settings)


def _with_workers(settings: Settings) -> int:
    # Before anything is written: a port that is taken must leave no trace.
    addresses = Addresses(settings)
    snapshot = setup.prepared(addresses.settings)
    own = kin(addresses.settings, door.new_id(), snapshot)
    workers = [(f"checks {n + 1}", partial(_checks, own, n)) for n in range(settings.workers)]
    supervisor = Supervisor(
        [
            *workers,
            ("administration", partial(_administration, own)),
            ("long reads", partial(_long_reads, own)),
        ],
        settings.silent_seconds,
        settings.drain_seconds,
        lambda: _tell(own.settings, snapshot.index.revision),
    )
    outcome = supervisor.run()
    if not isinstance(outcome, int):
        return outcome()  # a process that was forked
    own.forget()
    addresses.release()
    return outcome


def _checks(own: Kin, number: int, others_serve: bool) -> Role:
    from authz_service.app.check_worker import CheckWorker  # noqa: PLC0415

    return CheckWorker(own, number, others_serve=others_serve)


def _administration(own: Kin, _others_serve: bool) -> Role:
    from authz_service.app.administration import Administration  # noqa: PLC0415 - checks need less

    return Administration(own)


def _long_reads(own: Kin, _others_serve: bool) -> Role:
    from authz_service.app.long_reads import LongReads  # noqa: PLC0415

    return LongReads(own)


def _alone(settings: Settings) -> int:
    from authz_service.app.service import Service  # noqa: PLC0415 - where there are no workers

    service = Service(settings)
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    service.start()
    gc.freeze()  # what is there stays, the index above all: collecting need not look through it
    gc.enable()
    numbers = {"check_port": service.check_port.number, "admin_port": service.admin_port.number}
    if service.metrics_port is not None:
        numbers["metrics_port"] = service.metrics_port.number
    _tell(settings.model_copy(update=numbers), service.replica.index.revision)
    stopping.wait()
    log.info("stopping", drain_seconds=settings.drain_seconds)
    service.stop()
    return 0


def _tell(settings: Settings, revision: int) -> None:
    metrics = {"metrics": f"http://{settings.metrics_host}:{settings.metrics_port}/metrics"}
    log.info(
        "serving",
        checks=f"{settings.host}:{settings.check_port}",
        administration=f"{settings.host}:{settings.admin_port}",
        database=Database(settings.database_url).url.render_as_string(hide_password=True),
        revision=revision,
        workers=settings.workers,
        **(metrics if settings.metrics_port is not None else {}),
    )
