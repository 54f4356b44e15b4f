"""Connections of the HTTP edge: how long one may say nothing, and how long it may not listen."""

import asyncio
from dataclasses import dataclass
from typing import Any, Final

from uvicorn.protocols.http.h11_impl import H11Protocol

LOOP: Final = f"{__name__}:Loop"
"""Where uvicorn finds the loop."""
_HANDSHAKE_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """A request's headers may take `header_seconds`, a kept connection be silent for
    `idle_seconds`, and an answer wait for its reader for `reader_seconds`. Of more than `idle`
    connections without a request the longest idle is closed.
    """

    header_seconds: float = 5.0
    idle_seconds: float = 15.0
    reader_seconds: float = 10.0
    idle: int = 200


class Connections:
    """The connections of one server that carry no request, in the order in which they became so."""

    def __init__(self, limits: ConnectionLimits) -> None:
        self.limits = limits
        self._idle: dict[BoundedProtocol, None] = {}

    def protocol(self, *arguments: Any, **options: Any) -> asyncio.Protocol:
        """Make the protocol of a new connection, as uvicorn asks for one."""
        return BoundedProtocol(self, *arguments, **options)

    def idle(self, connection: "BoundedProtocol") -> None:
        """Take down that a connection carries no request, and make room for it."""
        self._idle[connection] = None
        if len(self._idle) > self.limits.idle:
            oldest = next(iter(self._idle))
            self.busy(oldest)
            oldest.transport.abort()

    def busy(self, connection: "BoundedProtocol") -> None:
        self._idle.pop(connection, None)


class BoundedProtocol(H11Protocol):
    """HTTP/1.1 with an end to every wait for the peer.

    uvicorn itself bounds only how long a connection is kept after an answer.
    """

    def __init__(self, connections: Connections, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._all = connections
        self._headers: asyncio.TimerHandle | None = None
        self._reader: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._all.idle(self)
        self._await_headers()

    def data_received(self, data: bytes) -> None:
        if self._headers is None and self._without_request:
            self._await_headers()
        super().data_received(data)
        if not self._without_request:
            self._stop_headers()
            self._all.busy(self)

    def on_response_complete(self) -> None:
        self._all.idle(self)
        super().on_response_complete()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stop_reader()
        self._reader = self.loop.call_later(self._all.limits.reader_seconds, self._give_up)

    def resume_writing(self) -> None:
        self._stop_reader()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_headers()
        self._stop_reader()
        self._all.busy(self)
        super().connection_lost(exc)

    @property
    def _without_request(self) -> Any:
        cycle: Any = self.cycle  # None before the first request, whatever its type says
        return cycle is None or cycle.response_complete

    def _await_headers(self) -> None:
        self._headers = self.loop.call_later(self._all.limits.header_seconds, self._give_up)

    def _stop_headers(self) -> None:
        if self._headers is not None:
            self._headers.cancel()
            self._headers = None

    def _stop_reader(self) -> None:
        if self._reader is not None:
            self._reader.cancel()
            self._reader = None

    def _give_up(self) -> None:
        self.transport.abort()


class Loop(asyncio.SelectorEventLoop):
    """Gives a stalled TLS handshake five seconds, of which asyncio's default is sixty."""

    async def create_server(self, *arguments: Any, **options: Any) -> asyncio.Server:
        if options.get("ssl") is not None:
            options.setdefault("ssl_handshake_timeout", _HANDSHAKE_SECONDS)
        return await super().create_server(*arguments, **options)
