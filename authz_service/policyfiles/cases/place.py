"""A value in a case file together with where it stands, so that whatever reads it can blame it.

What the schema refused is blamed already: it reads as absent here, never raises, and whoever reads
on finds the other problems too.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from authz_service.domain import identifiers, own_policy
from authz_service.domain.policy_set import PolicySet
from authz_service.domain.suggestions import undeclared
from authz_service.domain.window import (
    BEGINNING,
    FOREVER,
    LATEST,
    Instant,
    Window,
    from_datetime,
)
from authz_service.errors import InvalidArgument
from authz_service.policyfiles.yaml_text import Document, Steps

# RFC 3339, section 5.6, to the microsecond; the offset is required.
_INSTANT: Final = re.compile(
    r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,6})?(?:Z|[+-]\d{2}:\d{2})", re.ASCII
)
_FORM: Final = "write it as in 2026-03-01T12:00:00Z, between the years 1970 and 9999"


@dataclass(frozen=True, slots=True)
class Known:
    """The names that a policy declares, and those that the service itself does."""

    permissions: frozenset[str]
    roles: frozenset[str]
    tiers: frozenset[str]
    add_ons: frozenset[str]
    limits: frozenset[str]

    @classmethod
    def of(cls, policy: PolicySet) -> "Known":
        return cls(
            frozenset(p.id for p in (*own_policy.PERMISSIONS, *policy.permissions)),
            frozenset(role.id for role in (*own_policy.ROLES, *policy.roles)),
            frozenset(tier.name for tier in policy.tiers),
            frozenset(add_on.name for add_on in policy.add_ons),
            frozenset(limit.name for plan in policy.plans for limit in plan.limits),
        )


@dataclass(frozen=True, slots=True)
class Place:
    document: Document
    steps: Steps = ()
    value: object = None

    @property
    def line(self) -> int:
        return self.document.line(self.steps)

    @property
    def text(self) -> str:
        """The value if it is text, else ""."""
        return self.value if isinstance(self.value, str) else ""

    @property
    def is_there(self) -> bool:
        return self.value is not None

    def at(self, key: str) -> "Place":
        """Step into a mapping; where there is no such key, nothing stands."""
        value = self.value.get(key) if isinstance(self.value, dict) else None
        return Place(self.document, (*self.steps, key), value)

    def entries(self) -> Iterator[tuple[str, "Place"]]:
        """Step into every key of a mapping."""
        for key in self.value if isinstance(self.value, dict) else ():
            yield key, self.at(key)

    def items(self) -> Iterator["Place"]:
        """Step into every item of a list."""
        for index, item in enumerate(self.value if isinstance(self.value, list) else ()):
            yield Place(self.document, (*self.steps, index), item)

    def blame(self, message: str) -> None:
        self.document.blame(self.steps, message)

    def number(self, default: int) -> int:
        return self.value if isinstance(self.value, int) else default

    def identifier(self, kind: str) -> str:
        """Give the text, blamed unless it is a well-formed identifier of `kind`."""
        try:
            return identifiers.checked(kind, self.text) if self.text else ""
        except InvalidArgument as wrong:
            self.blame(wrong.message)
        return self.text

    def declared(self, kind: str, names: Collection[str]) -> str:
        """Give the text, blamed unless the policy declares it."""
        if self.text and self.text not in names:
            self.blame(undeclared(kind, self.text, names))
        return self.text

    def declared_all(self, kind: str, names: Collection[str]) -> frozenset[str]:
        """Give the texts of a list, each blamed unless the policy declares it."""
        return frozenset(item.declared(kind, names) for item in self.items()) - {""}

    def instant(self, default: Instant) -> Instant:
        if not self.text:
            return default
        try:
            at = from_datetime(datetime.fromisoformat(self.text))
        except (ValueError, OverflowError, TypeError):  # TypeError: without an offset
            at = BEGINNING - 1
        if not _INSTANT.fullmatch(self.text) or not BEGINNING <= at <= LATEST:
            self.blame(f"{self.text[:140]!r} is no instant: {_FORM}")
            return default
        return at

    def window(self) -> Window:
        """Read `from` and `until` beside each other."""
        start, end = self.at("from"), self.at("until")
        window = Window(start.instant(BEGINNING), end.instant(FOREVER))
        if window.valid_until <= window.valid_from:
            end.blame("the window ends at or before its start: let `until` be later than `from`")
        return window
