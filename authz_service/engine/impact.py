"""What somebody should decide before a change is made: whom it would leave in an odd place."""

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


class ConcernKind(StrEnum):
    """What needs a decision."""

    ROLE_VANISHES = "role_vanishes"
    """A role goes that members hold."""
    PLAN_VANISHES = "plan_vanishes"
    """A tier or add-on goes that tenants hold."""
    ROLE_WIDER_THAN_TIER = "role_wider_than_tier"
    """A tenant's own role lists what the tenant is no longer entitled to."""
    SEATS_BELOW_TAKEN = "seats_below_taken"
    """Fewer seats than the tenant has members."""
    LAST_ADMIN = "last_admin"
    """Nobody is left in the tenant who holds a role that runs the account."""
    ROLE_NOT_ASSIGNABLE = "role_not_assignable"
    """Members hold a role that the tenant's plans no longer list as assignable."""


BLOCKING: Final = frozenset(
    {ConcernKind.ROLE_VANISHES, ConcernKind.PLAN_VANISHES, ConcernKind.LAST_ADMIN}
)
"""What is refused until the change itself says what takes the place of what goes."""


@dataclass(frozen=True, slots=True, order=True)
class Concern:
    """One decision in one tenant. `subjects` are its members whom it concerns, none for all."""

    kind: ConcernKind
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
class Decision:
    """What somebody should decide, in all tenants together."""

    kind: ConcernKind
    object: str
    blocking: bool
    tenants: int
    subjects: int
    concerns: tuple[Concern, ...]
    """The first few."""


def decisions(found: Iterable[Concern], sample: int) -> tuple[Decision, ...]:
    """Take together what is to be decided about the same thing, in order."""
    grouped: defaultdict[tuple[ConcernKind, str], list[Concern]] = defaultdict(list)
    for concern in found:
        grouped[concern.kind, concern.object].append(concern)
    return tuple(
        Decision(
            kind,
            about,
            group[0].blocking,
            len(group),
            sum(len(concern.subjects) for concern in group),
            tuple(group[:sample]),
        )
        for (kind, about), group in grouped.items()
    )


def require_decided(found: Iterable[Concern]) -> None:
    """Refuse what somebody has to decide first. Raises: DECISION_NEEDED."""
    open_ = [concern for concern in found if concern.blocking]
    if open_:
        first, tenants = open_[0], len({concern.tenant for concern in open_})
        raise FailedPrecondition(
            ErrorReason.DECISION_NEEDED,
            f"{first.kind.value}: {first.object} in {first.tenant!r}"
            f"{f' and {len(open_) - 1} more' if len(open_) > 1 else ''}; name what takes its "
            "place in the change set and preview it again",
            field="changes",
            details={"kind": first.kind.value, "object": first.object, "tenants": str(tenants)},
        )


class _Pair(NamedTuple):
    """A tenant on both sides of a change; None where it does not exist."""

    tenant: str
    old: TenantEntry | None
    new: TenantEntry


def concerns(before: Index, after: Index, at: Instant) -> tuple[Concern, ...]:
    """List what needs a decision, in order of kind, object and tenant.

    What was odd before already, and grows no odder, is not listed. `after` has grown from `before`.
    """
    same_catalogue = before.permissions is after.permissions and before.plans is after.plans
    found: list[Concern] = []
    for tenant, new in after.tenants.items():
        pair = _Pair(tenant, before.tenants.get(tenant), new)
        if same_catalogue and pair.old is new:
            continue
        found += _vanishing_roles(before, after, pair, at)
        found += _vanishing_plans(before, after, pair, at)
        found += _wider_roles(before, after, pair, at)
        found += _seats(before, after, pair, at)
        found += _last_admin(before, after, pair, at)
        found += _unassignable(before, after, pair, at)
    return tuple(sorted(found))


def _vanishing_roles(before: Index, after: Index, pair: _Pair, at: Instant) -> Iterator[Concern]:
    own = pair.old.own_roles.keys() - pair.new.own_roles.keys() if pair.old else set[str]()
    gone = (before.roles.keys() - after.roles.keys()) | own
    for role, subjects in _holders(after, pair.new, gone, at).items():
        yield Concern(ConcernKind.ROLE_VANISHES, role, pair.tenant, subjects)


