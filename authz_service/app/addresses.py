"""The addresses of one `serve`, kept for as long as it runs.

Its processes share them, and each that is started again finds its own free. Another `serve` must
not share them: the kernel would hand each half of the connections.
"""

import socket
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final

from authz_service.config import Settings

_PORTS: Final = (
    ("host", "check_port", "checks"),
    ("host", "admin_port", "administration"),
    ("web_host", "web_port", "HTTP"),
    ("metrics_host", "metrics_port", "metrics"),
)


class Addresses:
    """`settings` name the ports that were taken where free ones were asked for."""

    def __init__(self, settings: Settings) -> None:
        """Take every port that the settings name.

        Raises:
            OSError: one is taken, or not this machine's.
        """
        self._sockets: list[socket.socket] = []
        numbers: dict[str, int] = {}
        try:
            for host, port, purpose in _PORTS:
                if getattr(settings, port) is not None:
                    address = getattr(settings, host), getattr(settings, port)
                    numbers[port] = self._take(*address, purpose)
        except OSError:
            self.release()
            raise
        self.settings = settings.model_copy(update=numbers)

    def release(self) -> None:
        for taken in self._sockets:
            taken.close()

    def _take(self, host: str, number: int, purpose: str) -> int:
        for family, (name, _, *rest) in _resolved(host, number, purpose):
            taken = _alone(family, (name, number, *rest), f"{host}:{number}", purpose)
            self._sockets.append(taken)
            number = taken.getsockname()[1]
        return number


def _resolved(host: str, number: int, purpose: str) -> Iterator[tuple[int, Any]]:
    try:
        found = socket.getaddrinfo(host, number, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise OSError(f"cannot listen on {host}:{number} for {purpose}: {error}") from error
    yield from dict.fromkeys((family, address) for family, _, _, _, address in found)


def _alone(family: int, address: Any, name: str, purpose: str) -> socket.socket:
    """Bind an address that nobody else has, then let the processes of this `serve` bind it, too.

    It does not listen, so no connection ends here.
    """
    taken = socket.socket(family, socket.SOCK_STREAM)
    try:
        if family == socket.AF_INET6:
            taken.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        # Connections that ended a moment ago are no reason to refuse; a server that runs is.
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(address)
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    except OSError as error:
        with suppress(OSError):
            taken.close()
        message = f"cannot listen on {name} for {purpose}: {error.strerror}; is it taken?"
        raise OSError(error.errno, message) from error
    return taken
