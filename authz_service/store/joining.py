"""In which order the members of a tenant joined it, and what their grants were before."""

from collections import namedtuple
from typing import Final

from sqlalchemy import Connection, bindparam, func, select

from authz_service.domain.change import Revision
from authz_service.domain.grant import RoleGrant
from authz_service.store import rows, schema
from authz_service.store.statement import Statement

_Rule: Final = namedtuple("_Rule", schema.rule.c.keys())  # type: ignore[misc] # the table's
_BECAUSE: Final = Statement(
    select(schema.rule)
    .where(schema.rule.c.tenant == bindparam("of"), schema.rule.c.subject != "")
    .where(schema.rule.c.closed_revision.is_(None))
    .where(schema.rule.c.reason.startswith(bindparam("why")))
    .order_by(schema.rule.c.id)
)
"""Compiled once: every event that changes a plan asks it."""


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


def grants_because(connection: Connection, tenant: str, why: str) -> list[RoleGrant]:
    """List the tenant's grants whose reason begins so, in the order they were written."""
    found = _BECAUSE.all(connection, {"of": tenant, "why": why})
    return [rows.role_grant(_Rule(*row)) for row in found]


def grants_ended_for(
    connection: Connection, tenant: str, subject: str, grant_id: str
) -> list[RoleGrant]:
    """List the grants of one member that ended in the revision in which a grant was first made,
    in the order they were written.
    """
    rule = schema.rule
    mine = (rule.c.tenant == tenant, rule.c.subject == subject)
    made = select(func.min(rule.c.opened_revision)).where(*mine, rule.c.grant_id == grant_id)
    ended = rule.c.closed_revision == made.scalar_subquery()
    query = select(rule).where(*mine, ended).order_by(rule.c.id)
    return [rows.role_grant(row) for row in connection.execute(query)]


def grant_before(
    connection: Connection, tenant: str, subject: str, grant_id: str, why: str
) -> RoleGrant | None:
    """Read what a grant was when its reason last did not begin with `why`; None if it never was."""
    rule = schema.rule
    mine = (rule.c.tenant == tenant, rule.c.subject == subject, rule.c.grant_id == grant_id)
    other = ~rule.c.reason.startswith(why, autoescape=True)
    query = select(rule).where(*mine, other).order_by(rule.c.id.desc()).limit(1)
    row = connection.execute(query).one_or_none()
    return None if row is None else rows.role_grant(row)
