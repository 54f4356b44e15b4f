"""An issuer of tokens: signs them, and publishes its keys over real HTTP."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

AUDIENCE: Final = "authz"

AnyKey = RSAKey | ECKey | OKPKey | OctKey


class _Registry(JWSRegistry):
    """Lets a test sign with every algorithm, good or bad, unwarned."""

    def get_alg(self, name: str) -> Any:
        return self.algorithms[name]


class Issuer:
    """Serves a discovery document and a key set, and counts how often it is asked for keys."""

    def __init__(self) -> None:
        self.fetches = 0
        self.failing = False
        self.stalled = threading.Event()
        """While this is not set, requests are not answered."""
        self.stalled.set()
        self.keys: list[AnyKey] = []
        self.signer: AnyKey = self.rotate("k1")
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    @property
    def name(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def jwks_url(self) -> str:
        return f"{self.name}/keys"

    def rotate(self, key_id: str) -> AnyKey:
        """Publish one more key, and sign with it from now on."""
        key = ECKey.generate_key("P-256", {"kid": key_id})
        self.keys = [*self.keys, key]
        self.signer = key
        return key

    def withdraw(self, key_id: str) -> None:
        self.keys = [key for key in self.keys if key.kid != key_id]

    def token(
        self, sub: str | None, *, key: AnyKey | None = None, alg: str = "", **claims: Any
    ) -> str:
        """Sign a token that is good unless `claims` say otherwise; None leaves one out."""
        signer = key or self.signer
        now = time.time()
        content = {"iss": self.name, "aud": AUDIENCE, "sub": sub, "iat": now, "exp": now + 600}
        content = {k: v for k, v in (content | claims).items() if v is not None}
        header = {"alg": alg or "ES256", "kid": signer.kid}
        return jwt.encode(header, content, signer, registry=_Registry())

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                code, body = issuer._answer(self.path)
                self.send_response(code)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        return Handler

    def _answer(self, path: str) -> tuple[int, bytes]:
        self.stalled.wait(30)
        if path == "/.well-known/openid-configuration":
            found = {"issuer": self.name, "jwks_uri": self.jwks_url}
            return 200, json.dumps(found).encode()
        self.fetches += 1
        if self.failing:
            return 503, b"no"
        published = [key.as_dict(private=isinstance(key, OctKey)) for key in self.keys]
        return 200, json.dumps({"keys": published}).encode()


@contextmanager
def issuing() -> Iterator[Issuer]:
    issuer = Issuer()
    try:
        yield issuer
    finally:
        issuer.close()
