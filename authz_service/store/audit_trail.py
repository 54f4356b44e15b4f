"""Who did what at a revision, read back from the audit."""

import json
from typing import NamedTuple

from sqlalchemy import Connection, select

from authz_service.domain.audit import DONE
from authz_service.domain.change import Revision
from authz_service.store.schema import audit_entry


class Doing(NamedTuple):
    """One audit entry, as far as it names who and what."""

    tenant: str
    action: str
    actor: str
    targets: tuple[str, ...]


def done_at(connection: Connection, revision: Revision) -> list[Doing]:
    """List what was done at one revision, in order; nothing if it has no entries."""
    entry = audit_entry.c
    query = (
        select(entry.tenant, entry.action, entry.actor, entry.entry)
        .where(entry.revision == revision, entry.outcome == DONE)
        .order_by(entry.tenant, entry.seq)
    )
    return [
        Doing(tenant, action, actor, tuple(json.loads(text).get("targets", ())))
        for tenant, action, actor, text in connection.execute(query)
    ]
