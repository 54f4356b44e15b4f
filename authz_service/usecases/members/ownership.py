"""Who owns a customer's account."""

from dataclasses import dataclass, replace

from authz_service.domain.grant import RoleGrant
from authz_service.domain.identity import USER
from authz_service.domain.membership import Membership, MembershipState
from authz_service.domain.tenant import Tenant
from authz_service.engine.entitlements import assignable_roles
from authz_service.engine.invariants import holds_admin_role
from authz_service.errors import (
    ErrorReason,
    FailedPrecondition,
    InvalidArgument,
    PermissionDenied,
)
from authz_service.store.unit_of_work import Transaction
from authz_service.usecases.grants.role_grants import give
from authz_service.usecases.kernel import preconditions
from authz_service.usecases.kernel.execution import change
from authz_service.usecases.members import roster
from authz_service.usecases.members.roster import MemberNow


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferOwnership:
    tenant: str
    to: str


@dataclass(frozen=True, slots=True)
class Transferred:
    """`former` is None where nobody owned the account before."""

    owner: MemberNow
    former: MemberNow | None


@change
def transfer_ownership(tx: Transaction, command: TransferOwnership) -> Transferred:
    """Make an active member the owner, with an admin role if it lacks one."""
    tenant = preconditions.running_customer(tx.index, command.tenant, tx.now)
    former = roster.owner_of(tx.index, tenant.id)
    _require_owner(tx, former)
    member = _able(tx, command)
    if former is not None and former.subject == member.subject:
        return Transferred(roster.as_changed(tx, member), None)
    if former is not None:
        roster.changed(tx, "member.owner_resigned", former, replace(former, owner=False))
    roster.changed(tx, "member.owner_made", member, replace(member, owner=True))
    if not holds_admin_role(tx.index, tenant.id, member.subject, tx.now):
        role = _admin_role(tx, tenant)
        grant = RoleGrant(tenant.id, member.subject, role, reason=tx.call.reason)
        give(tx, tenant, grant, "new_owner")
    before = roster.as_changed(tx, former) if former is not None else None
    return Transferred(roster.as_changed(tx, member), before)


def _require_owner(tx: Transaction, owner: Membership | None) -> None:
    """Check that of the customer's users only the owner hands over. Raises: NOT_THE_OWNER."""
    user = tx.call.actor.on_behalf_of or tx.call.actor.subject
    if user.startswith(USER) and (owner is None or owner.subject != user):
        raise PermissionDenied(
            ErrorReason.NOT_THE_OWNER,
            f"{user} does not own the account; let its owner hand it over, or ask the vendor",
        )


def _able(tx: Transaction, command: TransferOwnership) -> Membership:
    """Find a member that can be the owner. Raises: INVALID_FIELD, MEMBER_STATE_CONFLICT."""
    if not preconditions.customer_subject(command.to, "new_owner").startswith("user:"):
        raise InvalidArgument(
            ErrorReason.INVALID_FIELD,
            "only a `user:` can own an account; name one",
            field="new_owner",
        )
    member = preconditions.member(tx.index, command.tenant, command.to, "new_owner")
    if member.state is not MembershipState.ACTIVE:
        raise FailedPrecondition(
            ErrorReason.MEMBER_STATE_CONFLICT,
            f"{member.subject} is {member.state} and cannot own the account; name an active member",
            field="new_owner",
            details={"state": member.state},
        )
    return member


def _admin_role(tx: Transaction, tenant: Tenant) -> str:
    """Name the admin role that the tenant's tier lets it assign, if there is one and no other."""
    names = sorted(assignable_roles(tx.index, tenant, tx.now) & tx.index.roles.keys())
    admin_roles = [name for name in names if tx.index.roles[name].fact.admin]
    if len(admin_roles) == 1:
        return admin_roles[0]
    raise FailedPrecondition(
        ErrorReason.ROLE_NOT_ASSIGNABLE,
        "the new owner holds no admin role on the whole account, without end; grant it one first "
        f"(assignable: {', '.join(admin_roles) or 'none'})",
        field="new_owner",
    )
