"""Policy tests as data: what a policy must answer, and what of it nobody asked."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from authz_service.domain.change import Fact
from authz_service.domain.decision import DecisionReason, Question
from authz_service.domain.window import Instant

ALLOW: Final = "allow"
DENY: Final = "deny"
"""A denial for whatever reason."""

LAYERS: Final[Mapping[str, frozenset[DecisionReason]]] = {
    "permission": frozenset({DecisionReason.UNKNOWN_PERMISSION}),
    "tenant": frozenset(
        {
            DecisionReason.UNKNOWN_TENANT,
            DecisionReason.TENANT_SUSPENDED,
            DecisionReason.TENANT_OFFBOARDED,
        }
    ),
    "membership": frozenset(
        {
            DecisionReason.NOT_A_MEMBER,
            DecisionReason.MEMBERSHIP_INVITED,
            DecisionReason.MEMBERSHIP_SUSPENDED,
        }
    ),
    "exceptions": frozenset({DecisionReason.DENIED_BY_EXCEPTION}),
    "roles": frozenset({DecisionReason.ROLE_MISSING, DecisionReason.GRANT_EXPIRED}),
    "entitlement": frozenset({DecisionReason.NOT_ENTITLED, DecisionReason.ENTITLEMENT_EXPIRED}),
    "limit": frozenset({DecisionReason.LIMIT_UNKNOWN, DecisionReason.LIMIT_REACHED}),
}
"""The layers of the decision in their order, and the reasons that each denies for."""


def answer(reason: DecisionReason) -> str:
    """Write a decision as a case file does: `allow`, or the reason in lower case."""
    return ALLOW if reason is DecisionReason.ALLOWED else reason.name.lower()


ANSWERS: Final[Mapping[str, frozenset[DecisionReason]]] = {
    **{answer(reason): frozenset({reason}) for reason in DecisionReason},
    DENY: frozenset(DecisionReason) - {DecisionReason.ALLOWED},
}
"""Every answer that a case can expect, and the decisions that meet it."""


def reached(layer: str, reason: DecisionReason) -> bool:
    """Tell whether a decision was still open when it came to a layer."""
    names = list(LAYERS)
    return not any(reason in LAYERS[name] for name in names[: names.index(layer)])


@dataclass(frozen=True, slots=True)
class Expectation:
    """One question of a case, and the answer it must get. `line` counts from 1."""

    file: str
    line: int
    case: str
    question: Question
    at: Instant
    answer: str

    def met_by(self, reason: DecisionReason) -> bool:
        return reason in ANSWERS[self.answer]


@dataclass(frozen=True, slots=True)
class CaseFile:
    """`facts` are the file's tenants with all that is in them, in the order an index is built."""

    file: str
    facts: tuple[Fact, ...]
    expectations: tuple[Expectation, ...]


@dataclass(frozen=True, slots=True)
class Coverage:
    """What of one kind some question touched, and what none did; both in the policy's order."""

    kind: str
    touched: tuple[str, ...]
    untouched: tuple[str, ...]
