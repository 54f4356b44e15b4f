"""In which order the members of a tenant joined it."""

from sqlalchemy import Connection, func, select

from authz_service.domain.change import Revision
from authz_service.store import schema


def joining_order(connection: Connection, tenant: str) -> list[str]:
    """Name the tenant's members, first the one who has been a member longest; of those who joined
    in one revision, by name.

    A member that is changed goes on being one, and so does one that ends and comes back with its
    tenant; who was removed and came back joined when they came back.
    """
    returns = _returns(connection, tenant)
    joined: dict[str, Revision] = {}
    ended: dict[str, Revision | None] = {}
    member = schema.member.c
    query = (
        select(member.subject, member.opened_revision, member.closed_revision)
        .where(member.tenant == tenant)
        .order_by(member.subject, member.opened_revision)
    )
    for subject, opened, closed in connection.execute(query):
        last = ended.get(subject)
        if opened not in (last, returns.get(last or 0)):
            joined[subject] = opened
        ended[subject] = closed
    members = (subject for subject, closed in ended.items() if closed is None)
    return sorted(members, key=lambda subject: (joined[subject], subject))


def _returns(connection: Connection, tenant: str) -> dict[Revision, Revision]:
    """Read in which revision a tenant came back, by the one that had ended all access in it."""
    row = schema.tenant.c
    query = (
        select(row.ended_revision, func.max(row.closed_revision))
        .where(row.tenant == tenant, row.ended_revision != 0, row.closed_revision.is_not(None))
        .group_by(row.ended_revision)
    )
    return {int(ended): int(back) for ended, back in connection.execute(query)}
