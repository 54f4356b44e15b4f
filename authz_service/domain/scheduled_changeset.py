"""A set of changes that comes into force at an instant, by itself."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from authz_service.domain.audit import Actor, AuditRecord
from authz_service.domain.changeset import Changeset
from authz_service.domain.grant import RoleGrant
from authz_service.domain.membership import Membership
from authz_service.domain.window import Instant

if TYPE_CHECKING:
    from authz_service.domain.change import Fact, FactChange


@dataclass(frozen=True, slots=True)
class Blocker:
    """Why nothing would happen at the instant, as things stand. `tenant` is whose facts say so."""

    reason: str
    message: str
    tenant: str = ""


@dataclass(frozen=True, slots=True)
class ScheduledChangeset:
    """What applying `wanted` at `at` comes to, worked out on the facts as they are now.

    At the instant the changes `planned` are made, in their order, and the events `told` of them.
    Both are empty where there is an `blocker`.
    """

    id: str
    at: Instant
    changeset: Changeset
    actor: str
    on_behalf_of: str
    reason: str
    created_at: Instant
    changes: "tuple[FactChange, ...]" = ()
    records: tuple[AuditRecord, ...] = field(default=(), hash=False)
    blocker: Blocker | None = None

    @property
    def place(self) -> tuple[Instant, str]:
        """What orders them: the instant, then the one that was scheduled first."""
        return self.at, self.id

    @property
    def by(self) -> Actor:
        return Actor(self.actor, self.on_behalf_of)


def in_force(facts: "Iterable[Fact]", at: Instant) -> "list[Fact]":
    """Give the facts as they are at an instant: what was scheduled up to it is done."""
    known = list(facts)
    scheduled = (fact for fact in known if isinstance(fact, ScheduledChangeset))
    due = sorted((each for each in scheduled if each.at <= at), key=lambda each: each.place)
    if not due:
        return known
    found = {_key(fact): fact for fact in known}
    for each in due:
        del found[_key(each)]
        for change in each.changes:
            if change.before is not None:
                found.pop(_key(change.before), None)
            if change.after is not None:
                found[_key(change.after)] = change.after
    return list(found.values())


def _key(fact: "Fact") -> tuple[Any, ...]:
    """Tell facts apart: no two that hold at once have the same key."""
    kind = type(fact).__name__
    match fact:
        case RoleGrant() as g:
            return kind, g.tenant, g.subject, g.role, g.scope, g.window, g.source
        case Membership(tenant=tenant, subject=subject):
            return kind, tenant, subject
    return kind, fact.id
