"""Who is invited to become a member, and who accepts."""

from dataclasses import dataclass, replace

from authz_service.domain.audit import AuditRecord
from authz_service.domain.identifiers import checked
from authz_service.domain.invitation import LONGEST, Invitation, checked_address
from authz_service.domain.membership import Membership, MembershipState, joined
from authz_service.domain.tenant import Tenant, TenantState
from authz_service.domain.window import Instant
from authz_service.engine import invariants
from authz_service.engine.index import Index
from authz_service.errors import (
    AlreadyExists,
    ErrorReason,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
)
from authz_service.store.unit_of_work import Transaction
from authz_service.usecases.kernel import paging, preconditions, promises
from authz_service.usecases.kernel.execution import View, change, read
from authz_service.usecases.kernel.paging import Page, PageRequest
from authz_service.usecases.members import roster
from authz_service.usecases.members.roster import MemberNow
from authz_service.usecases.members.seats import require_room


@dataclass(frozen=True, slots=True, kw_only=True)
class InviteMember:
    """`token_hash` is `domain.invitation.digest` of the token; `lifetime` is in microseconds."""

    tenant: str
    token_hash: str
    lifetime: int
    subject: str = ""
    email: str = ""
    roles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptInvitation:
    tenant: str
    token_hash: str
    subject: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResendInvitation:
    tenant: str
    id: str
    token_hash: str
    lifetime: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OneInvitation:
    tenant: str
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListInvitations:
    tenant: str
    page: PageRequest


@dataclass(frozen=True, slots=True)
class InvitationNow:
    """An invitation as it stands at an instant, without its token."""

    id: str
    tenant: str
    email: str
    subject: str
    roles: tuple[str, ...]
    invited_by: str
    sent_at: Instant
    expires_at: Instant
    expired: bool


@change
def invite_member(tx: Transaction, command: InviteMember) -> InvitationNow:
    tenant = preconditions.running_customer(tx.index, command.tenant, tx.now)
    invitation = Invitation(
        id=tx.new_id(),
        tenant=tenant.id,
        email=checked_address(command.email, "email") if command.email else "",
        subject=_invited(command),
        roles=tuple(sorted(command.roles)),
        token_hash=command.token_hash,
        invited_by=tx.call.actor.on_behalf_of or tx.call.actor.subject,
        sent_at=tx.now,
        expires_at=_end(tx, command.lifetime),
    )
    _require_roles(tx, tenant, command.roles)
    _require_new(tx, invitation)
    if invitation.subject and tx.index.member(tenant.id, invitation.subject) is None:
        invited = Membership(tenant.id, invitation.subject, MembershipState.INVITED)
        roster.changed(tx, "member.invited", None, invited)
    _replace(tx, "invitation.created", None, invitation)
    require_room(tx, tenant.id)
    return invitation_now(invitation, tx.now)


@change
def accept_invitation(tx: Transaction, command: AcceptInvitation) -> MemberNow:
    """Make the subject an active member with the roles it was promised, and end the invitation."""
    tenant = preconditions.running_customer(tx.index, command.tenant, tx.now)
    subject = _person(command.subject, "subject")
    invitation = _opened(tx, command)
    _require_open(tenant, tx.now)
    promises.require_sender(tx, invitation)
    roster.end_invitation(tx, "invitation.accepted", invitation)
    membership = tx.index.member(tenant.id, subject)
    member = joined(membership) if membership is not None else Membership(tenant.id, subject)
    if membership != member:
        action = "member.added" if membership is None else "member.joined"
        roster.changed(tx, action, membership, member)
    roster.give_lacking(tx, tenant, subject, invitation.roles, "token")
    _own(tx, tenant, member)
    return roster.as_changed(tx, member)


@change
def resend_invitation(tx: Transaction, command: ResendInvitation) -> InvitationNow:
    """Make the old token worthless; an invitation whose time is over takes its seat again.

    Whoever resends it answers for what it promises from then on.
    """
    tenant = preconditions.running_customer(tx.index, command.tenant, tx.now)
    invitation = _find(tx.index, command.tenant, command.id)
    sent = replace(
        invitation,
        invited_by=tx.call.actor.on_behalf_of or tx.call.actor.subject,
        token_hash=command.token_hash,
        mailed_hash="",
        sent_at=tx.now,
        expires_at=_end(tx, command.lifetime),
    )
    _replace(tx, "invitation.resent", invitation, sent)
    require_room(tx, tenant.id)
    return invitation_now(sent, tx.now)


@change
def revoke_invitation(tx: Transaction, command: OneInvitation) -> InvitationNow:
    """End an invitation, and the membership that was only invited. Nothing can prevent it."""
    preconditions.customer(tx.index, command.tenant)
    invitation = _find(tx.index, command.tenant, command.id)
    _withdraw(tx, "invitation.revoked", invitation)
    return invitation_now(invitation, tx.now)


@read
def get_invitation(view: View, query: OneInvitation) -> InvitationNow:
    preconditions.tenant(view.index, query.tenant)
    return invitation_now(_find(view.index, query.tenant, query.id), view.now)


@read
def list_invitations(view: View, query: ListInvitations) -> Page[InvitationNow]:
    preconditions.tenant(view.index, query.tenant)
    member = view.index.tenants[query.tenant].invitations
    invitations = [member[invitation] for invitation in sorted(member)]
    filters = ["invitations", query.tenant]
    cut = paging.page(invitations, lambda invitation: invitation.id, query.page, filters)
    shown = tuple(invitation_now(item, view.now) for item in cut.items)
    return paging.described(cut, shown, lambda invitation: invitation.id, filters)


