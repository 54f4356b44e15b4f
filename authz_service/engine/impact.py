"""Impacts of a change that somebody has to accept or prevent: what would be left dangling."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from authz_service.domain.catalog import SEATS
from authz_service.domain.membership import MembershipState
from authz_service.domain.tenant import OPEN_STATES, SYSTEM
from authz_service.domain.window import Instant
from authz_service.engine import seats
from authz_service.engine.entitlements import assignable_roles, entitlements, limit_in_force
from authz_service.engine.index import Index, Member, MemberEntry, TenantEntry
from authz_service.errors import ErrorReason, FailedPrecondition


class ImpactKind(StrEnum):
    """What happens."""

    ROLE_VANISHES = "role_vanishes"
    """A role that members hold is deleted."""
    PLAN_VANISHES = "plan_vanishes"
    """A tier or add-on that tenants have is deleted."""
    ROLE_WIDER_THAN_TIER = "role_wider_than_tier"
    """A tenant's own role lists permissions that the tenant is no longer entitled to."""
    SEATS_BELOW_TAKEN = "seats_below_taken"
    """The tenant has more members than seats."""
    LAST_ADMIN = "last_admin"
    """No active member of the tenant holds an admin role any more."""
    ROLE_NOT_ASSIGNABLE = "role_not_assignable"
    """Members hold a role that the tenant's tier and add-ons no longer list as assignable."""


BLOCKING: Final = frozenset(
    {ImpactKind.ROLE_VANISHES, ImpactKind.PLAN_VANISHES, ImpactKind.LAST_ADMIN}
)
"""The blockers: a changeset with one of these is refused until it names a replacement."""


@dataclass(frozen=True, slots=True, order=True)
class TenantImpact:
    """An impact on one tenant. `subjects` are the members it concerns, none if all of it."""

    kind: ImpactKind
    object: str
    """What it is about: a role, a plan (`tier/pro`) or the limit `seats`."""
    tenant: str
    subjects: tuple[str, ...] = ()
    detail: str = ""
    """More, for people: the permissions that a role would have too many, the seats taken."""

    @property
    def blocking(self) -> bool:
        return self.kind in BLOCKING


@dataclass(frozen=True, slots=True)
class Impact:
    """An impact, in all tenants together."""

    kind: ImpactKind
    object: str
    blocking: bool
    tenants: int
    subjects: int
    in_tenants: tuple[TenantImpact, ...]
    """The first few tenants."""


def grouped(impacts: Iterable[TenantImpact], sample: int) -> tuple[Impact, ...]:
    """Group the impacts on tenants by kind and object, keeping `sample` tenants of each."""
    groups: defaultdict[tuple[ImpactKind, str], list[TenantImpact]] = defaultdict(list)
    for impact in impacts:
        groups[impact.kind, impact.object].append(impact)
    return tuple(
        Impact(
            kind,
            about,
            group[0].blocking,
            len(group),
            sum(len(impact.subjects) for impact in group),
            tuple(group[:sample]),
        )
        for (kind, about), group in groups.items()
    )


def require_no_blocker(impacts: Iterable[TenantImpact]) -> None:
    """Refuse what somebody has to decide first. Raises: CHANGESET_BLOCKED."""
    blockers = [impact for impact in impacts if impact.blocking]
    if blockers:
        first, tenants = blockers[0], len({impact.tenant for impact in blockers})
        raise FailedPrecondition(
            ErrorReason.CHANGESET_BLOCKED,
            f"{first.kind.value}: {first.object} in {first.tenant!r}"
            f"{f' and {len(blockers) - 1} more' if len(blockers) > 1 else ''}; name what takes its "
            "place in the changeset and preview it again",
            field="changeset.commands",
            details={"kind": first.kind.value, "object": first.object, "tenants": str(tenants)},
        )


class _Pair(NamedTuple):
    """A tenant on both sides of a change; None where it does not exist."""

    tenant: str
    old: TenantEntry | None
    new: TenantEntry


def tenant_impacts(before: Index, after: Index, at: Instant) -> tuple[TenantImpact, ...]:
    """List the impacts of a change, by kind, object and tenant.

    What was so before already, and gets no worse, is not listed. `after` was built from `before`.
    """
    same_catalogue = before.permissions is after.permissions and before.plans is after.plans
    impacts: list[TenantImpact] = []
    for tenant, new in after.tenants.items():
        pair = _Pair(tenant, before.tenants.get(tenant), new)
        if same_catalogue and pair.old is new:
            continue
        impacts += _vanishing_roles(before, after, pair, at)
        impacts += _vanishing_plans(before, after, pair, at)
        impacts += _wider_roles(before, after, pair, at)
        impacts += _seats(before, after, pair, at)
        impacts += _last_admin(before, after, pair, at)
        impacts += _unassignable(before, after, pair, at)
    return tuple(sorted(impacts))


def _vanishing_roles(
    before: Index, after: Index, pair: _Pair, at: Instant
) -> Iterator[TenantImpact]:
    own = pair.old.own_roles.keys() - pair.new.own_roles.keys() if pair.old else set[str]()
    vanishing = (before.roles.keys() - after.roles.keys()) | own
    for role, subjects in _holders(after, pair.new, vanishing, at).items():
        yield TenantImpact(ImpactKind.ROLE_VANISHES, role, pair.tenant, subjects)


