"""How each kind of fact is drawn, made, replaced and ended."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from random import Random
from typing import Final, TypeVar

from authz_service.domain.catalog import Limit, Permission, Plan, Role
from authz_service.domain.change import Fact
from authz_service.domain.exception import EVERYONE, ExceptionKind, TenantException
from authz_service.domain.grant import GrantSource, RoleGrant
from authz_service.domain.invitation import Invitation
from authz_service.domain.key import ApiKey
from authz_service.domain.membership import ManagedBy, Membership, MembershipState
from authz_service.domain.tenant import (
    StatePeriod,
    SubscriptionItem,
    SuspensionReason,
    Tenant,
    TenantState,
)
from authz_service.domain.window import ALWAYS, BEGINNING, FOREVER, Window
from tests.differential.history import History

INSTANTS: Final = (1_000, 1_010, 1_020, 1_030)
TENANTS: Final = ("acme", "admin", "pro", "replace", "internal", "role")
SUBJECTS: Final = (
    "user:a", "user:a@acme", "user:acme@a", "user:admin", "service:a", "service:admin", "staff:a",
    "staff:admin", "user:a@admin@pro", "user:role",
)  # fmt: skip
PERMISSIONS: Final = ("doc:read", "doc:write", "admin:pro", "role:admin", "tier:pro", "pro:acme")
ROLES: Final = ("admin", "editor", "pro", "replace", "acme", "user", "viewer")
TIERS: Final = ("tier/pro", "tier/admin", "tier/acme", "tier/free")
ADD_ONS: Final = ("addon/pro", "addon/audit")
SCOPES: Final = (
    "doc:1", "doc:2", "doc:1@acme", "doc:1/page:1", "doc:1/page:2", "doc:2/page:1",
)  # fmt: skip
LIMITS: Final = ("seats", "calls")

T = TypeVar("T")
F = TypeVar("F", Permission, Role, Plan, Tenant, Membership, Invitation, RoleGrant, TenantException)


class Making:
    """Draws facts into a history. Sets are sorted before each draw, so a seed means one world."""

    def __init__(self, random: Random, history: History) -> None:
        self.random = random
        self.history = history
        self.tenants = tuple(random.sample(TENANTS, random.randint(2, 4)))
        self.subjects = tuple(random.sample(SUBJECTS, random.randint(3, 5)))
        self.roles = tuple(random.sample(ROLES, random.randint(3, len(ROLES))))
        self.tiers = tuple(random.sample(TIERS, random.randint(2, len(TIERS))))
        self._exceptions = 0

    def catalogue(self) -> None:
        undeclared = self.random.randint(0, 1)
        for permission in self.random.sample(PERMISSIONS, len(PERMISSIONS) - undeclared):
            self.history.put(Permission(permission, internal=self._chance(0.15)))
        for role in self.roles:
            self.history.put(self._role(role))
        for plan in (*self.tiers, *ADD_ONS):
            self.history.put(self._plan(plan))

    def tenant(self, tenant_id: str) -> None:
        """Make a tenant with own roles, members, grants and perhaps exceptions."""
        self.history.put(self._tenant(tenant_id))
        for name in self._some(self.roles, 2):
            self.history.put(self._own_role(tenant_id, name))
        for subject in self._some(self.subjects, len(self.subjects), least=2):
            self.history.put(self._membership(tenant_id, subject))
            for _ in range(self.random.randint(1, 3)):
                self.history.put(self._grant(tenant_id, subject))
        for _ in range(self.random.randint(0, 3)):
            self.history.put(self._exception(tenant_id))

    def change_something(self) -> None:
        """Do one of the things that the use cases do, the everyday ones more often."""
        everyday = (self.grant_role, self.regrant, self.revoke, self.create_exception)
        rarer = (
            self.change_member,
            self.change_tenant,
            self.change_catalogue,
            self.delete_exception,
            self.invite,
        )
        seldom = (self.remove_member, self.remove_catalogue_entry, self.add_member, self.change_key)
        once = (self.remove_tenant,)
        doing = self.random.choices((everyday, rarer, seldom, once), (10, 7, 3, 0.4))[0]
        self.random.choice(doing)()

    def grant_role(self) -> None:
        member = self._existing(Membership)
        if member is not None:
            self.history.put(self._grant(member.tenant, member.subject))

    def regrant(self) -> None:
        """Put a grant in the place of one that differs in window, or add one by another source."""
        grant = self._existing(RoleGrant)
        if grant is not None:
            source = self.random.choice((grant.source, *GrantSource))
            self.history.put(replace(grant, window=self._window(), source=source))

    def revoke(self) -> None:
        self._end(self._existing(RoleGrant))

    def create_exception(self) -> None:
        tenant = self._existing(Tenant)
        if tenant is not None:
            self.history.put(self._exception(tenant.id))

    def invite(self) -> None:
        """Make an invitation, or another under its id, or end one."""
        tenant, invitation = self._existing(Tenant), self._existing(Invitation)
        if invitation is not None and self._chance(0.4):
            self._end(invitation)
        elif tenant is not None:
            self.history.put(self._invitation(tenant.id))

    def delete_exception(self) -> None:
        self._end(self._existing(TenantException))

    def change_member(self) -> None:
        member = self._existing(Membership)
        if member is not None:
            self.history.put(self._membership(member.tenant, member.subject))

    def add_member(self) -> None:
        tenant = self._existing(Tenant)
        if tenant is not None:
            self.history.put(self._membership(tenant.id, self.random.choice(self.subjects)))

    def remove_member(self) -> None:
        """End a membership and its grants, in either order."""
        member = self._existing(Membership)
        if member is not None:
            who = (member.tenant, member.subject)
            about = [g for g in self._all(RoleGrant) if (g.tenant, g.subject) == who]
            self._end_all(member, about)

    def change_tenant(self) -> None:
        tenant = self._existing(Tenant)
        if tenant is not None:
            self.history.put(self._tenant(tenant.id))

    def remove_tenant(self) -> None:
        """End a tenant and all about it, in either order, and sometimes make it anew at once."""
        tenant = self._existing(Tenant)
        if tenant is None:
            return
        about: list[Fact] = [g for g in self._all(RoleGrant) if g.tenant == tenant.id]
        about += [m for m in self._all(Membership) if m.tenant == tenant.id]
        about += [e for e in self._all(TenantException) if e.tenant == tenant.id]
        about += [i for i in self._all(Invitation) if i.tenant == tenant.id]
        about += [r for r in self._all(Role) if r.tenant == tenant.id]
        self._end_all(tenant, about)
        if self._chance(0.5):
            self.tenant(tenant.id)

    def change_catalogue(self) -> None:
        tenants = self._all(Tenant)
        name = self.random.choice(self.roles)
        changed: list[Fact] = [
            self._role(name),
            self._plan(self.random.choice((*self.tiers, *ADD_ONS))),
            Permission(self.random.choice(PERMISSIONS), internal=self._chance(0.15)),
        ]
        if tenants:
            changed.append(self._own_role(self.random.choice(tenants).id, name))
        self.history.put(self.random.choice(changed))

    def remove_catalogue_entry(self) -> None:
        existing = (self._existing(Permission), self._existing(Role), self._existing(Plan))
        self._end(self.random.choice(existing))

    def change_key(self) -> None:
        self.history.put(ApiKey(self.random.choice("ab"), str(self.random.random())))

    def _role(self, name: str) -> Role:
        """Include later names only, so that no chain is circular or longer than seven."""
        later = self.roles[self.roles.index(name) + 1 :]
        includes = {*later[:1]} if self._chance(0.5) else set()
        return Role(
            name, self._permissions(3, least=1), frozenset({*includes, *self._some(later, 1)})
        )

    def _own_role(self, tenant: str, name: str) -> Role:
        later = self.roles[self.roles.index(name) + 1 :]
        own = {f"{tenant}/{other}" for other in self._some(later, 1)}
        includes = frozenset({*own, *self._some(later, 1)})
        return Role(f"{tenant}/{name}", self._permissions(3, least=1), includes)

    def _plan(self, plan: str) -> Plan:
        later = self.tiers[self.tiers.index(plan) + 1 :] if plan in self.tiers else ()
        names = self._some(LIMITS, 2)
        values = [self.random.choice((2, 4, 6, None)) for _ in names]
        return Plan(
            plan,
            later[0] if later and self._chance(0.7) else "",
            self._permissions(5, least=3),
            limits=tuple(map(Limit, names, values, names)),
        )

    def _tenant(self, tenant_id: str) -> Tenant:
        suspensions = self._some(tuple(SuspensionReason), 2) if self._chance(0.04) else ()
        return Tenant(
            tenant_id,
            periods=self._periods(),
            suspensions=frozenset(suspensions),
            subscription_items=self._holdings(),
            limits=self._own_limits(),
        )

    def _own_limits(self) -> tuple[Limit, ...]:
        names = self._some(LIMITS, 2) if self._chance(0.3) else []
        return tuple(Limit(name, self.random.choice((0, 3, 5, None)), name) for name in names)

    def _periods(self) -> tuple[StatePeriod, ...]:
        """Draw one open period, or up to four that follow each other, with gaps."""
        if self._chance(0.7):
            return (StatePeriod(TenantState.ACTIVE),)
        edges = (BEGINNING, *sorted(self._some(INSTANTS, 3, least=1)), FOREVER)
        states = self.random.choices(tuple(TenantState), (6, 4, 4, 1, 1), k=len(edges) - 1)
        spans = (Window(*span) for span in pairwise(edges))
        drawn = list(map(StatePeriod, states, spans))
        return tuple(period for period in drawn if not self._chance(0.03))

    def _holdings(self) -> tuple[SubscriptionItem, ...]:
        first, second = self.random.choice(self.tiers), self.random.choice(self.tiers)
        moved = self.random.choice(INSTANTS)
        tiers: tuple[SubscriptionItem, ...] = (SubscriptionItem(first),)
        if self._chance(0.3):
            tiers = (
                SubscriptionItem(first, Window(BEGINNING, moved)),
                SubscriptionItem(second, Window(moved)),
            )
        add_ons = (SubscriptionItem(self.random.choice(ADD_ONS), self._window()) for _ in range(2))
        return (*tiers, *(held for held in add_ons if self._chance(0.5)))

    def _membership(self, tenant: str, subject: str) -> Membership:
        suspensions = self._some(tuple(SuspensionReason), 2) if self._chance(0.06) else ()
        lifecycle = MembershipState.INVITED if self._chance(0.03) else MembershipState.ACTIVE
        managed_by = ManagedBy.SCIM if self._chance(0.2) else ManagedBy.NOBODY
        held_back = frozenset(suspensions)
        return Membership(tenant, subject, lifecycle, held_back, managed_by=managed_by)

    def _invitation(self, tenant: str) -> Invitation:
        return Invitation(
            f"i{self.random.randint(1, 4)}@{tenant}",
            tenant,
            self.random.choice(("", "a@example.com")),
            self.random.choice(("", *self.subjects)),
            expires_at=self.random.choice(INSTANTS),
        )

    def _grant(self, tenant: str, subject: str) -> RoleGrant:
        own = [role.id for role in self._all(Role) if role.tenant == tenant]
        return RoleGrant(
            tenant,
            subject,
            self.random.choice(own if own and self._chance(0.3) else self.roles),
            self.random.choice(SCOPES) if self._chance(0.3) else "",
            self._window(),
            self.random.choice(tuple(GrantSource)),
        )

    def _exception(self, tenant: str) -> TenantException:
        self._exceptions += 1
        kinds = (ExceptionKind.GRANT, ExceptionKind.DENY, ExceptionKind.REPLACE)
        kind = self.random.choices(kinds, (5, 6, 2))[0]
        denies = kind is ExceptionKind.DENY
        return TenantException(
            f"x{self._exceptions}",
            tenant,
            kind,
            self._permissions(2 if denies else 5, least=1),
            self.random.choice(self.subjects) if denies and self._chance(0.5) else EVERYONE,
            self.random.choice(SCOPES) if denies and self._chance(0.5) else "",
            self._window(),
        )

    def _window(self) -> Window:
        if self._chance(0.5):
            return ALWAYS
        since = self.random.choice((BEGINNING, *INSTANTS[:-1]))
        return Window(since, self.random.choice([t for t in (*INSTANTS, FOREVER) if t > since]))

    def _permissions(self, most: int, least: int = 0) -> frozenset[str]:
        return frozenset(self._some(PERMISSIONS, most, least))

    def _some(self, of: Sequence[T], most: int, least: int = 0) -> list[T]:
        return self.random.sample(of, min(len(of), self.random.randint(least, most)))

    def _existing(self, kind: type[F]) -> F | None:
        found = self._all(kind)
        return self.random.choice(found) if found else None

    def _all(self, kind: type[F]) -> list[F]:
        return [fact for fact in self.history.facts.values() if isinstance(fact, kind)]

    def _end(self, fact: Fact | None) -> None:
        if fact is not None:
            self.history.end(fact)

    def _end_all(self, fact: Fact, about: list[Fact] | list[RoleGrant]) -> None:
        """End a fact and those about it, before them or after."""
        for ended in self.random.choice(((fact, *about), (*about, fact))):
            self.history.end(ended)

    def _chance(self, probability: float) -> bool:
        return self.random.random() < probability
