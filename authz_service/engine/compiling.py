"""How each kind of fact becomes its compiled form. Functions only; `builder.py` keeps the state."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar, assert_never

from authz_service.domain.catalog import Permission, Plan, Role, chain
from authz_service.domain.exception import ExceptionKind, TenantException
from authz_service.domain.grant import RoleGrant
from authz_service.domain.invitation import Invitation
from authz_service.domain.membership import Membership
from authz_service.domain.tenant import OPEN_STATES, Tenant
from authz_service.domain.window import ALWAYS
from authz_service.engine.index import (
    FIRST_ROLE,
    ByPermission,
    GrantEntry,
    Index,
    Member,
    MemberEntry,
    PermissionEntry,
    RoleEntry,
    TenantEntry,
    plain_member,
    standing,
)
from authz_service.engine.shards import Shards

_NO_EXCEPTIONS: Final[ByPermission] = {}
_NO_INVITATIONS: Final[Mapping[str, Invitation]] = {}

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class CompiledCatalogue:
    permissions: dict[str, PermissionEntry]
    roles: dict[str, RoleEntry]
    role_bits: dict[str, int]
    plans: dict[str, Plan]
    plan_bits: dict[str, int]


class Catalogue:
    """The permissions, global roles and plans while they are being changed."""

    def __init__(self, index: Index) -> None:
        self._permissions = {name: entry.fact for name, entry in index.permissions.items()}
        self._roles = {name: entry.fact for name, entry in index.roles.items()}
        self._plans = dict(index.plans)
        self.role_bits = dict(index.role_bits)
        self.plan_bits = dict(index.plan_bits)

    def change(self, fact: Permission | Role | Plan, present: bool) -> None:
        match fact:
            case Permission():
                _put(self._permissions, fact.id, fact, present)
            case Role():
                _put(self._roles, fact.id, fact, present)
                self.role_bits.setdefault(fact.id, FIRST_ROLE << len(self.role_bits))
            case Plan():
                _put(self._plans, fact.id, fact, present)
                self.plan_bits.setdefault(fact.id, 1 << len(self.plan_bits))
            case _:
                assert_never(fact)

    def compiled(self) -> CompiledCatalogue:
        return CompiledCatalogue(
            permissions=self._entries(),
            roles={
                name: RoleEntry(role, self.role_bits[name], frozenset())
                for name, role in self._roles.items()
            },
            role_bits=self.role_bits,
            plans=self._plans,
            plan_bits=self.plan_bits,
        )

    def _entries(self) -> dict[str, PermissionEntry]:
        """Lay every closure of roles and plans down on the declared permissions."""
        by_role = dict.fromkeys(self._permissions, 0)
        for name in self._roles:
            for role in closure(self._roles, name):
                for permission in role.permissions & by_role.keys():
                    by_role[permission] |= self.role_bits[name]
        by_plan = dict.fromkeys(self._permissions, 0)
        for name in self._plans:
            for plan in chain(self._plans, name):
                for permission in plan.permissions & by_plan.keys():
                    by_plan[permission] |= self.plan_bits[name]
        return {
            name: PermissionEntry(fact, fact.internal, by_role[name], by_plan[name])
            for name, fact in self._permissions.items()
        }


def closure(roles: Mapping[str, Role], start: str) -> list[Role]:
    """List a role and all that it includes, however indirectly, as far as they exist."""
    reached: dict[str, Role] = {}
    waiting = [start]
    while waiting:
        name = waiting.pop()
        if name in roles and name not in reached:
            reached[name] = roles[name]
            waiting += roles[name].includes
    return list(reached.values())


def own_roles(owned: Mapping[str, Role], role_bits: Mapping[str, int]) -> dict[str, RoleEntry]:
    """Compile a tenant's own roles: they list permissions and lean on global roles' bits."""
    compiled = {}
    for name, role in owned.items():
        reached = closure(owned, name)
        bits = 0
        for included in {other for reached_role in reached for other in reached_role.includes}:
            bits |= role_bits.get(included, 0)
        listed = frozenset[str]().union(*(reached_role.permissions for reached_role in reached))
        compiled[name] = RoleEntry(role, bits, listed)
    return compiled


def new_tenant(tenant: Tenant, plan_bits: Mapping[str, int]) -> TenantEntry:
    entry = TenantEntry()
    entry.members = Shards()
    entry.own_roles = {}
    entry.invitations = _NO_INVITATIONS
    set_exceptions(entry, ())
    set_tenant(entry, tenant, plan_bits)
    return entry


def set_tenant(entry: TenantEntry, tenant: Tenant, plan_bits: Mapping[str, int]) -> None:
    entry.fact = tenant
    kinds = {(period.state in OPEN_STATES, period.window) for period in tenant.periods}
    entry.always_open = not tenant.suspensions and kinds == {(True, ALWAYS)}
    entry.plans = 0
    for item in tenant.subscription_items:
        if item.window == ALWAYS:
            entry.plans |= plan_bits.get(item.plan, 0)


def set_exceptions(entry: TenantEntry, exceptions: Iterable[TenantException]) -> None:
    entry.exceptions = tuple(exceptions)
    entry.denials = _by_permission(entry.exceptions, ExceptionKind.DENY)
    entry.entitling = _by_permission(entry.exceptions, ExceptionKind.GRANT)
    entry.replacements = tuple(e for e in entry.exceptions if e.kind is ExceptionKind.REPLACE)


def grant_entry(grant: RoleGrant) -> GrantEntry:
    return GrantEntry(grant.role, grant.scope, grant.window.valid_from, grant.window.valid_until)


def pack(
    membership: Membership, grants: tuple[GrantEntry, ...], role_bits: Mapping[str, int]
) -> Member:
    """Fold a member into one integer if that can hold all of it and of its grants."""
    mask = standing(owner=membership.owner, managed_by=membership.managed_by)
    # Compared whole: a field that no bit stands for must not be lost.
    if plain_member(membership.tenant, membership.subject, mask) != membership:
        return MemberEntry(membership, grants)
    for grant in grants:
        bit = role_bits.get(grant.role, 0)
        if not bit or mask & bit or grant != GrantEntry(grant.role):
            return MemberEntry(membership, grants)
        mask |= bit
    return mask


def _by_permission(exceptions: Iterable[TenantException], kind: ExceptionKind) -> ByPermission:
    grouped: dict[str, tuple[TenantException, ...]] = {}
    for exception in exceptions:
        if exception.kind is kind:
            for permission in exception.permissions:
                grouped[permission] = (*grouped.get(permission, ()), exception)
    return grouped or _NO_EXCEPTIONS


def _put(entries: dict[str, T], key: str, value: T, present: bool) -> None:
    if present:
        entries[key] = value
    else:
        entries.pop(key, None)
