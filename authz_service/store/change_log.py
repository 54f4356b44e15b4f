"""The change log: what each revision changed, in order and without gaps."""

from collections.abc import Iterator
from typing import Final

from sqlalchemy import Connection, select

from authz_service.domain.change import Delta, Revision
from authz_service.domain.window import Instant
from authz_service.store import deltas, schema
from authz_service.store.statement import inserting

_APPEND: Final = inserting(schema.change_log)


def append(connection: Connection, delta: Delta, now: Instant) -> None:
    row = {"revision": delta.revision, "at": now, "delta": deltas.write(delta.changes)}
    _APPEND.run(connection, [row])


def read_after(connection: Connection, revision: Revision) -> Iterator[Delta]:
    """Iterate over the deltas after `revision`, oldest first; none if it is the head."""
    log = schema.change_log.c
    query = select(log.revision, log.delta).where(log.revision > revision).order_by(log.revision)
    # A reader that stops early must not leave a cursor open on the server.
    with connection.execute(query, execution_options={"yield_per": 1000}) as found:
        for number, delta in found:
            yield deltas.read(number, delta)
