"""The effect of a change in numbers, with some names to each: totals are never cut."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from authz_service.engine.effect import Reach, Shift, TenantEffect, Value


@dataclass(frozen=True, slots=True)
class Counted:
    """How many, and the first few of them by name."""

    count: int = 0
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Side:
    """Who gains a permission, or who loses it."""

    entitled: Counted = Counted()
    """Tenants that are entitled to it now, or no longer."""
    subjects: Counted = Counted()
    """Members for whom the answer changes, named `tenant subject`."""
    tenants: int = 0
    """Tenants of those members."""


@dataclass(frozen=True, slots=True)
class PermissionEffect:
    permission: str
    gained: Side
    lost: Side


@dataclass(frozen=True, slots=True)
class ValueEffect:
    """Tenants whose feature or limit changes alike."""

    name: str
    before: str
    after: str
    tenants: Counted


@dataclass(frozen=True, slots=True)
class Summary:
    """`tenants` changes in any way; the subjects are counted once each, however much changes."""

    tenants: int
    gaining: int
    losing: int
    permissions: tuple[PermissionEffect, ...]
    features: tuple[ValueEffect, ...]
    limits: tuple[ValueEffect, ...]


@dataclass(slots=True)
class _Tally:
    """Counts one side of one permission; keeps the first `sample` names."""

    sample: int
    entitled: int = 0
    entitled_names: list[str] = field(default_factory=list)
    subjects: int = 0
    names: list[str] = field(default_factory=list)
    tenants: set[str] = field(default_factory=set)

    def tenant(self, tenant: str) -> None:
        self.entitled += 1
        if len(self.entitled_names) < self.sample:
            self.entitled_names.append(tenant)

    def members(self, tenant: str, subjects: tuple[str, ...]) -> None:
        self.subjects += len(subjects)
        self.tenants.add(tenant)
        room = self.sample - len(self.names)
        self.names += (f"{tenant} {subject}" for subject in subjects[: max(0, room)])

    def side(self) -> Side:
        return Side(
            Counted(self.entitled, tuple(self.entitled_names)),
            Counted(self.subjects, tuple(self.names)),
            len(self.tenants),
        )


def summed(effects: Iterable[TenantEffect], sample: int) -> Summary:
    """Count an effect; keep up to `sample` names in each place."""

    def tally() -> _Tally:
        return _Tally(sample)

    gained: defaultdict[str, _Tally] = defaultdict(tally)
    lost: defaultdict[str, _Tally] = defaultdict(tally)
    features, limits = _Values(sample), _Values(sample)
    totals: Counter[str] = Counter()
    for effect in effects:
        totals["tenants"] += 1
        _count_tenant(effect, gained, lost)
        features.add(effect.tenant, effect.features)
        limits.add(effect.tenant, effect.limits)
        for shift, subjects in effect.subjects.items():
            totals["gaining"] += len(subjects) if shift.gained else 0
            totals["losing"] += len(subjects) if shift.lost else 0
    permissions = tuple(
        PermissionEffect(name, gained[name].side(), lost[name].side())
        for name in sorted(gained.keys() | lost.keys())
    )
    return Summary(
        totals["tenants"],
        totals["gaining"],
        totals["losing"],
        permissions,
        features.effects(),
        limits.effects(),
    )


def _count_tenant(
    effect: TenantEffect, gained: defaultdict[str, _Tally], lost: defaultdict[str, _Tally]
) -> None:
    sides: tuple[tuple[defaultdict[str, _Tally], tuple[str, ...], Callable[[Shift], _Reaches]], ...]
    sides = ((gained, effect.gained, lambda s: s.gained), (lost, effect.lost, lambda s: s.lost))
    for tallies, entitled, reaches in sides:
        for permission in entitled:
            tallies[permission].tenant(effect.tenant)
        for shift, subjects in effect.subjects.items():
            for permission in dict.fromkeys(reach.permission for reach in reaches(shift)):
                tallies[permission].members(effect.tenant, subjects)


_Reaches = tuple[Reach, ...]


class _Values:
    """Counts tenants by what changes and how."""

    def __init__(self, sample: int) -> None:
        self._sample = sample
        self._counts: Counter[Value] = Counter()
        self._names: defaultdict[Value, list[str]] = defaultdict(list)

    def add(self, tenant: str, values: tuple[Value, ...]) -> None:
        for value in values:
            self._counts[value] += 1
            if len(self._names[value]) < self._sample:
                self._names[value].append(tenant)

    def effects(self) -> tuple[ValueEffect, ...]:
        return tuple(
            ValueEffect(*value, Counted(self._counts[value], tuple(self._names[value])))
            for value in sorted(self._counts)
        )
