"""What ended together with a tenant, read back from the rows that its offboarding closed."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, select

from authz_service.domain.change import Revision
from authz_service.domain.exception import TenantException
from authz_service.domain.grant import RoleGrant
from authz_service.domain.membership import Membership
from authz_service.domain.tenant import Tenant
from authz_service.store import rows, schema


@dataclass(frozen=True, slots=True)
class Ended:
    memberships: tuple[Membership, ...] = ()
    role_grants: tuple[RoleGrant, ...] = ()
    exceptions: tuple[TenantException, ...] = ()

    @property
    def roles(self) -> frozenset[str]:
        return frozenset(grant.role for grant in self.role_grants)


def ended_with_tenant(connection: Connection, tenant: Tenant) -> Ended:
    """List what the offboarding that holds took from a tenant.

    What had ended before, for whatever reason, was not closed by that revision and is not listed.
    Empty for a tenant that no offboarding took anything from.
    """
    if not tenant.ended_revision:
        return Ended()
    closed = _Closed(connection, tenant.id, tenant.ended_revision)
    lines: defaultdict[str, list[Any]] = defaultdict(list)
    for line in closed.rows(schema.rule, schema.rule.c.exception_id != ""):
        lines[line.exception_id].append(line)
    grants = closed.rows(schema.rule, schema.rule.c.gives != "")
    exceptions = closed.rows(schema.exception)
    return Ended(
        tuple(rows.membership(row) for row in closed.rows(schema.member)),
        tuple(rows.role_grant(row) for row in grants),
        tuple(rows.exception(row, lines[row.exception]) for row in exceptions),
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
