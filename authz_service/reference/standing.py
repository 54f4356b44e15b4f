"""Layers 1 and 2 and the catalogue, read straight from the facts: they are not Casbin's."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from authz_service.domain.catalog import Permission
from authz_service.domain.change import Fact
from authz_service.domain.decision import DecisionReason
from authz_service.domain.membership import Membership, MembershipState
from authz_service.domain.tenant import OPEN_STATES, Tenant, TenantState
from authz_service.domain.window import Instant

_BY_MEMBERSHIP: Final[Mapping[MembershipState, DecisionReason | None]] = {
    MembershipState.ACTIVE: None,
    MembershipState.INVITED: DecisionReason.MEMBERSHIP_INVITED,
    MembershipState.SUSPENDED: DecisionReason.MEMBERSHIP_SUSPENDED,
    MembershipState.REMOVED: DecisionReason.NOT_A_MEMBER,
}


@dataclass(frozen=True, slots=True)
class Standing:
    """Who may act at all, whatever their roles."""

    declared: frozenset[str]
    tenants: Mapping[str, Tenant]
    members: Mapping[tuple[str, str], Membership]

    @classmethod
    def of(cls, facts: Iterable[Fact]) -> "Standing":
        every = tuple(facts)
        return cls(
            declared=frozenset(fact.id for fact in every if isinstance(fact, Permission)),
            tenants={fact.id: fact for fact in every if isinstance(fact, Tenant)},
            members={(m.tenant, m.subject): m for m in every if isinstance(m, Membership)},
        )

    def objection(self, tenant_id: str, subject: str, at: Instant) -> DecisionReason | None:
        """Name what keeps a subject from acting in a tenant; None if nothing does."""
        tenant = self.tenants.get(tenant_id)
        if tenant is None:
            return DecisionReason.UNKNOWN_TENANT
        state = tenant.state_at(at)
        if state is TenantState.OFFBOARDED:
            return DecisionReason.TENANT_OFFBOARDED
        if state not in OPEN_STATES:
            return DecisionReason.TENANT_SUSPENDED
        membership = self.members.get((tenant_id, subject))
        if membership is None:
            return DecisionReason.NOT_A_MEMBER
        return _BY_MEMBERSHIP[membership.state]
