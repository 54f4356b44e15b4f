"""What a transaction changes: facts that hold from its revision on, facts that no longer do."""

import json
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from authz_service.domain.audit import Actor, AuditRecord
from authz_service.domain.billing_part import PARTS
from authz_service.domain.catalog import Permission, Plan, Role
from authz_service.domain.endpoint import Endpoint
from authz_service.domain.exception import TenantException
from authz_service.domain.grant import RoleGrant
from authz_service.domain.identity import Identity
from authz_service.domain.invitation import Invitation
from authz_service.domain.kept import Kept
from authz_service.domain.key import ApiKey
from authz_service.domain.membership import Membership
from authz_service.domain.tenant import Tenant
from authz_service.domain.window import BEGINNING, Instant


@dataclass(frozen=True, slots=True)
class Blocker:
    """Why nothing would happen at the instant, as things stand. `tenant` is whose facts say so."""

    reason: str
    message: str
    tenant: str = ""


@dataclass(frozen=True, slots=True)
class ScheduledChangeset:
    """A changeset that applies at `at`, with its outcome on the facts as they are now.

    At the instant the `changes` are made, in their order, and the `records` of them written. Both
    are empty where there is a `blocker`.
    """

    id: str
    at: Instant
    commands: str
    """As `usecases.changesets.commands` writes them."""
    actor: str
    on_behalf_of: str
    reason: str
    created_at: Instant
    changes: "tuple[FactChange, ...]" = ()
    records: tuple[AuditRecord, ...] = field(default=(), hash=False)
    blocker: Blocker | None = None

    @property
    def rpcs(self) -> list[str]:
        """The RPCs that its commands run, each once, in order of name."""
        return sorted({rpc for rpc, _ in json.loads(self.commands)})

    @property
    def place(self) -> tuple[Instant, str]:
        """What orders them: the instant, then the one that was scheduled first."""
        return self.at, self.id

    @property
    def by(self) -> Actor:
        return Actor(self.actor, self.on_behalf_of)


Fact: TypeAlias = (
    Permission
    | Role
    | Plan
    | Tenant
    | Membership
    | RoleGrant
    | Invitation
    | TenantException
    | ScheduledChangeset
    | Kept
)

KEPT: Final[tuple[type[Kept], ...]] = (ApiKey, Identity, Endpoint, *PARTS)
"""The kinds of facts that are only kept and found."""

Revision: TypeAlias = int
"""The number of a committed change; 0 is the empty database."""


@dataclass(frozen=True, slots=True)
class FactChange:
    """One fact made (`before` None), ended (`after` None) or replaced by its successor."""

    before: Fact | None
    after: Fact | None

    @property
    def fact(self) -> Fact:
        """The fact the change is about: the new one, or the ended one."""
        fact = self.after if self.after is not None else self.before
        if fact is None:
            raise ValueError("a change of nothing into nothing")
        return fact


@dataclass(frozen=True, slots=True)
class Delta:
    """All that one revision changed, in the order it was done, and the instant of it."""

    revision: Revision
    changes: tuple[FactChange, ...]
    at: Instant = BEGINNING
