"""What would turn a denial into an allowance: sets of steps, each simulated on the index.

From the first layer that objects on, each way to still it is tried on the index; where another
layer then objects, the ways to still that one follow. What ends in an allowance is a remedy.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final, TypeAlias

from authz_service.domain.catalog import ADD_ON, SEATS, TIER, Limit
from authz_service.domain.change import Fact
from authz_service.domain.decision import DecisionReason, Question
from authz_service.domain.tenant import SYSTEM, SuspensionReason, TenantState
from authz_service.domain.window import Instant
from authz_service.engine import decide, seats
from authz_service.engine.entitlements import assignable_roles, entitlements, limit_in_force
from authz_service.engine.index import Index, PermissionEntry, TenantEntry
from authz_service.engine.lists import permissions_of
from authz_service.engine.remedy_steps import (
    ActivateTenant,
    AddAddOn,
    AddMember,
    CreateException,
    CreatePermission,
    CreateRole,
    DeleteException,
    GrantRole,
    OnboardTenant,
    ReactivateTenant,
    ResumeMember,
    ResumeTenant,
    SetLimit,
    SetTier,
    Step,
    after,
    words,
)

Way: TypeAlias = tuple[Step, ...]

_WAYS: Final = 4
"""Ways to still one objection that are followed, the smallest first."""
_MOST: Final = 60
"""Ways that are compared."""
_REMEDIES: Final = 12
"""Remedies that are told."""
_OF_THE_SUBJECT: Final = frozenset(
    {DecisionReason.NOT_A_MEMBER, DecisionReason.ROLE_MISSING, DecisionReason.GRANT_EXPIRED}
)


@dataclass(frozen=True, slots=True)
class Remedy:
    """`steps` in the order in which they can be made, `summary` the same in words.

    `gives` names the permissions that the subject gains beside the one that was asked about, and
    those that the tenant becomes entitled to; `takes_away` says what the tenant would lose.
    """

    steps: Way
    summary: str
    gives: tuple[str, ...] = ()
    takes_away: tuple[str, ...] = ()


def remedies(
    index: Index, question: Question, at: Instant, returning: tuple[Fact, ...] = ()
) -> tuple[Remedy, ...]:
    """List what would make the answer an allowance, that first which gives the least else.

    `returning` is what a reactivation brings back. There is no remedy for this service's own
    callers, whose roles are changed with their keys, and none that makes vendor staff a member.
    """
    if question.tenant == SYSTEM:
        return ()
    ways = _Search(question, at, returning).from_here(index, ())
    matches = [_remedy(index, question, at, way) for way in islice(ways, _MOST)]
    matches.sort(key=lambda r: (len(r.gives), len(r.takes_away), len(r.steps), r.summary))
    return tuple(matches[:_REMEDIES])


@dataclass(frozen=True, slots=True)
class _Search:
    question: Question
    at: Instant
    returning: tuple[Fact, ...]

    def from_here(
        self, index: Index, set_limits: Way, stilled: tuple[DecisionReason, ...] = ()
    ) -> Iterator[Way]:
        """Follow every way on from an index in which some steps are made.

        An objection is stilled three times at most: before a role can be granted, it may take a
        replacement to be revoked and a permission to be bought.
        """
        objection = decide.reason(index, self.question, self.at)
        if objection is DecisionReason.ALLOWED:
            yield set_limits
            return
        if stilled.count(objection) > 2:
            return
        for way in self._ways(index, objection):
            simulated = after(index, way, self.at)
            yield from self.from_here(simulated, (*set_limits, *way), (*stilled, objection))

    def _ways(self, index: Index, objection: DecisionReason) -> list[Way]:
        tenant = index.tenants.get(self.question.tenant)
        match objection:
            case DecisionReason.UNKNOWN_PERMISSION:
                return [(CreatePermission(self.question.permission),)]
            case DecisionReason.UNKNOWN_TENANT:
                return [(OnboardTenant(self.question.tenant, tier),) for tier in self._tiers(index)]
        return [] if tenant is None else _Ways(self, index, tenant).of(objection)

    def _tiers(self, index: Index) -> list[str]:
        """Name the tiers that sell the permission, or the smallest of all where none does."""
        plans = _smallest_first(index, TIER)
        permission = index.permissions[self.question.permission]
        selling = [plan for plan in plans if permission.plans & index.plan_bits[plan]]
        return [plan.removeprefix(TIER) for plan in (selling or plans[:1])[:_WAYS]]


@dataclass(frozen=True, slots=True)
class _Ways:
    """The ways to still one objection of a tenant that exists."""

    search: _Search
    index: Index
    tenant: TenantEntry

    def of(self, objection: DecisionReason) -> list[Way]:
        question = self.search.question
        if question.subject.startswith("staff:") and objection in _OF_THE_SUBJECT:
            return []
        match objection:
            case DecisionReason.ROLE_MISSING | DecisionReason.GRANT_EXPIRED:
                return self._grant()
            case DecisionReason.NOT_ENTITLED | DecisionReason.ENTITLEMENT_EXPIRED:
                return self._entitle()
            case DecisionReason.LIMIT_REACHED | DecisionReason.LIMIT_UNKNOWN:
                return self._raise_limit()
            case _:
                return [self._only_way(objection)]

    def _only_way(self, objection: DecisionReason) -> Way:
        question = self.search.question
        tenant, subject = question.tenant, question.subject
        match objection:
            case DecisionReason.TENANT_OFFBOARDED:
                return (ReactivateTenant(tenant, self.search.returning),)
            case DecisionReason.TENANT_SUSPENDED:
                return self._reopen()
            case DecisionReason.NOT_A_MEMBER:
                return (*self._seat(), AddMember(tenant, subject))
            case DecisionReason.MEMBERSHIP_INVITED:
                return (AddMember(tenant, subject),)
            case DecisionReason.MEMBERSHIP_SUSPENDED:
                return self._resume_member()
            case DecisionReason.DENIED_BY_EXCEPTION:
                denials = decide.denials(self.tenant, question, self.search.at)
                return tuple(DeleteException(tenant, denial.id) for denial in denials)
            case _:
                return ()

    @property
    def _permission(self) -> PermissionEntry:
        return self.index.permissions[self.search.question.permission]

    def _reopen(self) -> Way:
        fact = self.tenant.fact
        set_limits: list[Step] = [ResumeTenant(fact.id, why) for why in sorted(fact.suspensions)]
        if fact.dated_state_at(self.search.at) is TenantState.SUSPENDED:
            set_limits.append(ActivateTenant(fact.id))
        return tuple(set_limits)

    def _resume_member(self) -> Way:
        tenant, subject = self.search.question.tenant, self.search.question.subject
        member = self.index.member(tenant, subject)
        reasons = sorted(member.suspensions) if member is not None else []
        room = self._seat(more=0) if SuspensionReason.SEATS in reasons else ()
        return (*room, *(ResumeMember(tenant, subject, reason) for reason in reasons))

    def _seat(self, more: int = 1) -> Way:
        """Raise the limit of seats, if a member that takes `more` would not fit."""
        fact, at = self.tenant.fact, self.search.at
        bought = limit_in_force(self.index, fact, SEATS, at)
        if bought is None or bought.limit.value is None:
            return ()
        needed = seats.taken(self.index, fact.id, at) + more
        if needed <= bought.limit.value:
            return ()
        return (SetLimit(fact.id, Limit(SEATS, needed, bought.limit.unit)),)

    def _grant(self) -> list[Way]:
        question, fact = self.search.question, self.tenant.fact
        scope = question.scopes[-1] if question.scopes else ""
        offered = {*assignable_roles(self.index, fact, self.search.at), *self.tenant.own_roles}
        roles = ((name, self.index.role(name)) for name in offered)
        having = [name for name, role in roles if role and role.holds(self._permission)]
        having.sort(key=lambda name: (len(self.index.role_permissions(name)), name))
        granted: list[Way] = [
            (GrantRole(fact.id, question.subject, role, scope),) for role in having[:_WAYS]
        ]
        return granted or self._prepare_a_role(scope)

    def _prepare_a_role(self, scope: str) -> list[Way]:
        """Buy what offers a role that has the permission; where nothing does, create one."""
        question, at = self.search.question, self.search.at
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
        return offering[:_WAYS]

    def _offers(self, way: Way, roles: set[str]) -> bool:
        simulated = after(self.index, way, self.search.at)
        fact = simulated.tenants[self.tenant.fact.id].fact
        return bool(assignable_roles(simulated, fact, self.search.at) & roles)

    def _purchases(self) -> list[Way]:
        """List every tier and add-on that the tenant could buy, the smallest first."""
        fact, at = self.tenant.fact, self.search.at
        tiers: list[Way] = [
            (SetTier(fact.id, plan.removeprefix(TIER)),)
            for plan in _smallest_first(self.index, TIER)
            if plan not in fact.plans_at(at)
        ]
        coming = {item.plan for item in fact.subscription_items if item.window.valid_until > at}
        add_ons: list[Way] = [
            (AddAddOn(fact.id, plan.removeprefix(ADD_ON)),)
            for plan in _smallest_first(self.index, ADD_ON)
            if plan not in coming
        ]
        return [*add_ons, *tiers]

    def _entitle(self) -> list[Way]:
        fact, at = self.tenant.fact, self.search.at
        replacing = sorted(e.id for e in self.tenant.replacements if e.window.covers(at))
        if replacing:
            return [tuple(DeleteException(fact.id, exception) for exception in replacing)]
        selling = [way for way in self._purchases() if self._entitles(way)][: 2 * _WAYS]
        if self._permission.fact.deprecated:
            return selling
        return [(CreateException(fact.id, self._permission.fact.id),), *selling]

    def _entitles(self, way: Way) -> bool:
        simulated = after(self.index, way, self.search.at)
        tenant = simulated.tenants[self.tenant.fact.id]
        at = self.search.at
        return decide.entitlement_objection(simulated, tenant, self._permission, at) is None

    def _raise_limit(self) -> list[Way]:
        usage, fact, at = self.search.question.usage, self.tenant.fact, self.search.at
        if usage is None:
            return []
        needed = usage.used + usage.quantity
        unit = _unit(self.index, fact.id, usage.limit, at)
        raised: list[Way] = [(SetLimit(fact.id, Limit(usage.limit, needed, unit)),)]
        return raised + [way for way in self._purchases() if self._suffices(way)][:_WAYS]

    def _suffices(self, way: Way) -> bool:
        usage = self.search.question.usage
        simulated = after(self.index, way, self.search.at)
        tenant = simulated.tenants[self.tenant.fact.id]
        if usage is None:
            return True
        return decide.limit_objection(simulated, tenant, usage, self.search.at) is None


_LONGEST_ROLE: Final = 120


def _unit(index: Index, tenant: str, name: str, at: Instant) -> str:
    """Find what a limit is counted in: for the tenant, else wherever it is set, else itself."""
    own = limit_in_force(index, index.tenants[tenant].fact, name, at)
    if own is not None:
        return own.limit.unit
    units = (x.unit for plan in index.plans.values() for x in plan.limits if x.name == name)
    return next(units, name)


def _smallest_first(index: Index, kind: str) -> list[str]:
    """List the plans of a kind that are sold, by the number of permissions in their closure."""
    sizes = {
        name: sum(bool(entry.plans & index.plan_bits[name]) for entry in index.permissions.values())
        for name, plan in index.plans.items()
        if name.startswith(kind) and not plan.is_kept
    }
    return sorted(sizes, key=lambda name: (sizes[name], name))


def _remedy(index: Index, question: Question, at: Instant, way: Way) -> Remedy:
    simulated = after(index, way, at)
    gained = _reach(simulated, question, at) - _reach(index, question, at)
    return Remedy(
        way,
        _sentence([words(step) for step in way]),
        tuple(sorted(gained - {question.permission})),
        tuple(_lost(index, simulated, question.tenant, at)),
    )


def _sentence(parts: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1])))


def _reach(index: Index, question: Question, at: Instant) -> set[str]:
    """Name what the subject may do there, and what the tenant is entitled to."""
    tenant = index.tenants.get(question.tenant)
    if tenant is None:
        return set()
    current = permissions_of(index, question.tenant, question.subject, question.scopes, at)
    return {*current, *(entry.permission for entry in entitlements(index, tenant, at).permissions)}


def _lost(before: Index, simulated: Index, tenant_id: str, at: Instant) -> Iterator[str]:
    tenant = before.tenants.get(tenant_id)
    if tenant is None:
        return
    had = entitlements(before, tenant, at)
    has = entitlements(simulated, simulated.tenants[tenant_id], at)
    yield from sorted(
        {p.permission for p in had.permissions} - {p.permission for p in has.permissions}
    )
    features = {entry.feature.name for entry in has.features}
    yield from (f"feature {f.feature.name}" for f in had.features if f.feature.name not in features)
    limits = {entry.limit.name: entry.limit.value for entry in has.limits}
    for entry in had.limits:
        name, value = entry.limit.name, entry.limit.value
        if name not in limits:
            yield f"limit {name}"
        elif (now := limits[name]) is not None and (value is None or now < value):
            yield f"limit {name}: {now} instead of {'unlimited' if value is None else value}"
