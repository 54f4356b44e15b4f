"""A port: a gRPC server with its services, health and reflection."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2_grpc

from authz_service.domain.window import Instant
from authz_service.rpc.admission import Limits, LimitSettings, on_threads
from authz_service.rpc.calls import handlers
from authz_service.rpc.certificates import Certificates
from authz_service.rpc.credentials import Credentials
from authz_service.serving.call_stats import Observation
from authz_service.serving.tls import TlsFiles

SERVING: Final = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING: Final = health_pb2.HealthCheckResponse.NOT_SERVING
_MOST_ASIDE: Final = 1000


@dataclass(frozen=True, slots=True)
class PortSettings:
    """`tls` None is plaintext; `max_streams` is the most calls at once on one connection.

    A `shared` address is one that other processes of the same `serve` hold, too.
    Of calls that have not been taken in yet gRPC drops some beyond `max_pending`, all beyond twice.
    """

    host: str
    port: int
    limits: LimitSettings
    max_message_bytes: int
    max_streams: int
    max_pending: int
    tls: TlsFiles | None = None
    shared: bool = False

    @property
    def address(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Port:
    """Serves some services. Health answers for each by its full name, and for "" as a whole."""

    def __init__(
        self,
        settings: PortSettings,
        servicers: Mapping[ServiceDescriptor, object],
        new_id: Callable[[], str],
        observed: Observation,
        clock: Callable[[], Instant],
        credentials: Credentials,
    ) -> None:
        """Bind the address.

        Raises:
            InvalidArgument: the certificate cannot be used.
            OSError: the address is taken, or not this machine's.
        """
        self._names = [service.full_name for service in servicers]
        self._health = health.HealthServicer()
        self.observed = observed
        self.limits = Limits(settings.limits, clock, new_id, observed)
        self._server = _server(settings, self.limits)
        for service, servicer in servicers.items():
            handler = handlers(service, servicer, new_id, observed, self.limits, credentials.payer)
            self._server.add_generic_rpc_handlers((handler,))
        self._add_unlimited()
        self.set_serving(serving=False)
        self.number = _bound(self._server, settings)

    def _add_unlimited(self) -> None:
        """Add health and reflection, each on threads of its own: no check stands in their way."""
        _set_aside(self._health, ("Check", "List", "Watch"), threads=4)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        listed = (*self._names, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflecting = reflection.ReflectionServicer(listed)
        _set_aside(reflecting, ("ServerReflectionInfo",), threads=2)
        add: Any = reflection_pb2_grpc.add_ServerReflectionServicer_to_server
        add(reflecting, self._server)

    @property
    def waiting(self) -> int:
        """How many calls wait for a thread."""
        return len(self.limits.line)

    def start(self) -> None:
        self._server.start()
        self.limits.watch()

    def set_serving(self, *, serving: bool) -> None:
        """Tell health checks whether calls can be expected to succeed."""
        for name in ("", *self._names):
            self._health.set(name, SERVING if serving else NOT_SERVING)

    def stop(self, drain_seconds: float) -> None:
        """Tell health checks first, let running calls end, then cut what remains."""
        self._health.enter_graceful_shutdown()
        self._server.stop(drain_seconds).wait()
        self.limits.stop()


def _set_aside(servicer: object, rpcs: Sequence[str], threads: int) -> None:
    """Give some RPCs of this very servicer threads of their own."""
    own = ThreadPoolExecutor(threads, thread_name_prefix="aside")
    for rpc in rpcs:
        behaviour = getattr(servicer, rpc)
        aside = partial(behaviour)
        vars(aside).update(vars(behaviour.__func__))
        on_threads(own, aside)
        setattr(servicer, rpc, aside)


def _server(settings: PortSettings, limits: Limits) -> grpc.Server:
    of_ours = settings.limits.max_waiting + settings.limits.threads
    return grpc.server(
        limits.threads,
        # Ours are refused with a reason long before; this bounds what health and reflection hold.
        maximum_concurrent_rpcs=of_ours + _MOST_ASIDE,
        options=[
            ("grpc.max_receive_message_length", settings.max_message_bytes),
            ("grpc.max_concurrent_streams", settings.max_streams),
            # What arrives faster than it can be refused waits where its age is unknown, or is
            # dropped at no cost of ours.
            ("grpc.server.max_pending_requests", settings.max_pending),
            ("grpc.server.max_pending_requests_hard_limit", 2 * settings.max_pending),
            # Two servers would silently share a port.
            ("grpc.so_reuseport", int(settings.shared)),
        ],
    )


def _bound(server: grpc.Server, settings: PortSettings) -> int:
    """Bind the address and return the port's number."""
    credentials = Certificates(settings.tls).credentials() if settings.tls else None
    try:
        if credentials is None:
            return server.add_insecure_port(settings.address)
        return server.add_secure_port(settings.address, credentials)
    except RuntimeError as error:
        raise OSError(f"cannot listen on {settings.address}: is it taken?") from error
