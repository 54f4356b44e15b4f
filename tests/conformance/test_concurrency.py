"""Many writers, in threads and in processes, are as good as one after the other."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

from authz_service.domain.change import Revision
from tests.conformance import ledger
from tests.conformance.store_world import StoreWorld
from tests.conformance.writer import write

ROOT = Path(__file__).parents[2]
THREADS = 8


def written_by_threads(worlds: list[StoreWorld], changes: int) -> list[list[Revision]]:
    """Let each thread write into a chain of its own and, as often, into a shared one."""

    def run(thread: int) -> list[Revision]:
        names = [f"t{thread}:p{at}" for at in range(changes)]
        world = worlds[thread % len(worlds)]
        own = write(world, names[::2], f"chain-{thread}")
        return [*own, *write(world, names[1::2], "shared")]

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(run, range(THREADS)))


class Writer:
    """Another process that writes when it is told to."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._orders, self._answers = process.stdin, process.stdout
        assert self._answers.readline() == "ready\n"

    def begin(self) -> None:
        self._orders.write("go\n")
        self._orders.flush()

    def finish(self) -> Revision:
        return int(self._answers.readline())


@contextmanager
def writer(url: str, name: str) -> Iterator[Writer]:
    command = [sys.executable, "-m", "tests.conformance.writer", url, name]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as process:
        yield Writer(process)
    assert process.returncode == 0


def test_concurrent_writers_lose_no_change_and_leave_no_gap(store_world: StoreWorld) -> None:
    """Eight threads, four on each of two stores with a replica of its own."""
    other = store_world.another()
    made = written_by_threads([store_world, other], changes=50)
    assert all(own == sorted(own) for own in made)
    assert sorted(chain(*made)) == list(range(1, THREADS * 50 + 1))
    names = {f"t{thread}:p{at}" for thread in range(THREADS) for at in range(50)}
    with store_world.facts() as facts:
        assert {permission.id for permission in facts.permissions()} == names
    for world in (store_world, other):
        world.replica.catch_up()
        assert world.index.permissions.keys() == names
        assert ledger.same(world.index, store_world.stored_index())
    assert len(ledger.chains(store_world.database)["shared"]) == THREADS * 25
    ledger.assert_whole(store_world.database)


def test_readers_see_whole_revisions_in_order_while_others_write(store_world: StoreWorld) -> None:
    """Each revision makes one permission, so an index of revision n holds n of them."""
    reader = store_world.another()
    done = threading.Event()
    seen: list[tuple[Revision, int]] = []

    def read() -> None:
        while not done.is_set():
            reader.replica.catch_up()
            index = reader.index
            seen.append((index.revision, len(index.permissions)))

    reading = threading.Thread(target=read)
    reading.start()
    try:
        written_by_threads([store_world], changes=8)
    finally:
        done.set()
        reading.join()
    assert seen == sorted(seen)
    assert all(revision == permissions for revision, permissions in seen)
    assert len(set(seen)) > 1


def test_snapshots_read_while_others_write_are_whole(store_world: StoreWorld) -> None:
    with ThreadPoolExecutor(1) as pool:
        worlds = [store_world, store_world.another()]
        busy = pool.submit(written_by_threads, worlds, changes=12)
        snapshots = [store_world.stored_index()]
        while not busy.done():
            snapshots.append(store_world.stored_index())
    assert all(len(index.permissions) == index.revision for index in snapshots)
    assert len({index.revision for index in snapshots}) > 1


def test_three_processes_write_to_one_database(store_world: StoreWorld) -> None:
    """In each of ten rounds all three write at the same time."""
    made: dict[str, list[Revision]] = {"one": [], "two": [], "three": []}
    with writer(store_world.url, "one") as one, writer(store_world.url, "two") as two:
        for at in range(10):
            one.begin()
            two.begin()
            made["three"] += write(store_world, [f"three:p{at}"], "shared")
            made["one"].append(one.finish())
            made["two"].append(two.finish())
    assert all(own == sorted(own) for own in made.values())
    assert sorted(chain(*made.values())) == list(range(1, 31))
    store_world.replica.catch_up()
    names = {f"{name}:p{at}" for name in made for at in range(10)}
    assert store_world.index.permissions.keys() == names
    assert store_world.index.revision == 30 == ledger.head(store_world.database)
    ledger.assert_whole(store_world.database)
