"""What can be sold and granted: permissions, roles, tiers and add-ons.

The `revision` of each is that of the last commit which changed it, 0 before the first. It says when
the object was written and is no part of what was: two that differ in nothing else are equal.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from authz_service.domain.identifiers import MAX_INCLUSION
from authz_service.errors import ErrorReason, InvalidArgument

TIER: Final = "tier/"
ADD_ON: Final = "addon/"
VERSION: Final = "@"
"""Between a tier's name, in which it cannot occur, and the version that is kept."""
SEATS: Final = "seats"
"""The one limit this service counts itself: members of a tenant."""
MAX_NUMBER: Final = 2**53
"""The largest limit or number: every integer up to it is exact in JSON, too. Sums stop here."""


@dataclass(frozen=True, slots=True)
class Permission:
    """A declared `resource_type:action`. Undeclared permissions are always denied.

    `internal` permissions (this service's own administration, support tools) need a role but no
    entitlement: no tier sells them. A `deprecated` one is decided as before, but no role, tier or
    add-on takes it up any more; `replaced_by` names its replacement, "" if there is none.
    """

    id: str
    internal: bool = False
    description: str = ""
    deprecated: bool = False
    replaced_by: str = ""
    revision: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Role:
    """A named set of permissions, global (`editor`) or a tenant's own (`acme/editor`).

    `admin` says that whoever holds it in a tenant runs the account. It is the role's own: a role
    that includes one is not one.
    """

    id: str
    permissions: frozenset[str] = frozenset()
    includes: frozenset[str] = frozenset()
    description: str = ""
    admin: bool = False
    revision: int = field(default=0, compare=False)

    @property
    def tenant(self) -> str:
        """The tenant that owns the role, or "" for a global one."""
        owner, slash, _ = self.id.partition("/")
        return owner if slash else ""


class FeatureKind(StrEnum):
    """What a feature is set to, and so how values of several plans merge (`domain/merging.py`)."""

    FLAG = "flag"
    """`"true"` or `"false"`."""
    NUMBER = "number"
    """A whole number in decimal."""
    TEXT = "text"
    """A word of the product's. Its `rank` orders it among the other words of the feature."""


@dataclass(frozen=True, slots=True)
class Feature:
    """What a plan or customer has beside permissions. `value` is text, whatever the kind.

    `rank` is 0 for all but texts, and for texts that nobody ranked.
    """

    name: str
    value: str
    kind: FeatureKind = FeatureKind.FLAG
    rank: int = 0


class Period(StrEnum):
    """The time in which usage counts against a limit."""

    NONE = ""
    """What there is at any moment counts, as with seats."""
    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"


class Reset(StrEnum):
    """When counting begins again in a limit that has a period."""

    NONE = ""
    CALENDAR = "calendar"
    """At the beginning of each calendar period, UTC."""
    BILLING = "billing"
    """With the billing period of the customer."""
    ROLLING = "rolling"
    """Never at once: only what was used within the last period counts."""


@dataclass(frozen=True, slots=True)
class Limit:
    """A number with a unit. `value` None means unlimited, said outright; unset is never that.

    `period` and `reset` say how the product counts; this service carries them and counts nothing
    but seats. Both are set, or neither is.
    """

    name: str
    value: int | None
    unit: str
    period: Period = Period.NONE
    reset: Reset = Reset.NONE

    @property
    def measure(self) -> str:
        """What is counted and how, as people say it: `call per month, by calendar`."""
        if not self.period:
            return self.unit
        return f"{self.unit} per {self.period}, {RESETS[self.reset]}"

    def counts_like(self, other: "Limit") -> bool:
        """Tell whether both count the same, so that they can be added up."""
        return (self.unit, self.period, self.reset) == (other.unit, other.period, other.reset)


