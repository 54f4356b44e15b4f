"""What a database holds, read without the code under test, and what must be true of it."""

from collections import defaultdict
from hashlib import sha256
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple, TypeAlias

from sqlalchemy import select

from authz_service.domain.audit import broken_link
from authz_service.engine.builder import Builder, apply
from authz_service.engine.index import Index
from authz_service.replication import index_file
from authz_service.replication.index_file import Snapshot
from authz_service.store import change_log, histories, schema, snapshot
from authz_service.store.database import Database
from tests.audited import told
from tests.differential.test_index_grows import described

Contents: TypeAlias = dict[str, list[tuple[Any, ...]]]


class Entry(NamedTuple):
    """One audit entry, its canonical JSON also as a document."""

    tenant: str
    seq: int
    at: int
    actor: str
    on_behalf_of: str
    action: str
    outcome: str
    changes: int
    revision: int
    entry: str
    hash: str

    @property
    def document(self) -> Any:
        return told(self.entry)


def contents(database: Database) -> Contents:
    """Read every row of every table."""
    with database.read() as connection:
        return {
            table.name: sorted(map(tuple, connection.execute(select(table))), key=repr)
            for table in schema.metadata.sorted_tables
        }


def chains(database: Database) -> dict[str, list[Entry]]:
    """Read the audit entries of each tenant by `seq`."""
    log = schema.audit_entry
    found: dict[str, list[Entry]] = defaultdict(list)
    with database.read() as connection:
        for row in connection.execute(select(log).order_by(log.c.tenant, log.c.seq)):
            found[row.tenant].append(Entry(*row))
    return dict(found)


def broken(chain: list[Entry]) -> int | None:
    """Name the first link of a chain that does not hold."""
    return broken_link((e.seq, e.entry, e.hash) for e in chain)


def logged(database: Database) -> list[int]:
    """List the revisions of the change log in the order in which they are read."""
    with database.read() as connection:
        return [delta.revision for delta in change_log.read_after(connection, 0)]


def head(database: Database) -> int:
    with database.read() as connection:
        return int(connection.execute(select(schema.head.c.revision)).scalar_one())


def replayed(database: Database) -> Index:
    """Grow an index from the change log alone."""
    index = Index.empty()
    with database.read() as connection:
        begun = {first for _, first in histories.read(connection).foreign}
        for delta in change_log.read_after(connection, 0):
            if delta.revision in begun:
                index = Builder(index).finish(delta.revision - 1)
            index = apply(index, delta)
    return index


def kept(index: Index) -> Index:
    """Write an index to a file and read it back."""
    with TemporaryDirectory() as folder:
        file = Path(folder, "index")
        index_file.write(file, Snapshot(index, 7, "h"))
        snapshot = index_file.read(file)
    assert snapshot is not None
    assert snapshot.at == 7
    return snapshot.index


def expected(database: Database) -> list[int]:
    """List the revisions up to the head, without those of other histories."""
    with database.read() as connection:
        foreign = histories.read(connection).foreign
    spans, start = [], 1
    for last, first in foreign:
        spans.append(range(start, last + 1))
        start = first
    return list(chain.from_iterable([*spans, range(start, head(database) + 1)]))


def same(one: Index, other: Index) -> bool:
    """Tell whether two indexes hold the same."""
    return described(one) == described(other)


def assert_whole(database: Database) -> None:
    """Assert that the revisions of each history are gap-free, every one audited, every chain whole,
    and that rows, change log and head tell the same.
    """
    revisions = expected(database)
    assert logged(database) == revisions
    entries = chains(database)
    assert {tenant: broken(chain) for tenant, chain in entries.items()} == dict.fromkeys(entries)
    assert _misfiled(entries) == []
    audited = {entry.revision for chain in entries.values() for entry in chain}
    assert audited - {0} == set(revisions)
    with database.read() as connection:
        stored = snapshot.read_index(connection)
    assert described(stored) == described(replayed(database))
    assert described(kept(stored)) == described(stored)


def _misfiled(entries: dict[str, list[Entry]]) -> list[Entry]:
    """List the entries whose columns say otherwise than their sealed text."""
    names = ("tenant", "seq", "actor", "action", "revision")
    return [
        entry
        for chain in entries.values()
        for entry in chain
        if any(getattr(entry, name) != entry.document[name] for name in names)
    ]


def sealed(entry: str) -> str:
    """Compute the hash that an entry would have."""
    return sha256(entry.encode()).hexdigest()
