"""The compiled index: all facts of one revision, laid out for the decision.

Roles and plans are bits. A permission knows the roles and the plans whose closure holds it, a
member the roles it was granted, a tenant the plans it holds; so a check is a few look-ups and
two `&`. An index is never changed once published: `builder.py` makes the next one, sharing
everything that a change did not touch, so whoever holds an index sees exactly one revision.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple, TypeAlias, TypeVar, assert_never, cast

from authz_service.domain.billing_part import BillingParts
from authz_service.domain.catalog import Permission, Plan, Role
from authz_service.domain.change import ScheduledChangeset
from authz_service.domain.endpoint import Endpoint
from authz_service.domain.exception import TenantException
from authz_service.domain.identity import Identity, IdentityKey
from authz_service.domain.invitation import Invitation
from authz_service.domain.kept import Kept
from authz_service.domain.key import ApiKey
from authz_service.domain.membership import ManagedBy, Membership
from authz_service.domain.tenant import Tenant
from authz_service.domain.window import BEGINNING, FOREVER, Instant
from authz_service.engine.shards import Shards

K = TypeVar("K", bound=Kept)

_NONE: Final[Mapping[Any, Any]] = {}

ACTIVE: Final = 1
"""The lowest bit of a plain member: an active membership."""
MANAGED: Final = 2
"""A directory keeps the member."""
OWNER: Final = 4
"""The member owns the account."""
FIRST_ROLE: Final = 8
"""Role bits start here."""


class PermissionEntry(NamedTuple):
    fact: Permission
    internal: bool
    roles: int
    """Bits of the global roles whose closure holds the permission."""
    plans: int
    """Bits of the tiers and add-ons whose closure holds the permission."""


class RoleEntry(NamedTuple):
    fact: Role
    bits: int
    """A global role's own bit; for a tenant's own role, those of the global roles it includes."""
    permissions: frozenset[str]
    """What a tenant's own role and its own kind below it list; empty for a global role."""

    def holds(self, permission: PermissionEntry) -> bool:
        """Tell whether the role's closure holds the permission."""
        return bool(permission.roles & self.bits) or permission.fact.id in self.permissions


class GrantEntry(NamedTuple):
    """A role grant as the decision wants it."""

    role: str
    scope: str = ""
    valid_from: Instant = BEGINNING
    valid_until: Instant = FOREVER

    def covers(self, scopes: tuple[str, ...], at: Instant) -> bool:
        return self.valid_from <= at < self.valid_until and (not self.scope or self.scope in scopes)


class MemberEntry(NamedTuple):
    """A member that is not active, or has scoped, windowed, repeated or tenant-own grants."""

    membership: Membership
    grants: tuple[GrantEntry, ...]


Member: TypeAlias = int | MemberEntry
"""Most members are active and hold whole roles without end: one integer, ACTIVE and role bits."""

ByPermission: TypeAlias = Mapping[str, tuple[TenantException, ...]]


class TenantEntry:
    """A tenant as the decision wants it."""

    __slots__ = (
        "always_open",
        "denials",
        "entitling",
        "exceptions",
        "fact",
        "invitations",
        "members",
        "own_roles",
        "plans",
        "replacements",
    )

    fact: Tenant
    members: Shards[Member]
    invitations: Mapping[str, Invitation]
    """Open ones by id, those that time has ended among them."""
    own_roles: Mapping[str, RoleEntry]
    always_open: bool
    """No instant finds it suspended or offboarded: `fact` need not be asked."""
    plans: int
    """Bits of the plans held without a window; of the others only `fact` knows."""
    exceptions: tuple[TenantException, ...]
    denials: ByPermission
    entitling: ByPermission
    replacements: tuple[TenantException, ...]

    def copy(self) -> "TenantEntry":
        """Make the copy that the next index may change; `copy.copy` takes ten times as long."""
        entry = TenantEntry()
        for name in TenantEntry.__slots__:
            setattr(entry, name, getattr(self, name))
        return entry


