"""A gRPC client that costs next to nothing: HTTP/2 frames written and counted by hand.

The grpc package's own client takes more processor time a call than the server under test; on two
cores it would be the bottleneck, and every server would look the same. This one sends what that
client sends (its headers indexed from the second call on), reads every answer, and knows one
method, one message a call, and answers of any kind.
"""

import select
import socket
import struct
from collections import deque
from collections.abc import Iterator
from typing import Final

_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _PING, _GOAWAY, _WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
_END_STREAM, _END_HEADERS, _ACK = 0x1, 0x4, 0x1
_MOST: Final = 2**31 - 1
_FRAME: Final = 16_384
_WINDOW: Final = 65_535
_FIRST_DYNAMIC: Final = 62
_HEADER: Final = struct.Struct(">HBBBI")


class WireError(Exception):
    """The server refused what it must not refuse, or gave the connection up."""


class Connection:
    """Calls one method over one connection, from one thread."""

    def __init__(self, port: int, path: str, credential: str) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._headers, self._indexed = _headers(f"127.0.0.1:{port}", path, credential)
        self._next = 1
        self._window = _WINDOW
        self._out = bytearray(_PREFACE)
        self._out += _frame(_SETTINGS, 0, 0, struct.pack(">HI", 0x4, _MOST))
        self._out += _frame(_WINDOW_UPDATE, 0, 0, struct.pack(">I", _MOST - _WINDOW))
        self._waiting: deque[tuple[int, bytes]] = deque()
        self._in = bytearray()
        self._answers: dict[int, bytearray] = {}

    def close(self) -> None:
        self._socket.close()

    def call(self, message: bytes) -> int:
        """Start a call and return its number; it is sent by the next `poll`."""
        stream, self._next = self._next, self._next + 2
        self._answers[stream] = bytearray()
        body = b"\0" + len(message).to_bytes(4, "big") + message
        if len(body) > _WINDOW:
            raise WireError(f"a message of {len(message)} bytes is longer than one window")
        if self._waiting or len(body) > self._window:
            self._waiting.append((stream, body))
        else:
            self._send(stream, body)
        return stream

    def poll(self, seconds: float) -> Iterator[tuple[int, bytes | None]]:
        """Send what is due and iterate over the calls that ended, with their answers; None is a
        refusal. Waits up to `seconds` for the first.

        Raises:
            WireError: the server closed the connection.
        """
        writing = [self._socket] if self._out else []
        readable, writable, _ = select.select([self._socket], writing, [], seconds)
        if writable:
            del self._out[: self._socket.send(self._out)]
        if readable:
            received = self._socket.recv(1 << 18)
            if not received:
                raise WireError("the server closed the connection")
            self._in += received
            yield from self._read()

    def _send(self, stream: int, body: bytes) -> None:
        self._window -= len(body)
        self._out += _frame(_HEADERS, _END_HEADERS, stream, self._headers)
        self._headers = self._indexed
        for start in range(0, len(body), _FRAME):
            flags = _END_STREAM if start + _FRAME >= len(body) else 0
            self._out += _frame(_DATA, flags, stream, body[start : start + _FRAME])

    def _read(self) -> Iterator[tuple[int, bytes | None]]:
        position, received = 0, self._in
        while len(received) - position >= 9:
            high, low, kind, flags, stream = _HEADER.unpack_from(received, position)
            end = position + 9 + (high << 8 | low)
            if end > len(received):
                break
            if kind == _DATA:
                self._answers[stream] += received[position + 9 : end]
            elif kind not in (_HEADERS, _RST_STREAM):
                self._control(kind, flags, stream, bytes(received[position + 9 : end]))
            if kind == _RST_STREAM or (kind in (_DATA, _HEADERS) and flags & _END_STREAM):
                yield from self._end(stream)
            position = end
        del received[:position]

    def _end(self, stream: int) -> Iterator[tuple[int, bytes | None]]:
        """Give a call's answer; a refusal is a call that ended without a message. A server may
        also reset what has ended.
        """
        answer = self._answers.pop(stream, None)
        if answer is not None:
            yield stream, bytes(answer[5:]) if answer else None

    def _control(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind in (_SETTINGS, _PING) and not flags & _ACK:
            self._out += _frame(kind, _ACK, 0, payload if kind == _PING else b"")
        elif kind == _WINDOW_UPDATE and stream == 0:
            self._window += int.from_bytes(payload, "big")
            while self._waiting and len(self._waiting[0][1]) <= self._window:
                self._send(*self._waiting.popleft())
        elif kind == _GOAWAY:
            raise WireError(f"the server gave the connection up: {payload!r}")


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    size = len(payload)
    return _HEADER.pack(size >> 8, size & 0xFF, kind, flags, stream) + payload


def _headers(authority: str, path: str, credential: str) -> tuple[bytes, bytes]:
    """Write the first call's headers, which fill the server's table, and all later ones (HPACK,
    RFC 7541): in the static table `:method: POST` is 3 and `:scheme: http` is 6.
    """
    named = {
        ":authority": authority,
        ":path": path,
        "te": "trailers",
        "content-type": "application/grpc",
        "user-agent": "authz-bench",
        "authorization": f"Bearer {credential}",
    }
    literal = b"".join(b"\x40" + _string(name) + _string(value) for name, value in named.items())
    newest_first = range(_FIRST_DYNAMIC + len(named) - 1, _FIRST_DYNAMIC - 1, -1)
    return b"\x83\x86" + literal, b"\x83\x86" + bytes(0x80 | index for index in newest_first)


def _string(text: str) -> bytes:
    if len(text) >= 127:
        raise ValueError(f"a header of {len(text)} bytes does not fit a one-byte length")
    return bytes([len(text)]) + text.encode()
