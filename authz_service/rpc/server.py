"""A port: a gRPC server with its services, health and reflection."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from grpc_health.v1 import health
from grpc_reflection.v1alpha import reflection

from authz_service.domain.window import Instant
from authz_service.rpc.admission import Admission, Judge, LimitSettings
from authz_service.rpc.calls import handlers
from authz_service.rpc.certificates import Certificates
from authz_service.rpc.health import NOT_SERVING, SERVING, Health, Reflection
from authz_service.rpc.parking import Parking
from authz_service.serving.call_stats import Observation
from authz_service.serving.tls import TlsFiles

_HANDSHAKE_MS: Final = 5000
"""How long a connection may take to say anything that this port understands."""
_PING_MS: Final = 60_000
"""How often a connection that is silent is asked whether anybody is there."""


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
        judge: Judge,
    ) -> None:
        """Bind the address.

        Raises:
            InvalidArgument: the certificate cannot be used.
            OSError: the address is taken, or not this machine's.
        """
        self._names = [service.full_name for service in servicers]
        self.observed = observed
        self.admission = Admission(settings.limits, judge, clock, new_id, observed)
        self._health = Health(self.admission)
        self._server = _server(settings)
        listed = (*self._names, health.SERVICE_NAME, reflection.SERVICE_NAME)
        methods = self._health.handlers() | Reflection(self.admission, listed).handlers()
        for service, servicer in servicers.items():
            methods |= handlers(service, servicer, new_id, observed, self.admission)
        self._server.add_generic_rpc_handlers((_Handlers(methods),))
        self.set_serving(serving=False)
        self.number = _bound(self._server, settings)

    @property
    def waiting(self) -> int:
        """How many calls wait for a thread."""
        return len(self.admission.line)

    def start(self) -> None:
        self.admission.start()
        self._server.start()

    def set_serving(self, *, serving: bool) -> None:
        """Tell health checks whether calls can be expected to succeed."""
        for name in ("", *self._names):
            self._health.set(name, SERVING if serving else NOT_SERVING)

    def stop(self, drain_seconds: float) -> None:
        """Tell health checks first, let running calls end, then cut what remains."""
        self._health.drain()
        self._server.stop(drain_seconds).wait()
        self.admission.stop()


class _Handlers(grpc.GenericRpcHandler):
    """Finds the handler of a path."""

    def __init__(self, methods: Mapping[str, "grpc.RpcMethodHandler[Any, Any]"]) -> None:
        self._methods = methods

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> "grpc.RpcMethodHandler[Any, Any] | None":
        return self._methods.get(handler_call_details.method)


def _server(settings: PortSettings) -> grpc.Server:
    return grpc.server(
        cast("Any", Parking()),  # all that grpcio asks of it is `submit`
        options=[
            ("grpc.max_receive_message_length", settings.max_message_bytes),
            ("grpc.max_concurrent_streams", settings.max_streams),
            # What arrives faster than it can be taken in waits where its age is unknown, or is
            # dropped at no cost of ours.
            ("grpc.server.max_pending_requests", settings.max_pending),
            ("grpc.server.max_pending_requests_hard_limit", 2 * settings.max_pending),
            ("grpc.server_handshake_timeout_ms", _HANDSHAKE_MS),
            ("grpc.keepalive_time_ms", _PING_MS),
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
