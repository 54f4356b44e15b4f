"""Ways to still one objection: the steps that could be taken, likelier ones first."""

from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias, assert_never

from authz_service.domain.catalog import ADD_ON, MAX_NUMBER, SEATS, TIER, Limit
from authz_service.domain.change import Fact
from authz_service.domain.decision import DecisionReason, Question
from authz_service.domain.tenant import SuspensionReason, TenantState
from authz_service.domain.window import Instant
from authz_service.engine import decide, seats
from authz_service.engine.entitlements import assignable_roles, limit_in_force
from authz_service.engine.index import Index, PermissionEntry, TenantEntry
from authz_service.engine.remedy_steps import (
    ActivateTenant,
    AddAddOn,
    AddMember,
    CreateException,
    CreateRole,
    DeleteException,
    GrantRole,
    ReactivateTenant,
    ResumeMember,
    ResumeTenant,
    SetLimit,
    SetTier,
    Step,
    after,
)

Way: TypeAlias = tuple[Step, ...]

MOST_WAYS: Final = 4
"""Ways to still one objection that are followed, the smallest first."""
_OF_THE_SUBJECT: Final = frozenset(
    {DecisionReason.NOT_A_MEMBER, DecisionReason.ROLE_MISSING, DecisionReason.GRANT_EXPIRED}
)


_Outside: TypeAlias = Literal[
    DecisionReason.TENANT_OFFBOARDED,
    DecisionReason.TENANT_SUSPENDED,
    DecisionReason.NOT_A_MEMBER,
    DecisionReason.MEMBERSHIP_INVITED,
    DecisionReason.MEMBERSHIP_SUSPENDED,
]
"""The account is closed, or the subject is not in it."""


