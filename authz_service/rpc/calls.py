"""What every RPC passes through: who calls, what goes wrong, what is logged.

Servicers are registered through `handlers`, which wraps each method once at start; gRPC's own
interceptors would build a new handler for every call.
"""

from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from time import perf_counter
from typing import Any, TypeAlias, TypeVar

import grpc
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc import code_pb2

from authz_service.domain.audit import Actor
from authz_service.domain.call import Call
from authz_service.domain.decision import DecisionReason
from authz_service.domain.identifiers import checked
from authz_service.errors import AuthzError, ErrorReason, Internal, InvalidArgument
from authz_service.gen.access import Access
from authz_service.rpc import parking
from authz_service.rpc.admission import Admission
from authz_service.rpc.credentials import Credentials
from authz_service.rpc.errors import CODES, to_status
from authz_service.rpc.messages import times
from authz_service.rpc.tenants import tenants_of
from authz_service.serving import logs
from authz_service.serving.call_stats import Ending, Observation
from authz_service.usecases.kernel import preconditions
from authz_service.usecases.kernel.execution import Answer, ChangeCase, Command, ReadCase
from authz_service.usecases.kernel.executor import Executor
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
    admission: Admission,
) -> dict[str, Handler]:
    """Make the handlers of all RPCs of a service by path, each admitted and `_guarded`."""
    methods: dict[str, Handler] = {}
    for method in service.methods:
        rpc = f"{service.name}.{method.name}"
        guarded = _guarded(
            getattr(servicer, method.name),
            rpc,
            new_id,
            observed,
            changes="request_id" in method.input_type.fields_by_name,
        )
        admitted = AdmittedRpc(rpc, guarded, method, access_of(method.name), admission)
        serializer = GetMessageClass(method.output_type).SerializeToString
        methods[f"/{service.full_name}/{method.name}"] = grpc.unary_unary_rpc_method_handler(
            admitted, response_serializer=serializer
        )
    return methods


class AdmittedRpc:
    """An RPC: its calls are judged at their headers, and served on a thread once they are whole."""

    def __init__(
        self,
        rpc: str,
        behaviour: Callable[[Any, Context], Any],
        method: MethodDescriptor,
        access: Access,
        admission: Admission,
    ) -> None:
        self._rpc, self._behaviour, self._admission = rpc, behaviour, admission
        self._parse = GetMessageClass(method.input_type).FromString
        self._weight, self._cost = access.weight, max(access.cost, 1)

    def opened(self, call: parking.Call) -> None:
        if self._admission.enter(call, self._rpc):
            self._admission.judge(call, self._rpc, self._cost)

    def received(self, call: parking.Call, message: bytes | None) -> None:
        if message is None:
            self._admission.refuse(call, self._rpc, self._unreadable())
        else:
            self._admission.serve(call, self._rpc, message)

    def __call__(self, message: bytes, context: Context) -> Any:
        """Serve a whole call, on a thread of the port."""
        slot = self._admission.workers.own.slot
        slot.rpc, slot.context = self._rpc, context
        try:
            request = self._parse(message)
        except DecodeError:
            refusal = self._unreadable()
            context.abort_with_status(self._admission.refusals.status(self._rpc, "", refusal))
        if self._weight:
            items = len(getattr(request, self._weight))
            self._admission.charge(slot.caller, self._cost * (items - 1))
        return self._behaviour(request, context)

    def _unreadable(self) -> InvalidArgument:
        return InvalidArgument(
            ErrorReason.INVALID_FIELD, f"no message that {self._rpc} can read came"
        )


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
