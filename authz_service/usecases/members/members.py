"""Who belongs to a tenant: a customer's roster."""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Final

from authz_service.domain.grant import RoleGrant
from authz_service.domain.identifiers import checked
from authz_service.domain.membership import (
    ManagedBy,
    Membership,
    MembershipState,
    resumed,
    suspended,
)
from authz_service.domain.tenant import SuspensionReason, Tenant
from authz_service.engine.index import Index
from authz_service.errors import AlreadyExists, ErrorReason, InvalidArgument
from authz_service.store.unit_of_work import Transaction
from authz_service.usecases.grants.role_grants import give, take
from authz_service.usecases.kernel import paging, preconditions
from authz_service.usecases.kernel.execution import View, change, read
from authz_service.usecases.kernel.paging import Page, PageRequest
from authz_service.usecases.members import roster
from authz_service.usecases.members.roster import MemberNow
from authz_service.usecases.members.seats import require_room, require_seat

_LAST: Final = "\x7f"
"""Comes after every character of a subject."""


@dataclass(frozen=True, slots=True)
class NewMember:
    """A membership of a tenant that is yet to be named, and roles to grant."""

    membership: Membership
    roles: tuple[str, ...] = ()

    @classmethod
    def of(cls, subject: str, roles: tuple[str, ...] = (), **more: Any) -> "NewMember":
        """`more` are fields of the membership."""
        return cls(Membership("", subject, **more), roles)

    @property
    def subject(self) -> str:
        return self.membership.subject

    @property
    def owner(self) -> bool:
        return self.membership.owner


@dataclass(frozen=True, slots=True, kw_only=True)
class AddMember:
    """`by` is here, as below, the directory that asks: it may change the members it keeps."""

    tenant: str
    member: NewMember
    by: ManagedBy = ManagedBy.NOBODY


@dataclass(frozen=True, slots=True, kw_only=True)
class OneMember:
    tenant: str
    subject: str
    by: ManagedBy = ManagedBy.NOBODY


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveMember(OneMember):
    """`hand_over` lets the caller take over the invitations that the member sent."""

    hand_over: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberSuspension:
    """One reason to lay on a member, or to lift."""

    tenant: str
    subject: str
    reason: SuspensionReason
    by: ManagedBy = ManagedBy.NOBODY


@dataclass(frozen=True, slots=True, kw_only=True)
class SetMemberRoles:
    """All roles that the member should hold by hand on the whole tenant."""

    tenant: str
    subject: str
    roles: tuple[str, ...]
    by: ManagedBy = ManagedBy.NOBODY
    hand_over: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ListMembers:
    """`state` None, `role` "", `subject_prefix` "" and `owner` False stand for any."""

    tenant: str
    page: PageRequest
    state: MembershipState | None = None
    role: str = ""
    subject_prefix: str = ""
    owner: bool = False


@change
def add_member(tx: Transaction, command: AddMember) -> MemberNow:
    tenant = preconditions.running_customer(tx.index, command.tenant, tx.now)
    if command.member.owner:
        _require_no_owner(tx.index, tenant.id)
    membership = join(tx, tenant, command.member, "member.", command.by)
    require_room(tx, tenant.id)
    return roster.as_changed(tx, membership)


def join(
    tx: Transaction, tenant: Tenant, new: NewMember, field: str, by: ManagedBy = ManagedBy.NOBODY
) -> Membership:
    """Make a subject a member and grant its first roles. The caller checks seats and owners."""
    subject = preconditions.customer_subject(new.subject, f"{field}subject")
    if tx.index.member(tenant.id, subject) is not None:
        raise AlreadyExists(
            ErrorReason.MEMBER_EXISTS,
            f"{subject} is a member of {tenant.id!r} already; grant roles to change what they may",
            field=f"{field}subject",
        )
    roster.require_each_once(new.roles, f"{field}roles")
    if new.owner and not _can_own(tx.index, new):
        raise _wrong("an owner is a `user:` with an admin role among roles", f"{field}owner")
    membership = replace(new.membership, tenant=tenant.id)
    roster.require_not_managed(tx, membership, by)
    roster.changed(tx, "member.added", None, membership)
    for role in new.roles:
        grant = RoleGrant(tenant.id, subject, role, reason=tx.call.reason)
        give(tx, tenant, grant, f"{field}roles")
    return membership


@change
def remove_member(tx: Transaction, command: RemoveMember) -> MemberNow:
    """End a membership, its grants and its invitations. Neither tier nor state can prevent it."""
    member = _to_change(tx, command)
    roster.end_membership(tx, member)
    return roster.as_changed(tx, member)


@change
def suspend_member(tx: Transaction, command: MemberSuspension) -> MemberNow:
    """Hold a member back. Neither tier nor state can prevent it."""
    member = _to_change(tx, command)
    preconditions.laid_by_hand(command.reason)
    roster.changed(tx, "member.suspended", member, suspended(member, command.reason))
    return roster.as_changed(tx, member)


