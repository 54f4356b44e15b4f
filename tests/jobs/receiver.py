"""An endpoint on a real socket, which answers as it is told."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Received:
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Receiver:
    """`status` is answered; `location` is sent along, `dripping` seconds pass between bytes."""

    url: str = ""
    status: int = 204
    location: str = ""
    dripping: float = 0.0
    body: bytes = b""
    got: list[Received] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)


@contextmanager
def receiver() -> Iterator[Receiver]:
    state = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            size = int(self.headers["content-length"])
            headers = {name.lower(): value for name, value in self.headers.items()}
            state.got.append(Received(headers, self.rfile.read(size)))
            self.send_response(state.status)
            if state.location:
                self.send_header("location", state.location)
            if state.dripping:
                self.send_header("content-length", "1000000")
                self.end_headers()
                while not state.stopped.wait(state.dripping):
                    self.wfile.write(b"x")
                    self.wfile.flush()
                return
            self.send_header("content-length", str(len(state.body)))
            self.end_headers()
            self.wfile.write(state.body)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None:
            """Whoever hangs up has its reasons."""

    server = Server(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_port}/hook"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield state
    finally:
        state.stopped.set()
        server.shutdown()
        thread.join()
        server.server_close()
