"""Who was granted which role, where, and until when."""

from dataclasses import dataclass, replace

from authz_service.domain.audit import Event
from authz_service.domain.grant import GrantSource, RoleGrant
from authz_service.domain.identifiers import checked
from authz_service.domain.tenant import Tenant
from authz_service.engine.compiling import grant_entry
from authz_service.errors import AlreadyExists, ErrorReason, NotFound
from authz_service.store.facts import Facts
from authz_service.store.schema import rule
from authz_service.store.unit_of_work import Transaction
from authz_service.usecases import paging, require
from authz_service.usecases.execution import View, change, read
from authz_service.usecases.paging import Page, PageRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantRole:
    grant: RoleGrant

    @property
    def tenant(self) -> str:
        return self.grant.tenant


@dataclass(frozen=True, slots=True, kw_only=True)
class RevokeRole:
    """Every grant of the role on this very scope; `source` None means from any source."""

    tenant: str
    subject: str
    role: str
    scope: str = ""
    source: GrantSource | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GetRoleGrant:
    tenant: str
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListRoleGrants:
    tenant: str
    page: PageRequest
    subject: str = ""
    role: str = ""


@change("role_grants:create")
def grant_role(tx: Transaction, wanted: GrantRole) -> RoleGrant:
    grant = wanted.grant
    tenant = require.running_customer(tx.index, grant.tenant, tx.now, "role_grant.tenant")
    require.customer_subject(grant.subject, "role_grant.subject")
    require.text(grant.reason, "role_grant.reason")
    require.member(tx.index, grant.tenant, grant.subject, "role_grant.subject")
    if grant.scope:
        checked("scope", grant.scope, "role_grant.scope")
    grant.window.checked("role_grant.valid_until")
    return give(tx, tenant, grant, "role_grant.role")


def give(tx: Transaction, tenant: Tenant, grant: RoleGrant, field: str) -> RoleGrant:
    """Grant a role to a subject that is, or becomes in this transaction, a member.

    `field` is the request's field that names the role.

    Raises:
        AuthzError: the role does not exist or is not assignable here, or the same grant from the
            same source is in force (ROLE_GRANT_EXISTS).
    """
    require.assignable(tx.index, tenant, grant.role, tx.now, field)
    _require_new(tx, grant)
    given = replace(grant, id=tx.new_id())
    tx.change(None, given)
    tx.record(Event("role.granted", grant.tenant, (grant.subject,), None, given, grant.reason))
    return given


@change("role_grants:delete")
def revoke_role(tx: Transaction, wanted: RevokeRole) -> tuple[RoleGrant, ...]:
    require.customer(tx.index, wanted.tenant)
    checked("subject", wanted.subject)
    checked("role", wanted.role)
    if wanted.scope:
        checked("scope", wanted.scope)
    source = () if wanted.source is None else (rule.c.source == wanted.source.value,)
    revoked = Facts(tx.connection).role_grants(
        wanted.tenant,
        rule.c.subject == wanted.subject,
        rule.c.v1 == f"role/{wanted.role}",
        rule.c.scope == wanted.scope,
        *source,
    )
    if not revoked:
        raise _no_grant(f"{wanted.subject} holds no such grant of {wanted.role!r}", "role")
    for grant in revoked:
        take(tx, grant)
    return tuple(revoked)


def take(tx: Transaction, grant: RoleGrant) -> None:
    """End one grant."""
    tx.change(grant, None)
    event = Event("role.revoked", grant.tenant, (grant.subject,), grant, None, tx.call.reason)
    tx.record(event)


@read("role_grants:get")
def get_role_grant(view: View, wanted: GetRoleGrant) -> RoleGrant:
    require.tenant(view.index, wanted.tenant)
    with view.database.read() as connection:
        facts = Facts(connection, view.index.revision)
        found = facts.role_grants(wanted.tenant, rule.c.grant_id == checked("id", wanted.id))
    if not found:
        raise _no_grant(f"no grant {wanted.id!r} is in force in {wanted.tenant!r}", "id")
    return found[0]


@read("role_grants:list")
def list_role_grants(view: View, wanted: ListRoleGrants) -> Page[RoleGrant]:
    require.tenant(view.index, wanted.tenant)
    query = ["role_grants", wanted.tenant, wanted.subject, wanted.role]
    size, after = paging.size(wanted.page), paging.start(wanted.page, query)
    conditions = []
    if wanted.subject:
        conditions.append(rule.c.subject == checked("subject", wanted.subject))
    if wanted.role:
        conditions.append(rule.c.v1 == f"role/{checked('role', wanted.role)}")
    with view.database.read() as connection:
        facts = Facts(connection, view.index.revision)
        found = facts.role_grants_after(wanted.tenant, after, size + 1, *conditions)
    return paging.cut(found, lambda grant: grant.id, size, query)


def _require_new(tx: Transaction, grant: RoleGrant) -> None:
    if grant_entry(grant) not in tx.index.grants(grant.tenant, grant.subject):
        return
    same = Facts(tx.connection).role_grants(
        grant.tenant, rule.c.subject == grant.subject, rule.c.source == grant.source.value
    )
    for held in same:
        if grant_entry(held) == grant_entry(grant):
            raise AlreadyExists(
                ErrorReason.ROLE_GRANT_EXISTS,
                f"{grant.subject} has been granted {grant.role!r} so already, as {held.id}; "
                "to repeat a call safely, send a request_id",
                field="role_grant",
                details={"id": held.id},
            )


def _no_grant(message: str, field: str) -> NotFound:
    return NotFound(
        ErrorReason.ROLE_GRANT_NOT_FOUND, f"{message}; list the grants to see them", field=field
    )
