"""The servers under load, each a process on a core of its own: ours, and a trivial one.

Run as `python -m tests.bench.servers ours URL` or `... trivial`; prints its port and serves until
its standard input ends.
"""

import gc
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager
from typing import Any, Final

import grpc
from google.protobuf.message_factory import GetMessageClass

from authz_service.app.service import Service
from authz_service.config import Settings
from authz_service.gen.authz.v1 import authorization_pb2 as pb
from authz_service.serving import logs
from tests.bench.run import pinned, probe

FIRST_CORE: Final = 0
_ALLOWED: Final = pb.DECISION_REASON_ALLOWED


@contextmanager
def serving(*arguments: str) -> Iterator[int]:
    """Start a server and lend its port."""
    process = subprocess.Popen(
        probe("servers", *arguments), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        port = process.stdout.readline()
        if not port:
            raise RuntimeError(f"the server {arguments[0]!r} did not start")
        yield int(port)
    finally:
        process.stdin.close()
        process.wait()
        process.stdout.close()


class Trivial:
    """Reads what is asked and says yes: no caller to know, nothing to look up."""

    def Check(self, request: pb.CheckRequest, context: grpc.ServicerContext) -> pb.CheckResponse:
        known = bool(request.tenant and request.subject and request.permission)
        return pb.CheckResponse(
            allowed=known, reason=_ALLOWED, reason_class=pb.REASON_CLASS_ALLOWED, revision=1
        )

    def BatchCheck(
        self, request: pb.BatchCheckRequest, context: grpc.ServicerContext
    ) -> pb.BatchCheckResponse:
        known = [
            bool(each.tenant and each.subject and each.permission) for each in request.questions
        ]
        return pb.BatchCheckResponse(allowed=known, reasons=[_ALLOWED] * len(known), revision=1)

    def CheckPermissions(
        self, request: pb.CheckPermissionsRequest, context: grpc.ServicerContext
    ) -> pb.CheckPermissionsResponse:
        known = [bool(permission) for permission in request.permissions]
        return pb.CheckPermissionsResponse(allowed=known, revision=1)


def _serve_trivial(settings: Settings) -> tuple[int, Callable[[], object]]:
    """Serve with the very server class, threads and options of `authz_service/rpc/server.py`."""
    server = grpc.server(
        futures.ThreadPoolExecutor(settings.check_threads),
        maximum_concurrent_rpcs=settings.max_waiting,
        options=[("grpc.so_reuseport", 0)],
    )
    service = pb.DESCRIPTOR.services_by_name["AuthorizationService"]
    methods: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
        method.name: grpc.unary_unary_rpc_method_handler(
            getattr(Trivial(), method.name),
            request_deserializer=GetMessageClass(method.input_type).FromString,
            response_serializer=GetMessageClass(method.output_type).SerializeToString,
        )
        for method in service.methods
        if hasattr(Trivial, method.name)
    }
    handler = grpc.method_handlers_generic_handler(service.full_name, methods)
    server.add_generic_rpc_handlers((handler,))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return port, lambda: server.stop(None).wait()


def _serve_ours(settings: Settings) -> tuple[int, Callable[[], object]]:
    logs.set_up(settings.log_level, settings.log_format)
    service = Service(settings)
    service.start()
    gc.freeze()  # as `authz serve` does
    return service.check_port.number, service.stop


def main(kind: str, url: str = "sqlite://") -> None:
    settings = Settings(
        database_url=url, check_port=0, admin_port=0, log_level="error", drain_seconds=0
    )
    with pinned(FIRST_CORE):
        port, stop = _serve_ours(settings) if kind == "ours" else _serve_trivial(settings)
        print(port, flush=True)
        sys.stdin.read()
        stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
