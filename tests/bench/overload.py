"""Three times what the server can do, for a minute: what is served, how late, and what is shed.

An open loop over several connections: calls come at their instants whatever becomes of those
before, so a wait that builds up is seen. Their due instants are met as long as the client gets a
core of its own; how late it was itself is a figure too, and where it is large, no other counts.
"""

import os
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final

from tests.bench import databases
from tests.bench.calls import CHECK, LAST_CORE, all_works
from tests.bench.figures import Topic
from tests.bench.load import PATIENCE, Work, closed_loop
from tests.bench.run import Run, pinned
from tests.bench.servers import FIRST_CORE, serving
from tests.bench.wire import Connection
from tests.bench.worlds import CREDENTIAL, MEDIUM

TIMES: Final = 3.0
CONNECTIONS: Final = 16


@dataclass(slots=True)
class Flood:
    """Milliseconds that each call took, served or shed, and by how much the client was late."""

    served: list[float] = field(default_factory=list)
    shed: list[float] = field(default_factory=list)
    late: float = 0.0


def measure(run: Run) -> Topic:
    topic = Topic("Checks at three times what one server core can do, open loop")
    url = f"sqlite:///{run.folder}/overload.db"
    databases.make(url, MEDIUM)
    work = all_works(run.pick(2_000, 500))[0]
    seconds = run.pick(60.0, 3.0)
    with ExitStack() as stack:
        # The core is inherited: gRPC has threads from before the server pins itself.
        with pinned(FIRST_CORE):
            port = stack.enter_context(serving("ours", url))
        stack.enter_context(pinned(LAST_CORE))
        _report(topic, port, work, seconds)
    return topic


def _report(topic: Topic, port: int, work: Work, seconds: float) -> None:
    connections = [Connection(port, work.path, CREDENTIAL) for _ in range(CONNECTIONS)]
    most = max(closed_loop(connections[0], work.messages, 1.0) for _ in range(4))
    calm = flooded(connections, work.messages, 0.85 * most, min(seconds, 5.0))
    before = _memory()
    flood = flooded(connections, work.messages, TIMES * most, seconds)
    grown = _memory() - before
    for connection in connections:
        connection.close()
    topic.add(f"{CHECK}, the most", "/s", [most], more_is_better=True)
    _add(topic, "at 85 %", calm)
    _add(topic, "at 3x", flood)
    rate = [len(flood.served) / seconds]
    topic.add("served at 3x", "/s", rate, more_is_better=True)
    topic.add("shed at 3x", "/s", [len(flood.shed) / seconds], more_is_better=True)
    topic.add("memory grown at 3x", "MiB", [grown], at_most=32)


def flooded(
    connections: Sequence[Connection], messages: Sequence[bytes], rate: float, seconds: float
) -> Flood:
    """Start calls at random instants, in turn over the connections."""
    random, found = Random(0), Flood()
    due: dict[tuple[Connection, int], float] = {}
    sent, start = 0, time.perf_counter()
    following, last = start, start + seconds
    while following < last or due:
        instant = time.perf_counter()
        if instant > last + PATIENCE:
            raise TimeoutError(f"{len(due)} calls had no end {PATIENCE} s later")
        found.late = max(found.late, 1e3 * (instant - following) if following < last else 0)
        while following <= instant and following < last:
            connection = connections[sent % len(connections)]
            due[connection, connection.call(messages[sent % len(messages)])] = following
            following += random.expovariate(rate)
            sent += 1
        for connection in connections:
            for call, answer in connection.poll(0):
                lasted = 1e3 * (time.perf_counter() - due.pop((connection, call)))
                (found.shed if answer is None else found.served).append(lasted)
    return found


def _add(topic: Topic, when: str, flood: Flood) -> None:
    for name, took in (("served", sorted(flood.served)), ("shed", sorted(flood.shed))):
        for part, percent in (("p50", 50), ("p99", 99)):
            if took:
                topic.add(f"{when}, {name}, {part}", "ms", [took[len(took) * percent // 100]])
    topic.add(f"{when}, the client late by at most", "ms", [flood.late])


def _memory() -> float:
    """Read what the server, our only child, holds in memory, in MiB."""
    (child,) = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
    status = Path(f"/proc/{child}/status").read_text()
    (held,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))
    return int(held) / 1024
