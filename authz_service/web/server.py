"""The HTTP edge: one server, composed of mounts that cannot hold each other up."""

import socket
import ssl
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import uvicorn
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from authz_service.web.connections import LOOP, ConnectionLimits, Connections
from authz_service.web.mounts import Mount

_USUAL: Final = ConnectionLimits()


@dataclass(frozen=True, slots=True)
class WebSettings:
    """Where a server listens; it speaks TLS if it is given a certificate. `purpose` is for people:
    it says in a refusal what could not be served. A `shared` address is one that other processes
    of the same `serve` hold, too.
    """

    host: str
    port: int
    purpose: str
    certificate: Path | None = None
    key: Path | None = None
    shared: bool = False


class WebServer:
    """Serves its mounts on one port, in a thread of its own."""

    def __init__(
        self,
        settings: WebSettings,
        mounts: Sequence[Mount],
        connections: ConnectionLimits = _USUAL,
    ) -> None:
        """Bind the address.

        Raises:
            OSError: the address is taken, or not this machine's.
        """
        self._socket = _bound(settings)
        self.number: int = self._socket.getsockname()[1]
        self._server = uvicorn.Server(_configured(settings, mounts, connections))
        self._thread = threading.Thread(
            target=self._server.run, args=([self._socket],), name=f"web-{settings.purpose}"
        )

    def start(self) -> None:
        self._socket.listen()  # or who connects before the thread is up would be refused
        self._thread.start()

    def stop(self) -> None:
        """Let running requests end, and stop."""
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join()
        self._socket.close()


class _Mounts:
    """Hands each request to the mount that its path lies under."""

    def __init__(self, mounts: Sequence[Mount]) -> None:
        self._mounts = mounts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        for mount in self._mounts:
            if f"{scope['path']}/".startswith(f"{mount.path}/"):
                await mount(scope, receive, send)
                return
        await JSONResponse({"error": "not found"}, 404)(scope, receive, send)


def _bound(settings: WebSettings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, settings.shared)
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        message = f"cannot listen on {settings.host}:{settings.port} for {settings.purpose}: "
        raise OSError(error.errno, message + str(error.strerror)) from error
    return listener


def _configured(
    settings: WebSettings, mounts: Sequence[Mount], connections: ConnectionLimits
) -> uvicorn.Config:
    certificate, key = (
        str(file) if file else None for file in (settings.certificate, settings.key)
    )
    return uvicorn.Config(
        _Mounts(mounts),
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        proxy_headers=False,
        http=cast("Any", Connections(connections).protocol),  # called, as a class would be
        loop=LOOP,
        timeout_keep_alive=cast("Any", connections.idle_seconds),  # seconds for `call_later`
        timeout_graceful_shutdown=5,
        ssl_certfile=certificate,
        ssl_keyfile=key,
        ssl_version=ssl.PROTOCOL_TLS_SERVER,
    )
