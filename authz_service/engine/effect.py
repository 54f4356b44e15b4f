"""What a change does: who may what in one index and not in the other, at one instant.

The answers are those of `decide`, asked as sets of bits: one bit a permission. Tenants that hold
the same plans and members that hold the same roles share one computation, so a change that
touches 1,000 tenants of 100 users takes a fraction of a second, not four million questions.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from authz_service.domain.catalog import Limit
from authz_service.domain.exception import EVERYONE, ExceptionKind
from authz_service.domain.identifiers import enclosing
from authz_service.domain.window import Instant
from authz_service.engine.decide import membership_objection, tenant_objection
from authz_service.engine.entitlements import (
    FeatureInForce,
    entitlements,
    live_exceptions,
    own_features,
    plan_features,
)
from authz_service.engine.index import Index, Member, MemberEntry, TenantEntry

WHOLE: Final = ""
"""The scope of an answer that holds for the tenant as a whole."""


class Reach(NamedTuple):
    """A permission, in the whole tenant or in one scope that some grant or denial names."""

    permission: str
    scope: str = WHOLE


class Shift(NamedTuple):
    """What somebody may that they might not before, and the reverse; both sorted."""

    gained: tuple[Reach, ...] = ()
    lost: tuple[Reach, ...] = ()


class Value(NamedTuple):
    """A feature or limit of a tenant before and after, as text; "" where nothing sets it."""

    name: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class TenantEffect:
    """What changes in one tenant.

    `gained` and `lost` are permissions that the tenant is entitled to, whoever holds them;
    `subjects` those for whom an answer changes, by what changes: each subject stands once.
    """

    tenant: str
    gained: tuple[str, ...]
    lost: tuple[str, ...]
    features: tuple[Value, ...]
    limits: tuple[Value, ...]
    subjects: Mapping[Shift, tuple[str, ...]]


class _Content(NamedTuple):
    """What a tenant's plans carry: permissions as bits, features and limits as text."""

    permissions: int
    features: dict[str, str]
    limits: Mapping[str, str]


def effect(before: Index, after: Index, at: Instant) -> Iterator[TenantEffect]:
    """Iterate over the tenants, by id, for which the two indexes answer differently at `at`.

    `after` has grown from `before`, or the other way round.
    """
    names = sorted(before.permissions.keys() | after.permissions.keys())
    was, now = _Reading(before, names, at), _Reading(after, names, at)
    same_catalogue = before.permissions is after.permissions and before.plans is after.plans
    shifts = _Shifts(names)
    tenants = {name for index in (before, after) for name, _ in index.tenants.items()}
    for tenant in sorted(tenants):
        old, new = before.tenants.get(tenant), after.tenants.get(tenant)
        if same_catalogue and old is new:
            continue
        of_tenant = _tenant_effect(tenant, (was, old), (now, new), shifts)
        if of_tenant is not None:
            yield of_tenant


def _tenant_effect(
    tenant: str,
    was: tuple["_Reading", TenantEntry | None],
    now: tuple["_Reading", TenantEntry | None],
    shifts: "_Shifts",
) -> TenantEffect | None:
    old, new = was[0].content(was[1]), now[0].content(now[1])
    gained = shifts.named(new.permissions & ~old.permissions)
    lost = shifts.named(old.permissions & ~new.permissions)
    features, limits = _values(old.features, new.features), _values(old.limits, new.limits)
    subjects = _subjects(was, now, shifts)
    if not (gained or lost or features or limits or subjects):
        return None
    return TenantEffect(tenant, gained, lost, features, limits, subjects)


