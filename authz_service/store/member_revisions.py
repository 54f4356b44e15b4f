"""When members last changed, read from the rows of their memberships and role grants."""

from collections.abc import Sequence

from sqlalchemy import Connection, func, select

from authz_service.domain.change import Revision
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
