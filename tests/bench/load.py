"""Load on a server, as cerbos `hack/loadtest` does it: closed loop for the most that it can do,
then open loop at 85 % of that for how long a call takes.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from tests.bench.wire import Connection, WireError

IN_FLIGHT: Final = 64
PATIENCE: Final = 10.0


@dataclass(frozen=True, slots=True)
class Work:
    """Calls of one kind, and how many answers each brings."""

    name: str
    rpc: str
    messages: Sequence[bytes]
    answers: int

    @property
    def path(self) -> str:
        return f"/authz.v1.AuthorizationService/{self.rpc}"


def answers(connection: Connection, messages: Sequence[bytes]) -> list[bytes]:
    """Call with every message; the answers are in the order of the messages.

    A call that is refused is made again: on a machine that others use, a server sheds load.

    Raises:
        WireError: as many calls were refused as there are messages.
    """
    calls: list[int] = []
    refused = 0
    found: dict[int, bytes] = {}
    while len(found) < len(messages):
        while len(calls) < len(messages) and len(calls) - len(found) < IN_FLIGHT:
            calls.append(connection.call(messages[len(calls)]))
        for call, answer in _some(connection):
            if answer is not None:
                found[call] = answer
                continue
            refused += 1
            if refused > len(messages):
                raise WireError("calls are refused, however often they are made")
            again = calls.index(call)
            calls[again] = connection.call(messages[again])
    return [found[call] for call in calls]


def closed_loop(connection: Connection, messages: Sequence[bytes], seconds: float) -> float:
    """Keep 64 calls in flight; return answered calls a second, refused ones left out."""
    sent, ended, answered = 0, 0, 0
    start = time.perf_counter()
    while time.perf_counter() < start + seconds:
        for _ in range(IN_FLIGHT - sent + ended):
            connection.call(messages[sent % len(messages)])
            sent += 1
        for _, answer in _some(connection):
            ended += 1
            answered += answer is not None
    rate = answered / (time.perf_counter() - start)
    while ended < sent:
        ended += sum(1 for _ in _some(connection))
    return rate


def open_loop(
    connection: Connection, messages: Sequence[bytes], rate: float, seconds: float, seed: int
) -> tuple[list[float], int]:
    """Start calls at random instants, `rate` a second whatever becomes of them; return the
    milliseconds that each took from the instant at which it was due, and how many were refused.
    """
    random = Random(seed)
    due: dict[int, float] = {}
    took: list[float] = []
    sent, refused = 0, 0
    start = time.perf_counter()
    following = start
    while following < start + seconds or due:
        instant = time.perf_counter()
        while following <= instant and following < start + seconds:
            due[connection.call(messages[sent % len(messages)])] = following
            following += random.expovariate(rate)
            sent += 1
        wait = max(0.0, following - instant) if following < start + seconds else PATIENCE
        for call, answer in connection.poll(wait):
            lasted = 1e3 * (time.perf_counter() - due.pop(call))
            if answer is None:
                refused += 1
            else:
                took.append(lasted)
    return took, refused


def _some(connection: Connection) -> Iterator[tuple[int, bytes | None]]:
    """Wait for calls to end. Raises: WireError if none does within `PATIENCE`."""
    start = time.perf_counter()
    found = 0
    for ended in connection.poll(PATIENCE):
        found += 1
        yield ended
    if not found and time.perf_counter() - start >= PATIENCE:
        raise WireError(f"no answer within {PATIENCE} seconds")
