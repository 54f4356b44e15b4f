"""What of a policy its cases touch, and what a mistake could change without any case failing.

A permission is touched by a question about it that came as far as the roles; a role by one that
came as far as the roles, from a subject that was granted it there and then; a tier by one that came
as far as the entitlement, in a tenant that held it then; a layer by a denial of its own, a reason
by an answer that gave it.
"""

from collections.abc import Iterable

from authz_service.domain.catalog import TIER
from authz_service.domain.decision import DecisionReason
from authz_service.domain.policy_case import LAYERS, Coverage, answer, reached
from authz_service.domain.policy_set import PolicySet
from authz_service.policyfiles.cases.running import Answered


def coverage(policy: PolicySet, answered: Iterable[Answered]) -> tuple[Coverage, ...]:
    """Report on roles, tiers, permissions, layers and reasons, in this order."""
    permissions, roles, tiers = set[str](), set[str](), set[str]()
    reasons = set[DecisionReason]()
    for item in answered:
        reasons.add(item.reason)
        if reached("roles", item.reason):
            permissions.add(item.expectation.question.permission)
            roles |= _roles(item)
        if reached("entitlement", item.reason):
            tiers |= _tiers(item)
    layers = {name for name, theirs in LAYERS.items() if theirs & reasons}
    return (
        _coverage("roles", [role.id for role in policy.roles], roles),
        _coverage("tiers", [tier.name for tier in policy.tiers], tiers),
        _coverage("permissions", [permission.id for permission in policy.permissions], permissions),
        _coverage("layers", LAYERS, layers),
        _coverage("reasons", [answer(reason) for reason in DecisionReason], map(answer, reasons)),
    )


def _coverage(kind: str, names: Iterable[str], matches: Iterable[str]) -> Coverage:
    touched, ordered = frozenset(matches), tuple(names)
    return Coverage(
        kind,
        tuple(name for name in ordered if name in touched),
        tuple(name for name in ordered if name not in touched),
    )


def _roles(answered: Answered) -> set[str]:
    question, at = answered.expectation.question, answered.expectation.at
    grants = answered.index.grants(question.tenant, question.subject)
    return {grant.role for grant in grants if grant.covers(question.scopes, at)}


def _tiers(answered: Answered) -> set[str]:
    tenant = answered.index.tenant(answered.expectation.question.tenant)
    plans = tenant.plans_at(answered.expectation.at) if tenant is not None else ()
    return {plan.removeprefix(TIER) for plan in plans}
