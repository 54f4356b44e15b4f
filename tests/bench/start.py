"""A process that starts from a database: how long it reads, how much it then holds.

Run as `python -m tests.bench.start URL` or `... URL trace`; prints what it found as JSON.
"""

import gc
import json
import resource
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path
from typing import Any, Final

from authz_service.store import snapshot
from authz_service.store.database import Database
from tests.bench.figures import Topic
from tests.bench.run import Run, probe

SECONDS: Final = 5.0
BYTES_A_GRANT: Final = 120.0


def measure(run: Run) -> Topic:
    world, url = run.largest, run.packed_database()
    topic = Topic(f"Cold start and memory at {world.grants:,} grants, in fresh processes")
    plain = [_probe(url) for _ in range(run.pick(3, 2))]
    traced = _probe(url, "trace")
    read = [each["seconds"] for each in plain]
    resident = [each["resident"] / world.grants for each in plain]
    topic.add("read and build the index", "s", read, at_most=SECONDS)
    topic.add(
        "memory, traced", "bytes/grant", [traced["traced"] / world.grants], at_most=BYTES_A_GRANT
    )
    topic.add("memory, growth of the resident set", "bytes/grant", resident)
    topic.add("peak resident set of the process", "MiB", [e["peak"] / 2**20 for e in plain])
    return topic


def _probe(*arguments: str) -> dict[str, Any]:
    done = subprocess.run(probe("start", *arguments), stdout=subprocess.PIPE, check=True)
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def main(url: str, trace: str = "") -> None:
    database = Database(url)
    with database.read() as connection:
        gc.collect()
        before = _resident()
        if trace:
            tracemalloc.start()
        start = time.perf_counter()
        index = snapshot.read_index(connection)
        seconds = time.perf_counter() - start
    gc.collect()
    told = {
        "seconds": seconds,
        "resident": _resident() - before,
        "traced": tracemalloc.get_traced_memory()[0] if trace else 0,
        "peak": _peak(),
        "revision": index.revision,
    }
    print(json.dumps(told))


def _peak() -> int:
    """Read the largest resident set; `getrusage` would count the parent's before `exec`."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


if __name__ == "__main__":
    main(*sys.argv[1:])