def _vanishing_plans(
    before: Index, after: Index, pair: _Pair, at: Instant
) -> Iterator[TenantImpact]:
    vanishing = before.plans.keys() - after.plans.keys()
    bought = (
        {h.plan for h in pair.new.fact.subscription_items if h.window.valid_until > at}
        if vanishing
        else set()
    )
    for plan in bought & vanishing:
        yield TenantImpact(ImpactKind.PLAN_VANISHES, plan, pair.tenant)


def _wider_roles(before: Index, after: Index, pair: _Pair, at: Instant) -> Iterator[TenantImpact]:
    if not pair.new.own_roles:
        return
    excess = _excess(after, pair.new, at)
    earlier = _excess(before, pair.old, at) if pair.old is not None else {}
    for role, permissions in excess.items():
        more = sorted(permissions - earlier.get(role, frozenset()))
        if more:
            kind = ImpactKind.ROLE_WIDER_THAN_TIER
            yield TenantImpact(kind, role, pair.tenant, detail=", ".join(more))


def _excess(index: Index, entry: TenantEntry, at: Instant) -> dict[str, frozenset[str]]:
    """Give what each of a tenant's own roles lists beyond what the tenant is entitled to."""
    bought = frozenset(e.permission for e in entitlements(index, entry, at).permissions)
    return {name: role.fact.permissions - bought for name, role in entry.own_roles.items()}


def _seats(before: Index, after: Index, pair: _Pair, at: Instant) -> Iterator[TenantImpact]:
    bought, members = _seat_limit(after, pair.new, at), seats.taken(after, pair.tenant, at)
    if bought is None or bought >= members:
        return
    earlier = _seat_limit(before, pair.old, at) if pair.old is not None else None
    if earlier is None or bought < earlier:
        detail = f"{members} of {bought} seats taken"
        yield TenantImpact(ImpactKind.SEATS_BELOW_TAKEN, SEATS, pair.tenant, detail=detail)


def _seat_limit(index: Index, entry: TenantEntry, at: Instant) -> int | None:
    limit = limit_in_force(index, entry.fact, SEATS, at)
    return limit.limit.value if limit is not None else None


def _last_admin(before: Index, after: Index, pair: _Pair, at: Instant) -> Iterator[TenantImpact]:
    if pair.old is None or pair.tenant == SYSTEM or pair.new.fact.state_at(at) not in OPEN_STATES:
        return
    if _has_admin(after, pair.new, at) or not _has_admin(before, pair.old, at):
        return
    roles = _admin_roles(before, pair.old)
    lost = {s for holders in _holders(before, pair.old, roles, at, True).values() for s in holders}
    name = min(roles)
    yield TenantImpact(ImpactKind.LAST_ADMIN, name, pair.tenant, tuple(sorted(lost)))


def _has_admin(index: Index, entry: TenantEntry, at: Instant) -> bool:
    return bool(_holders(index, entry, _admin_roles(index, entry), at, True))


def _admin_roles(index: Index, entry: TenantEntry) -> set[str]:
    roles = {**index.roles, **entry.own_roles}
    return {name for name, role in roles.items() if role.fact.admin}


def _unassignable(before: Index, after: Index, pair: _Pair, at: Instant) -> Iterator[TenantImpact]:
    if pair.old is None:
        return
    earlier = assignable_roles(before, pair.old.fact, at)
    withdrawn = (earlier - assignable_roles(after, pair.new.fact, at)) & after.roles.keys()
    for role, subjects in _holders(after, pair.new, withdrawn, at).items():
        yield TenantImpact(ImpactKind.ROLE_NOT_ASSIGNABLE, role, pair.tenant, subjects)


def _holders(
    index: Index,
    entry: TenantEntry,
    roles: Collection[str],
    at: Instant,
    effective: bool = False,
) -> dict[str, tuple[str, ...]]:
    """Name, by role, the members who hold one of the roles, now or later.

    `effective` leaves out members who are not active, and grants that do not hold on the whole
    tenant, from now on and without end: what `engine/invariants.py` asks of an admin.
    """
    holders: dict[str, list[str]] = {}
    if not roles:
        return {}
    bits = {role: index.role_bits[role] for role in roles if role in index.role_bits}
    any_bit = sum(bits.values())
    for subject, member in entry.members.items():
        if isinstance(member, int) and not member & any_bit:
            continue
        for role in _held(member, bits, roles, at, effective):
            holders.setdefault(role, []).append(subject)
    return {role: tuple(sorted(holders[role])) for role in sorted(holders)}


def _held(
    member: Member,
    bits: Mapping[str, int],
    roles: Collection[str],
    at: Instant,
    effective: bool,
) -> set[str]:
    if not isinstance(member, MemberEntry):
        return {role for role, bit in bits.items() if bit & member}
    if effective:
        active = member.membership.state is MembershipState.ACTIVE
        return {g.role for g in member.grants if active and not g.scope and g.covers((), at)} & {
            *roles
        }
    return {g.role for g in member.grants if g.valid_until > at} & {*roles}
