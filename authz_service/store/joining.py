"""In which order the members of a tenant joined it."""

from sqlalchemy import Connection, select

from authz_service.domain.change import Revision
from authz_service.store import schema


def joining_order(
    connection: Connection, tenant: str, ended_in: Revision | None = None
) -> list[str]:
    """Name the tenant's members, first the one who has been a member longest; or those whom a
    revision ended, in the order in which they had joined.

    A row that takes the place of another goes on with its membership; who was removed and came
    back joined when they came back.
    """
    member = schema.member.c
    query = (
        select(member.id, member.subject, member.opened_revision, member.closed_revision)
        .where(member.tenant == tenant)
        .order_by(member.id)
    )
    joined: dict[str, int] = {}
    ended: dict[str, Revision | None] = {}
    for row in connection.execute(query):
        if ended.get(row.subject) != row.opened_revision:
            joined[row.subject] = row.id
        ended[row.subject] = row.closed_revision
    members = (subject for subject, closed in ended.items() if closed == ended_in)
    return sorted(members, key=lambda subject: joined[subject])