def _vanishing_plans(before: Index, after: Index, pair: _Pair, at: Instant) -> Iterator[Concern]:
    gone = before.plans.keys() - after.plans.keys()
    held = {h.plan for h in pair.new.fact.holdings if h.window.valid_until > at} if gone else set()
    for plan in held & gone:
        yield Concern(ConcernKind.PLAN_VANISHES, plan, pair.tenant)


def _wider_roles(before: Index, after: Index, pair: _Pair, at: Instant) -> Iterator[Concern]:
    if not pair.new.own_roles:
        return
    excess = _excess(after, pair.new, at)
    known = _excess(before, pair.old, at) if pair.old is not None else {}
    for role, permissions in excess.items():
        more = sorted(permissions - known.get(role, frozenset()))
        if more:
            kind = ConcernKind.ROLE_WIDER_THAN_TIER
            yield Concern(kind, role, pair.tenant, detail=", ".join(more))


def _excess(index: Index, entry: TenantEntry, at: Instant) -> dict[str, frozenset[str]]:
    """Give what each of a tenant's own roles holds beyond what the tenant is entitled to."""
    bought = frozenset(e.permission for e in entitlements(index, entry, at).permissions)
    return {role: index.role_permissions(role) - bought for role in entry.own_roles}


def _seats(before: Index, after: Index, pair: _Pair, at: Instant) -> Iterator[Concern]:
    bought, taken = _seat_limit(after, pair.new, at), seats.taken(after, pair.tenant, at)
    if bought is None or bought >= taken:
        return
    earlier = _seat_limit(before, pair.old, at) if pair.old is not None else None
    if earlier is None or bought < earlier:
        detail = f"{taken} of {bought} seats taken"
        yield Concern(ConcernKind.SEATS_BELOW_TAKEN, SEATS, pair.tenant, detail=detail)


def _seat_limit(index: Index, entry: TenantEntry, at: Instant) -> int | None:
    found = limit_in_force(index, entry.fact, SEATS, at)
    return found.limit.value if found is not None else None


def _last_admin(before: Index, after: Index, pair: _Pair, at: Instant) -> Iterator[Concern]:
    if pair.old is None or pair.tenant == SYSTEM or pair.new.fact.state_at(at) not in OPEN_STATES:
        return
    if _has_admin(after, pair.new, at) or not _has_admin(before, pair.old, at):
        return
    roles = _admin_roles(before, pair.old)
    lost = {s for found in _holders(before, pair.old, roles, at, True).values() for s in found}
    name = min(roles)
    yield Concern(ConcernKind.LAST_ADMIN, name, pair.tenant, tuple(sorted(lost)))


def _has_admin(index: Index, entry: TenantEntry, at: Instant) -> bool:
    return bool(_holders(index, entry, _admin_roles(index, entry), at, True))


def _admin_roles(index: Index, entry: TenantEntry) -> set[str]:
    roles = {**index.roles, **entry.own_roles}
    return {name for name, role in roles.items() if role.fact.admin}


def _unassignable(before: Index, after: Index, pair: _Pair, at: Instant) -> Iterator[Concern]:
    if pair.old is None:
        return
    earlier = assignable_roles(before, pair.old.fact, at)
    left = (earlier - assignable_roles(after, pair.new.fact, at)) & after.roles.keys()
    for role, subjects in _holders(after, pair.new, left, at).items():
        yield Concern(ConcernKind.ROLE_NOT_ASSIGNABLE, role, pair.tenant, subjects)


def _holders(
    index: Index,
    entry: TenantEntry,
    roles: Collection[str],
    at: Instant,
    effective: bool = False,
) -> dict[str, tuple[str, ...]]:
    """Name, by role, the members who hold one of the roles, now or later.

    `effective` leaves out members who are not active, and grants that do not hold on the whole
    tenant, from now on and without end: what `engine/laws.py` asks of an admin.
    """
    found: dict[str, list[str]] = {}
    if not roles:
        return {}
    bits = {role: index.role_bits[role] for role in roles if role in index.role_bits}
    any_bit = sum(bits.values())
    for subject, member in entry.members.items():
        if isinstance(member, int) and not member & any_bit:
            continue
        for role in _held(member, bits, roles, at, effective):
            found.setdefault(role, []).append(subject)
    return {role: tuple(sorted(found[role])) for role in sorted(found)}


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
