"""The audit as it stands in the database, read by nothing that the service writes it by."""

import json
from hashlib import sha256
from typing import Any, NamedTuple

from sqlalchemy import select

from authz_service.store import schema
from tests.audited import told
from tests.rpc.harness import Server

Entry = dict[str, Any]


class Mark(NamedTuple):
    """How far the audit went at some moment."""

    revision: int
    known: frozenset[tuple[str, int]]


def mark(server: Server) -> Mark:
    revision = server.revision
    known = frozenset((each["tenant"], each["seq"]) for each in entries(server, revision))
    return Mark(revision, known)


def added(server: Server, before: Mark) -> list[Entry]:
    """Give the entries that came since, each tenant's oldest first."""
    found = entries(server, before.revision)
    return [each for each in found if (each["tenant"], each["seq"]) not in before.known]


def entries(server: Server, revision: int = 0) -> list[Entry]:
    """Read every entry from a revision on."""
    table = schema.audit_entry
    query = select(table.c.entry).where(table.c.revision >= revision)
    with server.service.database.read() as connection:
        found = connection.execute(query.order_by(table.c.tenant, table.c.seq))
        return [told(row.entry) for row in found]


def broken(server: Server) -> list[tuple[str, int]]:
    """List the entries whose number, hash or link is not what it must be."""
    table = schema.audit_entry
    query = select(table).order_by(table.c.tenant, table.c.seq)
    wrong, last = [], ("", 0, "")
    with server.service.database.read() as connection:
        rows = connection.execute(query).all()
    for row in rows:
        seq, link = (last[1] + 1, last[2]) if row.tenant == last[0] else (1, "0" * 64)
        said = json.loads(row.entry)
        canonical = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        whole = (
            (row.seq, int(said["seq"]), said["prev_hash"]) == (seq, seq, link)
            and row.hash == sha256(row.entry.encode()).hexdigest()
            and row.entry == canonical
            and (row.actor, row.action, row.revision)
            == (said["actor"], said["action"], int(said["revision"]))
        )
        if not whole:
            wrong.append((row.tenant, row.seq))
        last = (row.tenant, row.seq, row.hash)
    return wrong
