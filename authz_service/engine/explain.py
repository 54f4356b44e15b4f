"""The decision told layer by layer, and what would change it.

The same objections as in `decide.py`, asked to the end, with sentences for people around them.
"""

from dataclasses import dataclass
from typing import Final

from authz_service.domain.catalog import in_words
from authz_service.domain.change import Fact
from authz_service.domain.decision import Decision, DecisionReason, Question
from authz_service.domain.exception import EVERYONE
from authz_service.domain.suggestions import nearest
from authz_service.domain.window import Instant, rfc3339
from authz_service.engine import decide
from authz_service.engine.entitlements import entitlements, limit_in_force
from authz_service.engine.index import GrantEntry, Index, PermissionEntry, TenantEntry
from authz_service.engine.remedies import Remedy, remedies

_ALLOWED: Final = DecisionReason.ALLOWED


@dataclass(frozen=True, slots=True)
class Layer:
    """What one layer said. `reason` is ALLOWED if it does not object."""

    name: str
    reason: DecisionReason
    summary: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """`layers` in order, those that can be asked at all; `remedies` each still all that object."""

    decision: Decision
    layers: tuple[Layer, ...]
    remedies: tuple[Remedy, ...]


def explain(
    index: Index, question: Question, at: Instant, returning: tuple[Fact, ...] = ()
) -> Explanation:
    """Decide and tell why. Never raises, never waits.

    `returning` is what the end of the tenant took from it, and a reactivation brings back.
    """
    decision = decide.decide(index, question, at)
    permission = index.permissions.get(question.permission)
    tenant = index.tenants.get(question.tenant)
    layers = [_permission_layer(index, question, permission), _tenant_layer(question, tenant, at)]
    if permission is not None and tenant is not None:
        layers += _Told(index, question, at, permission, tenant).layers()
    helping = () if decision.allowed else remedies(index, question, at, returning)
    return Explanation(decision, tuple(layers), helping)


def _permission_layer(
    index: Index, question: Question, permission: PermissionEntry | None
) -> Layer:
    if permission is None:
        summary = f"{question.permission} is not declared in the catalogue"
        if close := nearest(question.permission, index.permissions):
            summary += f": did you mean {close}?"
        return Layer("permission", DecisionReason.UNKNOWN_PERMISSION, summary)
    fact, aside = permission.fact, ""
    if fact.deprecated:
        aside = f" (deprecated: use {fact.replaced_by})" if fact.replaced_by else " (deprecated)"
    return Layer("permission", _ALLOWED, f"{fact.id} is declared{aside}")


def _tenant_layer(question: Question, tenant: TenantEntry | None, at: Instant) -> Layer:
    if tenant is None:
        summary = f"there is no tenant {question.tenant}"
        return Layer("tenant", DecisionReason.UNKNOWN_TENANT, summary)
    fact = tenant.fact
    for_reasons = f" ({', '.join(sorted(fact.suspensions))})" if fact.suspensions else ""
    summary = f"{fact.id} is {fact.state_at(at)}{for_reasons}"
    return Layer("tenant", decide.tenant_objection(tenant, at) or _ALLOWED, summary)


@dataclass(frozen=True, slots=True)
class _Told:
    """One question about a tenant and a permission that exist."""

    index: Index
    question: Question
    at: Instant
    permission: PermissionEntry
    tenant: TenantEntry

    def layers(self) -> list[Layer]:
        layers = [self._membership(), self._exceptions(), self._roles(), self._entitlement()]
        return layers if self.question.usage is None else [*layers, self._limit()]

    def _membership(self) -> Layer:
        subject, tenant = self.question.subject, self.question.tenant
        objection = decide.membership_objection(self.tenant.members.get(subject))
        member = self.index.member(tenant, subject)
        summary = f"{subject} is not a member of {tenant}"
        if member is not None:
            reasons = f" ({', '.join(sorted(member.suspensions))})" if member.suspensions else ""
            summary = f"{subject} is a member of {tenant}, {member.state}{reasons}"
        return Layer("membership", objection or _ALLOWED, summary)

    def _exceptions(self) -> Layer:
        denial = decide.denial(self.tenant, self.question, self.at)
        if denial is None:
            return Layer("exceptions", _ALLOWED, "no deny exception applies")
        whom = "everyone" if denial.subject == EVERYONE else denial.subject
        where = denial.scope or denial.tenant
        summary = f"exception {denial.id} denies this to {whom} in {where}: {denial.reason}"
        return Layer("exceptions", DecisionReason.DENIED_BY_EXCEPTION, summary)

    def _roles(self) -> Layer:
        subject, scopes = self.question.subject, self.question.scopes
        member = self.tenant.members.get(subject)
        objection = decide.role_objection(self.index, member, self.permission, scopes, self.at)
        holding: list[str] = []
        other: list[str] = []
        for grant in self.index.grants(self.question.tenant, subject):
            role = self.index.role(grant.role)
            has_it = role is not None and role.holds(self.permission)
            live = grant.covers(scopes, self.at)
            (holding if has_it and live else other).append(_grant_text(grant, has_it, self.at))
        name = self.permission.fact.id
        if objection is None:
            return Layer("roles", _ALLOWED, f"{subject} holds {holding[0]}, which has {name}")
        roles = f"holds {', '.join(sorted(other))}" if other else "holds no role here"
        return Layer("roles", objection, f"{subject} {roles}; nothing live gives {name}")

    def _entitlement(self) -> Layer:
        name, tier = self.permission.fact.id, self.tenant.fact.tier_at(self.at) or "none"
        objection = decide.entitlement_objection(self.index, self.tenant, self.permission, self.at)
        if self.permission.internal:
            return Layer("entitlement", _ALLOWED, f"{name} is internal: no tier is asked")
        in_force = entitlements(self.index, self.tenant, self.at).permissions
        source = next(
            (entitlement.source for entitlement in in_force if entitlement.permission == name), ""
        )
        if objection is None:
            return Layer(
                "entitlement", _ALLOWED, f"{in_words(source)} entitles {self.question.tenant}"
            )
        if self._replacing():
            summary = f"exception {self._replacing()} replaces tier {tier} and lacks {name}"
        else:
            summary = f"tier {tier} of {self.question.tenant} lacks {name}"
        return Layer("entitlement", objection, summary)

    def _limit(self) -> Layer:
        usage = self.question.usage
        if usage is None:
            return Layer("limit", _ALLOWED, "no limit was asked")
        objection = decide.limit_objection(self.index, self.tenant, usage, self.at)
        limit = limit_in_force(self.index, self.tenant.fact, usage.limit, self.at)
        ceiling = "no plan sets it"
        if limit is not None:
            value = limit.limit.value
            amount = "unlimited" if value is None else f"{value} {limit.limit.measure}"
            ceiling = f"{amount} by {', '.join(map(in_words, limit.sources))}"
        summary = f"{usage.limit}: {usage.used} used and {usage.quantity} wanted; {ceiling}"
        return Layer("limit", objection or _ALLOWED, summary)

    def _replacing(self) -> str:
        live = (e.id for e in self.tenant.replacements if e.window.covers(self.at))
        return ", ".join(sorted(live))


def _grant_text(grant: GrantEntry, has_it: bool, at: Instant) -> str:
    where = f" on {grant.scope}" if grant.scope else ""
    when = ""
    if has_it and at >= grant.valid_until:
        when = f" until {rfc3339(grant.valid_until)}, which has passed"
    elif has_it and at < grant.valid_from:
        when = f" from {rfc3339(grant.valid_from)}, which is to come"
    return f"{grant.role}{where}{when}"
