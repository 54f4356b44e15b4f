"""The decision once more, as a person would work it out from the facts with a pencil.

It leans on nothing of the service but the shape of the facts: no window, chain or state of the
domain's is asked, so what index and Casbin might both get wrong from there is seen here. Unlike
Casbin it tells what has expired from what was never there.
"""

from collections.abc import Iterable, Sequence
from typing import TypeVar

from authz_service.domain.catalog import Permission, Plan, Role
from authz_service.domain.change import Fact
from authz_service.domain.decision import DecisionReason as Reason
from authz_service.domain.decision import Question, Usage
from authz_service.domain.exception import ExceptionKind, TenantException
from authz_service.domain.grant import RoleGrant
from authz_service.domain.membership import Membership, MembershipState
from authz_service.domain.tenant import Tenant, TenantState
from authz_service.domain.window import Instant, Window

F = TypeVar("F")


class Reading:
    """The facts of one revision, read at one instant."""

    def __init__(self, facts: Sequence[Fact], at: Instant) -> None:
        self._facts = facts
        self._at = at

    def decide(self, question: Question) -> Reason:
        tenant_id, subject, permission, _, usage = question
        declared = [p for p in self._of(Permission) if p.id == permission]
        tenants = [t for t in self._of(Tenant) if t.id == tenant_id]
        if not declared:
            return Reason.UNKNOWN_PERMISSION
        if not tenants:
            return Reason.UNKNOWN_TENANT
        return (
            self._state(tenants[0])
            or self._membership(tenant_id, subject)
            or self._denial(question)
            or self._role(question)
            or (None if declared[0].internal else self._entitlement(tenants[0], permission))
            or (self._limit(tenants[0], usage) if usage is not None else None)
            or Reason.ALLOWED
        )

    def _state(self, tenant: Tenant) -> Reason | None:
        states = [p.state for p in tenant.periods if self._now(p.window)]
        if TenantState.OFFBOARDED in states:
            return Reason.TENANT_OFFBOARDED
        closed = not states or TenantState.SUSPENDED in states or tenant.suspensions
        return Reason.TENANT_SUSPENDED if closed else None

    def _membership(self, tenant: str, subject: str) -> Reason | None:
        for member in self._of(Membership):
            if member.tenant == tenant and member.subject == subject:
                if member.suspensions:
                    return Reason.MEMBERSHIP_SUSPENDED
                invited = member.lifecycle is MembershipState.INVITED
                return Reason.MEMBERSHIP_INVITED if invited else None
        return Reason.NOT_A_MEMBER

    def _denial(self, question: Question) -> Reason | None:
        for exception in self._exceptions(question.tenant, ExceptionKind.DENY):
            meant = exception.subject in ("*", question.subject)
            here = exception.scope == "" or exception.scope in question.scopes
            listed = question.permission in exception.permissions
            if meant and here and listed and self._now(exception.window):
                return Reason.DENIED_BY_EXCEPTION
        return None

    def _role(self, question: Question) -> Reason | None:
        windows = [
            grant.window
            for grant in self._of(RoleGrant)
            if grant.tenant == question.tenant
            and grant.subject == question.subject
            and (grant.scope == "" or grant.scope in question.scopes)
            and question.permission in self._permissions(grant.role)
        ]
        return self._by(windows, Reason.ROLE_MISSING, Reason.GRANT_EXPIRED)

    def _entitlement(self, tenant: Tenant, permission: str) -> Reason | None:
        replacing = [
            exception
            for exception in self._exceptions(tenant.id, ExceptionKind.REPLACE)
            if self._now(exception.window)
        ]
        if replacing:
            held = any(permission in exception.permissions for exception in replacing)
            return None if held else Reason.NOT_ENTITLED
        granting = self._exceptions(tenant.id, ExceptionKind.GRANT)
        windows = [e.window for e in granting if permission in e.permissions]
        windows += [
            item.window
            for item in tenant.subscription_items
            if any(permission in plan.permissions for plan in self._plans(item.plan))
        ]
        return self._by(windows, Reason.NOT_ENTITLED, Reason.ENTITLEMENT_EXPIRED)

    def _limit(self, tenant: Tenant, usage: Usage) -> Reason | None:
        own = [limit.value for limit in tenant.limits if limit.name == usage.limit]
        held = {item.plan for item in tenant.subscription_items if self._now(item.window)}
        values: list[int | None] = []
        for plan in held:
            named = [
                limit.value
                for extended in self._plans(plan)
                for limit in extended.limits
                if limit.name == usage.limit
            ]
            values += named[:1]
        values = own or values
        if not values:
            return Reason.LIMIT_UNKNOWN
        total = sum(value for value in values if value is not None)
        over = None not in values and usage.used + usage.quantity > total
        return Reason.LIMIT_REACHED if over else None

    def _by(self, windows: Iterable[Window], missing: Reason, expired: Reason) -> Reason | None:
        windows = list(windows)
        if any(self._now(window) for window in windows):
            return None
        return expired if any(window.valid_until <= self._at for window in windows) else missing

    def _permissions(self, role_id: str) -> set[str]:
        found: set[str] = set()
        for role in self._of(Role):
            if role.id == role_id:
                found |= role.permissions
                for included in role.includes:
                    found |= self._permissions(included)
        return found

    def _plans(self, plan_id: str) -> list[Plan]:
        """List a plan and what it extends, nearest first."""
        for plan in self._of(Plan):
            if plan.id == plan_id:
                return [plan, *self._plans(plan.extends)]
        return []

    def _exceptions(self, tenant: str, kind: ExceptionKind) -> list[TenantException]:
        return [e for e in self._of(TenantException) if e.tenant == tenant and e.kind is kind]

    def _now(self, window: Window) -> bool:
        return not self._at < window.valid_from and self._at < window.valid_until

    def _of(self, kind: type[F]) -> list[F]:
        return [fact for fact in self._facts if isinstance(fact, kind)]
