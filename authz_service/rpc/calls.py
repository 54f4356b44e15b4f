"""What every RPC passes through: who calls, what goes wrong, what is logged.

Servicers are registered through `handlers`, which wraps each method once at start; gRPC's own
interceptors would build a new handler for every call.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from hashlib import sha256
from time import perf_counter
from typing import Any, TypeAlias, TypeVar

import grpc
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc import code_pb2

from authz_service.domain.audit import Actor
from authz_service.domain.call import Call
from authz_service.domain.decision import DecisionReason
from authz_service.domain.identifiers import checked
from authz_service.errors import AuthzError, ErrorReason, Internal, InvalidArgument
from authz_service.rpc.admission import Limits
from authz_service.rpc.credentials import Credentials
from authz_service.rpc.errors import CODES, to_status
from authz_service.rpc.messages import times
from authz_service.rpc.tenants import tenants_of
from authz_service.serving import logs
from authz_service.serving.call_stats import Ending, Observation
from authz_service.usecases.kernel import preconditions
from authz_service.usecases.kernel.execution import Answer, ChangeCase, Command, Executor, ReadCase
from authz_service.usecases.kernel.rights import access_of

Context = grpc.ServicerContext
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
W = TypeVar("W", bound=Command)
T = TypeVar("T")


class AdminCalls:
    """Runs use cases for the administration port's servicers: convert, run, convert."""

    def __init__(self, executor: Executor, observed: Observation, credentials: Credentials) -> None:
        self._executor = executor
        self._observed = observed
        self._credentials = credentials

    def change(
        self, request: Any, context: Context, case: ChangeCase[W, T], convert: Callable[[Any], W]
    ) -> Answer[T]:
        actor = self._actor(context)
        try:
            times.require_sound(request)
            wanted, call = convert(request), _call(request, actor)
        except InvalidArgument as refusal:
            unread = Call(actor, validate_only=request.validate_only)
            self._executor.refuse(unread, case.right, tenants_of(request, case.access), refusal)
            raise
        return self._executor.change(call, case, wanted)

    def read(
        self, request: Any, context: Context, case: ReadCase[W, T], convert: Callable[[Any], W]
    ) -> Answer[T]:
        actor = self._actor(context)
        try:
            times.require_sound(request)
            wanted = convert(request)
        except InvalidArgument as refusal:
            self._executor.refuse(
                Call(actor), case.right, tenants_of(request, case.access), refusal
            )
            raise
        return self._executor.read(actor, case, wanted)

    def _actor(self, context: Context) -> Actor:
        presented, on_behalf_of = self._credentials.read(context)
        subject = self._executor.authenticate(presented)
        self._observed.let_in(subject)
        return Actor(subject, on_behalf_of, context.peer())


def _call(request: Any, actor: Actor) -> Call:
    if request.request_id:
        checked("request_id", request.request_id)
    reason = preconditions.text(getattr(request, "reason", ""), "reason")
    return Call(
        actor=actor,
        request_id=request.request_id,
        fingerprint=_fingerprint(request, actor) if request.request_id else "",
        validate_only=request.validate_only,
        reason=reason,
    )


def _fingerprint(request: Message, actor: Actor) -> str:
    """Digest the content; the same within one version of protobuf, long enough for a retry.

    One actor's request is no retry of another's.
    """
    content = request.SerializeToString(deterministic=True)
    about = f"{request.DESCRIPTOR.full_name} {actor.on_behalf_of}".rstrip()
    return sha256(about.encode() + b"\0" + content).hexdigest()


def handlers(
    service: ServiceDescriptor,
    servicer: object,
    new_id: Callable[[], str],
    observed: Observation,
    limits: Limits,
    payer: Callable[[Context], str],
) -> grpc.GenericRpcHandler:
    """Make the handlers of all RPCs of a service, each within `limits` and `_guarded`."""
    methods = {}
    for method in service.methods:
        rpc, descriptor = f"{service.name}.{method.name}", method.input_type
        guarded = _guarded(
            limits.charged(getattr(servicer, method.name), access_of(method.name).weight, payer),
            rpc,
            new_id,
            observed,
            changes="request_id" in descriptor.fields_by_name,
        )
        methods[f"/{service.full_name}/{method.name}"] = (
            _handler(limits.received(guarded, GetMessageClass(descriptor).FromString, rpc), method),
            _handler(limits.refused(rpc), method),
        )
    return _Handlers(methods, limits)


