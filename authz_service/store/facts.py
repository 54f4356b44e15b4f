"""Facts as they were at a revision, read back from their rows."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, and_, or_, select

from authz_service.domain.catalogue import Permission, Plan, Role
from authz_service.domain.change import Fact, Revision
from authz_service.domain.exception import TenantException
from authz_service.domain.grant import RoleGrant
from authz_service.domain.key import ApiKey
from authz_service.domain.membership import Membership
from authz_service.domain.tenant import Tenant
from authz_service.store import rows, schema

rule = schema.rule


def head(connection: Connection) -> Revision:
    """Read the last committed revision."""
    return int(connection.execute(select(schema.head.c.revision)).scalar_one())


class Facts:
    """Reads the facts of one revision, or of the head if none is named.

    Every list is in the order in which its rows were first written; nothing found is an empty
    list. A tenant of None means all tenants.
    """

    def __init__(self, connection: Connection, revision: Revision | None = None) -> None:
        self._connection = connection
        self._revision = revision

    def permissions(self) -> list[Permission]:
        return [rows.permission(row) for row in self._rows(schema.permission)]

    def roles(self, owner: str | None = None) -> list[Role]:
        """List the roles of one owner ("" for the global ones), or all of them."""
        lines = self._of(rule, owner, rule.c.v0.startswith("role/", autoescape=True))
        by_role = _grouped(lines, "v0")
        return [rows.role(row, by_role[f"role/{row.role}"]) for row in self._of(schema.role, owner)]

    def plans(self) -> list[Plan]:
        lines = self._of(rule, "", rule.c.ptype.in_(("g2", "p2")))
        by_plan = _grouped(lines, "v0")
        return [rows.plan(row, by_plan[row.plan]) for row in self._rows(schema.plan)]

    def tenants(self, tenant: str | None = None) -> list[Tenant]:
        periods = _grouped(self._of(schema.tenant_period, tenant), "tenant")
        held = (rule.c.ptype == "g2", rule.c.tenant != "", rule.c.exception_id == "")
        holdings = _grouped(self._of(rule, tenant, *held), "tenant")
        return [
            rows.tenant(row, periods[row.tenant], holdings[row.tenant])
            for row in self._of(schema.tenant, tenant)
        ]

    def exceptions(self, tenant: str | None = None) -> list[TenantException]:
        lines = _grouped(self._of(rule, tenant, rule.c.exception_id != ""), "exception_id")
        return [
            rows.exception(row, lines[row.exception]) for row in self._of(schema.exception, tenant)
        ]

    def memberships(self, tenant: str, subject: str) -> list[Membership]:
        mine = schema.member.c.subject == subject
        return [rows.membership(row) for row in self._of(schema.member, tenant, mine)]

    def role_grants(self, tenant: str, *conditions: ColumnElement[bool]) -> list[RoleGrant]:
        """List the tenant's grants that meet the conditions on columns of `rule`."""
        found = self._of(rule, tenant, rule.c.subject != "", *conditions)
        return [rows.role_grant(row) for row in found]

    def role_grants_after(
        self, tenant: str, grant_id: str, at_most: int, *conditions: ColumnElement[bool]
    ) -> list[RoleGrant]:
        """List up to `at_most` grants by id, those after `grant_id` only."""
        query = (
            select(rule)
            .where(self._in_force(rule), rule.c.tenant == tenant, rule.c.subject != "")
            .where(rule.c.grant_id > grant_id, *conditions)
            .order_by(rule.c.grant_id)
            .limit(at_most)
        )
        return [rows.role_grant(row) for row in self._connection.execute(query)]

    def api_keys(self) -> list[ApiKey]:
        return [rows.api_key(row) for row in self._rows(schema.api_key)]

    def about(self, tenant: str, subject: str) -> Iterator[Fact]:
        """Iterate over all that a decision about this subject in this tenant can depend on, in
        the order in which an index is built.
        """
        yield from self.permissions()
        yield from self.roles("")
        yield from self.plans()
        yield from self.tenants(tenant)
        yield from self.roles(tenant)
        yield from self.exceptions(tenant)
        yield from self.memberships(tenant, subject)
        yield from self.role_grants(tenant, rule.c.subject == subject)

    def _of(self, table: Table, tenant: str | None, *conditions: ColumnElement[bool]) -> list[Any]:
        mine = () if tenant is None else (table.c.tenant == tenant,)
        return self._rows(table, *mine, *conditions)

    def _rows(self, table: Table, *conditions: ColumnElement[bool]) -> list[Any]:
        query = select(table).where(self._in_force(table), *conditions).order_by(table.c.id)
        return list(self._connection.execute(query))

    def _in_force(self, table: Table) -> ColumnElement[bool]:
        opened, closed = table.c.opened_revision, table.c.closed_revision
        if self._revision is None:
            return closed.is_(None)
        return and_(opened <= self._revision, or_(closed.is_(None), closed > self._revision))


def _grouped(found: Iterable[Any], name: str) -> defaultdict[str, list[Any]]:
    groups: defaultdict[str, list[Any]] = defaultdict(list)
    for row in found:
        groups[getattr(row, name)].append(row)
    return groups
