"""Facts as they were at a revision, read back from their rows."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from typing import Any, TypeVar, cast

from sqlalchemy import ColumnElement, Connection, Table, TextClause, and_, func, or_, select, tuple_

from authz_service.domain.catalog import Permission, Plan, Role
from authz_service.domain.change import KEPT, Fact, Revision, ScheduledChangeset
from authz_service.domain.exception import TenantException
from authz_service.domain.grant import RoleGrant
from authz_service.domain.invitation import Invitation
from authz_service.domain.kept import Kept
from authz_service.domain.membership import Membership
from authz_service.domain.tenant import Tenant
from authz_service.domain.window import FOREVER, Instant
from authz_service.store import catalog_rows, deltas, rows, scheduled_rows, schema
from authz_service.store.filters import EVERY_GRANT, GrantFilter

K = TypeVar("K", bound=Kept)

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
        return [catalog_rows.permission(row) for row in self._rows(schema.permission)]

    def roles(self, owner: str | None = None) -> list[Role]:
        """List the roles of one owner ("" for the global ones), or all of them."""
        lines = self._of(rule, owner, rule.c.v0.startswith("role/", autoescape=True))
        by_role, closed = _grouped(lines, "v0"), self._closed("role/")
        return [
            catalog_rows.role(row, by_role[name := f"role/{row.role}"], closed.get(name, 0))
            for row in self._of(schema.role, owner)
        ]

    def plans(self) -> list[Plan]:
        lines = self._of(rule, "", rule.c.ptype.in_(("g2", "p2")))
        by_plan, closed = _grouped(lines, "v0"), self._closed("tier/", "addon/")
        return [
            catalog_rows.plan(row, by_plan[row.plan], closed.get(row.plan, 0))
            for row in self._rows(schema.plan)
        ]

    def tenants(self, tenant: str | None = None) -> list[Tenant]:
        periods = _grouped(self._of(schema.tenant_period, tenant), "tenant")
        of_tenants = (schema.OF_NO_SUBJECT, rule.c.tenant != "", rule.c.v0 == rule.c.tenant)
        bought = _grouped(self._of(rule, tenant, *of_tenants, rule.c.exception_id == ""), "tenant")
        closed = self._tenants_closed(tenant)
        return [
            rows.tenant(row, periods[row.tenant], bought[row.tenant], closed.get(row.tenant, 0))
            for row in self._of(schema.tenant, tenant)
        ]

    def exceptions(self, tenant: str | None = None) -> list[TenantException]:
        lines = _grouped(self._of(rule, tenant, rule.c.exception_id != ""), "exception_id")
        closed = self._exceptions_closed(tenant)
        return [
            rows.exception(row, lines[row.exception], closed.get(row.exception, 0))
            for row in self._of(schema.exception, tenant)
        ]

    def memberships(self, tenant: str, subject: str | None) -> list[Membership]:
        """List the memberships of one subject, or of all if it is None."""
        of_subject = () if subject is None else (schema.member.c.subject == subject,)
        return [rows.membership(row) for row in self._of(schema.member, tenant, *of_subject)]

    def invitations(self, tenant: str | None = None) -> list[Invitation]:
        return [rows.invitation(row) for row in self._of(schema.invitation, tenant)]

    def role_grants(
        self, tenant: str | None, matching: GrantFilter = EVERY_GRANT
    ) -> list[RoleGrant]:
        """List the tenant's grants that the filter lets through."""
        return [rows.role_grant(row) for row in self._of(rule, tenant, *matching.conditions())]

    def role_grants_ending(self, after: Instant, until: Instant) -> list[RoleGrant]:
        """List all tenants' grants that end after one instant, and at another at the latest."""
        end = rule.c.valid_until
        ending = (end > after, end <= until, end != FOREVER, rule.c.held_back == "")
        rows_ending = self._rows(rule, *EVERY_GRANT.conditions(), *ending)
        return [rows.role_grant(row) for row in rows_ending]

    def role_grants_after(
        self, tenant: str, grant_id: str, at_most: int, matching: GrantFilter = EVERY_GRANT
    ) -> list[RoleGrant]:
        """List up to `at_most` grants by id, those after `grant_id` only."""
        query = (
            select(rule)
            .where(self.in_force(rule), rule.c.tenant == tenant, *matching.conditions())
            .where(rule.c.grant_id > grant_id)
            .order_by(rule.c.grant_id)
            .limit(at_most)
        )
        return [rows.role_grant(row) for row in self._connection.execute(query)]

    def count_role_grants(self, tenant: str, matching: GrantFilter) -> int:
        """Count the tenant's grants that the filter lets through."""
        conditions = (rule.c.tenant == tenant, *matching.conditions())
        query = select(func.count()).select_from(rule).where(self.in_force(rule), *conditions)
        return int(self._connection.execute(query).scalar_one())

    def role_grants_of(
        self, holders: Collection[tuple[str, str]]
    ) -> dict[tuple[str, str], list[RoleGrant]]:
        """Find all grants of each (tenant, subject); who holds none is left out.

        One query, however many are asked for; up to 16,000 fit.
        """
        if not holders:
            return {}
        of_holders = tuple_(rule.c.tenant, rule.c.subject).in_(holders)
        by_holder: dict[tuple[str, str], list[RoleGrant]] = {}
        for row in self._rows(rule, of_holders):
            by_holder.setdefault((row.tenant, row.subject), []).append(rows.role_grant(row))
        return by_holder

    def kept(self, *kinds: type[K]) -> list[K]:
        """List the kept facts of these kinds; of all kinds if none is named."""
        names = [kind.__name__ for kind in kinds or KEPT]
        lines = self._rows(schema.kept_fact, schema.kept_fact.c.kind.in_(names))
        facts = (cast("K", deltas.fact_of(row.kind, row.body)) for row in lines)
        return [fact.as_of(row.opened_revision) for fact, row in zip(facts, lines, strict=True)]

    def scheduled(self) -> list[ScheduledChangeset]:
        lines = self._rows(schema.scheduled_changeset)
        return [scheduled_rows.scheduled(row, deltas.changes_of) for row in lines]

    def about(self, tenant: str, subject: str | None) -> Iterator[Fact]:
        """Iterate over all that a decision about this subject in this tenant can depend on, in
        the order in which an index is built; about all of its subjects if it is None.
        """
        yield from self.scheduled()
        yield from self.permissions()
        yield from self.roles("")
        yield from self.plans()
        yield from self.tenants(tenant)
        yield from self.roles(tenant)
        yield from self.exceptions(tenant)
        yield from self.memberships(tenant, subject)
        yield from self.role_grants(tenant, GrantFilter(subject=subject))

    def _closed(self, *prefixes: str) -> dict[str, Revision]:
        """Tell when each role or plan last lost a rule."""
        names = [rule.c.v0.startswith(prefix, autoescape=True) for prefix in prefixes]
        return self._last_closed(rule.c.v0, or_(*names))

    def _exceptions_closed(self, tenant: str | None) -> dict[str, Revision]:
        """Tell when each exception last lost a rule."""
        of_tenant = () if tenant is None else (rule.c.tenant == tenant,)
        return self._last_closed(rule.c.exception_id, rule.c.exception_id != "", *of_tenant)

    def _last_closed(
        self, name: ColumnElement[str], *conditions: ColumnElement[bool]
    ) -> dict[str, Revision]:
        query = select(name, func.max(rule.c.closed_revision))
        query = query.where(schema.OF_NO_SUBJECT, *conditions).group_by(name)
        if self._revision is None:
            query = query.where(rule.c.closed_revision.is_not(None))
        else:
            query = query.where(rule.c.closed_revision <= self._revision)
        return {row[0]: row[1] for row in self._connection.execute(query)}

    def _tenants_closed(self, tenant: str | None) -> dict[str, Revision]:
        """Tell when each tenant last lost a plan or a limit of its own."""
        of_tenant = () if tenant is None else (rule.c.tenant == tenant,)
        own = (rule.c.tenant != "", rule.c.v0 == rule.c.tenant, rule.c.exception_id == "")
        return self._last_closed(rule.c.tenant, *own, *of_tenant)

    def _of(
        self, table: Table, tenant: str | None, *conditions: ColumnElement[bool] | TextClause
    ) -> list[Any]:
        of_tenant = () if tenant is None else (table.c.tenant == tenant,)
        return self._rows(table, *of_tenant, *conditions)

    def _rows(self, table: Table, *conditions: ColumnElement[bool] | TextClause) -> list[Any]:
        query = select(table).where(self.in_force(table), *conditions).order_by(table.c.id)
        return list(self._connection.execute(query))

    def in_force(self, table: Table) -> ColumnElement[bool]:
        """Write the condition that a row was open at the revision."""
        opened, closed = table.c.opened_revision, table.c.closed_revision
        if self._revision is None:
            return closed.is_(None)
        return and_(opened <= self._revision, or_(closed.is_(None), closed > self._revision))


def _grouped(lines: Iterable[Any], name: str) -> defaultdict[str, list[Any]]:
    groups: defaultdict[str, list[Any]] = defaultdict(list)
    for row in lines:
        groups[getattr(row, name)].append(row)
    return groups
