"""Messages between processes of one `serve`, over a stream socket that only they can reach."""

import json
import socket
import struct
import threading
from enum import IntEnum
from typing import Any, Final

_HEAD: Final = struct.Struct("!BI")


class Kind(IntEnum):
    """What a message says. Those of the first five come from a worker."""

    HELLO = 1
    """A worker is here; the body is its number."""
    TIP = 2
    """The worker answers from this revision on."""
    USES = 3
    """When callers were last let in, since the last time."""
    SPENT = 4
    """What callers have spent of their rates since the last time."""
    REPORTED = 5
    """The worker's figures are up to date."""
    WELCOME = 6
    """Every revision from here on is told: what is older stands in the change log."""
    DELTA = 7
    """A revision: its number, its instant, its changes as the change log has them."""
    LOOK = 8
    """There is something new in the change log."""
    REPORT = 9
    """Somebody wants to see figures: bring them up to date."""


class Frames:
    """One end of a connection. Any thread may send, one receives."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._sending = threading.Lock()

    def send(self, kind: Kind, body: Any = None) -> None:
        """Send without waiting. Raises: OSError if the peer is gone, or reads nothing any more."""
        content = json.dumps(body).encode()
        frame = _HEAD.pack(kind, len(content)) + content
        with self._sending:
            sent = self._socket.send(frame, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
            if sent < len(frame):
                self.close()  # half a message: what follows could not be understood
                raise BrokenPipeError("the peer does not read")

    def receive(self) -> tuple[Kind, Any] | None:
        """Wait for a message; None when the peer is gone."""
        head = self._read(_HEAD.size)
        if head is None:
            return None
        kind, length = _HEAD.unpack(head)
        content = self._read(length)
        return None if content is None else (Kind(kind), json.loads(content))

    def close(self) -> None:
        """End the connection; whoever receives from it sees that."""
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # the peer was quicker

    def release(self) -> None:
        self._socket.close()

    def _read(self, length: int) -> bytes | None:
        content = bytearray()
        while len(content) < length:
            try:
                part = self._socket.recv(length - len(content))
            except OSError:
                return None
            if not part:
                return None
            content += part
        return bytes(content)
