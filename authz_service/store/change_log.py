"""The change log: what each revision changed, in order and without gaps."""

from collections.abc import Generator
from typing import Final

from sqlalchemy import Connection, select

from authz_service.domain.change import Delta, Revision
from authz_service.domain.window import Instant
from authz_service.store import deltas, schema
from authz_service.store.statement import inserting

_APPEND: Final = inserting(schema.change_log)


def append(connection: Connection, delta: Delta) -> None:
    row = {"revision": delta.revision, "at": delta.at, "delta": deltas.write(delta.changes)}
    _APPEND.run(connection, [row])


def read_after(connection: Connection, revision: Revision) -> Generator[Delta, None, None]:
    """Iterate over the deltas after `revision`, oldest first; none if it is the head."""
    log = schema.change_log.c
    query = select(log.revision, log.delta, log.at).where(log.revision > revision)
    # A reader that stops early must not leave a cursor open on the server.
    options = {"yield_per": 1000}
    with connection.execute(query.order_by(log.revision), execution_options=options) as rows:
        for number, delta, at in rows:
            yield deltas.read(number, delta, at)


def revision_at(connection: Connection, at: Instant) -> Revision | None:
    """Read the last revision that was committed at an instant or before; None if there is none.

    It is looked for from the newest backwards: the later the instant, the quicker.
    """
    log = schema.change_log.c
    query = select(log.revision).where(log.at <= at).order_by(log.revision.desc()).limit(1)
    revision: Revision | None = connection.execute(query).scalar_one_or_none()
    return revision


def instant_of(connection: Connection, revision: Revision) -> Instant | None:
    """Read when a revision was committed; None if the log does not have it."""
    log = schema.change_log.c
    at: Instant | None = connection.execute(
        select(log.at).where(log.revision == revision)
    ).scalar_one_or_none()
    return at
