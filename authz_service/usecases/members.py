"""Who belongs to a tenant: a customer's roster."""

from dataclasses import dataclass

from authz_service.domain.audit import Event
from authz_service.domain.catalogue import SEATS
from authz_service.domain.grant import RoleGrant
from authz_service.domain.identifiers import checked
from authz_service.domain.membership import Membership, MembershipState
from authz_service.domain.tenant import SuspensionReason, Tenant
from authz_service.domain.window import Instant
from authz_service.engine.entitlements import limit_in_force
from authz_service.engine.index import Index
from authz_service.errors import (
    AlreadyExists,
    ErrorReason,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
)
from authz_service.store.facts import Facts
from authz_service.store.schema import rule
from authz_service.store.unit_of_work import Transaction
from authz_service.usecases import paging, require
from authz_service.usecases.execution import View, change, read
from authz_service.usecases.paging import Page, PageRequest
from authz_service.usecases.role_grants import give, take


@dataclass(frozen=True, slots=True)
class NewMember:
    subject: str
    roles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AddMember:
    tenant: str
    member: NewMember


@dataclass(frozen=True, slots=True, kw_only=True)
class OneMember:
    tenant: str
    subject: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListMembers:
    tenant: str
    page: PageRequest


@dataclass(frozen=True, slots=True)
class MemberNow:
    """A member as it stands at an instant; `roles` are those on the whole tenant, in force."""

    tenant: str
    subject: str
    state: MembershipState
    suspensions: tuple[SuspensionReason, ...]
    roles: tuple[str, ...]


@change("members:add")
def add_member(tx: Transaction, wanted: AddMember) -> MemberNow:
    tenant = require.running_customer(tx.index, wanted.tenant, tx.now)
    require_seats(tx, tenant, 1)
    return join(tx, tenant, wanted.member, "member.")


def join(tx: Transaction, tenant: Tenant, new: NewMember, field: str) -> MemberNow:
    """Make a subject a member and grant its first roles."""
    subject = require.customer_subject(new.subject, f"{field}subject")
    if tx.index.member(tenant.id, subject) is not None:
        raise AlreadyExists(
            ErrorReason.MEMBER_EXISTS,
            f"{subject} is a member of {tenant.id!r} already; grant roles to change what they may",
            field=f"{field}subject",
        )
    if len(set(new.roles)) < len(new.roles):
        raise _repeated(f"{field}roles")
    membership = Membership(tenant.id, subject)
    tx.change(None, membership)
    tx.record(Event("member.added", tenant.id, (subject,), None, membership, tx.call.reason))
    for role in new.roles:
        give(
            tx, tenant, RoleGrant(tenant.id, subject, role, reason=tx.call.reason), f"{field}roles"
        )
    return MemberNow(tenant.id, subject, membership.state, (), tuple(sorted(new.roles)))


def require_seats(tx: Transaction, tenant: Tenant, wanted: int) -> None:
    """Check that the tenant has bought seats for `wanted` more members.

    A tier that sets no limit `seats` is not sold by seats.
    """
    entry = tx.index.tenants.get(tenant.id)
    taken = entry.members.size if entry is not None else 0
    seats = limit_in_force(tx.index, tenant, SEATS, tx.now)
    if seats is None or seats.limit.value is None or taken + wanted <= seats.limit.value:
        return
    raise FailedPrecondition(
        ErrorReason.SEATS_EXHAUSTED,
        f"{taken} of {seats.limit.value} seats of {tenant.id!r} are taken and {wanted} more asked "
        "for; remove a member or move to a larger tier",
        details={"seats": str(seats.limit.value), "taken": str(taken)},
    )


def require_distinct(members: tuple[NewMember, ...], field: str) -> None:
    """Check that no subject stands twice in one request."""
    if len({member.subject for member in members}) < len(members):
        raise _repeated(field)


@change("members:remove")
def remove_member(tx: Transaction, wanted: OneMember) -> MemberNow:
    """End a membership and every grant of it. Neither tier nor state can prevent it."""
    require.customer(tx.index, wanted.tenant)
    held = _find(tx.index, wanted)
    facts = Facts(tx.connection)
    for grant in facts.role_grants(wanted.tenant, rule.c.subject == wanted.subject):
        take(tx, grant)
    tx.change(held, None)
    tx.record(Event("member.removed", held.tenant, (held.subject,), held, None, tx.call.reason))
    return MemberNow(held.tenant, held.subject, MembershipState.REMOVED, (), ())


@read("members:get")
def get_member(view: View, wanted: OneMember) -> MemberNow:
    require.tenant(view.index, wanted.tenant)
    return member_now(view.index, _find(view.index, wanted), view.now)


@read("members:list")
def list_members(view: View, wanted: ListMembers) -> Page[MemberNow]:
    require.tenant(view.index, wanted.tenant)
    entry = view.index.tenants.get(wanted.tenant)
    subjects = sorted(subject for subject, _ in entry.members.items()) if entry else []
    query = ["members", wanted.tenant]
    cut = paging.page(subjects, str, wanted.page, query)
    members = (view.index.member(wanted.tenant, subject) for subject in cut.items)
    shown = tuple(member_now(view.index, member, view.now) for member in members if member)
    return Page(shown, cut.next_token)


def member_now(index: Index, member: Membership, at: Instant) -> MemberNow:
    grants = index.grants(member.tenant, member.subject)
    roles = {g.role for g in grants if not g.scope and g.covers((), at)}
    suspensions = tuple(sorted(member.suspensions))
    return MemberNow(member.tenant, member.subject, member.state, suspensions, tuple(sorted(roles)))


def _find(index: Index, wanted: OneMember) -> Membership:
    found = index.member(wanted.tenant, checked("subject", wanted.subject))
    if found is None:
        raise NotFound(
            ErrorReason.MEMBER_NOT_FOUND,
            f"{wanted.subject} is not a member of {wanted.tenant!r}; list its members",
            field="subject",
        )
    return found


def _repeated(field: str) -> InvalidArgument:
    return InvalidArgument(
        ErrorReason.INVALID_FIELD, "the same one is named twice; name each once", field=field
    )
