"""Stored jobs, the workers that run them, and mail templates: plain tables beside the
facts, written in the transaction of the change that a job follows, or of its attempt.
"""

import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from functools import partial
from typing import Any, Final

from sqlalchemy import Connection, Select, and_, delete, func, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from authz_service.domain.job import DATED, Job, JobKind, JobReason, JobState
from authz_service.domain.window import FOREVER, Instant
from authz_service.store import schema
from authz_service.store.filters import EVERY_JOB, JobFilter
from authz_service.store.seals import Seals

_INSERT: Final[Mapping[str, Any]] = {"postgresql": postgresql.insert, "sqlite": sqlite.insert}

job = schema.job
worker = schema.worker

_STILL_OPEN: Final = job.c.state.in_([JobState.PENDING.value, JobState.RUNNING.value])


def add(connection: Connection, new: Job) -> bool:
    """Store a new job. False, and nothing stored, if there is one with its key."""
    inserting = _INSERT[connection.dialect.name](job)
    statement = inserting.values(_values(new)).on_conflict_do_nothing(index_elements=["key"])
    return bool(connection.execute(statement).rowcount)


def find(connection: Connection, job_id: str, *, lock: bool = False) -> Job | None:
    """Find a job; with `lock`, nobody else changes it before this transaction ends."""
    query = select(job).where(job.c.job == job_id)
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    return None if row is None else _job(row)


def replace(connection: Connection, changed: Job) -> None:
    connection.execute(update(job).where(job.c.job == changed.id).values(_values(changed)))


def page(
    connection: Connection, before: int, at_most: int, matching: JobFilter = EVERY_JOB
) -> list[Job]:
    """List jobs, the newest first: those before number `before`, 0 for all."""
    query: Select[Any] = select(job).where(*matching.conditions())
    if before:
        query = query.where(job.c.number < before)
    rows = connection.execute(query.order_by(job.c.number.desc()).limit(at_most))
    return [_job(row) for row in rows]


def overdue(connection: Connection, now: Instant, patience: int, at_most: int) -> list[Job]:
    """List open jobs whose attempt was due more than `patience` microseconds ago.

    Those of DATED kinds are overdue as soon as they are due.
    """
    dated = and_(job.c.kind.in_([kind.value for kind in DATED]), job.c.next_at <= now)
    late = or_(job.c.next_at < now - patience, dated)
    query = select(job).where(_STILL_OPEN, late).order_by(job.c.number.desc()).limit(at_most)
    return [_job(row) for row in connection.execute(query)]


def any_due(connection: Connection, at: Instant) -> bool:
    """Tell whether an attempt is due at an instant."""
    query = select(job.c.number).where(_STILL_OPEN, job.c.next_at <= at).limit(1)
    return connection.execute(query).first() is not None


def counts(connection: Connection) -> Counter[tuple[str, str]]:
    """Count the jobs kept, by kind and state."""
    query = select(job.c.kind, job.c.state, func.count()).group_by(job.c.kind, job.c.state)
    return Counter({(row[0], row[1]): row[2] for row in connection.execute(query)})


def forget(connection: Connection, ended_before: Instant) -> int:
    """Delete jobs that ended before an instant, and return how many."""
    old = (job.c.ended_at > 0, job.c.ended_at < ended_before)
    return connection.execute(delete(job).where(*old)).rowcount


def seen(connection: Connection, name: str, at: Instant) -> None:
    """Note that a worker is alive."""
    inserting = _INSERT[connection.dialect.name](worker).values({"worker": name, "seen_at": at})
    connection.execute(
        inserting.on_conflict_do_update(index_elements=["worker"], set_={"seen_at": at})
    )


def silent(connection: Connection, since: Instant) -> list[str]:
    """Name the workers that have not been heard of since an instant."""
    query = select(worker.c.worker).where(worker.c.seen_at < since)
    return list(connection.execute(query.order_by(worker.c.worker)).scalars())


def bury(connection: Connection, names: Iterable[str], since: Instant) -> None:
    """Forget workers, except those that have been heard of again."""
    is_among = worker.c.worker.in_(list(names))
    connection.execute(delete(worker).where(is_among, worker.c.seen_at < since))