@dataclass(frozen=True, slots=True)
class Goal:
    """What is to be allowed and when, and what a reactivation brings back."""

    question: Question
    at: Instant
    returning: tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class Ways:
    """The ways to still one objection of a tenant that exists."""

    goal: Goal
    index: Index
    tenant: TenantEntry

    def of(self, objection: DecisionReason) -> list[Way]:
        question = self.goal.question
        if question.subject.startswith("staff:") and objection in _OF_THE_SUBJECT:
            return []
        match objection:
            case DecisionReason.ROLE_MISSING | DecisionReason.GRANT_EXPIRED:
                return self._grant()
            case DecisionReason.NOT_ENTITLED | DecisionReason.ENTITLEMENT_EXPIRED:
                return self._entitle()
            case DecisionReason.LIMIT_REACHED | DecisionReason.LIMIT_UNKNOWN:
                return self._raise_limit()
            case DecisionReason.DENIED_BY_EXCEPTION:
                denials = decide.denials(self.tenant, question, self.goal.at)
                return [tuple(DeleteException(question.tenant, d.id) for d in denials)]
            case (
                DecisionReason.TENANT_OFFBOARDED
                | DecisionReason.TENANT_SUSPENDED
                | DecisionReason.NOT_A_MEMBER
                | DecisionReason.MEMBERSHIP_INVITED
                | DecisionReason.MEMBERSHIP_SUSPENDED
            ):
                return [self._let_in(objection)]
            case (
                DecisionReason.ALLOWED
                | DecisionReason.UNKNOWN_PERMISSION
                | DecisionReason.UNKNOWN_TENANT
            ):
                return []
            case _:
                assert_never(objection)

    def _let_in(self, objection: _Outside) -> Way:
        question = self.goal.question
        tenant, subject = question.tenant, question.subject
        match objection:
            case DecisionReason.TENANT_OFFBOARDED:
                return (ReactivateTenant(tenant, self.goal.returning),)
            case DecisionReason.TENANT_SUSPENDED:
                return self._reopen()
            case DecisionReason.NOT_A_MEMBER:
                return (*self._seat(), AddMember(tenant, subject))
            case DecisionReason.MEMBERSHIP_INVITED:
                return (AddMember(tenant, subject),)
            case DecisionReason.MEMBERSHIP_SUSPENDED:
                return self._resume_member()
            case _:
                assert_never(objection)

    @property
    def _permission(self) -> PermissionEntry:
        return self.index.permissions[self.goal.question.permission]

    def _reopen(self) -> Way:
        fact = self.tenant.fact
        set_limits: list[Step] = [ResumeTenant(fact.id, why) for why in sorted(fact.suspensions)]
        if fact.dated_state_at(self.goal.at) is TenantState.SUSPENDED:
            set_limits.append(ActivateTenant(fact.id))
        return tuple(set_limits)

    def _resume_member(self) -> Way:
        tenant, subject = self.goal.question.tenant, self.goal.question.subject
        member = self.index.member(tenant, subject)
        reasons = sorted(member.suspensions) if member is not None else []
        room = self._seat(more=0) if SuspensionReason.SEATS in reasons else ()
        return (*room, *(ResumeMember(tenant, subject, reason) for reason in reasons))

    def _seat(self, more: int = 1) -> Way:
        """Raise the limit of seats, if a member that takes `more` would not fit."""
        fact, at = self.tenant.fact, self.goal.at
        bought = limit_in_force(self.index, fact, SEATS, at)
        if bought is None or bought.limit.value is None:
            return ()
        needed = seats.taken(self.index, fact.id, at) + more
        if needed <= bought.limit.value:
            return ()
        return (SetLimit(fact.id, replace(bought.limit, value=needed)),)

    def _grant(self) -> list[Way]:
        question, fact = self.goal.question, self.tenant.fact
        scope = question.scopes[-1] if question.scopes else ""
        offered = {*assignable_roles(self.index, fact, self.goal.at), *self.tenant.own_roles}
        roles = ((name, self.index.role(name)) for name in offered)
        having = [name for name, role in roles if role and role.holds(self._permission)]
        having.sort(key=lambda name: (len(self.index.role_permissions(name)), name))
        granted: list[Way] = [
            (GrantRole(fact.id, question.subject, role, scope),) for role in having[:MOST_WAYS]
        ]
        return granted or self._prepare_a_role(scope)

    def _prepare_a_role(self, scope: str) -> list[Way]:
        """Buy what offers a role that has the permission; where nothing does, create one."""
        question, at = self.goal.question, self.goal.at
        if decide.entitlement_objection(self.index, self.tenant, self._permission, at) is not None:
            return self._entitle()
        fact = self._permission.fact
        if fact.internal or fact.deprecated:
            return self._buy_a_role()
        role = f"{question.tenant}/{fact.id.replace(':', '-')}"[:_LONGEST_ROLE]
        if role in self.tenant.own_roles:
            return self._buy_a_role()
        create, grant = (
            CreateRole(role, fact.id),
            GrantRole(question.tenant, question.subject, role, scope),
        )
        return [(create, grant), *self._buy_a_role()]

    def _buy_a_role(self) -> list[Way]:
        """Buy a tier or an add-on that offers a role which has the permission."""
        having = {name for name, role in self.index.roles.items() if role.holds(self._permission)}
        ways = self._purchases()
        offering = [way for way in ways if self._offers(way, having)]
        return offering[:MOST_WAYS]

    def _offers(self, way: Way, roles: set[str]) -> bool:
        simulated = after(self.index, way, self.goal.at)
        fact = simulated.tenants[self.tenant.fact.id].fact
        return bool(assignable_roles(simulated, fact, self.goal.at) & roles)

    def _purchases(self) -> list[Way]:
        """List every tier and add-on that the tenant could buy, the smallest first."""
        fact, at = self.tenant.fact, self.goal.at
        tiers: list[Way] = [
            (SetTier(fact.id, plan.removeprefix(TIER)),)
            for plan in smallest_first(self.index, TIER)
            if plan not in fact.plans_at(at)
        ]
        coming = {item.plan for item in fact.subscription_items if item.window.valid_until > at}
        add_ons: list[Way] = [
            (AddAddOn(fact.id, plan.removeprefix(ADD_ON)),)
            for plan in smallest_first(self.index, ADD_ON)
            if plan not in coming
        ]
        return [*add_ons, *tiers]

    def _entitle(self) -> list[Way]:
        fact, at = self.tenant.fact, self.goal.at
        replacing = sorted(e.id for e in self.tenant.replacements if e.window.covers(at))
        if replacing:
            return [tuple(DeleteException(fact.id, exception) for exception in replacing)]
        selling = [way for way in self._purchases() if self._entitles(way)][: 2 * MOST_WAYS]
        if self._permission.fact.deprecated:
            return selling
        return [(CreateException(fact.id, self._permission.fact.id),), *selling]

    def _entitles(self, way: Way) -> bool:
        simulated = after(self.index, way, self.goal.at)
        tenant = simulated.tenants[self.tenant.fact.id]
        at = self.goal.at
        return decide.entitlement_objection(simulated, tenant, self._permission, at) is None

    def _raise_limit(self) -> list[Way]:
        usage, fact, at = self.goal.question.usage, self.tenant.fact, self.goal.at
        if usage is None:
            return []
        needed = usage.used + usage.quantity
        counted = _counted(self.index, fact.id, usage.limit, at)
        # More than a limit can be is bought as unlimited.
        value = needed if needed <= MAX_NUMBER else None
        raised: list[Way] = [(SetLimit(fact.id, replace(counted, value=value)),)]
        return raised + [way for way in self._purchases() if self._suffices(way)][:MOST_WAYS]

    def _suffices(self, way: Way) -> bool:
        usage = self.goal.question.usage
        simulated = after(self.index, way, self.goal.at)
        tenant = simulated.tenants[self.tenant.fact.id]
        if usage is None:
            return True
        return decide.limit_objection(simulated, tenant, usage, self.goal.at) is None


_LONGEST_ROLE: Final = 120


def _counted(index: Index, tenant: str, name: str, at: Instant) -> Limit:
    """Find how a limit is counted: for the tenant, else wherever it is set, else in itself."""
    own = limit_in_force(index, index.tenants[tenant].fact, name, at)
    if own is not None:
        return own.limit
    like = (x for plan in index.plans.values() for x in plan.limits if x.name == name)
    return next(like, Limit(name, None, name))


def smallest_first(index: Index, kind: str) -> list[str]:
    """List the plans of a kind that are sold, by the number of permissions in their closure."""
    sizes = {
        name: sum(bool(entry.plans & index.plan_bits[name]) for entry in index.permissions.values())
        for name, plan in index.plans.items()
        if name.startswith(kind) and not plan.is_kept
    }
    return sorted(sizes, key=lambda name: (sizes[name], name))
