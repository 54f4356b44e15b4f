"""A round: a server and a world of its own, and requests from every kind of caller.

A round is made again by its seed and its number of requests. It has its own server because what
chance does to one lasts: roles emptied, keys revoked, tenants offboarded.
"""

from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
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
from tests.fuzz.callers import STRONG, USERS, Calling, Doors
from tests.fuzz.ending import judged
from tests.fuzz.making import Making
from tests.fuzz.pools import Pools
from tests.rpc.account import Account
from tests.rpc.harness import PATIENCE, Server, serving
from tests.rpc.requests import GOOD, Ready, made_ready
from tests.services import RPCS

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
    answered: Counter[str] = field(default_factory=Counter)
    unclean: list[Unclean] = field(default_factory=list)
    secrets: list[str] = field(default_factory=list)


def play(folder: Path, seed: int, requests: int, **settings: Any) -> Found:
    """Play a round, and see that everything is whole after it.

    Raises:
        AssertionError: an audit chain, the index or Casbin disagrees, or the server is gone.
    """
    random, found = Random(seed), Found()
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        doors = Doors(stack, folder)
        chosen = {"max_deadline": _WAIT, "shadow_per_second": 20.0, **doors.settings, **settings}
        server = stack.enter_context(serving(folder, **chosen))
        doors.let_in(server)
        worlds = [made_ready(Account(server, name)) for name in ("acme", "umbra")]
        callers = dict(doors.callers(server, "umbra"))
        found.secrets = doors.secrets(callers)
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
    callers: dict[str, Calling],
    requests: int,
    found: Found,
) -> None:
    good = {name: [GOOD[name](each) for each in worlds] for name in RPCS if name in GOOD}
    worlds[0].account.resume("BILLING")  # suspended for a request; its users could do nothing
    pools = Pools()
    for messages in good.values():
        pools.learn(messages)
    making = Making(random, pools)
    for number in range(requests):
        # Each in turn, so that none is left out by chance.
        rpc = list(RPCS.values())[number % len(RPCS)]
        caller = random.choice(random.choices((STRONG, USERS, list(callers)), (12, 3, 5))[0])
        model = random.choice(good[rpc.name]) if rpc.name in good else None
        content = making.request(rpc.input_type, model)
        error, answer = _called(rpc, content, callers[caller])
        found.ends["OK" if error is None else error.code().name] += 1
        found.rpcs[rpc.name] += error is None
        found.answered[caller] += error is None
        if why := judged(len(content), error, answer):
            found.unclean.append(Unclean(rpc.full_name, caller, content, why))


def _called(rpc: MethodDescriptor, content: bytes, caller: Calling) -> tuple[Any, Message | None]:
    checks = rpc.containing_service.name == "AuthorizationService"
    channel = caller.checks if checks else caller.admin
    path = f"/{rpc.containing_service.full_name}/{rpc.name}"
    call: Any = channel.unary_unary(path)
    try:
        answer = call(content, timeout=PATIENCE, metadata=caller.metadata)
    except grpc.RpcError as error:
        return error, None
    try:
        return None, GetMessageClass(rpc.output_type).FromString(answer)
    except DecodeError:
        return None, None
