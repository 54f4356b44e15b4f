"""A start from the index in a file: as from the database, and never worse for a bad file."""

import json
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from authz_service.app import index_keeping
from authz_service.domain.catalog import Permission, Role
from authz_service.domain.grant import RoleGrant
from authz_service.domain.membership import Membership
from authz_service.domain.tenant import Tenant
from authz_service.engine.index import Index
from authz_service.replication import index_file, replica
from authz_service.replication.replica import Replica
from authz_service.store import snapshot
from authz_service.store.database import Connection
from tests.conformance import every_fact, ledger
from tests.conformance.store_world import StoreWorld

READER = Role("reader", frozenset({"doc:p1"}))
GONE = Role("gone", frozenset({"doc:p1"}))


@pytest.fixture
def file(store_world: StoreWorld, tmp_path: Path) -> Path:
    """Keep an index with every kind of fact, and with plain members, then move on from it."""
    store_world.put(*every_fact.ALL)
    tenant = Tenant("plain")
    members = [Membership("plain", f"user:{n}", owner=n == 1) for n in range(300)]
    grants = [RoleGrant("plain", m.subject, "reader", id=m.subject) for m in members]
    gone = RoleGrant("plain", "user:7", "gone", id="gone")
    store_world.put(GONE, READER, tenant, *members, *grants, gone)
    store_world.end(gone)
    store_world.end(GONE)
    path = tmp_path / "kept" / "index"
    index_file.write(path, store_world.replica.snapshot())
    store_world.put(Permission("doc:later"))
    store_world.end(grants[5])
    return path


def started(world: StoreWorld, path: Path) -> Replica:
    other = Replica(world.database, world.replica.time)
    other.load(index_keeping.kept(path))
    return other


@pytest.fixture
def unread(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Note each time that the database is read whole."""
    reads: list[object] = []
    read_index = snapshot.read_index

    def noted(connection: Connection) -> Index:
        reads.append(connection)
        return read_index(connection)

    monkeypatch.setattr(snapshot, "read_index", noted)
    return reads


def test_index_of_a_file_follows_the_log_to_the_database(
    store_world: StoreWorld, file: Path, unread: list[object]
) -> None:
    index = started(store_world, file).index
    assert unread == []
    assert ledger.same(index, store_world.stored_index())


def test_only_the_owner_may_read_the_file(file: Path) -> None:
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(file.parent.iterdir()) == [file]


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9])


def _changed(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"reader", b"editor"))


def _of_another_version(path: Path) -> None:
    head, body = path.read_bytes().split(b"\n", 1)
    fields = json.loads(head)
    fields[1] = "another schema"
    path.write_bytes(json.dumps(fields).encode() + b"\n" + body)


def _of_another_history(path: Path) -> None:
    head, body = path.read_bytes().split(b"\n", 1)
    fields = json.loads(head)
    fields[2] = "another"
    path.write_bytes(json.dumps(fields).encode() + b"\n" + body)


def _of_a_lost_commit(path: Path) -> None:
    head, body = path.read_bytes().split(b"\n", 1)
    fields = json.loads(head)
    fields[4] += 1
    path.write_bytes(json.dumps(fields).encode() + b"\n" + body)


def _of_the_future(path: Path) -> None:
    head, body = path.read_bytes().split(b"\n", 1)
    fields = json.loads(head)
    fields[3] += 1000
    path.write_bytes(json.dumps(fields).encode() + b"\n" + body)


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _no_list(path: Path) -> None:
    path.write_bytes(b"7\n")


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    "spoil",
    [
        _cut, _changed, _of_another_version, _of_another_history, _of_a_lost_commit, _of_the_future,
        _empty, _no_list, _folder, Path.unlink,
    ],
)  # fmt: skip
def test_bad_file_is_no_file(
    store_world: StoreWorld, file: Path, unread: list[object], spoil: Callable[[Path], None]
) -> None:
    spoil(file)
    index = started(store_world, file).index
    assert len(unread) == 1
    assert ledger.same(index, store_world.stored_index())


def test_far_behind_the_database_is_read(
    store_world: StoreWorld, file: Path, unread: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replica, "_MOST_TO_FOLLOW", 1)
    assert ledger.same(started(store_world, file).index, store_world.stored_index())
    assert len(unread) == 2  # the start, and the test's own comparison


def test_file_that_cannot_be_written_does_not_stop_anything(
    store_world: StoreWorld, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    index_keeping.keep(tmp_path / "file" / "index", store_world.replica.snapshot())
