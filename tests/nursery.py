"""A process that has imported the service, and forks: each child is a command that starts at once.

What takes most of the start of a server is its imports, three seconds of CPU, and tests start a
hundred servers. The children are real processes of their own, as dead after `kill -9` as any.
Run as a program: orders arrive on the socket whose number is its argument.
"""

import json
import os
import signal
import socket
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

IMPORTED = (
    "authz_service.app.service",
    "authz_service.app.setup",
    "authz_service.cli.main",
    "sqlalchemy.dialects.postgresql.psycopg",
    "sqlalchemy.dialects.sqlite",
)
"""What every server imports. None of these starts a thread or touches gRPC's core."""


def serve(orders: socket.socket) -> None:
    """Fork a child for each order, and answer its number, until nobody can order any more."""
    for module in IMPORTED:
        import_module(module)
    while True:
        text, files, _, _ = socket.recv_fds(orders, 1 << 20, 3)
        if not text:
            return
        orders.send(str(_grandchild(json.loads(text), files)).encode())
        for file in files:
            os.close(file)


def _grandchild(order: dict[str, Any], files: Sequence[int]) -> int:
    """Fork twice: the child of a process that has ended belongs to whoever ordered it."""
    reading, writing = os.pipe()
    middle = os.fork()
    if middle == 0:
        child = os.fork()
        if child == 0:
            _become(order, files)
        os.write(writing, str(child).encode())
        os._exit(0)
    os.waitpid(middle, 0)  # only now is the child a child of ours no more
    number = int(os.read(reading, 20))
    os.close(reading)
    os.close(writing)
    return number


def _become(order: dict[str, Any], files: Sequence[int]) -> NoReturn:
    """Be the command: its files, folder, environment and words."""
    for number, file in enumerate(files):
        os.dup2(file, number)
    os.closerange(3, 256)
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["environment"])
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        setattr(sys, name, os.fdopen(number, "w" if number else "r", buffering=1))
    code = 1
    try:
        import_module("authz_service.cli.main").main(order["words"])
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    serve(socket.socket(fileno=int(sys.argv[1])))
