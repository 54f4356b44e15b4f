"""A part of the HTTP edge under a path of its own, with threads, requests and bodies of its own.

Whatever blocks in one mount, its threads, a sender that never ends its body, or more requests than
it can serve, is met by that mount's limits and leaves the other mounts as they were.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from anyio import CapacityLimiter, to_thread
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute
from starlette.types import Message, Receive, Scope, Send

T = TypeVar("T")

_RETRY_SECONDS: Final = "1"


@dataclass(frozen=True, slots=True)
class MountLimits:
    """What one mount may take of the process.

    `threads` do its blocking work; of `requests` at once, those beyond are refused with 503.
    A body may have `body_bytes` and take `body_seconds` to arrive.
    """

    threads: int = 8
    requests: int = 100
    body_bytes: int = 1024 * 1024
    body_seconds: float = 10.0


class Refused(Exception):
    """A request is answered with a status and a message, and with nothing else."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Threads:
    """The threads of one mount; who waits for one waits for nobody else's."""

    def __init__(self, number: int) -> None:
        self._limiter = CapacityLimiter(number)

    async def run(self, work: Callable[[], T]) -> T:
        """Run blocking work on a thread, once one of the mount's own is free."""
        return await to_thread.run_sync(work, limiter=self._limiter)


class Mount:
    """Routes under a path, held to limits. `routes` is given the mount's threads."""

    def __init__(
        self, path: str, limits: MountLimits, routes: Callable[[Threads], Sequence[BaseRoute]]
    ) -> None:
        self.path = path
        self.limits = limits
        self._application = Starlette(
            routes=routes(Threads(limits.threads)),
            exception_handlers={Refused: _refused},
        )
        self._requests = 0
        self._awaiting: dict[_Body, None] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._requests >= self.limits.requests and not self._make_room():
            await _busy(scope, receive, send)
            return
        self._requests += 1
        body = _Body(receive, self.limits, self._awaiting)
        try:
            await self._application(scope, body, send)
        finally:
            self._requests -= 1

    def _make_room(self) -> bool:
        """Give up the request whose body has been awaited longest; False if there is none."""
        for body in self._awaiting:
            body.give_up()
            return True
        return False


class _Body:
    """Receives a request's body, as far as the mount's limits go; while it waits for its sender it
    is among those `awaiting`.
    """

    def __init__(
        self, receive: Receive, limits: MountLimits, awaiting: dict["_Body", None]
    ) -> None:
        self._receive = receive
        self._limits = limits
        self._awaiting = awaiting
        self._timeout: asyncio.Timeout | None = None
        self._bytes = 0
        self._complete = False
        self._deadline = asyncio.get_running_loop().time() + limits.body_seconds

    async def __call__(self) -> Message:
        if self._complete:
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._deadline) as self._timeout:
                self._awaiting[self] = None
                message = await self._receive()
        except TimeoutError as error:
            raise Refused(408, "the body took too long") from error
        finally:
            self._awaiting.pop(self, None)
        self._bytes += len(message.get("body", b""))
        self._complete = not message.get("more_body", False)
        if self._bytes > self._limits.body_bytes:
            raise Refused(413, f"more than {self._limits.body_bytes} bytes")
        return message

    def give_up(self) -> None:
        """Stop waiting for the sender: another request needs the place."""
        self._awaiting.pop(self, None)
        if self._timeout is not None:
            self._timeout.reschedule(0)


async def _refused(request: Request, refusal: Exception) -> JSONResponse:  # noqa: ARG001
    if not isinstance(refusal, Refused):
        raise refusal
    return JSONResponse({"error": refusal.message}, refusal.status)


async def _busy(scope: Scope, receive: Receive, send: Send) -> None:
    answer = JSONResponse(
        {"error": "too many requests at once; try again"},
        503,
        headers={"Retry-After": _RETRY_SECONDS},
    )
    await answer(scope, receive, send)
