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
    found: dict[str, Revision] = {}
    for table in (schema.member, schema.rule):
        for written in (table.c.opened_revision, table.c.closed_revision):
            query = (
                select(table.c.subject, func.max(written))
                .where(table.c.tenant == tenant, table.c.subject.in_(subjects), written <= at)
                .group_by(table.c.subject)
            )
            for subject, revision in connection.execute(query):
                found[subject] = max(revision, found.get(subject, 0))
    return found


def caller_revisions(
    connection: Connection, ids: Sequence[str], at: Revision
) -> dict[str, Revision]:
    """Name, by the id of a key or identity, the last revision up to `at` that wrote anything of it
    or of its rights.
    """
    subjects = {f"service:{each}": each for each in ids}
    members = member_revisions(connection, SYSTEM, list(subjects), at)
    found = {subjects[subject]: revision for subject, revision in members.items()}
    for named in (schema.api_key.c.key, schema.identity.c.identity):
        written = named.table.c.opened_revision
        query = select(named, func.max(written)).where(named.in_(ids), written <= at)
        for each, revision in connection.execute(query.group_by(named)):
            found[each] = max(revision, found.get(each, 0))
    return found