def _values(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[Value, ...]:
    if before is after:
        return ()
    names = sorted(before.keys() | after.keys())
    values = (Value(name, before.get(name, ""), after.get(name, "")) for name in names)
    return tuple(value for value in values if value.before != value.after)


def _subjects(
    was: tuple["_Reading", TenantEntry | None],
    now: tuple["_Reading", TenantEntry | None],
    shifts: "_Shifts",
) -> dict[Shift, tuple[str, ...]]:
    (old, old_entry), (new, new_entry) = was, now
    before, after = old.tenant(old_entry), new.tenant(new_entry)
    by_shift: defaultdict[Shift, list[str]] = defaultdict(list)
    # Plain members of a tenant without denials: the mask alone decides, and many share one.
    shared_shifts: dict[tuple[Member | None, Member | None], Shift | None] = {}
    plain = not before.denials and not after.denials
    for subject, pair in _members(old_entry, new_entry):
        shared = plain and pair[0].__class__ is not MemberEntry is not pair[1].__class__
        if shared and pair in shared_shifts:
            shift = shared_shifts[pair]
        else:
            shift = _shift(subject, (before, pair[0]), (after, pair[1]), shifts)
            if shared:
                shared_shifts[pair] = shift
        if shift is not None:
            by_shift[shift].append(subject)
    return {shift: tuple(sorted(by_shift[shift])) for shift in sorted(by_shift)}


def _members(
    old: TenantEntry | None, new: TenantEntry | None
) -> Iterator[tuple[str, tuple[Member | None, Member | None]]]:
    if old is not None:
        for subject, member in old.members.items():
            yield subject, (member, None if new is None else new.members.get(subject))
    if new is not None and (old is None or old.members is not new.members):
        for subject, member in new.members.items():
            if old is None or old.members.get(subject) is None:
                yield subject, (None, member)


def _shift(
    subject: str,
    was: tuple["_Tenant", Member | None],
    now: tuple["_Tenant", Member | None],
    shifts: "_Shifts",
) -> Shift | None:
    """Compare one subject's answers in the whole tenant and in every scope that is named."""
    scopes = {WHOLE, *was[0].scopes(subject, was[1]), *now[0].scopes(subject, now[1])}
    changed = []
    for scope in sorted(scopes):
        old, new = was[0].allowed(subject, was[1], scope), now[0].allowed(subject, now[1], scope)
        if old != new:
            changed.append((scope, new & ~old, old & ~new))
    return shifts.of(tuple(changed)) if changed else None


class _Shifts:
    """Names what bits stand for, once for each set of them."""

    def __init__(self, names: list[str]) -> None:
        self._names = names
        self._known: dict[tuple[tuple[str, int, int], ...], Shift] = {}
        self._named: dict[int, tuple[str, ...]] = {}

    def named(self, bits: int) -> tuple[str, ...]:
        if bits not in self._named:
            self._named[bits] = tuple(n for i, n in enumerate(self._names) if bits >> i & 1)
        return self._named[bits]

    def of(self, changed: tuple[tuple[str, int, int], ...]) -> Shift:
        """Make a shift of what each scope gains and loses."""
        if changed not in self._known:
            gained = (Reach(name, scope) for scope, bits, _ in changed for name in self.named(bits))
            lost = (Reach(name, scope) for scope, _, bits in changed for name in self.named(bits))
            self._known[changed] = Shift(tuple(sorted(gained)), tuple(sorted(lost)))
        return self._known[changed]


class _Reading:
    """One index at one instant, its answers as bits: bit i stands for the i-th permission."""

    def __init__(self, index: Index, names: list[str], at: Instant) -> None:
        self.index = index
        self.at = at
        self._bits = {name: 1 << i for i, name in enumerate(names)}
        self._entries = [(self._bits[name], entry) for name, entry in index.permissions.items()]
        self.declared = sum(bit for bit, _ in self._entries)
        self.internal = sum(bit for bit, entry in self._entries if entry.internal)
        self._by_mask: dict[int, int] = {}
        self._by_role: dict[str, int] = {}
        self._by_plans: dict[tuple[tuple[str, ...], tuple[Limit, ...]], _Content] = {}

    def bits(self, names: frozenset[str]) -> int:
        """Write declared permissions as bits."""
        return sum(self._bits.get(name, 0) for name in names) & self.declared

    def content(self, entry: TenantEntry | None) -> _Content:
        """Give what the tenant is entitled to."""
        if entry is None:
            return _NOTHING
        key = (entry.fact.plans_at(self.at), entry.fact.limits_at(self.at))
        if key not in self._by_plans:
            self._by_plans[key] = self._carried(entry)
        carried = self._by_plans[key]
        if not entry.exceptions:
            return carried
        live = live_exceptions(entry, self.at)
        replacing = [e for e in live if e.kind is ExceptionKind.REPLACE]
        granting = replacing or [e for e in live if e.kind is ExceptionKind.GRANT]
        bits = 0 if replacing else carried.permissions
        for exception in granting:
            bits |= self.bits(exception.permissions)
        return carried._replace(
            permissions=bits, features=carried.features | _written(own_features(live))
        )

    def _carried(self, entry: TenantEntry) -> _Content:
        """Give what plans and own limits come to, the same for all tenants that have the same."""
        mask = 0
        for plan in entry.fact.plans_at(self.at):
            mask |= self.index.plan_bits.get(plan, 0)
        in_force = entitlements(self.index, entry, self.at)
        features = _written(plan_features(self.index, entry.fact, self.at))
        amounts = (limit.limit for limit in in_force.limits)
        limits = {
            a.name: f"{'unlimited' if a.value is None else a.value} {a.measure}" for a in amounts
        }
        bits = sum(bit for bit, permission in self._entries if permission.plans & mask)
        return _Content(bits, features, limits)

    def tenant(self, entry: TenantEntry | None) -> "_Tenant":
        """Make ready to ask about one tenant's subjects."""
        if entry is None:
            return _Tenant(self, 0, ())
        closed = tenant_objection(entry, self.at) is not None
        passing = 0 if closed else self.content(entry).permissions | self.internal
        denials = tuple(
            (e.subject, e.scope, self.bits(e.permissions) if e.window.covers(self.at) else 0)
            for e in entry.exceptions
            if e.kind is ExceptionKind.DENY
        )
        return _Tenant(self, passing, denials)

    def held(self, member: Member | None, scopes: tuple[str, ...]) -> int:
        """Give what the member's live grants hold in these scopes."""
        if isinstance(member, int):
            if member not in self._by_mask:
                self._by_mask[member] = sum(b for b, entry in self._entries if entry.roles & member)
            return self._by_mask[member]
        if member is None or membership_objection(member) is not None:
            return 0
        here, bits = ("", member.membership.tenant), 0
        for grant in member.grants:
            if grant.covers(scopes, self.at) and grant.role.rpartition("/")[0] in here:
                bits |= self._role(grant.role)
        return bits

    def _role(self, role_id: str) -> int:
        if role_id not in self._by_role:
            role = self.index.role(role_id)
            bits = (bit for bit, entry in self._entries if role is not None and role.holds(entry))
            self._by_role[role_id] = sum(bits)
        return self._by_role[role_id]


def _written(features: Mapping[str, FeatureInForce]) -> dict[str, str]:
    return {name: item.feature.value for name, item in features.items()}


class _Tenant(NamedTuple):
    """A tenant's answers: what passes its entitlement, and what its denials deny now, as bits."""

    reading: _Reading
    passing: int
    denials: tuple[tuple[str, str, int], ...]

    def scopes(self, subject: str, member: Member | None) -> Iterator[str]:
        """Iterate over the scopes in which this subject's answers may differ from elsewhere."""
        if isinstance(member, MemberEntry):
            yield from (grant.scope for grant in member.grants)
        yield from (scope for whom, scope, _ in self.denials if whom in (EVERYONE, subject))

    def allowed(self, subject: str, member: Member | None, scope: str) -> int:
        if not self.passing or member is None:
            return 0
        scopes = enclosing(scope)
        bits = self.passing & self.reading.held(member, scopes)
        for whom, where, denied in self.denials:
            if whom in (EVERYONE, subject) and (not where or where in scopes):
                bits &= ~denied
        return bits


_NOTHING: Final = _Content(0, {}, {})
