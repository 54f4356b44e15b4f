"""When members, and this service's callers, last changed: read from the rows of what they hold."""

from collections.abc import Sequence

from sqlalchemy import Connection, func, select

from authz_service.domain.change import Revision
from authz_service.domain.tenant import SYSTEM
from authz_service.store import schema


def member_revisions(
    connection: Connection, tenant: str, subjects: Sequence[str], at: Revision
) -> dict[str, Revision]:
    """Name, by subject, the last revision up to `at` that wrote or ended anything of a member.

    A subject of whom nothing was ever written is left out.
    """
    revisions: dict[str, Revision] = {}
    for table in (schema.member, schema.rule):
        for written in (table.c.opened_revision, table.c.closed_revision):
            query = (
                select(table.c.subject, func.max(written))
                .where(table.c.tenant == tenant, table.c.subject.in_(subjects), written <= at)
                .group_by(table.c.subject)
            )
            for subject, revision in connection.execute(query):
                revisions[subject] = max(revision, revisions.get(subject, 0))
    return revisions


def caller_revisions(
    connection: Connection, ids: Sequence[str], at: Revision
) -> dict[str, Revision]:
    """Name, by the id of a key or identity, the last revision up to `at` that wrote anything of it
    or of its rights.
    """
    subjects = {f"service:{caller}": caller for caller in ids}
    members = member_revisions(connection, SYSTEM, list(subjects), at)
    revisions = {subjects[subject]: revision for subject, revision in members.items()}
    key, written = schema.kept_fact.c.key, schema.kept_fact.c.opened_revision
    query = select(key, func.max(written)).where(key.in_(ids), written <= at).group_by(key)
    for caller, revision in connection.execute(query):
        revisions[caller] = max(revision, revisions.get(caller, 0))
    return revisions
