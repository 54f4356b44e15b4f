"""What one process commits reaches the others, woken or not, also after an outage."""

import gc
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace

import psycopg
import pytest

from authz_service.domain.catalog import Permission
from authz_service.domain.change import FactChange
from authz_service.errors import ErrorReason, Unavailable
from authz_service.replication.following import Following
from authz_service.store import histories, wakeup
from authz_service.store.database import Database
from tests.conformance import ledger
from tests.conformance.every_fact import PERMISSION, SCHEDULED
from tests.conformance.outages import cut, down, eventually, listening
from tests.conformance.store_world import NOON, StoreWorld
from tests.conformance.test_concurrency import writer

NEVER = 3600.0
"""A poll interval that no test lives to see."""

# A session that is cut off in the midst of a read leaves a cursor that nobody can close.
cuts_sessions = pytest.mark.filterwarnings(
    "ignore:.*ServerCursor:pytest.PytestUnraisableExceptionWarning"
)


@contextmanager
def following(world: StoreWorld, poll_seconds: float) -> Iterator[list[bool]]:
    """Let a replica follow; lend what it has reported of its health."""
    reported: list[bool] = []
    follower = Following(world.database, world.replica, poll_seconds, reported.append)
    follower.start()
    try:
        yield reported
    finally:
        follower.stop()
        gc.collect()  # such a cursor is to be found in the test that left it


def arrives(world: StoreWorld, revision: int) -> None:
    eventually(lambda: world.index.revision >= revision, f"revision {revision}")


def test_changes_arrive_by_polling(
    store_world: StoreWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On PostgreSQL with every notification lost."""
    monkeypatch.setattr(wakeup, "wake", lambda *_, **__: None)
    other = store_world.another()
    with following(other, 0.02) as reported:
        for at in range(3):
            arrives(other, store_world.put(Permission(f"doc:p{at}")))
    assert ledger.same(other.index, other.stored_index())
    assert reported == []


def test_a_notification_wakes_another_process_long_before_it_polls(
    postgres_world: StoreWorld, postgres_base_url: str
) -> None:
    with following(postgres_world, NEVER), writer(postgres_world.url, "one") as one:
        eventually(lambda: listening(postgres_base_url, postgres_world.url), "listening")
        for _ in range(3):
            one.begin()
            arrives(postgres_world, one.finish())


def test_changes_of_the_own_family_wake_nobody_who_is_told_of_them(
    store_world: StoreWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    if store_world.database.dialect != "postgresql":
        pytest.skip("only PostgreSQL notifies")
    kin = [Database(store_world.url, family=name) for name in ("one", "one", "two")]
    writer, told, other = kin
    looks: list[str] = []
    stopping = threading.Event()
    listeners = {
        "told": wakeup.Listener(told, stopping),
        "not told": wakeup.Listener(told, stopping, lambda: False),
        "other": wakeup.Listener(other, stopping),
    }
    for listener in listeners.values():
        listener.wait(0)
    with writer.write() as connection:
        wakeup.wake(connection)
    for name, listener in listeners.items():
        start = time.monotonic()
        listener.wait(1.5)
        if time.monotonic() - start < 1:
            looks.append(name)
        listener.close()
    assert looks == ["not told", "other"]
    for database in kin:
        database.close()


def test_what_was_committed_before_listening_arrives_all_the_same(
    postgres_world: StoreWorld,
) -> None:
    other = postgres_world.another()
    revision = postgres_world.put(Permission("doc:read"))
    with following(other, NEVER):
        arrives(other, revision)


def test_a_notification_comes_with_the_commit_and_not_before(
    postgres_world: StoreWorld, postgres_base_url: str
) -> None:
    """NOTIFY is part of the transaction: one that is rolled back wakes nobody."""
    woken: list[str] = []
    plain = postgres_world.url.replace("+psycopg", "")
    with psycopg.connect(plain, autocommit=True) as listener:
        listener.execute("LISTEN authz_change")
        listener.add_notify_handler(lambda notice: woken.append(notice.channel))
        with postgres_world.database.write() as connection:
            wakeup.wake(connection)
            connection.rollback()
        listener.execute("SELECT 1")
        assert woken == []
        postgres_world.put(Permission("doc:read"))
        listener.execute("SELECT 1")
        assert woken == ["authz_change"]


@cuts_sessions
def test_a_listener_that_was_cut_off_listens_again(
    postgres_world: StoreWorld, postgres_base_url: str
) -> None:
    url = postgres_world.url
    other = postgres_world.another()
    with following(other, 0.02):
        for at in range(3):
            eventually(lambda: listening(postgres_base_url, url), "listening again")
            assert cut(postgres_base_url, url, "LISTEN%") == 1
            arrives(other, postgres_world.put(Permission(f"doc:p{at}")))


@cuts_sessions
def test_checks_go_on_while_the_database_is_down_and_changes_when_it_is_back(
    postgres_world: StoreWorld, postgres_base_url: str
) -> None:
    other = postgres_world.another(busy_seconds=1.0)
    revision = postgres_world.put(Permission("doc:read"))
    with following(other, 0.02) as reported, ExitStack() as outage:
        arrives(other, revision)
        outage.enter_context(down(postgres_base_url, other.url))
        eventually(lambda: reported == [False], "unhealthy")
        with pytest.raises(Unavailable) as refused:
            other.put(Permission("doc:write"))
        assert refused.value.reason is ErrorReason.DATABASE_UNAVAILABLE
        assert other.replica.wait_for(revision, 0).permissions.keys() == {"doc:read"}
        outage.close()
        eventually(lambda: reported == [False, True], "healthy again")
        assert other.put(Permission("doc:write")) == revision + 1
        arrives(other, postgres_world.put(Permission("doc:print")))
    ledger.assert_whole(postgres_world.database)


def test_following_outlives_what_nobody_foresaw(
    store_world: StoreWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = store_world.another()
    with following(other, 0.02) as reported:
        with monkeypatch.context() as broken:
            broken.setattr(histories, "seen", lambda connection, revision: 1 // 0)
            eventually(lambda: reported == [False], "unhealthy")
        eventually(lambda: reported == [False, True], "healthy again")
        arrives(other, store_world.put(Permission("doc:read")))


def test_what_comes_due_is_made_facts_soon_after(store_world: StoreWorld) -> None:
    """The view `casbin_rule`, which stock Casbin reads, has it then, too."""
    store_world.put(
        replace(SCHEDULED, at=NOON + 1, changes=(FactChange(None, PERMISSION),), records=())
    )
    store_world.clock.now = NOON + 1
    apply_due = store_world.store.apply_due
    follower = Following(store_world.database, store_world.replica, 0.02, lambda _: None, apply_due)
    follower.start()
    try:
        arrives(store_world, 2)
    finally:
        follower.stop()
    assert store_world.index.permissions[PERMISSION.id].fact == PERMISSION
    assert not store_world.index.scheduled
