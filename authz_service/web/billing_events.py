"""`POST /events/{source}`: events over HTTP. A 2xx says that the event is committed."""

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog
import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from authz_service.domain.billing_policy import BillingPolicy, Source
from authz_service.domain.window import Instant
from authz_service.errors import Unavailable
from authz_service.usecases.billing.envelopes import envelopes
from authz_service.usecases.billing.event_rpcs import EventDoor
from authz_service.usecases.billing.ingestion import Taken
from authz_service.web.webhook_signatures import Delivery, Forged, verify

log = structlog.get_logger()

_MOST_EVENTS: Final = 1000
"""Events that one request may bring."""

_RETRY_SECONDS: Final = "10"


@dataclass(frozen=True, slots=True)
class EventSettings:
    """`public_url` is how senders call this server, where a proxy stands before it: HubSpot signs
    the URI. "" for as it was called.
    """

    host: str
    port: int
    max_bytes: int = 1024 * 1024
    body_seconds: float = 10.0
    public_url: str = ""
    certificate: Path | None = None
    key: Path | None = None


class _Refused(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class EventEdge:
    """Verifies and takes in what is posted."""

    def __init__(
        self,
        door: EventDoor,
        policy: Callable[[], BillingPolicy],
        secrets: Callable[[str], Sequence[str]],
        clock: Callable[[], Instant],
        settings: EventSettings,
    ) -> None:
        self._door = door
        self._policy = policy
        self._secrets = secrets
        self._clock = clock
        self._settings = settings
        self.app = Starlette(routes=[Route("/events/{source}", self.post, methods=["POST"])])

    async def post(self, request: Request) -> JSONResponse:
        source, address = request.path_params["source"], _address(request)
        try:
            delivery = await self._delivery(request)
            taken = await run_in_threadpool(self._take, source, delivery, address)
        except _Refused as refusal:
            log.warning("event refused", source=source[:32], address=address, error=refusal.message)
            return JSONResponse({"error": refusal.message}, refusal.status)
        except Unavailable as error:
            log.warning("event not taken in", source=source, error=error.reason.value)
            answer = {"error": "try again"}
            return JSONResponse(answer, 503, headers={"Retry-After": _RETRY_SECONDS})
        except Exception as error:  # the edge is where unknown errors end
            log.error("event not taken in", source=source, exc_info=error)
            return JSONResponse({"error": "an unexpected error"}, 500)
        return JSONResponse({"events": [_told(each) for each in taken]})

    def _take(self, name: str, delivery: Delivery, address: str) -> list[Taken]:
        source = self._policy().sources.get(name)
        if source is None:
            raise _Refused(404, "there is no such source of events")
        header_id, how = self._verified(source, delivery), f"signature {source.scheme.value}"
        brought = envelopes(source, delivery.body, header_id=header_id)
        if len(brought) > _MOST_EVENTS:
            raise _Refused(413, f"more than {_MOST_EVENTS} events")
        return [self._door.take(each, how, address) for each in brought]

    def _verified(self, source: Source, delivery: Delivery) -> str:
        """Check the signature; return the id that came with it, or "" for none."""
        try:
            return verify(source, self._secrets(source.name), delivery, self._clock())
        except Forged as forged:
            raise _Refused(401, f"not verified: {forged}") from forged

    async def _delivery(self, request: Request) -> Delivery:
        body = bytearray()
        try:
            async with asyncio.timeout(self._settings.body_seconds):
                async for chunk in request.stream():
                    body += chunk
                    if len(body) > self._settings.max_bytes:
                        raise _Refused(413, f"more than {self._settings.max_bytes} bytes")
        except TimeoutError as error:
            raise _Refused(408, "the body took too long") from error
        except ClientDisconnect as error:
            raise _Refused(400, "the sender hung up") from error
        uri = self._settings.public_url.rstrip("/") + _path(request)
        headers = {name.lower(): value for name, value in request.headers.items()}
        return Delivery(request.method, uri if self._settings.public_url else str(request.url),
                        headers, bytes(body))  # fmt: skip


class EventServer:
    """Serves the edge on a port of its own, in a thread of its own."""

    def __init__(self, edge: EventEdge, settings: EventSettings) -> None:
        """Bind the address.

        Raises:
            OSError: the address is taken, or not this machine's.
        """
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._socket.bind((settings.host, settings.port))
        except OSError as error:
            self._socket.close()
            message = f"cannot listen on {settings.host}:{settings.port} for events: "
            raise OSError(error.errno, message + str(error.strerror)) from error
        self.number: int = self._socket.getsockname()[1]
        self._server = uvicorn.Server(_configured(edge, settings))
        sockets = [self._socket]
        self._thread = threading.Thread(target=self._server.run, args=(sockets,), name="events")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Let running requests end, and stop."""
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join()
        self._socket.close()


def _configured(edge: EventEdge, settings: EventSettings) -> uvicorn.Config:
    files = (settings.certificate, settings.key)
    certificate, key = (str(file) if file else None for file in files)
    return uvicorn.Config(
        edge.app,
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        proxy_headers=False,
        limit_concurrency=200,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=5,
        ssl_certfile=certificate,
        ssl_keyfile=key,
        ssl_version=ssl.PROTOCOL_TLS_SERVER,
    )


def _told(taken: Taken) -> dict[str, str | int | bool]:
    event = taken.event
    return {
        "id": event.event.id,
        "state": event.state.value,
        "reason": event.reason.value,
        "message": event.message,
        "duplicate": taken.duplicate,
        "revision": event.revision,
    }


def _path(request: Request) -> str:
    query = f"?{request.url.query}" if request.url.query else ""
    raw: bytes = request.scope.get("raw_path", b"")
    return raw.decode("ascii", "replace").partition("?")[0] + query


def _address(request: Request) -> str:
    return f"{request.client.host}:{request.client.port}" if request.client else ""
