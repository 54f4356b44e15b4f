"""What ended together with a tenant, read back from the rows that its offboarding closed."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, func, select

from authz_service.domain.change import Revision
from authz_service.domain.exception import TenantException
from authz_service.domain.grant import RoleGrant
from authz_service.domain.membership import Membership
from authz_service.domain.tenant import TenantState
from authz_service.store import rows, schema
from authz_service.store.joining import joining_order


@dataclass(frozen=True, slots=True)
class Ended:
    memberships: tuple[Membership, ...] = ()
    role_grants: tuple[RoleGrant, ...] = ()
    exceptions: tuple[TenantException, ...] = ()

    @property
    def roles(self) -> frozenset[str]:
        return frozenset(grant.role for grant in self.role_grants)


def ended_with_tenant(connection: Connection, tenant: str) -> Ended:
    """List what the offboarding that holds took from a tenant, in the order it was first written;
    members in the order in which they joined, which they keep when they come back.

    What had ended before, for whatever reason, was not closed by that revision and is not listed.
    Empty for a tenant that is not offboarded.
    """
    revision = _offboarded_in(connection, tenant)
    if revision is None:
        return Ended()
    closed = _Closed(connection, tenant, revision)
    lines: defaultdict[str, list[Any]] = defaultdict(list)
    for line in closed.rows(schema.rule, schema.rule.c.exception_id != ""):
        lines[line.exception_id].append(line)
    order = joining_order(connection, tenant, revision)
    members = {row.subject: rows.membership(row) for row in closed.rows(schema.member)}
    return Ended(
        tuple(members[subject] for subject in order if subject in members),
        tuple(
            rows.role_grant(row) for row in closed.rows(schema.rule, schema.rule.c.subject != "")
        ),
        tuple(rows.exception(row, lines[row.exception]) for row in closed.rows(schema.exception)),
    )


@dataclass(frozen=True, slots=True)
class _Closed:
    connection: Connection
    tenant: str
    revision: Revision

    def rows(self, table: Table, *conditions: ColumnElement[bool]) -> Iterable[Any]:
        """Read the rows about the tenant that the revision closed."""
        query = (
            select(table)
            .where(table.c.tenant == self.tenant, table.c.closed_revision == self.revision)
            .where(*conditions)
            .order_by(table.c.id)
        )
        return self.connection.execute(query)


def _offboarded_in(connection: Connection, tenant: str) -> Revision | None:
    """Read which revision wrote the end of the tenant that holds."""
    period = schema.tenant_period.c
    query = (
        select(func.max(period.opened_revision))
        .where(period.tenant == tenant, period.closed_revision.is_(None))
        .where(period.state == TenantState.OFFBOARDED.value)
    )
    revision: Revision | None = connection.execute(query).scalar_one()
    return revision
