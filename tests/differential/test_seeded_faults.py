"""Faults put into the decision by hand: the comparison with Casbin finds each one.

Without this, a comparison that compares nothing would look just as green.
"""

from collections.abc import Callable
from copy import copy
from dataclasses import replace
from typing import Any, TypeAlias

import pytest

from authz_service.domain.decision import Decision, DecisionReason, Question
from authz_service.domain.tenant import Tenant
from authz_service.domain.window import Instant
from authz_service.engine import decide
from authz_service.engine.entitlements import LimitInForce, limit_in_force
from authz_service.engine.index import Index, TenantEntry
from tests.differential.compare import answers

NORMAL_RUN = 200

Objection: TypeAlias = Callable[..., DecisionReason | None]


def ignore_deny(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(decide, "denial", lambda *_: None)


def ignore_scope(patch: pytest.MonkeyPatch) -> None:
    honest = decide.role_objection

    class Everywhere(tuple[str, ...]):
        __slots__ = ()

        def __contains__(self, _: object) -> bool:
            return True

    patch.setattr(
        decide,
        "role_objection",
        lambda index, member, permission, _, at: honest(
            index, member, permission, Everywhere(), at
        ),
    )


def ignore_replace(patch: pytest.MonkeyPatch) -> None:
    """Let a live replace exception add to what the plans give, instead of standing in for it."""
    honest = decide.entitlement_objection

    def either(index: Index, tenant: TenantEntry, *asked: Any) -> DecisionReason | None:
        unreplaced = copy(tenant)
        unreplaced.replacements = ()
        return honest(index, tenant, *asked) and honest(index, unreplaced, *asked)

    patch.setattr(decide, "entitlement_objection", either)


def closed_at_both_ends(layer: str) -> Callable[[pytest.MonkeyPatch], None]:
    """Let a layer's windows hold on their last instant too: now, or one microsecond ago."""

    def seed(patch: pytest.MonkeyPatch) -> None:
        honest: Objection = getattr(decide, layer)

        def both(*given: Any) -> DecisionReason | None:
            *asked, at = given
            objections = honest(*asked, at), honest(*asked, at - 1)
            if layer == "denial":
                return objections[0] or objections[1]
            return objections[0] and objections[1]

        patch.setattr(decide, layer, both)

    return seed


def ignore_tenant(patch: pytest.MonkeyPatch) -> None:
    """Let what a subject may do in any tenant count in the one that is asked about."""
    honest = decide.decide

    def decided(index: Index, question: Question, at: Instant) -> Decision:
        decision = honest(index, question, at)
        others = (name for name, _ in index.tenants.items())
        anywhere = (honest(index, question._replace(tenant=name), at) for name in others)
        return next((other for other in anywhere if other.allowed), decision)

    patch.setattr(decide, "decide", decided)


def ignore_tenant_of_roles(patch: pytest.MonkeyPatch) -> None:
    """Let the grants of a subject in any tenant count in layer 4."""
    honest, honest_role = decide.decide, decide.role_objection
    subjects: list[str] = []

    def decided(index: Index, question: Question, at: Instant) -> Decision:
        subjects.append(question.subject)
        return honest(index, question, at)

    def role(index: Index, *asked: Any) -> DecisionReason | None:
        members = (tenant.members.get(subjects[-1]) for _, tenant in index.tenants.items())
        objections = [honest_role(index, each, *asked[1:]) for each in members if each is not None]
        return honest_role(index, *asked) if all(objections) else None

    patch.setattr(decide, "role_objection", role)
    patch.setattr(decide, "decide", decided)


def ignore_own_limits(patch: pytest.MonkeyPatch) -> None:
    """Let tier and add-ons set a limit that the tenant has of its own."""

    def of_plans(index: Index, tenant: Tenant, name: str, at: Instant) -> LimitInForce | None:
        return limit_in_force(index, replace(tenant, limits=()), name, at)

    patch.setattr(decide, "limit_in_force", of_plans)


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(ignore_own_limits, id="ignore own limits"),
        pytest.param(ignore_deny, id="ignore deny"),
        pytest.param(
            closed_at_both_ends("role_objection"), id="grant's window closed at both ends"
        ),
        pytest.param(closed_at_both_ends("denial"), id="denial's window closed at both ends"),
        pytest.param(
            closed_at_both_ends("entitlement_objection"), id="plan's window closed at both ends"
        ),
        pytest.param(closed_at_both_ends("tenant_objection"), id="state closed at both ends"),
        pytest.param(ignore_tenant, id="ignore tenant"),
        pytest.param(ignore_tenant_of_roles, id="ignore tenant of roles"),
        pytest.param(ignore_scope, id="ignore scope"),
        pytest.param(ignore_replace, id="ignore replace"),
    ],
)
def test_comparison_with_casbin_catches_the_fault(
    fault: Callable[[pytest.MonkeyPatch], None],
    monkeypatch: pytest.MonkeyPatch,
    record_property: Callable[[str, object], None],
) -> None:
    fault(monkeypatch)
    caught_in = next(
        (
            seed
            for seed in range(NORMAL_RUN)
            if not all(answer.same_answer for answer in answers(seed))
        ),
        None,
    )
    assert caught_in is not None
    record_property("caught_in_world", caught_in + 1)


def test_without_a_fault_the_comparison_catches_nothing() -> None:
    assert all(answer.same_answer for seed in range(20) for answer in answers(seed))
