"""A caller that does only half of what HTTP/2 asks of it: frames by hand, and nothing read."""

import socket
import ssl
from collections.abc import Sequence
from typing import Final

_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _SETTINGS, _PING = 0, 1, 4, 6
_END_STREAM, _END_HEADERS, _ACK = 1, 4, 1
_INITIAL_WINDOW = 4


class Connection:
    """A connection on which calls are begun, and ended only if somebody says so."""

    def __init__(
        self, port: int, *, window: int | None = None, tls: ssl.SSLContext | None = None
    ) -> None:
        """With `window`, so many bytes of an answer are taken, and not one more."""
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        if tls is not None:
            self._socket = tls.wrap_socket(self._socket, server_hostname="127.0.0.1")
        settings = b"" if window is None else _INITIAL_WINDOW.to_bytes(2) + window.to_bytes(4)
        self._socket.sendall(_PREFACE + _frame(_SETTINGS, 0, 0, settings))
        self._socket.sendall(_frame(_SETTINGS, _ACK, 0, b""))
        self._next = 1

    def begin(self, path: str, *metadata: tuple[str, str]) -> int:
        """Send the headers of a call and nothing else; return the stream."""
        stream, self._next = self._next, self._next + 2
        head = [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", path),
            (":authority", "x"),
            ("te", "trailers"),
            ("content-type", "application/grpc"),
            *metadata,
        ]
        self._socket.sendall(_frame(_HEADERS, _END_HEADERS, stream, _packed(head)))
        return stream

    def send(self, stream: int, message: bytes, *, length: int | None = None) -> None:
        """Send a message and end the call; with another `length`, what follows never comes."""
        size = len(message) if length is None else length
        ends = _END_STREAM if length is None else 0
        self._socket.sendall(_frame(_DATA, ends, stream, b"\0" + size.to_bytes(4) + message))

    def drain(self) -> int:
        """Take what has come, without a look; return how many bytes it was."""
        self._socket.setblocking(False)
        taken = 0
        try:
            while part := self._socket.recv(65536):
                taken += len(part)
        except (BlockingIOError, ssl.SSLWantReadError):
            pass
        finally:
            self._socket.settimeout(10)
        return taken

    def close(self) -> None:
        self._socket.close()


def _frame(kind: int, flags: int, stream: int, content: bytes) -> bytes:
    return len(content).to_bytes(3) + bytes((kind, flags)) + stream.to_bytes(4) + content


def _packed(headers: Sequence[tuple[str, str]]) -> bytes:
    """Write headers as literals without a table (RFC 7541, section 6.2.2)."""
    return b"".join(b"\0" + _text(name) + _text(value) for name, value in headers)


def _text(text: str) -> bytes:
    content = text.encode()
    if len(content) < 127:
        return bytes((len(content),)) + content
    rest = len(content) - 127
    assert rest < 128 * 128
    size = bytes((rest,)) if rest < 128 else bytes((rest % 128 + 128, rest // 128))
    return b"\x7f" + size + content
