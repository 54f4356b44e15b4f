"""Who belongs to a tenant, and what holds them back."""

from dataclasses import dataclass
from enum import StrEnum

from authz_service.domain.tenant import SuspensionReason


class MembershipState(StrEnum):
    INVITED = "invited"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class Membership:
    """`lifecycle` is invited or active; suspension is a set of reasons laid over it."""

    tenant: str
    subject: str
    lifecycle: MembershipState = MembershipState.ACTIVE
    suspensions: frozenset[SuspensionReason] = frozenset()

    @property
    def state(self) -> MembershipState:
        return MembershipState.SUSPENDED if self.suspensions else self.lifecycle
