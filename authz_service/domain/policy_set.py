"""A policy as it is written down: permissions, roles, tiers and add-ons together."""

from dataclasses import dataclass, replace
from typing import Final

from authz_service.domain import own_policy
from authz_service.domain.catalog import Permission, Plan, Role


@dataclass(frozen=True, slots=True)
class PolicySet:
    """Permissions, global roles, tiers and add-ons. Order is the author's and means nothing."""

    permissions: tuple[Permission, ...] = ()
    roles: tuple[Role, ...] = ()
    tiers: tuple[Plan, ...] = ()
    add_ons: tuple[Plan, ...] = ()

    @property
    def product(self) -> "PolicySet":
        """All but the service's own permissions and roles."""
        return replace(
            self,
            permissions=tuple(p for p in self.permissions if not own_policy.is_own(p.id)),
            roles=tuple(role for role in self.roles if not own_policy.is_own(role.id)),
        )

    @property
    def plans(self) -> tuple[Plan, ...]:
        return (*self.tiers, *self.add_ons)


EMPTY: Final = PolicySet()
