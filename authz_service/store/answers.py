"""First answers, kept in the transaction that earned them: a retry changes nothing."""

from typing import Final, NamedTuple

from sqlalchemy import Connection, bindparam, select
from sqlalchemy.dialects import postgresql

from authz_service.domain.call import Call
from authz_service.domain.change import Revision
from authz_service.domain.window import Instant
from authz_service.errors import AlreadyExists, ErrorReason
from authz_service.store.schema import request
from authz_service.store.statement import Statement

_FIND: Final = Statement(
    select(request.c.fingerprint, request.c.revision, request.c.answer).where(
        request.c.caller == bindparam("of"), request.c.request_id == bindparam("called")
    )
)
# SQLite understands what SQLAlchemy has only PostgreSQL say.
_KEEP: Final = Statement(
    postgresql.insert(request)
    .values({column.name: bindparam(column.name) for column in request.c})
    .on_conflict_do_nothing()
)


class FirstAnswer(NamedTuple):
    revision: Revision
    answer: str
    """JSON, as the use case wrote it."""


def find(connection: Connection, call: Call) -> FirstAnswer | None:
    """Find what the caller's request id was answered; None if it is new or empty.

    Raises:
        AlreadyExists: REQUEST_ID_REUSED, if it was used with another content.
    """
    if not call.request_id:
        return None
    key = {"of": call.actor.subject, "called": call.request_id}
    row = _FIND.one(connection, key)
    if row is None:
        return None
    fingerprint, revision, answer = row
    if fingerprint != call.fingerprint:
        raise AlreadyExists(
            ErrorReason.REQUEST_ID_REUSED,
            f"request id {call.request_id!r} was used for another request; "
            "send a fresh one for each intent",
            field="request_id",
        )
    return FirstAnswer(revision, answer)


def keep(connection: Connection, call: Call, now: Instant, revision: Revision, answer: str) -> None:
    """Keep what a call is answered, unless another one of its request id was just answered."""
    row = {
        "caller": call.actor.subject,
        "request_id": call.request_id,
        "at": now,
        "fingerprint": call.fingerprint,
        "revision": revision,
        "answer": answer,
    }
    _KEEP.run(connection, [row])
