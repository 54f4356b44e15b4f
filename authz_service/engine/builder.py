"""Facts into indexes: the first one from rows, every next one from a delta.

A builder owns what it has copied and shares the rest with the index it began from, so one grant
costs one small dictionary, whatever the number of tenants.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TypeVar, assert_never

from authz_service.domain.billing_part import BillingPart, BillingParts
from authz_service.domain.catalog import Permission, Plan, Role
from authz_service.domain.change import Delta, Fact, FactChange, ScheduledChangeset
from authz_service.domain.exception import TenantException
from authz_service.domain.grant import RoleGrant
from authz_service.domain.invitation import Invitation
from authz_service.domain.kept import Kept
from authz_service.domain.membership import Membership
from authz_service.domain.tenant import Tenant
from authz_service.engine import compiling
from authz_service.engine.compiling import Catalogue
from authz_service.engine.index import (
    GrantEntry,
    Index,
    Member,
    MemberEntry,
    TenantEntry,
    plain_member,
    unpack,
)
from authz_service.engine.shards import Editor, Shards

K = TypeVar("K")
T = TypeVar("T")


def apply(index: Index, delta: Delta) -> Index:
    """Make the next index.

    Raises:
        ValueError: the delta is not the next revision; the index is as it was.
    """
    if delta.revision != index.revision + 1:
        raise ValueError(f"revision {delta.revision} does not follow {index.revision}")
    builder = Builder(index)
    for change in delta.changes:
        builder.change(_stamped(change, delta.revision))
    return builder.finish(delta.revision)


def build(facts: Iterable[Fact], revision: int) -> Index:
    """Make an index from nothing.

    The catalogue comes first, members after their tenant, grants after their member.
    """
    builder = Builder(Index.empty())
    for fact in facts:
        builder.change(FactChange(None, fact))
    return builder.finish(revision)


class Builder:
    """Collects changes on top of an index. Used once, by one thread.

    A fact about a tenant or a member that does not exist gives nothing and is passed over: the
    unit of work never writes one, and a decision could only deny it.
    """

    def __init__(self, base: Index) -> None:
        self._base = base
        self._catalogue: Catalogue | None = None
        self._scheduled = base.scheduled
        self._kept = base.all_kept()
        self._billing: BillingParts | None = base.billing
        self._tenants = base.tenants.edit()
        self._touched: dict[str, TenantEntry] = {}
        self._members: dict[str, Editor[Member]] = {}

    @property
    def role_bits(self) -> dict[str, int]:
        return self._catalogue.role_bits if self._catalogue else self._base.role_bits

    def change(self, change: FactChange) -> None:
        match change.fact:
            case (Permission() | Role(tenant="") | Plan()) as fact:
                self._catalogue = self._catalogue or Catalogue(self._base)
                self._catalogue.change(fact, present=change.after is not None)
            case Role(id=role_id, tenant=owner):
                self._own_role(owner, role_id, change.after)
            case Tenant(id=tenant_id):
                self._tenant(tenant_id, change.after)
            case Membership(tenant=tenant_id, subject=subject):
                self._membership(tenant_id, subject, change.after)
            case RoleGrant(tenant=tenant_id, subject=subject):
                self._grant(tenant_id, subject, change)
            case Invitation(tenant=tenant_id, id=invitation):
                self._invitation(tenant_id, invitation, change.after)
            case TenantException(tenant=tenant_id):
                self._exception(tenant_id, change)
            case ScheduledChangeset(id=name):
                ahead = change.after if isinstance(change.after, ScheduledChangeset) else None
                self._scheduled = _with(self._scheduled, name, ahead)
            case Kept() as fact:
                self._keep(type(fact), change)
            case _:
                assert_never(change.fact)

    def _keep(self, kind: type[Kept], change: FactChange) -> None:
        entries = dict(self._kept.get(kind, {}))
        if isinstance(change.before, Kept):
            entries.pop(change.before.key, None)
        if isinstance(change.after, Kept):
            entries[change.after.key] = change.after
        self._kept = {**self._kept, kind: entries}
        if issubclass(kind, BillingPart):
            self._billing = None

    def load_members(self, tenant_id: str, members: dict[str, Member]) -> None:
        """Take over all members of a new tenant at once, already packed."""
        entry = self._entry(tenant_id)
        if entry is not None:
            entry.members = Shards.of(members)

    def finish(self, revision: int) -> Index:
        for tenant_id, members in self._members.items():
            self._touched[tenant_id].members = members.finish()
        for tenant_id, entry in self._touched.items():
            self._tenants.set(tenant_id, entry)
        catalogue = self._catalogue.compiled() if self._catalogue else self._base
        return Index(
            revision,
            catalogue.permissions,
            catalogue.roles,
            catalogue.role_bits,
            catalogue.plans,
            catalogue.plan_bits,
            self._tenants.finish(),
            self._scheduled,
            self._kept,
            self._billing or BillingParts.collected(self._kept),
        )

    def _tenant(self, tenant_id: str, after: Fact | None) -> None:
        plan_bits = self._catalogue.plan_bits if self._catalogue else self._base.plan_bits
        entry = self._entry(tenant_id)
        if not isinstance(after, Tenant):
            self._touched.pop(tenant_id, None)
            self._members.pop(tenant_id, None)
            self._tenants.delete(tenant_id)
        elif entry is None:
            self._touched[tenant_id] = compiling.new_tenant(after, plan_bits)
        else:
            compiling.set_tenant(entry, after, plan_bits)

    def _own_role(self, owner: str, role_id: str, after: Fact | None) -> None:
        entry = self._entry(owner)
        if entry is not None:
            owned = {name: compiled.fact for name, compiled in entry.own_roles.items()}
            owned = _with(owned, role_id, after if isinstance(after, Role) else None)
            entry.own_roles = compiling.own_roles(owned, self.role_bits)

    def _membership(self, tenant_id: str, subject: str, after: Fact | None) -> None:
        members = self._edit_members(tenant_id)
        if members is None:
            return
        if isinstance(after, Membership):
            grants = self._grants(members.get(subject))
            members.set(subject, compiling.pack(after, grants, self.role_bits))
        else:
            members.delete(subject)

    def _grant(self, tenant_id: str, subject: str, change: FactChange) -> None:
        members = self._edit_members(tenant_id)
        member = members.get(subject) if members is not None else None
        if members is None or member is None:
            return
        grants = list(self._grants(member))
        if isinstance(change.before, RoleGrant) and not change.before.held_back:
            grants.remove(compiling.grant_entry(change.before))
        if isinstance(change.after, RoleGrant) and not change.after.held_back:
            grants.append(compiling.grant_entry(change.after))
        membership = (
            member.membership
            if isinstance(member, MemberEntry)
            else plain_member(tenant_id, subject, member)
        )
        members.set(subject, compiling.pack(membership, tuple(grants), self.role_bits))

    def _invitation(self, tenant_id: str, invitation: str, after: Fact | None) -> None:
        entry = self._entry(tenant_id)
        if entry is not None:
            open_now = after if isinstance(after, Invitation) else None
            entry.invitations = _with(entry.invitations, invitation, open_now)

    def _exception(self, tenant_id: str, change: FactChange) -> None:
        entry = self._entry(tenant_id)
        if entry is not None:
            others = [e for e in entry.exceptions if e != change.before]
            added = [change.after] if isinstance(change.after, TenantException) else []
            compiling.set_exceptions(entry, [*others, *added])

    def _entry(self, tenant_id: str) -> TenantEntry | None:
        """Give this builder's own copy of a tenant; None if there is no such tenant."""
        if tenant_id not in self._touched:
            shared = self._tenants.get(tenant_id)
            if shared is None:
                return None
            self._touched[tenant_id] = shared.copy()
        return self._touched[tenant_id]

    def _edit_members(self, tenant_id: str) -> Editor[Member] | None:
        if tenant_id not in self._members:
            entry = self._entry(tenant_id)
            if entry is None:
                return None
            self._members[tenant_id] = entry.members.edit()
        return self._members[tenant_id]

    def _grants(self, member: Member | None) -> tuple[GrantEntry, ...]:
        if isinstance(member, MemberEntry):
            return member.grants
        return unpack(member or 0, self.role_bits)


def _stamped(change: FactChange, revision: int) -> FactChange:
    """Let what can be sold or granted, tenants and exceptions, know the revision that wrote it."""
    after = change.after
    if isinstance(after, Permission | Role | Plan | Tenant | TenantException):
        return FactChange(change.before, replace(after, revision=revision))
    if isinstance(after, Kept):
        return FactChange(change.before, after.as_of(revision))
    return change


def _with(entries: Mapping[K, T], key: K, value: T | None) -> dict[K, T]:
    """Copy a small dictionary with one key set, or forgotten if the value is None."""
    changed = {**entries}
    changed.pop(key, None)
    if value is not None:
        changed[key] = value
    return changed
