"""A replica follows the change log without gaps, is never ahead of the database, and wakes those
who wait for a revision.
"""

import threading
from collections.abc import Callable

import pytest
from sqlalchemy import delete, update

from authz_service.domain.catalog import Permission
from authz_service.domain.change import Delta, FactChange
from authz_service.domain.grant import RoleGrant
from authz_service.engine.builder import apply
from authz_service.errors import ErrorReason, Internal, Unavailable
from authz_service.replication.replica import Replica
from authz_service.store import schema
from tests.conformance import every_fact, ledger
from tests.conformance.outages import PATIENCE, eventually
from tests.conformance.store_world import StoreWorld

FORGED = Permission("forged:permission")


@pytest.fixture
def written(store_world: StoreWorld) -> StoreWorld:
    """Make revisions 1 to 4."""
    for at in range(1, 5):
        store_world.put(Permission(f"doc:p{at}"))
    return store_world


@pytest.fixture
def behind(written: StoreWorld) -> StoreWorld:
    """Lend another process's worth that knows of revision 4 when 5 to 8 are made."""
    other = written.another()
    for at in range(5, 9):
        written.put(Permission(f"doc:p{at}"))
    assert other.index.revision == 4
    return other


def wakes(replica: Replica, revision: int, happening: Callable[[], object]) -> bool:
    """Tell whether something wakes a thread that would wait for a revision for an hour."""
    woken = threading.Event()

    def wait() -> None:
        replica.wait_for(revision, 3600)
        woken.set()

    threading.Thread(target=wait, daemon=True).start()
    eventually(lambda: vars(replica._changed)["_waiters"], "a waiting thread")
    happening()
    return woken.wait(PATIENCE)


@pytest.mark.parametrize("revision", [0, 3, 4, 6, 100])
def test_a_delta_that_does_not_follow_is_not_applied(written: StoreWorld, revision: int) -> None:
    index = written.index
    with pytest.raises(ValueError, match="does not follow"):
        apply(index, Delta(revision, (FactChange(None, FORGED),)))
    written.replica.advance(Delta(revision, (FactChange(None, FORGED),)))
    assert ledger.same(written.index, index)


def test_a_replica_that_missed_something_reads_the_database_anew(behind: StoreWorld) -> None:
    behind.replica.advance(Delta(7, (FactChange(None, FORGED),)))
    assert ledger.same(behind.index, behind.stored_index())
    assert FORGED.id not in behind.index.permissions
    assert behind.index.revision == 8


def test_a_replica_catches_up_delta_by_delta(behind: StoreWorld) -> None:
    behind.replica.catch_up()
    assert ledger.same(behind.index, behind.stored_index())
    assert behind.index.revision == 8
    behind.replica.catch_up()
    assert behind.index.revision == 8


def test_catching_up_leaves_the_index_that_a_check_holds_alone(behind: StoreWorld) -> None:
    held = behind.index
    behind.replica.catch_up()
    assert held.revision == 4
    assert len(held.permissions) == 4


def test_a_hole_in_the_change_log_is_not_stepped_over(behind: StoreWorld) -> None:
    log = schema.change_log
    with behind.database.engine.begin() as connection:
        connection.execute(delete(log).where(log.c.revision == 6))
    behind.replica.catch_up()
    assert ledger.same(behind.index, behind.stored_index())


@pytest.mark.parametrize("delta", ["", "[]]", '[["Nothing", null, {}]]', '[["Role", {}, {}]]'])
def test_a_delta_that_cannot_be_understood_is_not_stepped_over(
    behind: StoreWorld, delta: str
) -> None:
    log = schema.change_log
    with behind.database.engine.begin() as connection:
        connection.execute(update(log).where(log.c.revision == 6).values(delta=delta))
    behind.replica.catch_up()
    assert ledger.same(behind.index, behind.stored_index())


def test_a_delta_that_ends_what_is_not_there_is_not_stepped_over(store_world: StoreWorld) -> None:
    store_world.put(*every_fact.ALL)
    never = RoleGrant("acme", every_fact.MEMBER.subject, "never")
    store_world.replica.advance(Delta(2, (FactChange(never, None), FactChange(None, FORGED))))
    assert ledger.same(store_world.index, store_world.stored_index())


def test_nothing_is_written_where_the_change_log_does_not_lead_to_the_head(
    written: StoreWorld,
) -> None:
    with written.database.engine.begin() as connection:
        connection.execute(update(schema.head).values(revision=9))
    before = ledger.contents(written.database)
    with pytest.raises(Internal, match="the change log ends at 4, the head is 9"):
        written.put(FORGED)
    assert ledger.contents(written.database) == before


def test_waiting_for_a_revision_that_is_here_does_not_wait(written: StoreWorld) -> None:
    assert written.replica.wait_for(3, 0).revision == 4
    assert written.replica.wait_for(4, 0).revision == 4


def test_waiting_ends_when_the_own_process_writes(written: StoreWorld) -> None:
    assert wakes(written.replica, 5, lambda: written.put(Permission("doc:p5")))


def test_waiting_ends_when_another_process_has_written(behind: StoreWorld) -> None:
    assert wakes(behind.replica, 8, behind.replica.catch_up)


def test_waiting_in_vain_says_where_this_replica_is(written: StoreWorld) -> None:
    with pytest.raises(Unavailable) as refused:
        written.replica.wait_for(5, 0.01)
    assert refused.value.reason is ErrorReason.REVISION_NOT_REACHED
    assert refused.value.details == {"revision": "4"}


def test_an_unloaded_replica_knows_nothing_and_allows_nothing(written: StoreWorld) -> None:
    unloaded = Replica(written.database, written.replica.time)
    assert unloaded.index.revision == 0
    assert not unloaded.index.permissions
    unloaded.catch_up()
    assert ledger.same(unloaded.index, written.stored_index())


def test_replica_of_a_database_that_went_back_starts_again(written: StoreWorld) -> None:
    ahead = written.another()
    ahead.replica.load()
    with written.database.write() as connection:
        lost = ahead.replica.index.revision
        connection.execute(delete(schema.change_log).where(schema.change_log.c.revision == lost))
        connection.execute(update(schema.head).values(revision=lost - 1))
    ahead.replica.catch_up()
    assert ahead.replica.index.revision == lost - 1
