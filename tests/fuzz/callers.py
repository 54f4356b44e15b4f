"""Every kind of caller: by key, by token, by certificate, for somebody else, and nobody at all."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, NamedTuple

import grpc

from authz_service.gen.authz.v1 import identity_pb2 as identities
from tests.rpc.certificates import Authority, files
from tests.rpc.harness import Server
from tests.rpc.issuer import AUDIENCE, issuing

Metadata = tuple[tuple[str, str | bytes], ...]

_KINDS: Final = (
    "authz.operator",
    "authz.product",
    "authz.checker",
    "authz.auditor",
    "authz.provisioner",
)
_NO_KEYS: Final = (
    *("", "Bearer", "Bearer ", "Basic YTpi", "Bearer authz_op_"),
    "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.",
    "x" * 4000,
)
_ACTORS: Final = ("user:ada", "user:vera", "user:nobody", "staff:eve", "service:x", "", "user:*")

STRONG: Final = (
    "authz.operator",
    "authz.operator",
    "token of role authz.operator",
    "certificate of role authz.operator",
)
"""Who get furthest: what they send is worth the most requests."""
USERS: Final = ("user 'ada' by token", "product for 'user:ada'", "user 'vera' by token")


class Calling(NamedTuple):
    """What a caller sends, over which connections: to the check and the administration port."""

    metadata: Metadata
    checks: grpc.Channel
    admin: grpc.Channel


class Doors:
    """How callers of every kind get into one server: its settings, and what they show."""

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        self._stack, self._authority = stack, Authority()
        self._services, self._users = (stack.enter_context(issuing()) for _ in range(2))
        ours = files(folder, "server", self._authority.sign())
        (folder / "ca.pem").write_bytes(self._authority.pem)
        self.settings: dict[str, Any] = {
            "tls_cert": ours.certificate,
            "tls_key": ours.key,
            "tls_client_ca": folder / "ca.pem",
            "jwt_issuer": self._services.name,
            "jwt_audience": AUDIENCE,
            "user_jwt_issuer": self._users.name,
            "user_jwt_audience": AUDIENCE,
        }

    def let_in(self, server: Server) -> None:
        """Let the server's own callers show a certificate that says nothing beside their keys."""
        server.checks.close()
        server.admin.close()
        server.checks, server.admin = self._connected(server, "bearer")
        server.operator = server.caller(server.operator_key)

    def _connected(self, server: Server, name: str) -> tuple[grpc.Channel, grpc.Channel]:
        pair = self._authority.sign(name)
        shown = grpc.ssl_channel_credentials(self._authority.pem, pair.key, pair.certificate)
        options = (("grpc.use_local_subchannel_pool", 1),)
        ports = (server.service.check_port.number, server.service.admin_port.number)
        checks, admin = (
            self._stack.enter_context(grpc.secure_channel(server.address(port), shown, options))
            for port in ports
        )
        return checks, admin

    def callers(self, server: Server, bound: str) -> Iterator[tuple[str, Calling]]:
        """Name every kind of caller; one of each role may do it for the account `bound` alone."""
        for name, metadata in (*_by_key(server, bound), *self._by_token(server, bound)):
            yield name, Calling(metadata, server.checks, server.admin)
        for name, role in (("crm", "authz.operator"), ("mesh", "authz.checker")):
            self._registered(server, identities.IDENTITY_KIND_CERTIFICATE_COMMON_NAME, name, role)
            yield f"certificate of role {role}", Calling((), *self._connected(server, name))
        yield "certificate of nobody", Calling((), server.checks, server.admin)

    def _registered(
        self, server: Server, kind: identities.IdentityKind.ValueType, name: str, *roles: str
    ) -> None:
        token = kind == identities.IDENTITY_KIND_TOKEN
        issuer = self._services.name if token else ""
        identity = identities.Identity(kind=kind, name=name, issuer=issuer, roles=roles)
        server.operator.call(identities.CreateIdentityRequest(identity=identity))

    def _by_token(self, server: Server, bound: str) -> Iterator[tuple[str, Metadata]]:
        for name, role in (("jobs", "authz.operator"), ("billing", "authz.provisioner")):
            self._registered(server, identities.IDENTITY_KIND_TOKEN, name, role)
            yield f"token of role {role}", _bearer(self._services.token(name))
        jobs: Metadata = _bearer(self._services.token("jobs"))
        yield "token for ada", (*jobs, ("x-authz-actor", "user:ada"))
        for user in ("ada", "vera", "nobody", "a b", bound):
            yield f"user {user!r} by token", _bearer(self._users.token(user))
        past = time.time() - 600
        yield "token of a service unknown", _bearer(self._services.token("nobody"))
        yield "token that has expired", _bearer(self._services.token("jobs", exp=past))
        yield "user's token for another", _bearer(self._users.token("ada", aud="billing"))
        yield "token without a subject", _bearer(self._users.token(None))
        yield "token with its end cut off", _bearer(self._services.token("jobs")[:-9])

    def secrets(self, callers: dict[str, Calling]) -> list[str]:
        """Name what no log may hold: of each key and token, what proves it."""
        shown = [str(value) for each in callers.values() for _, value in each.metadata]
        texts = [text.removeprefix("Bearer ") for text in shown if text.startswith("Bearer ")]
        ends = [text.replace(".", "_").rpartition("_")[2] for text in texts]
        return [end for end in ends if len(end) > 30]


def _by_key(server: Server, bound: str) -> Iterator[tuple[str, Metadata]]:
    key = server.operator_key
    keys = {kind: server.new_key(kind) for kind in _KINDS[1:]} | {"authz.operator": key}
    for kind in _KINDS:
        yield kind, _bearer(keys[kind])
        yield f"{kind} of another tenant", _bearer(server.new_key(kind, tenants=(bound,)))
    for actor in _ACTORS:
        acting: Metadata = (("x-authz-actor", actor),)
        yield f"product for {actor!r}", _bearer(keys["authz.product"]) + acting
        yield f"operator for {actor!r}", _bearer(key) + acting
    twice: Metadata = (("x-authz-actor", "user:ada"), ("x-authz-actor", "user:vera"))
    yield "product for two", _bearer(keys["authz.product"]) + twice
    yield "two keys", _bearer(keys["authz.checker"]) + _bearer(key)
    yield "a wrong secret", _bearer(key[:-9] + "0" * 9)
    for text in (*_NO_KEYS, "bearer " + key):
        yield f"{text[:20]!r}", (("authorization", text),)
    odd: Metadata = (("x-odd-bin", b"\x00\xff"), ("traceparent", "00-zz-"), ("grpc-x", "1"))
    yield "odd metadata", _bearer(key) + odd


def _bearer(credential: str) -> Metadata:
    return (("authorization", f"Bearer {credential}"),)