def invitation_now(invitation: Invitation, at: Instant) -> InvitationNow:
    return InvitationNow(
        id=invitation.id,
        tenant=invitation.tenant,
        email=invitation.email,
        subject=invitation.subject,
        roles=invitation.roles,
        invited_by=invitation.invited_by,
        sent_at=invitation.sent_at,
        expires_at=invitation.expires_at,
        expired=not invitation.live(at),
    )


def _invited(command: InviteMember) -> str:
    """Name the subject, or "" where only an address is known."""
    if command.subject:
        return _person(command.subject, "subject")
    if not command.email:
        raise _wrong("name whom to invite: a subject, an e-mail address, or both", "subject")
    return ""


def _person(subject: str, field: str) -> str:
    if not preconditions.customer_subject(subject, field).startswith("user:"):
        raise _wrong("only a `user:` accepts an invitation; add others with AddMember", field)
    return subject


def _end(tx: Transaction, lifetime: int) -> Instant:
    if not 0 < lifetime <= LONGEST:
        raise _wrong("lifetime must be longer than nothing and at most 365 days", "lifetime")
    return tx.now + lifetime


def _require_roles(tx: Transaction, tenant: Tenant, roles: tuple[str, ...]) -> None:
    preconditions.batch(len(roles), "roles")
    roster.require_each_once(roles, "roles")
    for role in roles:
        preconditions.assignable(tx.index, tenant, role, tx.now, "roles")


def _require_new(tx: Transaction, invitation: Invitation) -> None:
    """Refuse to invite a member, or anybody twice; invitations that time has ended make way."""
    member = tx.index.member(invitation.tenant, invitation.subject)
    if member is not None and member.lifecycle is not MembershipState.INVITED:
        raise AlreadyExists(
            ErrorReason.MEMBER_EXISTS,
            f"{member.subject} is a member of {member.tenant!r} already; grant roles to change "
            "what they may",
            field="subject",
        )
    for other in tx.index.tenants[invitation.tenant].invitations.values():
        if not other.reaches(invitation):
            continue
        if other.live(tx.now):
            raise AlreadyExists(
                ErrorReason.INVITATION_EXISTS,
                f"invitation {other.id} reaches the same person; resend or revoke it",
                field="subject" if other.subject == invitation.subject != "" else "email",
                details={"id": other.id},
            )
        if other.subject == invitation.subject:
            roster.end_invitation(tx, "invitation.expired", other)
        else:
            _withdraw(tx, "invitation.expired", other)


def _require_open(tenant: Tenant, at: Instant) -> None:
    """Check that the account is not suspended. Raises: TENANT_SUSPENDED."""
    if tenant.state_at(at) is TenantState.SUSPENDED:
        reasons = ",".join(sorted(tenant.suspensions))
        raise FailedPrecondition(
            ErrorReason.TENANT_SUSPENDED,
            f"{tenant.id!r} is suspended ({reasons or 'its trial or grace is over'}); accept the "
            "invitation once the account is open again",
            field="tenant",
            details={"suspensions": reasons},
        )


def _own(tx: Transaction, tenant: Tenant, member: Membership) -> None:
    """Let the first admin of an account that nobody owns or runs become its owner."""
    if not invariants.is_admin(tx.after(), tenant.id, member.subject, tx.now):
        return
    run = invariants.has_admin(tx.index, tenant.id, tx.now)
    if not run and roster.owner_of(tx.index, tenant.id) is None:
        roster.changed(tx, "member.owner_made", member, replace(member, owner=True))


def _withdraw(tx: Transaction, action: str, invitation: Invitation) -> None:
    """End an invitation, and with it the membership of one who has not accepted."""
    roster.end_invitation(tx, action, invitation)
    member = tx.index.member(invitation.tenant, invitation.subject)
    if member is not None and member.lifecycle is MembershipState.INVITED:
        roster.end_membership(tx, member, but=invitation)


def _opened(tx: Transaction, command: AcceptInvitation) -> Invitation:
    """Find the one open invitation that a token opens.

    Raises:
        NotFound: INVITATION_TOKEN_REFUSED, the same for every token that opens none.
    """
    for invitation in tx.index.tenants[command.tenant].invitations.values():
        if invitation.opens(command.token_hash, command.subject, tx.now):
            return invitation
    raise NotFound(
        ErrorReason.INVITATION_TOKEN_REFUSED,
        "no open invitation answers to this token for this subject; ask for a new invitation",
        field="token",
    )


def _find(index: Index, tenant: str, invitation: str) -> Invitation:
    match = index.tenants[tenant].invitations.get(checked("id", invitation))
    if match is None:
        raise NotFound(
            ErrorReason.INVITATION_NOT_FOUND,
            f"there is no open invitation {invitation!r} in {tenant!r}; list the open ones",
            field="id",
        )
    return match


def _replace(tx: Transaction, action: str, before: Invitation | None, after: Invitation) -> None:
    tx.change(before, after)
    tx.record(AuditRecord(action, after.tenant, (after.id,), before, after, tx.call.reason))


def _wrong(message: str, field: str) -> InvalidArgument:
    return InvalidArgument(ErrorReason.INVALID_FIELD, message, field=field)
