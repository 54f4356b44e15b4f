"""What every RPC passes through: who calls, what goes wrong, what is logged.

Servicers are registered through `handlers`, which wraps each method once at start; gRPC's own
interceptors would build a new handler for every call.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from typing import Any, Final, TypeVar

import grpc
import structlog
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from authz_service.domain.audit import Actor
from authz_service.domain.call import Call
from authz_service.domain.identifiers import checked
from authz_service.errors import AuthzError, ErrorReason, Internal, InvalidArgument
from authz_service.rpc.errors import to_status
from authz_service.usecases import require
from authz_service.usecases.execution import Answer, ChangeCase, Executor, ReadCase, Wanted

log = structlog.get_logger()

_BEARER: Final = "Bearer "

Context = grpc.ServicerContext
W = TypeVar("W", bound=Wanted)
T = TypeVar("T")


def credential(context: Context) -> str:
    """Read `authorization: Bearer <key>`; "" if there is none."""
    for name, value in context.invocation_metadata():
        if name == "authorization" and isinstance(value, str) and value.startswith(_BEARER):
            return value[len(_BEARER) :]
    return ""


class AdminCalls:
    """Runs use cases for the administration port's servicers: convert, run, convert."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    def change(
        self, request: Any, context: Context, case: ChangeCase[W, T], convert: Callable[[Any], W]
    ) -> Answer[T]:
        actor = self._actor(context)
        with self._rights_first(actor, case.right, request):
            wanted, call = convert(request), _call(request, actor)
        return self._executor.change(call, case, wanted)

    def read(
        self, request: Any, context: Context, case: ReadCase[W, T], convert: Callable[[Any], W]
    ) -> Answer[T]:
        actor = self._actor(context)
        with self._rights_first(actor, case.right, request):
            wanted = convert(request)
        return self._executor.read(actor, case, wanted)

    def _actor(self, context: Context) -> Actor:
        subject = self._executor.authenticate(credential(context))
        return Actor(subject, source_address=context.peer())

    @contextmanager
    def _rights_first(self, actor: Actor, right: str, request: Any) -> Iterator[None]:
        """Let a caller without the right hear of that alone, not of what is wrong besides."""
        try:
            yield
        except InvalidArgument:
            self._executor.require(actor, right, getattr(request, "tenant", ""))
            raise


def _call(request: Any, actor: Actor) -> Call:
    if request.request_id:
        checked("request_id", request.request_id)
    reason = require.text(getattr(request, "reason", ""), "reason")
    return Call(
        actor=actor,
        request_id=request.request_id,
        fingerprint=_fingerprint(request) if request.request_id else "",
        validate_only=request.validate_only,
        reason=reason,
    )


def _fingerprint(request: Message) -> str:
    """Digest the content; the same within one version of protobuf, long enough for a retry."""
    content = request.SerializeToString(deterministic=True)
    return sha256(request.DESCRIPTOR.full_name.encode() + b"\0" + content).hexdigest()


def handlers(
    service: ServiceDescriptor, servicer: object, new_id: Callable[[], str]
) -> grpc.GenericRpcHandler:
    """Make the handlers of all RPCs of a service, each wrapped in `_guarded`."""
    methods = {
        method.name: grpc.unary_unary_rpc_method_handler(
            _guarded(getattr(servicer, method.name), f"{service.name}.{method.name}", new_id),
            request_deserializer=GetMessageClass(method.input_type).FromString,
            response_serializer=GetMessageClass(method.output_type).SerializeToString,
        )
        for method in service.methods
    }
    return grpc.method_handlers_generic_handler(service.full_name, methods)


def _guarded(
    behaviour: Callable[[Any, Context], T], name: str, new_id: Callable[[], str]
) -> Callable[[Any, Context], T]:
    """Turn refusals into statuses; log what nobody expected, once, and tell nothing of it."""

    def guarded(request: Any, context: Context) -> T:
        try:
            return behaviour(request, context)
        except AuthzError as error:
            refusal = error
        except Exception as error:  # noqa: BLE001 - the edge is where unknown errors end
            refusal = Internal(
                ErrorReason.INTERNAL, "an unexpected error; nothing is known to have changed"
            )
            refusal.__cause__ = error
        call_id = new_id()
        _log_refusal(name, call_id, refusal)
        context.abort_with_status(to_status(refusal, call_id))
        raise AssertionError("abort_with_status returned")

    return guarded


def _log_refusal(rpc: str, call_id: str, refusal: AuthzError) -> None:
    entry = log.bind(rpc=rpc, call_id=call_id, reason=refusal.reason.value)
    match refusal.reason:
        case ErrorReason.INTERNAL:
            entry.error("call failed", exc_info=refusal.__cause__ or refusal)
        case ErrorReason.DATABASE_UNAVAILABLE:
            entry.warning("database does not answer", error=str(refusal.__cause__))
        case _:
            entry.info("call refused", field=refusal.field)