def secrets(connection: Connection, seals: Seals, endpoint: str, at: Instant) -> list[str]:
    """Read an endpoint's live secrets, the newest first. Raises: SEALING_KEY_MISSING."""
    table = schema.endpoint_secret
    live = (table.c.endpoint == endpoint, table.c.expires_at > at)
    query = select(table.c.secret).where(*live).order_by(table.c.made_at.desc())
    return [seals.open(sealed, endpoint) for sealed in connection.execute(query).scalars()]


def sealed_secrets(connection: Connection) -> list[str]:
    """Read the secrets of all endpoints, as they are sealed."""
    return list(connection.execute(select(schema.endpoint_secret.c.secret)).scalars())


def reseal(connection: Connection, seals: Seals) -> int:
    """Seal all secrets anew with the first key and count them. Raises: SEALING_KEY_MISSING."""
    table = schema.endpoint_secret
    rows = connection.execute(select(table).with_for_update()).all()
    for row in rows:
        opened = seals.open(row.secret, row.endpoint)
        this = (table.c.endpoint == row.endpoint, table.c.made_at == row.made_at)
        sealed = seals.seal(opened, row.endpoint, list)
        connection.execute(update(table).where(*this).values(secret=sealed))
    return len(rows)


def set_secret(
    connection: Connection, seals: Seals, endpoint: str, secret: str, at: Instant, overlap: int
) -> None:
    """Give an endpoint a new secret; the one before stays good for `overlap`, older ones end.

    Raises: SEALING_KEY_MISSING.
    """
    table = schema.endpoint_secret
    of = table.c.endpoint == endpoint
    sealed = seals.seal(secret, endpoint, partial(sealed_secrets, connection))
    connection.execute(delete(table).where(of, table.c.expires_at != FOREVER))
    connection.execute(update(table).where(of).values(expires_at=at + overlap))
    values = {"endpoint": endpoint, "made_at": at, "secret": sealed, "expires_at": FOREVER}
    connection.execute(insert(table).values(values))


def forget_secrets(connection: Connection, endpoint: str) -> None:
    connection.execute(
        delete(schema.endpoint_secret).where(schema.endpoint_secret.c.endpoint == endpoint)
    )


def template(
    connection: Connection, tenants: Collection[str], kind: str
) -> dict[str, tuple[str, str, str]]:
    """Read the custom templates of a mail (subject, text, HTML) by tenant."""
    table = schema.mail_template
    query = select(table).where(table.c.tenant.in_(list(tenants)), table.c.kind == kind)
    return {row.tenant: (row.subject, row.text, row.html) for row in connection.execute(query)}


def set_template(
    connection: Connection, tenant: str, kind: str, words: tuple[str, str, str] | None
) -> None:
    """Store a custom template; None deletes it."""
    table = schema.mail_template
    connection.execute(delete(table).where(table.c.tenant == tenant, table.c.kind == kind))
    if words is not None:
        subject, text, html = words
        values = {"tenant": tenant, "kind": kind, "subject": subject, "text": text, "html": html}
        connection.execute(insert(table).values(values))


def _values(of: Job) -> dict[str, Any]:
    return {
        "job": of.id,
        "kind": of.kind.value,
        "tenant": of.tenant,
        "key": of.key,
        "target": of.target,
        "subject": of.subject,
        "data": json.dumps(dict(of.data)),
        "created_at": of.created_at,
        "state": of.state.value,
        "turn": of.turn,
        "attempts": of.attempts,
        "next_at": of.next_at,
        "ended_at": of.ended_at,
        "reason": of.reason.value,
        "message": of.message,
    }


def _job(row: Any) -> Job:
    return Job(
        id=row.job,
        kind=JobKind(row.kind),
        tenant=row.tenant,
        key=row.key,
        target=row.target,
        subject=row.subject,
        data=json.loads(row.data),
        created_at=row.created_at,
        state=JobState(row.state),
        turn=row.turn,
        attempts=row.attempts,
        next_at=row.next_at,
        ended_at=row.ended_at,
        reason=JobReason(row.reason),
        message=row.message,
        number=row.number,
    )
