"""Who was granted which role, where, and until when.

Whatever makes, changes or ends a grant, here or in another use case, passes through `give`,
`amend` or `take`.
"""

from dataclasses import dataclass, replace
from typing import Final

from authz_service.domain.audit import AuditRecord
from authz_service.domain.change import Revision
from authz_service.domain.grant import GrantSource, RoleGrant
from authz_service.domain.identifiers import checked
from authz_service.domain.tenant import Tenant
from authz_service.domain.window import Instant, Window
from authz_service.engine.compiling import grant_entry
from authz_service.errors import AlreadyExists, ErrorReason, NotFound
from authz_service.store.facts import Facts
from authz_service.store.filters import GrantFilter
from authz_service.store.unit_of_work import Transaction
from authz_service.usecases.kernel import field_masks, guard, paging, preconditions
from authz_service.usecases.kernel.execution import View, change, read
from authz_service.usecases.kernel.paging import Page, PageRequest

UPDATABLE: Final = field_masks.WINDOW | {"reason"}


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantRole:
    grant: RoleGrant

    @property
    def tenant(self) -> str:
        return self.grant.tenant


@dataclass(frozen=True, slots=True, kw_only=True)
class RevokeRole:
    """Every grant of the role on this very scope; `source` None means from any source.

    `hand_over` lets the caller take over the invitations that the subject sent.
    """

    tenant: str
    subject: str
    role: str
    scope: str = ""
    source: GrantSource | None = None
    hand_over: bool = False

    def describes(self, grant: RoleGrant) -> bool:
        """Tell whether a grant of the tenant's subject is meant."""
        same_source = self.source in (None, grant.source)
        return same_source and (grant.role, grant.scope) == (self.role, self.scope)


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateRoleGrant:
    """Of the window and the reason only what `mask` names is looked at."""

    tenant: str
    id: str
    mask: tuple[str, ...]
    window: Window
    reason: str
    expected_revision: Revision = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteRoleGrant:
    tenant: str
    id: str
    expected_revision: Revision = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class GetRoleGrant:
    tenant: str
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListRoleGrants:
    """`scope` "" means the whole tenant; None in any filter lets every grant through."""

    tenant: str
    page: PageRequest
    subject: str = ""
    role: str = ""
    scope: str | None = None
    source: GrantSource | None = None
    live_at: Instant | None = None


@change
def grant_role(tx: Transaction, command: GrantRole) -> RoleGrant:
    tenant = check(tx, command.grant, "role_grant.")
    return give(tx, tenant, command.grant, "role_grant.role")


def check(tx: Transaction, grant: RoleGrant, field: str) -> Tenant:
    """Check all of a wanted grant but its role; `field` leads to it. Return its tenant."""
    tenant = preconditions.running_customer(tx.index, grant.tenant, tx.now, f"{field}tenant")
    preconditions.customer_subject(grant.subject, f"{field}subject")
    preconditions.text(grant.reason, f"{field}reason")
    member = preconditions.member(tx.index, grant.tenant, grant.subject, f"{field}subject")
    guard.require_manager(tx.index, tx.call.actor, member, tx.now, f"{field}subject")
    if grant.scope:
        checked("scope", grant.scope, f"{field}scope")
    grant.window.checked(f"{field}valid_until")
    return tenant


def give(tx: Transaction, tenant: Tenant, grant: RoleGrant, field: str) -> RoleGrant:
    """Grant a role to a subject that is, or becomes in this transaction, a member.

    `field` is the request's field that names the role.

    Raises:
        AuthzError: the role does not exist or is not assignable here, or the same grant from the
            same source is in force (ROLE_GRANT_EXISTS).
    """
    preconditions.assignable(tx.index, tenant, grant.role, tx.now, field)
    _require_new(tx, grant)
    return enter(tx, grant)


def enter(tx: Transaction, grant: RoleGrant) -> RoleGrant:
    """Enter a grant that was found to be in order and new."""
    created = replace(grant, id=tx.new_id(), revision=tx.index.revision + 1)
    tx.change(None, created)
    tx.record(
        AuditRecord("role.granted", grant.tenant, (grant.subject,), None, created, grant.reason)
    )
    return created


@change
def update_role_grant(tx: Transaction, command: UpdateRoleGrant) -> RoleGrant:
    preconditions.customer(tx.index, command.tenant, "role_grant.tenant")
    mask = field_masks.checked(command.mask, UPDATABLE)
    grant = _one(tx, command.tenant, command.id, "role_grant.id")
    require_not_managed(tx, grant, "role_grant.id")
    field_masks.unchanged(grant.revision, command.expected_revision)
    window = field_masks.window(grant.window, command.window, mask)
    reason = command.reason if "reason" in mask else grant.reason
    window.checked("role_grant.valid_until")
    preconditions.text(reason, "role_grant.reason")
    return amend(tx, grant, replace(grant, window=window, reason=reason))


