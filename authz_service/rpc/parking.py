"""Where a call waits for its message, and no thread with it: the one file that knows gRPC's inside.

grpcio gives a call to a thread at its headers, and that thread waits for the message without end:
eight calls whose message never comes hold eight threads. Here the executor that grpcio is given
takes a call at its headers, waits for the message by an event of the completion queue, and the call
is given to a thread when it is whole. `tests/unit/test_grpc_inside.py` fails on a grpcio whose
inside is another one.
"""

from collections.abc import Callable
from concurrent import futures
from functools import partial
from time import monotonic
from typing import Any, Final, Protocol, TypeAlias

import grpc
import structlog
from grpc import _common, _server
from grpc._cython import cygrpc  # type: ignore[attr-defined] # private; see above

from authz_service.errors import ErrorReason, Internal
from authz_service.rpc.errors import to_status

log = structlog.get_logger()

Metadata: TypeAlias = tuple[tuple[str, str | bytes], ...]

_RECEIVE: Final = "receive_message"
_SEND: Final = "send_message"
_NOTHING: Final = 0
"""No flags."""


class Handler(Protocol):
    """What serves an RPC, told of each of its calls on the thread that takes calls in.

    INVARIANT: neither waits, nor sends a stream: the whole port waits for that thread.
    """

    def opened(self, call: "Call") -> None:
        """Judge a call whose headers came; let it `receive`, or `refuse` it."""

    def received(self, call: "Call", message: bytes | None) -> None:
        """Take the message of a call; None if its caller ended it without one."""


class Call:
    """A call, from its headers to its end. `since` is when it came, by the monotonic clock."""

    __slots__ = ("_event", "_respond", "_state", "address", "caller", "handler", "since")

    def __init__(self, handler: Handler, event: Any, state: Any, respond: Any) -> None:
        self.handler = handler
        self.since = monotonic()
        self.address = _common.decode(event.call.peer()).rpartition(":")[0]
        self.caller = ""
        self._event, self._state, self._respond = event, state, respond

    @property
    def metadata(self) -> Metadata:
        metadata: Metadata = self._event.invocation_metadata
        return metadata

    @property
    def active(self) -> bool:
        """Tell whether its caller still waits for an answer."""
        active: bool = _server._is_rpc_state_active(self._state)
        return active

    def auth_context(self) -> dict[str, list[bytes]]:
        """Return what the handshake found out about the caller."""
        shown = cygrpc.auth_context(self._event.call) or {}
        return {_common.decode(name): values for name, values in shown.items()}

    def receive(self) -> None:
        """Wait for a message; the handler's `received` is told."""
        state = self._state
        with state.condition:
            if not self.active:
                return
            # One operation a call: shared ones are freed twice, and the process dies.
            operations = (cygrpc.ReceiveMessageOperation(_NOTHING),)
            self._event.call.start_server_batch(operations, self._on_message)
            state.due.add(_RECEIVE)

    def _on_message(self, event: Any) -> Any:
        message = event.batch_operations[0].message()
        state = self._state
        with state.condition:
            if message is None and state.client is _server._OPEN:
                state.client = _server._CLOSED
            over = _server._possibly_finish_call(state, _RECEIVE)
        if self.active:
            _guarded(self, partial(self.handler.received, self, message))
        return over

    def respond(self, message: Any) -> None:
        """Run the RPC's behaviour on this thread and send what it returns, waiting for nobody."""
        self._state.context.run(self._respond, lambda: message)

    def refuse(self, status: grpc.Status) -> None:
        """End the call unserved."""
        state = self._state
        with state.condition:
            if self.active:
                state.trailing_metadata = status.trailing_metadata
                state.code, state.details = status.code, _common.encode(status.details)
                _server._abort(state, self._event.call, cygrpc.StatusCode.unknown, b"")

    def send(self, message: bytes, then: Callable[[], None]) -> None:
        """Send one message of a stream; `then` is called when it has left, if it does."""
        state = self._state
        with state.condition:
            if not self.active:
                return
            operations = [cygrpc.SendMessageOperation(message, _NOTHING)]
            if state.initial_metadata_allowed:
                operations.insert(0, _server._get_initial_metadata_operation(state, None))
                state.initial_metadata_allowed = False
            self._event.call.start_server_batch(operations, partial(self._on_sent, then))
            state.due.add(_SEND)

    def _on_sent(self, then: Callable[[], None], event: Any) -> Any:
        with self._state.condition:
            over = _server._possibly_finish_call(self._state, _SEND)
        if self.active:
            _guarded(self, then)
        return over

    def finish(self) -> None:
        """End a stream well."""
        _server._status(self._event, self._state, None)

    def cancel(self) -> None:
        """End the call where not even a status is taken."""
        self._event.call.cancel()

    def when_over(self, then: Callable[[], object]) -> None:
        """Have `then` called when nothing of the call is left, not even an unread answer."""
        with self._state.condition:
            if self._state.callbacks is not None:
                self._state.callbacks.append(then)
                return
        then()


class Parking:
    """The executor that a server is given: it hands each call to its handler at once."""

    def __init__(self) -> None:
        self._done: futures.Future[None] = futures.Future()
        self._done.set_result(None)

    def submit(
        self, run: Any, respond: Any, event: Any, state: Any, handler: Any, *rest: Any
    ) -> futures.Future[None]:
        """Take a call whose headers came, as grpcio submits it: `rest` are a function that would
        wait for the message, and both serializers.
        """
        _, *serializers = rest
        call = Call(
            handler,
            event,
            state,
            lambda message: respond(event, state, handler, message, *serializers),
        )
        _guarded(call, partial(handler.opened, call))
        return self._done

    def shutdown(self, wait: bool = True) -> None:
        """Do nothing: no thread is held here."""


def _guarded(call: Call, work: Callable[[], None]) -> None:
    """Do what must not end the thread that takes calls in, whatever goes wrong."""
    try:
        work()
    except Exception as error:  # the port would stand still for ever
        log.error("call not taken in", exc_info=error)
        call.refuse(to_status(Internal(ErrorReason.INTERNAL, "an unexpected error"), "unknown"))
