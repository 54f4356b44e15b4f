"""The customers that everything is measured on: 3 tiers, 10 roles, 40 permissions, any number.

Every user has one role, one in ten has two. Nothing is drawn at random but questions, so a world
of a size is the same in every process and in every run.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Final

from authz_service.domain.catalog import Permission, Plan, Role
from authz_service.domain.change import Fact, FactChange
from authz_service.domain.decision import Question
from authz_service.domain.grant import RoleGrant
from authz_service.domain.key import ApiKey, KeyKind, digest, write
from authz_service.domain.membership import Membership
from authz_service.domain.tenant import SYSTEM, SubscriptionItem, Tenant
from authz_service.engine.builder import Builder
from authz_service.engine.index import ACTIVE, Index, Member

PERMISSIONS: Final = tuple(
    f"{resource}:{action}"
    for resource in (
        "invoices", "customers", "projects", "reports", "teams",
        "webhooks", "contracts", "payments", "documents", "audits",
    )
    for action in ("view", "edit", "export", "delete")
)  # fmt: skip
ROLES: Final = (
    "viewer", "editor", "accountant", "manager", "owner",
    "authz.auditor", "support", "developer", "analyst", "guest",
)  # fmt: skip
TIERS: Final = ("tier/free", "tier/professional", "tier/enterprise")
KEY: Final = ApiKey("key-bench", digest("secret-of-the-benchmark"), kind=KeyKind.APP)
CREDENTIAL: Final = write(KeyKind.APP, KEY.id, "secret-of-the-benchmark")
INTERNAL: Final = (
    "authz.decisions:check", "authz.role_grants:create", "authz.changesets:apply",
    "authz.tiers:create", "authz.tiers:update",
    "authz.tenants:batch_onboard", "authz.members:remove",
)  # fmt: skip
AT: Final = 1_800_000_000_000_000
"""The instant at which in-process questions are asked."""


@dataclass(frozen=True, slots=True)
class World:
    """So many tenants of so many users each."""

    name: str
    tenants: int
    users: int

    @property
    def members(self) -> int:
        return self.tenants * self.users

    @property
    def grants(self) -> int:
        return self.members + (self.members + 9) // 10

    def tenant(self, number: int) -> Tenant:
        subscription_items = (SubscriptionItem(TIERS[number % 3]),)
        return Tenant(
            f"tenant-{number:05}", f"Customer {number}", subscription_items=subscription_items
        )

    def people(self) -> Iterator[tuple[str, str, tuple[str, ...]]]:
        """Iterate over tenants, subjects and their roles, as if all customers had grown at once:
        the first user of every tenant, then the second.
        """
        for user in range(self.users):
            for tenant in range(self.tenants):
                number = tenant * self.users + user
                yield f"tenant-{tenant:05}", subject(number), roles_of(number)

    def facts(self) -> Iterator[Fact]:
        """Iterate over everything but the customers' members and grants, in building order."""
        yield from catalogue()
        yield from map(self.tenant, range(self.tenants))
        yield from callers()

    def index(self) -> Index:
        """Build the index at revision 1, members packed as a cold start packs them."""
        builder = Builder(Index.empty())
        for fact in self.facts():
            builder.change(FactChange(None, fact))
        bits = builder.role_bits
        shared: dict[int, int] = {}
        by_tenant: defaultdict[str, dict[str, Member]] = defaultdict(dict)
        for tenant, name, roles in self.people():
            mask = ACTIVE | sum(bits[role] for role in roles)
            by_tenant[tenant][name] = shared.setdefault(mask, mask)
        for tenant, members in by_tenant.items():
            builder.load_members(tenant, members)
        return builder.finish(1)

    def questions(self, count: int, seed: int) -> list[Question]:
        """Draw questions about members. Their strings are new: nobody has hashed them yet."""
        random = Random(seed)
        drawn = []
        for _ in range(count):
            number = random.randrange(self.members)
            tenant = f"tenant-{number // self.users:05}"
            permission = PERMISSIONS[random.randrange(len(PERMISSIONS))]
            drawn.append(Question(tenant, subject(number), _fresh(permission)))
        return drawn

    def new_grants(self) -> Iterator[RoleGrant]:
        """Iterate over grants that nobody holds, a different tenant each time."""
        for step in range(5 * self.users):
            for tenant in range(self.tenants):
                number = tenant * self.users + step % self.users
                first = ROLES.index(roles_of(number)[0])
                role = ROLES[(first + (4, 5, 6, 7, 8)[step // self.users]) % 10]
                yield RoleGrant(f"tenant-{tenant:05}", subject(number), role)


SMALL: Final = World("S", 10, 90)
MEDIUM: Final = World("M", 1_000, 100)
LARGE: Final = World("L", 10_000, 100)


def subject(number: int) -> str:
    return f"user:{number:07}"


def roles_of(number: int) -> tuple[str, ...]:
    first = (7 * number + number // 10) % 10
    if number % 10:
        return (ROLES[first],)
    return (ROLES[first], ROLES[(first + 3) % 10])


def catalogue() -> Iterator[Fact]:
    """Iterate over permissions, roles and tiers. Each role holds 24 of the 40 permissions."""
    yield from map(Permission, PERMISSIONS)
    for number, role in enumerate(ROLES):
        held = {PERMISSIONS[(4 * number + step) % 40] for step in range(24)}
        yield Role(role, frozenset(held))
    sold, every_role = (PERMISSIONS[:20], PERMISSIONS[20:32], PERMISSIONS[32:]), frozenset(ROLES)
    for number, tier in enumerate(TIERS):
        extends = TIERS[number - 1] if number else ""
        yield Plan(tier, extends, frozenset(sold[number]), assignable_roles=every_role)


def callers() -> Iterator[Fact]:
    """Iterate over the tenant `system` and the one key that may ask and grant anything."""
    yield from (Permission(name, internal=True) for name in INTERNAL)
    yield Role("caller", frozenset(INTERNAL))
    yield Tenant(SYSTEM)
    yield KEY
    yield Membership(SYSTEM, KEY.subject)
    yield RoleGrant(SYSTEM, KEY.subject, "caller", id="grant-bench")


def _fresh(text: str) -> str:
    return text.encode().decode()
