"""Commands of the CLI as processes that a nursery forks, which have nothing left to import."""

import atexit
import ctypes
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import IO, Any, Final

from tests import nursery

_SET_CHILD_SUBREAPER: Final = 36
"""Of prctl(2), Linux: the orphans of our children are our children."""


class Forked(subprocess.Popen[Any]):
    """A process that somebody else has forked for us, and that is our child all the same."""

    def __init__(self, pid: int, words: Sequence[str]) -> None:  # Popen's own would start one
        self.args = words
        self.pid = pid
        self.returncode = None
        self.stdin = self.stdout = self.stderr = None
        self._child_created = True
        self._communication_started = False
        self._sigint_wait_secs = 0.25
        self._waitpid_lock = threading.Lock()


def start(
    words: Sequence[str],
    environment: Mapping[str, str],
    output: IO[bytes],
    folder: Path | None = None,
) -> Forked:
    """Start a command; what it prints goes to `output`."""
    order = {
        "words": [*words],
        "environment": dict(environment),
        "folder": str(folder or Path.cwd()),
    }
    orders = _orders()
    with open(os.devnull, "rb") as nothing:  # noqa: PTH123
        files = [nothing.fileno(), output.fileno(), output.fileno()]
        socket.send_fds(orders, [json.dumps(order).encode()], files)
    return Forked(int(orders.recv(20)), words)


@cache
def _orders() -> socket.socket:
    """Start the nursery of this process; it ends with the socket."""
    ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    program = [sys.executable, "-P", str(nursery.__file__), str(theirs.fileno())]
    process = subprocess.Popen(program, pass_fds=[theirs.fileno()])
    theirs.close()

    def end() -> None:
        ours.close()
        process.wait(10)

    atexit.register(end)
    return ours