def amend(tx: Transaction, grant: RoleGrant, command: RoleGrant) -> RoleGrant:
    """Give one grant another window or reason. A shorter one is never refused for tier or state.

    Raises:
        AuthzError: a longer window could not be granted now, or another grant is that already.
    """
    if command == grant:
        return grant
    if not grant.window.contains(command.window):
        tenant = preconditions.running_customer(tx.index, grant.tenant, tx.now, "role_grant.tenant")
        preconditions.assignable(tx.index, tenant, grant.role, tx.now, "role_grant.id")
    if command.window != grant.window:
        _require_new(tx, command)
    amended = replace(command, revision=tx.index.revision + 1)
    tx.change(grant, amended)
    targets = (grant.subject,)
    tx.record(
        AuditRecord("role_grant.updated", grant.tenant, targets, grant, amended, tx.call.reason)
    )
    return amended


@change
def revoke_role(tx: Transaction, command: RevokeRole) -> tuple[RoleGrant, ...]:
    preconditions.customer(tx.index, command.tenant)
    checked("subject", command.subject)
    checked("role", command.role)
    if command.scope:
        checked("scope", command.scope)
    matching = GrantFilter(
        subject=command.subject, role=command.role, scope=command.scope, source=command.source
    )
    revoked = Facts(tx.connection).role_grants(command.tenant, matching)
    if not revoked:
        raise _no_grant(f"{command.subject} holds no such grant of {command.role!r}", "role")
    require_not_managed(tx, revoked[0], "subject")
    for grant in revoked:
        take(tx, grant)
    return tuple(revoked)


def require_not_managed(tx: Transaction, grant: RoleGrant, field: str) -> None:
    """Check that no directory keeps who holds the grant. Raises: MEMBER_MANAGED."""
    member = tx.index.member(grant.tenant, grant.subject)
    if member is not None:
        guard.require_manager(tx.index, tx.call.actor, member, tx.now, field)


def take(tx: Transaction, grant: RoleGrant) -> None:
    """End one grant."""
    tx.change(grant, None)
    record = AuditRecord(
        "role.revoked", grant.tenant, (grant.subject,), grant, None, tx.call.reason
    )
    tx.record(record)


@change
def delete_role_grant(tx: Transaction, command: DeleteRoleGrant) -> RoleGrant:
    preconditions.customer(tx.index, command.tenant)
    grant = _one(tx, command.tenant, command.id, "id")
    require_not_managed(tx, grant, "id")
    field_masks.unchanged(grant.revision, command.expected_revision)
    take(tx, grant)
    return grant


@read
def get_role_grant(view: View, query: GetRoleGrant) -> RoleGrant:
    preconditions.tenant(view.index, query.tenant)
    with view.database.read() as connection:
        facts = Facts(connection, view.index.revision)
        return _only(facts, query.tenant, query.id, "id")


@read
def list_role_grants(view: View, query: ListRoleGrants) -> Page[RoleGrant]:
    preconditions.tenant(view.index, query.tenant)
    matching = _matching(query)
    filters = ["role_grants", query.tenant, *(str(filtered) for filtered in _filters(query))]
    size, after = paging.size(query.page), paging.start(query.page, filters)
    with view.database.read() as connection:
        facts = Facts(connection, view.index.revision)
        grants = facts.role_grants_after(query.tenant, after, size + 1, matching)
        total = facts.count_role_grants(query.tenant, matching)
    return replace(paging.cut(grants, lambda grant: grant.id, size, filters), total_size=total)


def _filters(query: ListRoleGrants) -> tuple[object, ...]:
    return query.subject, query.role, query.scope, query.source, query.live_at


def _matching(query: ListRoleGrants) -> GrantFilter:
    """Check the filters, and give them to the store. Raises: INVALID_IDENTIFIER, INVALID_FIELD."""
    scope, live_at = query.scope, query.live_at
    return GrantFilter(
        subject=checked("subject", query.subject) if query.subject else None,
        role=checked("role", query.role) if query.role else None,
        scope=checked("scope", scope) if scope else scope,
        source=query.source,
        live_at=None if live_at is None else preconditions.instant(live_at, "live_at"),
    )


def _one(tx: Transaction, tenant: str, grant_id: str, field: str) -> RoleGrant:
    """Find one grant in force. Raises: ROLE_GRANT_NOT_FOUND."""
    return _only(Facts(tx.connection), tenant, grant_id, field)


def _only(facts: Facts, tenant: str, grant_id: str, field: str) -> RoleGrant:
    grants = facts.role_grants(tenant, GrantFilter(id=checked("id", grant_id, field)))
    if not grants:
        raise _no_grant(f"no grant {grant_id!r} is in force in {tenant!r}", field)
    return grants[0]


def _require_new(tx: Transaction, grant: RoleGrant) -> None:
    in_force = tx.index.grants(grant.tenant, grant.subject)
    if not grant.held_back and grant_entry(grant) not in in_force:
        return
    matching = GrantFilter(subject=grant.subject, source=grant.source)
    same = Facts(tx.connection).role_grants(grant.tenant, matching)
    for other in same:
        if other.held_back is grant.held_back and grant_entry(other) == grant_entry(grant):
            raise AlreadyExists(
                ErrorReason.ROLE_GRANT_EXISTS,
                f"{grant.subject} has been granted {grant.role!r} so already, as {other.id}; "
                "to repeat a call safely, send a request_id",
                field="role_grant",
                details={"id": other.id},
            )


def _no_grant(message: str, field: str) -> NotFound:
    return NotFound(
        ErrorReason.ROLE_GRANT_NOT_FOUND, f"{message}; list the grants to see them", field=field
    )
