"""The one question and its possible answers."""

from enum import IntEnum
from typing import Final, NamedTuple


class DecisionReason(IntEnum):
    """Why the answer is what it is. Numbers are those of `authz.v1.DecisionReason`."""

    ALLOWED = 1
    UNKNOWN_PERMISSION = 2
    UNKNOWN_TENANT = 3
    TENANT_SUSPENDED = 4
    TENANT_OFFBOARDED = 5
    NOT_A_MEMBER = 6
    MEMBERSHIP_INVITED = 7
    MEMBERSHIP_SUSPENDED = 8
    DENIED_BY_EXCEPTION = 9
    ROLE_MISSING = 10
    GRANT_EXPIRED = 11
    NOT_ENTITLED = 12
    ENTITLEMENT_EXPIRED = 13
    LIMIT_UNKNOWN = 14
    LIMIT_REACHED = 15


class ReasonClass(IntEnum):
    """What a product does about it. Numbers are those of `authz.v1.ReasonClass`."""

    ALLOWED = 1
    NOT_ENTITLED = 2
    NOT_PERMITTED = 3
    SUSPENDED = 4
    EXPIRED = 5
    LIMIT_REACHED = 6
    NOT_A_MEMBER = 7
    UNKNOWN_PERMISSION = 8


CLASSES: Final = {
    DecisionReason.ALLOWED: ReasonClass.ALLOWED,
    DecisionReason.UNKNOWN_PERMISSION: ReasonClass.UNKNOWN_PERMISSION,
    DecisionReason.UNKNOWN_TENANT: ReasonClass.NOT_A_MEMBER,
    DecisionReason.TENANT_SUSPENDED: ReasonClass.SUSPENDED,
    DecisionReason.TENANT_OFFBOARDED: ReasonClass.SUSPENDED,
    DecisionReason.NOT_A_MEMBER: ReasonClass.NOT_A_MEMBER,
    DecisionReason.MEMBERSHIP_INVITED: ReasonClass.NOT_A_MEMBER,
    DecisionReason.MEMBERSHIP_SUSPENDED: ReasonClass.SUSPENDED,
    DecisionReason.DENIED_BY_EXCEPTION: ReasonClass.NOT_PERMITTED,
    DecisionReason.ROLE_MISSING: ReasonClass.NOT_PERMITTED,
    DecisionReason.GRANT_EXPIRED: ReasonClass.EXPIRED,
    DecisionReason.NOT_ENTITLED: ReasonClass.NOT_ENTITLED,
    DecisionReason.ENTITLEMENT_EXPIRED: ReasonClass.EXPIRED,
    DecisionReason.LIMIT_UNKNOWN: ReasonClass.LIMIT_REACHED,
    DecisionReason.LIMIT_REACHED: ReasonClass.LIMIT_REACHED,
}


class Usage(NamedTuple):
    """How much of a limit is used, and how much more is wanted. The product counts, we compare."""

    limit: str
    used: int
    quantity: int = 1


class Question(NamedTuple):
    """May this subject do this, in this customer's account (in this scope of it)?

    `scopes` are the scopes that cover the resource, outermost first (`identifiers.enclosing`).
    A named tuple, not a dataclass: it is made once a check, and this is the cheapest value.
    """

    tenant: str
    subject: str
    permission: str
    scopes: tuple[str, ...] = ()
    usage: Usage | None = None


class Decision(NamedTuple):
    """The answer, and the revision it was given at."""

    reason: DecisionReason
    revision: int

    @property
    def allowed(self) -> bool:
        return self.reason is DecisionReason.ALLOWED
