"""When keys were last used: written down beside the facts, the latest of all processes."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from authz_service.domain.key import ApiKey
from authz_service.domain.window import Instant
from authz_service.errors import Unavailable
from authz_service.store import key_use, schema
from authz_service.usecases.callers.key_use import KeyUse
from tests.conformance import ledger
from tests.conformance.outages import eventually, locked
from tests.conformance.store_world import NOON, StoreWorld

KEYS = (ApiKey("key-1", "0f" * 32), ApiKey("key-2", "1e" * 32))


def noting(world: StoreWorld, every: float = 60.0) -> KeyUse:
    return KeyUse(world.database, lambda: world.index, world.clock, every)


def written(world: StoreWorld) -> Mapping[str, Instant]:
    with world.database.read() as connection:
        return key_use.read(connection)


def test_last_use_is_written_and_moved_on(store_world: StoreWorld) -> None:
    store_world.put(*KEYS)
    use = noting(store_world)
    use.note("service:key-1")
    use.flush()
    assert written(store_world) == {"key-1": NOON}
    store_world.clock.now = NOON + 5
    use.note("service:key-1")
    use.note("service:key-2")
    assert use.seen() == {"key-1": NOON + 5, "key-2": NOON + 5}
    assert written(store_world) == {"key-1": NOON}
    use.flush()
    assert written(store_world) == use.seen()


def test_of_several_processes_the_latest_use_stays(store_world: StoreWorld) -> None:
    store_world.put(*KEYS)
    other = store_world.another()
    early, late = noting(store_world), noting(other)
    early.note("service:key-1")
    other.clock.now = NOON + 7
    late.note("service:key-1")
    late.flush()
    early.flush()
    assert written(store_world) == {"key-1": NOON + 7}


def test_last_use_is_no_fact_no_revision_and_no_audit(store_world: StoreWorld) -> None:
    store_world.put(*KEYS)
    before = ledger.contents(store_world.database)
    use = noting(store_world)
    use.note("service:key-1")
    use.flush()
    after = ledger.contents(store_world.database)
    assert after.pop("key_use") == [("key-1", NOON)]
    assert before.pop("key_use") == []
    assert after == before


def test_callers_that_are_no_key_in_force_are_not_written(store_world: StoreWorld) -> None:
    store_world.put(*KEYS)
    use = noting(store_world)
    for caller in ("user:ada", "service:billing", "service:key-0", "service:key-1"):
        use.note(caller)
    store_world.end(KEYS[0])
    use.flush()
    assert written(store_world) == {}
    assert use.seen() == {}


def test_what_was_written_is_not_written_again(store_world: StoreWorld) -> None:
    store_world.put(*KEYS)
    use = noting(store_world)
    use.note("service:key-1")
    use.flush()
    with store_world.database.write() as connection:
        connection.execute(schema.key_use.delete())
    use.flush()
    assert written(store_world) == {}


def test_what_could_not_be_written_is_written_the_next_time(database_url: str) -> None:
    world = StoreWorld(database_url, busy_seconds=0.2)
    world.put(*KEYS)
    use = noting(world)
    use.note("service:key-1")
    with locked(world.url):
        if world.database.dialect == "sqlite":  # which locks the whole file
            with pytest.raises(Unavailable):
                use.flush()
    use.flush()
    assert written(world) == {"key-1": NOON}
    world.close()


def test_a_thread_writes_by_and_by_and_the_rest_when_it_stops(store_world: StoreWorld) -> None:
    store_world.put(*KEYS, replace(KEYS[0], id="key-3"))
    use = noting(store_world, every=0.01)
    use.start()
    use.note("service:key-1")
    eventually(lambda: "key-1" in written(store_world), "the first use is written")
    use.stop()
    last = noting(store_world)
    last.start()
    last.note("service:key-3")
    last.stop()
    assert set(written(store_world)) == {"key-1", "key-3"}
