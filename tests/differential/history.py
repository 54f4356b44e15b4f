"""What is true while a world is being drawn, and the deltas that made it so."""

from dataclasses import dataclass, field
from typing import TypeAlias

from authz_service.domain.catalog import Permission, Plan, Role
from authz_service.domain.change import Delta, Fact, FactChange, ScheduledChangeset
from authz_service.domain.exception import TenantException
from authz_service.domain.grant import RoleGrant
from authz_service.domain.invitation import Invitation
from authz_service.domain.kept import Kept
from authz_service.domain.membership import Membership
from authz_service.domain.tenant import Tenant

Key: TypeAlias = tuple[type, tuple[str, ...]]


def key(fact: Fact) -> Key:
    """Name what a fact is about: of two facts with one key, the later replaces the earlier."""
    match fact:
        case Permission() | Role() | Plan() | Tenant() | TenantException():
            return type(fact), (fact.id,)
        case Invitation() | ScheduledChangeset() | Kept():
            return type(fact), (fact.id,)
        case Membership():
            return type(fact), (fact.tenant, fact.subject)
        case RoleGrant():
            return type(fact), (fact.tenant, fact.subject, fact.role, fact.scope, fact.source)


@dataclass(slots=True)
class History:
    """Grows only: a value of the test, used by one thread."""

    facts: dict[Key, Fact] = field(default_factory=dict)
    deltas: list[Delta] = field(default_factory=list)
    changes: list[FactChange] = field(default_factory=list)

    def put(self, fact: Fact) -> None:
        """Make a fact, or let it replace the one with its key."""
        before = self.facts.get(key(fact))
        if before != fact:
            self.changes.append(FactChange(before, fact))
            self.facts[key(fact)] = fact

    def end(self, fact: Fact) -> None:
        self.changes.append(FactChange(self.facts.pop(key(fact)), None))

    def commit(self) -> None:
        self.deltas.append(Delta(len(self.deltas) + 1, tuple(self.changes)))
        self.changes = []