@change
def resume_member(tx: Transaction, command: MemberSuspension) -> MemberNow:
    preconditions.running_customer(tx.index, command.tenant, tx.now)
    member = _to_change(tx, command)
    if command.reason is SuspensionReason.SEATS and command.reason in member.suspensions:
        require_seat(tx, command.tenant)
    roster.changed(tx, "member.resumed", member, resumed(member, command.reason))
    require_room(tx, command.tenant)
    return roster.as_changed(tx, member)


@change
def set_member_roles(tx: Transaction, command: SetMemberRoles) -> MemberNow:
    """Give and take the difference. Where it only takes, neither tier nor state can prevent it."""
    tenant = preconditions.customer(tx.index, command.tenant)
    member = _to_change(tx, command)
    preconditions.batch(len(command.roles), "roles", at_least=0)
    roster.require_each_once(command.roles, "roles")
    for grant in roster.manual_roles(tx, tenant.id, member.subject):
        if grant.role not in command.roles:
            take(tx, grant)
    before = len(tx.changes)
    roster.give_lacking(tx, tenant, member.subject, command.roles, "roles")
    if len(tx.changes) > before:
        preconditions.running_customer(tx.index, command.tenant, tx.now)
    return roster.as_changed(tx, member)


@read
def get_member(view: View, query: OneMember) -> MemberNow:
    preconditions.tenant(view.index, query.tenant)
    subjects = roster.find(view.index, query.tenant, query.subject)
    with view.database.read() as connection:
        return roster.members_now(connection, view.index, [subjects], view.now)[0]


@read
def list_members(view: View, query: ListMembers) -> Page[MemberNow]:
    preconditions.tenant(view.index, query.tenant)
    if query.role:
        checked("role", query.role)
    filters = [
        *("members", query.tenant, query.state or "", query.role, query.subject_prefix),
        "owner" if query.owner else "",
    ]
    cut = _page(view, query, filters)
    members = [roster.find(view.index, query.tenant, subject) for subject in cut.items]
    with view.database.read() as connection:
        shown = roster.members_now(connection, view.index, members, view.now)
    return paging.described(cut, shown, lambda member: member.membership.subject, filters)


def with_owner(index: Index, members: tuple[NewMember, ...]) -> tuple[NewMember, ...]:
    """Let the first user with an admin role own the account, if no member says that it does.

    Raises:
        InvalidArgument: INVALID_FIELD, if more than one says so.
    """
    owners = [member for member in members if member.owner]
    if len(owners) > 1:
        raise _wrong("an account has one owner at most; say it of one member", "members")
    for at, member in enumerate(members):
        if not owners and _can_own(index, member):
            owner = replace(member, membership=replace(member.membership, owner=True))
            return (*members[:at], owner, *members[at + 1 :])
    return members


def require_distinct(members: tuple[NewMember, ...], field: str) -> None:
    """Check that no subject stands twice in one request."""
    roster.require_each_once([member.subject for member in members], field)


def _to_change(
    tx: Transaction, command: OneMember | MemberSuspension | SetMemberRoles
) -> Membership:
    """Find a customer's member that the caller may change."""
    preconditions.customer(tx.index, command.tenant)
    member = roster.find(tx.index, command.tenant, command.subject)
    roster.require_not_managed(tx, member, command.by)
    return member


def _page(view: View, query: ListMembers, filters: list[str]) -> Page[str]:
    """Name the members that the query finds, in byte order. Those that it leaves out are looked at
    only until the page is full, so their number is known only of a list that ends there.
    """
    ordered = view.index.tenants[query.tenant].members.ordered()
    begin = bisect_left(ordered, query.subject_prefix)
    end = bisect_left(ordered, f"{query.subject_prefix}{_LAST}")
    if query.state is None and not query.role and not query.owner:
        return paging.page(ordered[begin:end], str, query.page, filters)
    size, after = paging.window(query.page, filters)
    begin = max(begin, bisect_right(ordered, after) if after else 0)
    subjects = (ordered[place] for place in range(begin, end))
    some = list(islice((s for s in subjects if _matches(view, s, query)), size + 1))
    cut = paging.cut(some, str, size, filters)
    return cut if after or cut.next_token else replace(cut, total_size=len(some))


def _matches(view: View, subject: str, query: ListMembers) -> bool:
    member = roster.find(view.index, query.tenant, subject)
    return (
        query.state in (None, member.state)
        and (member.owner or not query.owner)
        and (not query.role or query.role in roster.roles_now(view.index, member, view.now))
    )


def _can_own(index: Index, new: NewMember) -> bool:
    roles = [index.role(role) for role in new.roles]
    admin = any(role is not None and role.fact.admin for role in roles)
    return admin and new.subject.startswith("user:")


def _require_no_owner(index: Index, tenant: str) -> None:
    owner = roster.owner_of(index, tenant)
    if owner is not None:
        raise AlreadyExists(
            ErrorReason.OWNER_EXISTS,
            f"{owner.subject} owns {tenant!r}; transfer the ownership instead",
            field="member.owner",
            details={"owner": owner.subject},
        )


def _wrong(message: str, field: str) -> InvalidArgument:
    return InvalidArgument(ErrorReason.INVALID_FIELD, message, field=field)
