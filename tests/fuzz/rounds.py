"""A round: a server and a world of its own, and requests from every kind of caller.

A round is made again by its seed and its number of requests. It has its own server because what
chance does to one lasts: roles emptied, keys revoked, tenants offboarded.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final

import grpc
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from authz_service.store import snapshot
from tests.conformance.ledger import assert_whole, same
from tests.fuzz.ending import judged
from tests.fuzz.making import Making
from tests.fuzz.pools import Pools
from tests.rpc.account import Account
from tests.rpc.harness import PATIENCE, RPCS, Server, serving
from tests.rpc.requests import GOOD, Ready, made_ready

Metadata = tuple[tuple[str, str | bytes], ...]

_KINDS: Final = ("operator", "product", "checker", "auditor", "provisioner")
_WAIT: Final = 0.02
"""Seconds for which a call may wait for a revision that does not come."""


@dataclass(frozen=True, slots=True)
class Unclean:
    """A call that ended as none may, and how to make it again."""

    rpc: str
    caller: str
    content: bytes
    why: str

    def __str__(self) -> str:
        sent = self.content[:300]
        return (
            f"{self.rpc} by {self.caller}: {self.why}\n  sent {len(self.content)} bytes: {sent!r}"
        )


@dataclass
class Found:
    """What came of a round."""

    ends: Counter[str] = field(default_factory=Counter)
    rpcs: Counter[str] = field(default_factory=Counter)
    unclean: list[Unclean] = field(default_factory=list)
    secrets: list[str] = field(default_factory=list)


def play(folder: Path, seed: int, requests: int, **settings: Any) -> Found:
    """Play a round, and see that everything is whole after it.

    Raises:
        AssertionError: an audit chain, the index or Casbin disagrees, or the server is gone.
    """
    random, found = Random(seed), Found()
    folder.mkdir(parents=True, exist_ok=True)
    with serving(folder, max_deadline=_WAIT, shadow_per_second=20.0, **settings) as server:
        worlds = [made_ready(Account(server, name)) for name in ("acme", "umbra")]
        callers = dict(_callers(server, worlds))
        found.secrets = [server.operator_key.rpartition("_")[2]]
        _send(server, random, worlds, callers, requests, found)
        assert server.service.explainer.disagreements == 0
        assert_whole(server.service.database)
        with server.service.database.read() as connection:
            stored = snapshot.read_index(connection)
        assert same(stored, server.service.replica.index)
    return found


def _send(
    server: Server,
    random: Random,
    worlds: Sequence[Ready],
    callers: dict[str, Metadata],
    requests: int,
    found: Found,
) -> None:
    good = {name: [GOOD[name](each) for each in worlds] for name in RPCS if name in GOOD}
    pools = Pools()
    for messages in good.values():
        pools.learn(messages)
    making = Making(random, pools)
    for number in range(requests):
        # Each in turn, so that none is left out by chance.
        rpc = list(RPCS.values())[number % len(RPCS)]
        caller = "operator" if random.random() < 0.7 else random.choice(list(callers))
        model = random.choice(good[rpc.name]) if rpc.name in good else None
        content = making.request(rpc.input_type, model)
        error, answer = _called(server, rpc, content, callers[caller])
        found.ends["OK" if error is None else error.code().name] += 1
        found.rpcs[rpc.name] += error is None
        if why := judged(len(content), error, answer):
            found.unclean.append(Unclean(rpc.full_name, caller, content, why))


def _called(
    server: Server, rpc: MethodDescriptor, content: bytes, metadata: Metadata
) -> tuple[Any, Message | None]:
    checks = rpc.containing_service.name == "AuthorizationService"
    channel = server.checks if checks else server.admin
    path = f"/{rpc.containing_service.full_name}/{rpc.name}"
    call: Any = channel.unary_unary(path)
    try:
        answer = call(content, timeout=PATIENCE, metadata=metadata)
    except grpc.RpcError as error:
        return error, None
    try:
        return None, GetMessageClass(rpc.output_type).FromString(answer)
    except DecodeError:
        return None, None


def _callers(server: Server, worlds: Sequence[Ready]) -> Iterator[tuple[str, Metadata]]:
    """Name every kind of caller, with what it sends."""
    key = server.operator_key
    keys = {kind: server.new_key(kind) for kind in _KINDS[1:]} | {"operator": key}
    for kind in _KINDS:
        yield kind, _bearer(keys[kind])
        yield f"{kind} of another tenant", _bearer(server.new_key(kind, tenants=("umbra",)))
    for actor in ("user:ada", "user:vera", "user:nobody", "staff:eve", "service:x", "", "user:*"):
        acting: Metadata = (("x-authz-actor", actor),)
        yield f"product for {actor!r}", _bearer(keys["product"]) + acting
        yield f"operator for {actor!r}", _bearer(key) + acting
    twice: Metadata = (("x-authz-actor", "user:ada"), ("x-authz-actor", "user:vera"))
    yield "product for two", _bearer(keys["product"]) + twice
    yield "nobody", ()
    yield "two keys", _bearer(keys["checker"]) + _bearer(key)
    yield "a wrong secret", _bearer(key[:-9] + "0" * 9)
    yield "a token of nobody", _bearer("eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.")
    for text in (
        "",
        "Bearer",
        "Bearer ",
        "Basic YTpi",
        "Bearer authz_op_",
        "bearer " + key,
        "x" * 4000,
    ):
        yield f"{text[:20]!r}", (("authorization", text),)
    odd: Metadata = (("x-odd-bin", b"\x00\xff"), ("traceparent", "00-zz-"), ("grpc-x", "1"))
    yield "odd metadata", _bearer(key) + odd


def _bearer(credential: str) -> Metadata:
    return (("authorization", f"Bearer {credential}"),)