class Index:
    """All facts at `revision`. Read-only.

    INVARIANT: `role_bits` and `plan_bits` only grow. A bit that a removed role left in some
    member's mask must never come to mean another role.
    """

    __slots__ = (
        "_kept",
        "billing",
        "due",
        "permissions",
        "plan_bits",
        "plans",
        "revision",
        "role_bits",
        "roles",
        "scheduled",
        "successor",
        "tenants",
    )

    due: Instant
    """From here on this index is no longer what is in force, but its successor."""
    successor: "Index | None"
    """What `engine/scheduled.py` made of it, once somebody asked."""

    def __init__(  # noqa: PLR0913, PLR0917 - one for each kind of fact, given by the builder alone
        self,
        revision: int,
        permissions: dict[str, PermissionEntry],
        roles: dict[str, RoleEntry],
        role_bits: dict[str, int],
        plans: dict[str, Plan],
        plan_bits: dict[str, int],
        tenants: Shards[TenantEntry],
        scheduled: dict[str, ScheduledChangeset],
        kept: Mapping[type[Kept], Mapping[Any, Kept]],
        billing: BillingParts,
    ) -> None:
        self.revision = revision
        self.permissions = permissions
        self.roles = roles
        self.role_bits = role_bits
        self.plans = plans
        self.plan_bits = plan_bits
        self.tenants = tenants
        self.scheduled = scheduled
        self._kept = kept
        self.billing = billing
        self.due = min((change.at for change in scheduled.values()), default=FOREVER)
        self.successor = None

    @classmethod
    def empty(cls) -> "Index":
        """The index of revision 0: nothing is declared, everything is denied."""
        return cls(0, {}, {}, {}, {}, {}, Shards(), {}, {}, BillingParts({}))

    @property
    def keys(self) -> Mapping[str, ApiKey]:
        return self.kept(ApiKey)

    @property
    def identities(self) -> Mapping[IdentityKey, Identity]:
        return self.kept(Identity)

    @property
    def endpoints(self) -> Mapping[str, Endpoint]:
        return self.kept(Endpoint)

    def kept(self, kind: type[K]) -> Mapping[Any, K]:
        """Give the facts of a kind that is only kept, by their keys."""
        return cast("Mapping[Any, K]", self._kept.get(kind, _NONE))

    def all_kept(self) -> Mapping[type[Kept], Mapping[Any, Kept]]:
        """Give the facts that are only kept, by kind and key."""
        return self._kept

    def tenant(self, tenant_id: str) -> Tenant | None:
        entry = self.tenants.get(tenant_id)
        return entry.fact if entry is not None else None

    def role(self, role_id: str) -> RoleEntry | None:
        """Find a global role or, by `tenant/role`, a tenant's own."""
        owner, slash, _ = role_id.partition("/")
        if not slash:
            return self.roles.get(role_id)
        tenant = self.tenants.get(owner)
        return tenant.own_roles.get(role_id) if tenant is not None else None

    def member(self, tenant_id: str, subject: str) -> Membership | None:
        match self._member(tenant_id, subject):
            case None:
                return None
            case MemberEntry() as entry:
                return entry.membership
            case int() as mask:
                return plain_member(tenant_id, subject, mask)
            case never:
                assert_never(never)

    def grants(self, tenant_id: str, subject: str) -> tuple[GrantEntry, ...]:
        """List what a member was granted, live or not, in no particular order."""
        match self._member(tenant_id, subject):
            case None:
                return ()
            case MemberEntry() as entry:
                return entry.grants
            case int() as mask:
                return unpack(mask, self.role_bits)
            case never:
                assert_never(never)

    def role_permissions(self, role_id: str) -> frozenset[str]:
        """Name every declared permission in the role's closure."""
        role = self.role(role_id)
        if role is None:
            return frozenset()
        return frozenset(name for name, entry in self.permissions.items() if role.holds(entry))

    def _member(self, tenant_id: str, subject: str) -> Member | None:
        tenant = self.tenants.get(tenant_id)
        return tenant.members.get(subject) if tenant is not None else None


def standing(*, owner: bool, managed_by: ManagedBy) -> int:
    """Give the bits of an active member below those of its roles."""
    return ACTIVE | (OWNER if owner else 0) | (MANAGED if managed_by else 0)


def plain_member(tenant_id: str, subject: str, mask: int) -> Membership:
    """Read the membership that a plain member's mask stands for."""
    managed_by = ManagedBy.SCIM if mask & MANAGED else ManagedBy.NOBODY
    return Membership(tenant_id, subject, owner=bool(mask & OWNER), managed_by=managed_by)


def unpack(mask: int, role_bits: Mapping[str, int]) -> tuple[GrantEntry, ...]:
    """List the grants that a plain member's mask stands for."""
    return tuple(GrantEntry(role) for role, bit in role_bits.items() if bit & mask)
