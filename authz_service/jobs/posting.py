"""Posts to endpoints, which others choose: to public addresses only, and never for long."""

import socket
import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Any, Final

import httpcore

from authz_service.domain.addresses import public
from authz_service.domain.job import JobReason
from authz_service.usecases.delivery.webhook_delivery import PostFailed

_MOST_READ: Final = 64 * 1024
"""How many bytes of an answer are read; nobody looks at them."""

_CONNECT_SECONDS: Final = 5.0


class NotAllowed(Exception):
    """No address of the host is one that an endpoint may have."""


@dataclass(frozen=True, slots=True)
class Poster:
    """`seconds` bounds the whole of a post, however slowly it is answered."""

    seconds: float
    private: bool = False

    def __call__(self, url: str, headers: Mapping[str, str], body: bytes) -> int:
        network = Network(monotonic() + self.seconds, private=self.private)
        try:
            status, _ = exchange(network, "POST", url, headers, body, _MOST_READ)
        except NotAllowed as error:
            raise PostFailed(JobReason.TARGET_NOT_ALLOWED, str(error)) from error
        except NoAnswer as error:
            raise PostFailed(JobReason.ENDPOINT_UNREACHABLE, str(error)) from error
        return status


class NoAnswer(Exception):
    """The other side could not be reached, or did not answer in time."""


def exchange(
    network: "Network",
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: bytes,
    at_most: int,
) -> tuple[int, bytes]:
    """Send a request; return the status and the answer, of which a little more than `at_most` bytes
    are read if it has more. A redirect is an answer, too.

    Raises:
        NotAllowed: the host has no address that it may have.
        NoAnswer: it does not answer in time.
    """
    try:
        with (
            httpcore.ConnectionPool(
                ssl_context=ssl.create_default_context(), network_backend=network
            ) as pool,
            pool.stream(
                method,
                url,
                headers=_encoded(headers),
                content=body,
                extensions={"timeout": dict.fromkeys(("connect", "read", "write"), 5.0)},
            ) as answer,
        ):
            return int(answer.status), _read(answer.stream, at_most)
    except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError) as error:
        problem = str(error) or type(error).__name__
        raise NoAnswer(f"no answer: {problem}"[:300]) from error


class Network(httpcore.NetworkBackend):
    """Looks a name up, and connects to an address that was looked at: DNS that answers otherwise a
    moment later changes nothing. TLS still asks for the name.
    """

    def __init__(self, deadline: float, *, private: bool) -> None:
        self._deadline = deadline
        self._private = private

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002 - the deadline of the whole is shorter
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        address = self._allowed(host, port)
        stream = httpcore.SyncBackend().connect_tcp(
            address, port, min(_CONNECT_SECONDS, self._left()), local_address, socket_options
        )
        return _Stream(stream, self)

    def left(self) -> float:
        return self._left()

    def _left(self) -> float:
        seconds = self._deadline - monotonic()
        if seconds <= 0:
            raise httpcore.ReadTimeout("it took too long")
        return seconds

    def _allowed(self, host: str, port: int) -> str:
        try:
            resolved = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(f"the name was not found: {error}") from error
        addresses = [str(address_info[4][0]) for address_info in resolved]
        for address in addresses:
            if self._private or public(address):
                return address
        raise NotAllowed(
            f"{host} is at {', '.join(sorted(set(addresses)))}, which is no public address; "
            "AUTHZ_WEBHOOK_ALLOW_PRIVATE lets endpoints be there"
        )


class _Stream(httpcore.NetworkStream):
    """A stream whose every wait ends at the deadline of the whole."""

    def __init__(self, stream: httpcore.NetworkStream, network: Network) -> None:
        self._stream = stream
        self._network = network

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002
        return self._stream.read(max_bytes, self._network.left())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002
        self._stream.write(buffer, self._network.left())

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002
    ) -> httpcore.NetworkStream:
        stream = self._stream.start_tls(ssl_context, server_hostname, self._network.left())
        return _Stream(stream, self._network)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _encoded(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode()) for name, value in headers.items()]


def _read(stream: Any, at_most: int) -> bytes:
    content = bytearray()
    for part in stream:
        content += part
        if len(content) > at_most:
            break
    return bytes(content)
