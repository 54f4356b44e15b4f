"""A port: a gRPC server with its services, health and reflection."""

from collections.abc import Callable, Mapping
from concurrent import futures
from dataclasses import dataclass
from typing import Final

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from authz_service.rpc.calls import handlers

SERVING: Final = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING: Final = health_pb2.HealthCheckResponse.NOT_SERVING


@dataclass(frozen=True, slots=True)
class PortSettings:
    address: str
    threads: int
    max_waiting: int
    max_message_bytes: int


class Port:
    """Serves some services. Health answers for each by its full name, and for "" as a whole."""

    def __init__(
        self,
        settings: PortSettings,
        servicers: Mapping[ServiceDescriptor, object],
        new_id: Callable[[], str],
    ) -> None:
        """Bind the address.

        Raises:
            OSError: the address is taken, or not this machine's.
        """
        self._names = [service.full_name for service in servicers]
        self._health = health.HealthServicer()
        self._server = grpc.server(
            futures.ThreadPoolExecutor(settings.threads, thread_name_prefix="rpc"),
            maximum_concurrent_rpcs=settings.max_waiting,
            options=[
                ("grpc.max_receive_message_length", settings.max_message_bytes),
                # Two servers would silently share a port.
                ("grpc.so_reuseport", 0),
            ],
        )
        for service, servicer in servicers.items():
            self._server.add_generic_rpc_handlers((handlers(service, servicer, new_id),))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        listed = (*self._names, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(listed, self._server)
        self.set_serving(serving=False)
        try:
            self.number = self._server.add_insecure_port(settings.address)
        except RuntimeError as error:
            raise OSError(f"cannot listen on {settings.address}: is it taken?") from error

    def start(self) -> None:
        self._server.start()

    def set_serving(self, *, serving: bool) -> None:
        """Tell health checks whether calls can be expected to succeed."""
        for name in ("", *self._names):
            self._health.set(name, SERVING if serving else NOT_SERVING)

    def stop(self, drain_seconds: float) -> None:
        """Tell health checks first, let running calls end, then cut what remains."""
        self._health.enter_graceful_shutdown()
        self._server.stop(drain_seconds).wait()
