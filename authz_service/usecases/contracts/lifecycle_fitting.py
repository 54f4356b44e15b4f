"""What becomes of what a smaller plan has no room for, as `downgrade` in lifecycle.yaml says."""

from sqlalchemy import func, select

from authz_service.domain.catalogue import SEATS
from authz_service.domain.grant import RoleGrant
from authz_service.domain.membership import Membership, resumed, suspended
from authz_service.domain.tenant import SuspensionReason, Tenant
from authz_service.engine.entitlements import assignable_roles, limit_in_force
from authz_service.store.facts import Facts
from authz_service.store.schema import member as member_table
from authz_service.store.schema import rule
from authz_service.store.unit_of_work import Transaction
from authz_service.usecases import require
from authz_service.usecases.access.role_grants import give, take
from authz_service.usecases.contracts.lifecycle_policy import Downgrade, Excess
from authz_service.usecases.customers import roster

_UNPAID = SuspensionReason.BILLING


def fit(tx: Transaction, tenant_id: str, downgrade: Downgrade) -> None:
    """Fit roles and seats to what the tenant has now. Where it has more again, seats come back."""
    tenant = require.customer(tx.index, tenant_id)
    _fit_roles(tx, tenant, downgrade)
    found = limit_in_force(tx.index, tenant, SEATS, tx.now)
    seats = found.limit.value if found is not None else None
    members = _oldest_first(tx, tenant_id)
    within = len(members) if seats is None else seats
    match downgrade.limits.get(SEATS, Excess.BLOCK_NEW):
        case Excess.SUSPEND_NEWEST:
            _suspend(tx, members, within)
        case Excess.READ_ONLY_EXCESS:
            for member in members[within:]:
                _make_read_only(tx, tenant, member, downgrade.read_only_role)


def _fit_roles(tx: Transaction, tenant: Tenant, downgrade: Downgrade) -> None:
    """Take roles that the tier does not offer, of those that the policy names; replace them."""
    offered = assignable_roles(tx.index, tenant, tx.now)
    for grant in Facts(tx.connection).role_grants(tenant.id):
        if grant.role in offered or grant.role not in downgrade.roles:
            continue
        take(tx, grant)
        instead = downgrade.roles[grant.role]
        if instead and not _holds(tx, grant, instead):
            _give(tx, tenant, grant, instead)


def _holds(tx: Transaction, grant: RoleGrant, role: str) -> bool:
    scopes = ("", grant.scope)
    mine = (rule.c.subject == grant.subject, rule.c.v1 == f"role/{role}")
    held = Facts(tx.connection).role_grants(grant.tenant, *mine)
    return any(each.scope in scopes and each.window == grant.window for each in held)


def _give(tx: Transaction, tenant: Tenant, like: RoleGrant, role: str) -> None:
    reason = tx.call.reason
    wanted = RoleGrant(tenant.id, like.subject, role, like.scope, like.window, like.source, reason)
    give(tx, tenant, wanted, "downgrade.roles")


def _suspend(tx: Transaction, members: list[Membership], within: int) -> None:
    """Hold the newest back, and let those who have a seat again go on."""
    for member in members[:within]:
        if _UNPAID in member.suspensions:
            roster.changed(tx, "member.resumed", member, resumed(member, _UNPAID))
    for member in members[within:]:
        if _UNPAID not in member.suspensions:
            roster.changed(tx, "member.suspended", member, suspended(member, _UNPAID))


def _make_read_only(tx: Transaction, tenant: Tenant, member: Membership, role: str) -> None:
    mine = rule.c.subject == member.subject
    grants = Facts(tx.connection).role_grants(tenant.id, mine)
    for grant in grants:
        if grant.role != role:
            take(tx, grant)
    if all(grant.role != role for grant in grants):
        give(
            tx,
            tenant,
            RoleGrant(tenant.id, member.subject, role, reason=tx.call.reason),
            "downgrade.read_only_role",
        )


def _oldest_first(tx: Transaction, tenant_id: str) -> list[Membership]:
    """List the members by when they first joined; the owner is the first of all."""
    joined = _first_rows(tx, tenant_id)
    subjects = (subject for subject, _ in tx.index.tenants[tenant_id].members.items())
    members = [m for s in subjects if (m := tx.index.member(tenant_id, s)) is not None]
    last = max(joined.values(), default=0) + 1
    return sorted(members, key=lambda m: (not m.owner, joined.get(m.subject, last), m.subject))


def _first_rows(tx: Transaction, tenant_id: str) -> dict[str, int]:
    """Number the row in which each subject first became a member."""
    rows = (
        select(member_table.c.subject, func.min(member_table.c.id).label("first"))
        .where(member_table.c.tenant == tenant_id)
        .group_by(member_table.c.subject)
    )
    return {row.subject: row.first for row in tx.connection.execute(rows)}