class _Handlers(grpc.GenericRpcHandler):
    """Serves calls, or refuses them at once where no more may wait."""

    def __init__(self, methods: Mapping[str, tuple[Handler, Handler]], limits: Limits) -> None:
        self._methods = methods
        self._limits = limits

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "Handler | None":
        method = self._methods.get(handler_call_details.method)
        return None if method is None else method[self._limits.full]


def _handler(behaviour: Callable[[Any, Context], Any], method: MethodDescriptor) -> Handler:
    """Make a handler that reads its message itself. On the wire it is the unary call it is."""
    serializer = GetMessageClass(method.output_type).SerializeToString
    return grpc.stream_unary_rpc_method_handler(behaviour, response_serializer=serializer)


def _guarded(
    behaviour: Callable[[Any, Context], T],
    rpc: str,
    new_id: Callable[[], str],
    observed: Observation,
    *,
    changes: bool,
) -> Callable[[Any, Context], T]:
    """Turn refusals into statuses, count how calls end, and tell log and trace of it."""
    ok = (rpc, "OK")
    told = changes or observed.verbose or observed.trace is not None

    def guarded(request: Any, context: Context) -> T:
        tally = observed.mine
        tally.caller, tally.running = "", True
        start = perf_counter()
        try:
            answer = behaviour(request, context)
        except Exception as error:  # noqa: BLE001 - the edge is where unknown errors end
            refusal = _refusal_of(error)
        else:
            tally.end(ok, seconds := perf_counter() - start)
            if told:
                ending = _ending(rpc, "OK", seconds, new_id(), tally.caller, request, context)
                changed = changes and not request.validate_only
                _tell_answer(observed, ending, answer, changed=changed)
            return answer
        code = code_pb2.Code.Name(CODES[refusal.reason])
        tally.end((rpc, code), seconds := perf_counter() - start)
        ending = _ending(rpc, code, seconds, new_id(), tally.caller, request, context)
        _tell_refusal(observed, ending._replace(reason=refusal.reason.value), refusal)
        context.abort_with_status(to_status(refusal, ending.call_id))
        raise AssertionError("abort_with_status returned")

    return guarded


def _refusal_of(error: Exception) -> AuthzError:
    """Return a refusal as it is, and say of anything else no more than that it happened."""
    if isinstance(error, AuthzError):
        return error
    refusal = Internal(
        ErrorReason.INTERNAL, "an unexpected error; nothing is known to have changed"
    )
    refusal.__cause__ = error
    return refusal


def _ending(
    rpc: str, code: str, seconds: float, call_id: str, caller: str, request: Any, context: Context
) -> Ending:
    request_id = getattr(request, "request_id", "")
    metadata = context.invocation_metadata()
    return Ending(rpc, code, "", 0, caller, call_id, request_id, seconds, metadata)


def _tell_answer(observed: Observation, ending: Ending, answer: Any, *, changed: bool) -> None:
    # What was done is done: a log that cannot be written does not turn an answer into an error.
    with suppress(Exception):
        reason, revision = getattr(answer, "reason", 0), getattr(answer, "revision", 0)
        name = DecisionReason(reason).name if isinstance(reason, int) and reason else ""
        ending = ending._replace(reason=name, revision=revision)
        if changed or observed.verbose:
            logs.answered(ending, changed=changed)
        if observed.trace is not None:
            observed.trace(ending)


def _tell_refusal(observed: Observation, ending: Ending, refusal: AuthzError) -> None:
    with suppress(Exception):
        logs.refused(ending, refusal)
        if observed.trace is not None:
            observed.trace(ending)
