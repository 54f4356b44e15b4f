"""Steps that open a door: each is a change that an RPC makes, and what it changes of the facts."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import ClassVar, TypeAlias

from authz_service.domain.catalog import TIER, Limit, Permission, Role
from authz_service.domain.change import Fact, FactChange
from authz_service.domain.exception import ExceptionKind, TenantException
from authz_service.domain.grant import RoleGrant
from authz_service.domain.lifecycle import activated, reactivated, resumed
from authz_service.domain.membership import Membership, MembershipState
from authz_service.domain.subscription import moved_to_tier, with_add_on, with_limits
from authz_service.domain.tenant import SubscriptionItem, SuspensionReason, Tenant
from authz_service.domain.window import ALWAYS, Instant
from authz_service.engine.builder import Builder
from authz_service.engine.index import Index

Changes: TypeAlias = list[FactChange]


@dataclass(frozen=True, slots=True)
class CreatePermission:
    WORDS: ClassVar = "declare {permission} in the catalogue"
    permission: str

    def changes(self, index: Index, at: Instant) -> Changes:  # noqa: ARG002 - as every step
        return [FactChange(None, Permission(self.permission))]


@dataclass(frozen=True, slots=True)
class OnboardTenant:
    WORDS: ClassVar = "onboard {tenant} on tier {tier}"
    tenant: str
    tier: str

    def changes(self, index: Index, at: Instant) -> Changes:  # noqa: ARG002 - as every step
        items = (SubscriptionItem(TIER + self.tier),)
        return [FactChange(None, Tenant(self.tenant, subscription_items=items))]


@dataclass(frozen=True, slots=True)
class ReactivateTenant:
    """`returning` is what the tenant's end took from it, as far as the question is about it."""

    WORDS: ClassVar = "reactivate {tenant}"
    tenant: str
    returning: tuple[Fact, ...] = ()

    def changes(self, index: Index, at: Instant) -> Changes:
        before = index.tenants[self.tenant].fact
        returning = (FactChange(None, fact) for fact in self.returning)
        return [FactChange(before, reactivated(before, at)), *returning]


@dataclass(frozen=True, slots=True)
class ResumeTenant:
    WORDS: ClassVar = "lift suspension {suspension} of {tenant}"
    tenant: str
    suspension: SuspensionReason

    def changes(self, index: Index, at: Instant) -> Changes:
        before = index.tenants[self.tenant].fact
        return [FactChange(before, resumed(before, self.suspension, at))]


@dataclass(frozen=True, slots=True)
class ActivateTenant:
    WORDS: ClassVar = "activate {tenant}, whose trial or grace is over"
    tenant: str

    def changes(self, index: Index, at: Instant) -> Changes:
        before = index.tenants[self.tenant].fact
        return [FactChange(before, activated(before, at))]


@dataclass(frozen=True, slots=True)
class AddMember:
    WORDS: ClassVar = "make {subject} a member of {tenant}"
    tenant: str
    subject: str

    def changes(self, index: Index, at: Instant) -> Changes:  # noqa: ARG002 - as every step
        before = index.member(self.tenant, self.subject)
        member = before or Membership(self.tenant, self.subject)
        return [FactChange(before, replace(member, lifecycle=MembershipState.ACTIVE))]


@dataclass(frozen=True, slots=True)
class ResumeMember:
    WORDS: ClassVar = "lift suspension {suspension} of {subject} in {tenant}"
    tenant: str
    subject: str
    suspension: SuspensionReason

    def changes(self, index: Index, at: Instant) -> Changes:  # noqa: ARG002 - as every step
        member = index.member(self.tenant, self.subject)
        if member is None:
            return []
        resumed = replace(member, suspensions=member.suspensions - {self.suspension})
        return [FactChange(member, resumed)]


@dataclass(frozen=True, slots=True)
class DeleteException:
    WORDS: ClassVar = "revoke exception {exception} of {tenant}"
    tenant: str
    exception: str

    def changes(self, index: Index, at: Instant) -> Changes:  # noqa: ARG002 - as every step
        exceptions = index.tenants[self.tenant].exceptions
        return [FactChange(e, None) for e in exceptions if e.id == self.exception]


@dataclass(frozen=True, slots=True)
class CreateRole:
    """A role of the tenant's own with one permission."""

    WORDS: ClassVar = "create role {role} with {permission}"
    role: str
    permission: str

    def changes(self, index: Index, at: Instant) -> Changes:  # noqa: ARG002 - as every step
        return [FactChange(None, Role(self.role, frozenset({self.permission})))]


@dataclass(frozen=True, slots=True)
class GrantRole:
    """`scope` "" is the whole tenant."""

    WORDS: ClassVar = "grant {subject} {role} in {tenant}"
    tenant: str
    subject: str
    role: str
    scope: str

    def changes(self, index: Index, at: Instant) -> Changes:  # noqa: ARG002 - as every step
        return [FactChange(None, RoleGrant(self.tenant, self.subject, self.role, self.scope))]


@dataclass(frozen=True, slots=True)
class SetTier:
    WORDS: ClassVar = "move {tenant} to tier {tier}"
    tenant: str
    tier: str

    def changes(self, index: Index, at: Instant) -> Changes:  # noqa: ARG002 - as every step
        before = index.tenants[self.tenant].fact
        return [FactChange(before, moved_to_tier(before, self.tier))]


@dataclass(frozen=True, slots=True)
class AddAddOn:
    WORDS: ClassVar = "add add-on {add_on} to {tenant}"
    tenant: str
    add_on: str

    def changes(self, index: Index, at: Instant) -> Changes:
        before = index.tenants[self.tenant].fact
        return [FactChange(before, with_add_on(before, self.add_on, ALWAYS, at))]


@dataclass(frozen=True, slots=True)
class CreateException:
    """An exception that entitles the tenant to one permission."""

    WORDS: ClassVar = "grant {tenant} an exception for {permission}"
    tenant: str
    permission: str

    def changes(self, index: Index, at: Instant) -> Changes:  # noqa: ARG002 - as every step
        permissions = frozenset({self.permission})
        exception = TenantException("planned", self.tenant, ExceptionKind.GRANT, permissions)
        return [FactChange(None, exception)]


@dataclass(frozen=True, slots=True)
class SetLimit:
    """A limit of the tenant's own."""

    WORDS: ClassVar = "raise limit {limit.name} of {tenant} to {limit.value} {limit.measure}"
    tenant: str
    limit: Limit

    def changes(self, index: Index, at: Instant) -> Changes:  # noqa: ARG002 - as every step
        before = index.tenants[self.tenant].fact
        return [FactChange(before, with_limits(before, (self.limit,), ()))]


Step: TypeAlias = (
    CreatePermission
    | OnboardTenant
    | ReactivateTenant
    | ResumeTenant
    | ActivateTenant
    | AddMember
    | ResumeMember
    | DeleteException
    | CreateRole
    | GrantRole
    | SetTier
    | AddAddOn
    | CreateException
    | SetLimit
)


def after(index: Index, steps: Iterable[Step], at: Instant) -> Index:
    """Give the index as it would be with the steps made, one after the other."""
    for step in steps:
        builder = Builder(index)
        for change in step.changes(index, at):
            builder.change(change)
        index = builder.finish(index.revision)
    return index


def words(step: Step) -> str:
    """Say a step in a few words for a person."""
    fields = {name: getattr(step, name) for name in step.__dataclass_fields__}
    where = f" on {step.scope}" if isinstance(step, GrantRole) and step.scope else ""
    return step.WORDS.format(**fields) + where
