"""A database that was put in the place of a newer one begins a history of its own."""

import json
import shutil
from pathlib import Path

import pytest
from sqlalchemy import make_url, update

from authz_service.domain.catalog import Permission
from authz_service.store import histories, schema
from authz_service.store.histories import History
from tests.conformance import ledger
from tests.conformance.store_world import NOON, StoreWorld, opened

SQLITE_ONLY = "a file is put back"


def history_of(world: StoreWorld) -> History:
    with world.database.read() as connection:
        return histories.read(connection)


@pytest.fixture
def written(store_world: StoreWorld) -> StoreWorld:
    for at in range(1, 5):
        store_world.put(Permission(f"doc:p{at}"))
    return store_world


def called_another_copy(world: StoreWorld) -> None:
    """Let the head name a copy that this database is not: what a restored one looks like."""
    with world.database.engine.begin() as connection:
        connection.execute(update(schema.head).values(copy="another"))


def test_copy_that_nobody_wrote_yet_gets_its_name(written: StoreWorld) -> None:
    with written.database.write() as connection:
        head = histories.lock_head(connection)
        assert head.copy == written.database.copy_of(connection) != ""
    assert history_of(written).foreign == ()


def test_restored_database_begins_a_history_before_anything_is_written(
    written: StoreWorld,
) -> None:
    before = history_of(written)
    called_another_copy(written)
    revision = written.put(Permission("doc:p5"))
    after = history_of(written)
    assert after.id != before.id
    assert after.foreign == ((4, NOON),)
    assert revision == NOON + 1
    assert written.replica.tip.history == after
    assert ledger.same(written.index, written.stored_index())
    ledger.assert_whole(written.database)


def test_history_begins_once_however_many_processes_notice(written: StoreWorld) -> None:
    other = written.another()
    called_another_copy(written)
    written.store.heads.check_history()
    other.store.heads.check_history()
    other.put(Permission("doc:p5"))
    assert len(history_of(written).foreign) == 1
    gone = "0" * 32
    assert written.store.heads.begin_history(gone, "noticed late") == NOON + 1
    assert len(history_of(written).foreign) == 1


def test_other_processes_follow_into_the_new_history(written: StoreWorld) -> None:
    other = written.another()
    called_another_copy(written)
    written.put(Permission("doc:p5"))
    other.replica.catch_up()
    assert other.replica.tip.history == history_of(written)
    assert ledger.same(other.index, written.index)


@pytest.mark.parametrize(
    ("revision", "ours"),
    [(0, True), (4, True), (5, False), (NOON - 1, False), (NOON, True), (NOON + 9, True)],
)
def test_numbers_between_two_histories_are_of_neither(
    written: StoreWorld, revision: int, ours: bool
) -> None:
    called_another_copy(written)
    written.store.heads.check_history()
    assert history_of(written).has(revision) is ours


def test_history_that_begins_is_audited(written: StoreWorld) -> None:
    before = history_of(written).id
    called_another_copy(written)
    written.store.heads.check_history()
    entry = json.loads(ledger.chains(written.database)["system"][-1].entry)
    assert entry["action"] == "history.began"
    assert entry["details"] == {"before": before, "last_shared": "4"}
    assert "copy" in entry["reason"]


def test_process_that_knows_more_than_the_database_begins_one(written: StoreWorld) -> None:
    """As a backup that was put back beneath a running process."""
    other = written.another()
    with written.database.engine.begin() as connection:
        log = schema.change_log
        connection.execute(log.delete().where(log.c.revision == 4))
        connection.execute(update(schema.head).values(revision=3))
    other.replica.catch_up()
    assert other.replica.lost == history_of(written).id
    other.store.heads.begin_history(other.replica.lost, "set back")
    other.replica.catch_up()
    assert other.replica.lost == ""
    assert other.replica.tip.history.foreign == ((3, NOON),)


@pytest.fixture
def file(store_world: StoreWorld) -> Path:
    if store_world.database.dialect != "sqlite":
        pytest.skip(SQLITE_ONLY)
    return Path(str(make_url(store_world.url).database))


@pytest.mark.parametrize("in_place", [True, False])
def test_file_that_was_put_back_is_noticed(
    tmp_path: Path, file: Path, written: StoreWorld, in_place: bool
) -> None:
    url, before = written.url, history_of(written)
    written.close()
    backup = tmp_path / "backup.db"
    shutil.copyfile(file, backup)
    with opened(url) as world:
        lost = world.put(Permission("doc:lost"))
        assert history_of(world) == before
    if in_place:
        shutil.copyfile(backup, file)
    else:
        backup.replace(file)
    with opened(url) as world:
        world.store.heads.check_history()
        assert history_of(world).foreign == ((4, NOON),)
        assert not history_of(world).has(lost)
        world.put(Permission("doc:new"))
        ledger.assert_whole(world.database)


def test_file_that_was_not_touched_goes_on(file: Path, written: StoreWorld) -> None:
    url, before = written.url, history_of(written)
    written.close()
    assert file.exists()
    with opened(url) as world:
        world.store.heads.check_history()
        assert world.put(Permission("doc:p5")) == 5
        assert history_of(world) == before
