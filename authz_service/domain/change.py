"""What a transaction changes: facts that hold from its revision on, facts that no longer do."""

from dataclasses import dataclass
from typing import TypeAlias

from authz_service.domain.catalog import Permission, Plan, Role
from authz_service.domain.endpoint import Endpoint
from authz_service.domain.exception import TenantException
from authz_service.domain.grant import RoleGrant
from authz_service.domain.identity import Identity
from authz_service.domain.invitation import Invitation
from authz_service.domain.key import ApiKey
from authz_service.domain.membership import Membership
from authz_service.domain.scheduled_changeset import ScheduledChangeset
from authz_service.domain.tenant import Tenant
from authz_service.domain.window import BEGINNING, Instant

Fact: TypeAlias = (
    Permission
    | Role
    | Plan
    | Tenant
    | Membership
    | RoleGrant
    | Invitation
    | TenantException
    | ApiKey
    | Identity
    | Endpoint
    | ScheduledChangeset
)

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
