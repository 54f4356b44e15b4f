"""Health and reflection: answered by the thread that takes calls in, apart from all other calls.

grpcio's own servicers give each watcher and each reflecting client a thread, and a status is told
to watchers one after another, each waiting until its reader has read. Here nobody is waited for:
a watcher that does not read gets the newest status once it does.
"""

import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

import grpc
from google.protobuf.message import DecodeError
from grpc_health.v1 import health
from grpc_health.v1 import health_pb2 as pb
from grpc_reflection.v1alpha import reflection, reflection_pb2

from authz_service.errors import AuthzError, ErrorReason, InvalidArgument, ResourceExhausted
from authz_service.rpc.admission import Admission
from authz_service.rpc.parking import Call

# The stubs for type checkers are older than the call.
_ListRequest: Final[Any] = vars(pb)["HealthListRequest"]
_ListResponse: Final[Any] = vars(pb)["HealthListResponse"]

SERVING: Final = pb.HealthCheckResponse.SERVING
NOT_SERVING: Final = pb.HealthCheckResponse.NOT_SERVING
_UNKNOWN: Final = pb.HealthCheckResponse.SERVICE_UNKNOWN
_NOBODY: Final[Any] = None
"""The context that grpcio's reflection takes and does not look at."""
MOST_WATCHERS: Final = 100
"""Watchers from one address."""


class Health:
    """Tells whether the services of a port serve."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self._lock = threading.Lock()
        self._statuses: dict[str, int] = {}
        self._watchers: dict[Call, _Watcher] = {}
        self._draining = False

    def handlers(self) -> "dict[str, grpc.RpcMethodHandler[Any, Any]]":
        """Give the handlers by path."""
        check = _Aside("Health.Check", self._admission, self._check)
        listing = _Aside("Health.List", self._admission, self._list)
        watch = _Aside("Health.Watch", self._admission, self._watch)
        return {
            f"/{health.SERVICE_NAME}/Check": grpc.unary_unary_rpc_method_handler(
                check, response_serializer=pb.HealthCheckResponse.SerializeToString
            ),
            f"/{health.SERVICE_NAME}/List": grpc.unary_unary_rpc_method_handler(
                listing, response_serializer=_ListResponse.SerializeToString
            ),
            f"/{health.SERVICE_NAME}/Watch": grpc.unary_stream_rpc_method_handler(watch),
        }

    def set(self, name: str, status: int) -> None:
        """Set the status of a service, "" for the whole; not once the port drains."""
        with self._lock:
            if not self._draining:
                self._set(name, status)

    def drain(self) -> None:
        """Say of every service that it serves no longer, for good."""
        with self._lock:
            for name in self._statuses:
                self._set(name, NOT_SERVING)
            self._draining = True

    def _set(self, name: str, status: int) -> None:
        self._statuses[name] = status
        for watcher in list(self._watchers.values()):
            if watcher.name == name:
                watcher.tell(status)

    def _check(self, call: Call, message: bytes) -> None:
        request = pb.HealthCheckRequest.FromString(message)
        status = self._statuses.get(request.service)
        self._admission.respond(call, partial(_answer_check, status))

    def _list(self, call: Call, message: bytes) -> None:
        _ListRequest.FromString(message)
        statuses = {
            name: pb.HealthCheckResponse(status=status) for name, status in self._statuses.items()
        }
        answer = _ListResponse(statuses=statuses)
        self._admission.respond(call, lambda _: answer)

    def _watch(self, call: Call, message: bytes) -> None:
        request = pb.HealthCheckRequest.FromString(message)
        watcher = _Watcher(call, request.service)
        with self._lock:
            near = sum(other.address == call.address for other in self._watchers)
            if near < MOST_WATCHERS:
                self._watchers[call] = watcher
                watcher.tell(self._statuses.get(request.service, _UNKNOWN))
                call.when_over(partial(self._forget, call))
                return
        self._admission.refuse(call, "Health.Watch", _too_many_watchers())

    def _forget(self, call: Call) -> None:
        with self._lock:
            self._watchers.pop(call, None)


class _Watcher:
    """Sends a caller the newest status, one message at a time."""

    def __init__(self, call: Call, name: str) -> None:
        self.name = name
        self._call = call
        self._lock = threading.Lock()
        self._newest = self._sent = -1
        self._sending = False

    def tell(self, status: int) -> None:
        with self._lock:
            self._newest = status
            self._send()

    def _send(self) -> None:
        if self._sending or self._newest == self._sent:
            return
        self._sending, self._sent = True, self._newest
        answer = pb.HealthCheckResponse(status=self._newest)
        self._call.send(answer.SerializeToString(), self._left)

    def _left(self) -> None:
        with self._lock:
            self._sending = False
            self._send()


class Reflection:
    """Describes the services of a port: one answer a message, and no thread between them."""

    def __init__(self, admission: Admission, names: Sequence[str]) -> None:
        self._admission = admission
        self._servicer = reflection.ReflectionServicer(names)

    def handlers(self) -> "dict[str, grpc.RpcMethodHandler[Any, Any]]":
        """Give the handlers by path."""
        info = _Aside("ServerReflection.Info", self._admission, self._answer, finish=True)
        path = f"/{reflection.SERVICE_NAME}/ServerReflectionInfo"
        return {path: grpc.stream_stream_rpc_method_handler(info)}

    def _answer(self, call: Call, message: bytes) -> None:
        request = reflection_pb2.ServerReflectionRequest.FromString(message)
        (answer,) = self._servicer.ServerReflectionInfo(iter([request]), _NOBODY)
        again = partial(self._admission.receive, call, "ServerReflection.Info")
        call.send(answer.SerializeToString(), again)


class _Aside:
    """An RPC that needs no caller and is answered on the spot. With `finish`, a caller that sends
    no more ends the call well.
    """

    def __init__(
        self,
        rpc: str,
        admission: Admission,
        take: Callable[[Call, bytes], None],
        *,
        finish: bool = False,
    ) -> None:
        self._rpc, self._admission, self._take, self._finish = rpc, admission, take, finish

    def opened(self, call: Call) -> None:
        if self._admission.enter(call, self._rpc):
            self._admission.receive(call, self._rpc)

    def received(self, call: Call, message: bytes | None) -> None:
        self._admission.room.whole(call)
        if message is None and self._finish:
            call.finish()
        elif message is None:
            self._admission.refuse(call, self._rpc, _unreadable())
        else:
            try:
                self._take(call, message)
            except DecodeError:
                self._admission.refuse(call, self._rpc, _unreadable())

    def __call__(self, answer: Callable[[grpc.ServicerContext], Any], context: Any) -> Any:
        return answer(context)


def _answer_check(status: int | None, context: grpc.ServicerContext) -> Any:
    if status is None:
        context.set_code(grpc.StatusCode.NOT_FOUND)
        return pb.HealthCheckResponse()
    return pb.HealthCheckResponse(status=status)


def _unreadable() -> AuthzError:
    return InvalidArgument(ErrorReason.INVALID_FIELD, "no message came that can be read")


def _too_many_watchers() -> AuthzError:
    return ResourceExhausted(
        ErrorReason.TOO_MANY_OPEN_CALLS,
        f"{MOST_WATCHERS} calls of this address watch already",
        retry_after=1.0,
    )
