"""In which order the members of a tenant joined it, and what a revision took from one of them."""

from sqlalchemy import Connection, select

from authz_service.domain.change import Revision
from authz_service.domain.grant import RoleGrant
from authz_service.store import rows, schema


def joining_order(connection: Connection, tenant: str) -> list[str]:
    """Name the tenant's members, first the one who has been a member longest.

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
    members = (subject for subject, closed in ended.items() if closed is None)
    return sorted(members, key=lambda subject: joined[subject])


def grants_ended_in(
    connection: Connection, tenant: str, subject: str, revision: Revision
) -> list[RoleGrant]:
    """List the grants of one member that a revision ended, in the order they were written."""
    rule = schema.rule
    query = (
        select(rule)
        .where(rule.c.tenant == tenant, rule.c.subject == subject)
        .where(rule.c.closed_revision == revision)
        .order_by(rule.c.id)
    )
    return [rows.role_grant(row) for row in connection.execute(query)]