RESETS: Final = {
    Reset.NONE: "",
    Reset.CALENDAR: "by calendar",
    Reset.BILLING: "by billing period",
    Reset.ROLLING: "rolling",
}
"""How a limit starts again, in words."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A tier (`tier/pro`) or an add-on (`addon/audit`): what a tenant can hold.

    A tier may extend another: it has all of the other's permissions and assignable roles, and the
    other's features and limits where it names none of its own.

    In a tenant of a tier with `suspended_free_seats`, or of one that extends it, a suspended member
    takes no seat. Add-ons do not have it.

    `tier/pro` is what is sold now and counts its versions; an earlier one that is kept is a plan of
    its own, `tier/pro@3`. Like `revision`, `version` is no part of what a plan is.
    """

    id: str
    extends: str = ""
    permissions: frozenset[str] = frozenset()
    features: tuple[Feature, ...] = ()
    limits: tuple[Limit, ...] = ()
    assignable_roles: frozenset[str] = frozenset()
    description: str = ""
    suspended_free_seats: bool = False
    revision: int = field(default=0, compare=False)
    version: int = field(default=1, compare=False)

    def __post_init__(self) -> None:
        # INVARIANT: kept by name, so that equal plans compare equal however they were written.
        for part in ("features", "limits"):
            ordered = sorted(getattr(self, part), key=lambda item: item.name)
            object.__setattr__(self, part, tuple(ordered))

    @property
    def name(self) -> str:
        """The identifier a caller uses, without its kind: `pro` for `tier/pro`."""
        return self.id.partition("/")[2]

    @property
    def kind(self) -> str:
        """What it is, for people: `tier` or `add-on`."""
        return "tier" if self.id.startswith(TIER) else "add-on"

    @property
    def is_kept(self) -> bool:
        """Tell whether it is a version kept of a tier, and not what is sold now."""
        return VERSION in self.id


def kept_id(plan_id: str, version: int) -> str:
    """Name a version of a tier: `tier/pro@3`; 0 is the one sold now, `tier/pro`."""
    return f"{plan_id}{VERSION}{version}" if version else plan_id


def split_version(plan_id: str) -> tuple[str, int]:
    """Part the name of a plan or tier from its version, 0 for the one sold now."""
    name, _, version = plan_id.partition(VERSION)
    return name, int(version or 0)


def in_words(source: str) -> str:
    """Write what sells something as people call it.

    `tier/pro` is `tier pro`, `tier/pro@3` its version 3, `addon/audit` an add-on.
    """
    kind, slash, rest = source.partition("/")
    name, at, version = rest.partition(VERSION)
    words = f"{kind.replace('addon', 'add-on')} {name}" if slash else source
    return f"{words}, version {version}" if at else words


def chain(plans: Mapping[str, Plan], plan_id: str) -> list[Plan]:
    """List a plan and what it extends, nearest first; stops at a plan that does not exist."""
    line: list[Plan] = []
    while plan_id in plans and len(line) <= MAX_INCLUSION:
        line.append(plans[plan_id])
        plan_id = line[-1].extends
    return line


def checked_inclusion(graph: Mapping[str, Iterable[str]], start: str, field: str) -> None:
    """Refuse a graph of inclusions that is cyclic or too deep anywhere around `start`.

    `graph` maps each name to what it includes, the change already made. Only chains through
    `start` can have become wrong, above it as well as below it.

    Raises:
        InvalidArgument: INCLUSION_CYCLE, or INCLUSION_TOO_DEEP beyond seven names in a chain.
    """
    reverse: dict[str, list[str]] = {}
    for name, included in graph.items():
        for other in included:
            reverse.setdefault(other, []).append(name)
    below = _longest(graph, start, field, {})
    above = _longest(reverse, start, field, {})
    path = [*reversed(above), *below[1:]]
    if len(path) > MAX_INCLUSION:
        raise InvalidArgument(
            ErrorReason.INCLUSION_TOO_DEEP,
            f"a chain of {len(path)} is longer than {MAX_INCLUSION}: {' > '.join(path[:20])}; "
            "include the needed names directly",
            field=field,
        )


def _longest(
    graph: Mapping[str, Iterable[str]],
    name: str,
    field: str,
    walks: dict[str, list[str] | None],
    depth: int = 0,
) -> list[str]:
    """Find the longest chain from `name` on; None in `known` marks what is being walked.

    Beyond a depth of 100 the chain is too long in any case and is not followed further.
    """
    if name in walks:
        chain_from = walks[name]
        if chain_from is not None:
            return chain_from
        walked = [other for other, walk in walks.items() if walk is None]
        loop = " > ".join([*walked[walked.index(name) :], name])
        raise InvalidArgument(
            ErrorReason.INCLUSION_CYCLE, f"inclusion runs in a circle: {loop}", field=field
        )
    walks[name] = None
    included = graph.get(name, ()) if depth < 100 else ()
    tails = [_longest(graph, other, field, walks, depth + 1) for other in included]
    longest = [name, *max(tails, key=len, default=[])]
    walks[name] = longest
    return longest
