"""A server that answers as Stripe's API does, for the two questions that are asked of it."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

KEY: Final = "rk_test_of_a_test"
Subscription = dict[str, Any]


@dataclass
class StripeApi:
    """What it knows, and what it was asked; `mood` makes it misbehave."""

    port: int
    subscriptions: dict[str, Subscription] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    mood: str = ""

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def answer(self, path: str, authorization: str) -> tuple[int, bytes]:
        self.asked.append(path)
        if authorization != f"Bearer {KEY}":
            return 401, _error("invalid_request_error", "Invalid API Key provided")
        match self.mood:
            case "slow":
                time.sleep(1.5)
            case "huge":
                return 200, b'{"id": "' + b"x" * (1024 * 1024) + b'"}'
            case "html":
                return 200, b"<html>"
            case "limited":
                return 429, _error("rate_limit_error", "Too many requests")
        parts = urlsplit(path)
        if parts.path == "/v1/subscriptions":
            asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
            assert asked["status"] == "all"
            found = [s for s in self.subscriptions.values() if s["customer"] == asked["customer"]]
            listed = {"object": "list", "data": found, "has_more": False, "url": parts.path}
            return 200, json.dumps(listed).encode()
        name = parts.path.removeprefix("/v1/subscriptions/")
        if name not in self.subscriptions:
            return 404, _error("invalid_request_error", f"No such subscription: '{name}'")
        return 200, json.dumps(self.subscriptions[name]).encode()


def _error(type_: str, message: str) -> bytes:
    return json.dumps({"error": {"type": type_, "message": message}}).encode()


@contextmanager
def stripe_api() -> Iterator[StripeApi]:
    """Serve until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = api.answer(self.path, self.headers.get("Authorization", ""))
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    api = StripeApi(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
