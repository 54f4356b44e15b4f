"""A contract's actions, carried out on an account within a transaction."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial

from authz_service.domain.agreement import Admin
from authz_service.domain.billing_policy import Downgrade
from authz_service.domain.catalog import Limit
from authz_service.domain.contract_account import led
from authz_service.domain.contract_change import Action, Aspect
from authz_service.domain.grant import GrantSource, RoleGrant
from authz_service.domain.membership import Membership
from authz_service.domain.tenant import StatePeriod, Tenant, TenantState
from authz_service.domain.window import Instant
from authz_service.engine import invariants
from authz_service.engine.index import Index
from authz_service.errors import ErrorReason, FailedPrecondition
from authz_service.store.unit_of_work import Transaction
from authz_service.usecases.grants.role_grants import give
from authz_service.usecases.kernel import preconditions
from authz_service.usecases.kernel.dry_run import next_step
from authz_service.usecases.members import roster
from authz_service.usecases.members.invitations import InviteMember, invite_member
from authz_service.usecases.members.seats import require_room
from authz_service.usecases.tenants.downgrade import fit
from authz_service.usecases.tenants.downgrade_step import Step
from authz_service.usecases.tenants.offboarding import (
    OffboardTenant,
    ReactivateTenant,
    offboard_tenant,
    reactivate_tenant,
)
from authz_service.usecases.tenants.tenant_view import changed

INVITATION_LIFETIME = 14 * 86_400 * 1_000_000
"""Microseconds that the first admin has to accept; it can be resent."""


def carry_out(
    tx: Transaction, tenant_id: str, actions: Sequence[Action], downgrade: Downgrade
) -> tuple[Step, ...]:
    """Do what the actions say, as one change of the account and one audit entry a fact.

    Returns:
        What the downgrade policy did, where the account came to hold other plans or limits.

    Raises:
        AuthzError: something cannot be done; the caller undoes what was done before.
    """
    aspects = {action.aspect for action in actions}
    steps: tuple[Step, ...] = ()
    if not actions:
        return steps
    if Aspect.END in aspects and Aspect.OPENING not in aspects:
        _end(tx, tenant_id)
    else:
        if _lead(tx, tenant_id, aspects, actions):
            steps = fit(tx, tenant_id, downgrade)
        for action in actions:
            if action.aspect is Aspect.ADMINS and not _came_back(tx, tenant_id, aspects):
                _hand_over(tx, tenant_id, action.before or (), action.after)
    invariants.require_kept(tx.index, tx.changes, tx.now)
    return steps


def _lead(
    tx: Transaction, tenant_id: str, aspects: Iterable[Aspect], actions: Iterable[Action]
) -> bool:
    """Let the account be as the actions say; tell whether what it has room for may be another."""
    if Aspect.REOPENING in aspects and _has_ended(tx.index, tenant_id, tx.now):
        reactivate_tenant.body(tx, ReactivateTenant(tenant=tenant_id))
    index = tx.after()
    before = None if Aspect.OPENING in aspects else preconditions.customer(index, tenant_id)
    if before is not None and before.state_at(tx.now) is TenantState.OFFBOARDED:
        raise FailedPrecondition(
            ErrorReason.TENANT_STATE_CONFLICT,
            f"tenant {tenant_id!r} was offboarded by hand; reactivate it and replay the event, or "
            "discard the event",
            field="tenant",
        )
    new = Tenant(tenant_id, periods=(StatePeriod(TenantState.ACTIVE),), created_at=tx.now)
    after = before or new
    for action in actions:
        _require_plan(index, action)
        after = led(after, action, tx.now, partial(_counted, index))
    result = "tenant.onboarded" if before is None else "tenant.contract_followed"
    changed(tx, result, before, after)
    return before is not None and (
        Aspect.REOPENING in aspects or _content(before) != _content(after)
    )


def _has_ended(index: Index, tenant_id: str, now: Instant) -> bool:
    """Tell whether an account is offboarded; one that an operator brought back goes on as it is."""
    return preconditions.customer(index, tenant_id).state_at(now) is TenantState.OFFBOARDED


def _content(tenant: Tenant) -> tuple[object, ...]:
    return tenant.subscription_items, tenant.limits, tenant.dated_limits


def _came_back(tx: Transaction, tenant_id: str, aspects: set[Aspect]) -> bool:
    """Tell whether members have come back with the account: then nobody is made an admin anew."""
    return Aspect.REOPENING in aspects and bool(tx.after().tenants[tenant_id].members.size)


def _end(tx: Transaction, tenant_id: str) -> None:
    tenant = preconditions.customer(tx.index, tenant_id)
    if tenant.state_at(tx.now) is not TenantState.OFFBOARDED:
        offboard_tenant.body(tx, OffboardTenant(tenant=tenant_id))


def _require_plan(index: Index, action: Action) -> None:
    """Check that what is sold is declared. Raises: TIER_NOT_FOUND, ADD_ON_NOT_FOUND."""
    if action.aspect is Aspect.TIER:
        for name, _ in action.after or ():
            preconditions.tier(index, name)
    elif action.aspect is Aspect.ADD_ON and action.after:
        preconditions.add_on(index, action.name)


def _counted(index: Index, name: str) -> Limit:
    """Find how a limit counts: a limit that no plan has means nothing to anybody."""
    for plan in index.plans.values():
        for limit in () if plan.is_kept else plan.limits:
            if limit.name == name:
                return limit
    raise FailedPrecondition(
        ErrorReason.INVALID_BILLING_POLICY,
        f"no tier and no add-on has a limit {name!r}; mend `prices` of the billing policy",
        field="limits",
    )


def _hand_over(
    tx: Transaction, tenant_id: str, before: tuple[Admin, ...], after: tuple[Admin, ...]
) -> None:
    """Make admins of those whom the contract names anew. The first of all owns the account.

    Who was an admin stays one: an event that came late takes nothing from anybody.
    """
    for admin in after:
        if admin not in before:
            with next_step(tx) as step:
                _appoint(step, tenant_id, admin)
    with next_step(tx) as step:
        _own(step, tenant_id, before, after)
    require_room(tx, tenant_id)


def _appoint(tx: Transaction, tenant_id: str, admin: Admin) -> None:
    tenant = preconditions.customer(tx.index, tenant_id)
    if admin.email:
        reached = tx.index.tenants[tenant_id].invitations.values()
        if not any(invitation.email == admin.email.lower() for invitation in reached):
            # Nobody knows a token yet: the mail that brings it makes it.
            request = InviteMember(
                tenant=tenant_id,
                token_hash="",
                lifetime=INVITATION_LIFETIME,
                email=admin.email,
                roles=admin.roles,
            )
            invite_member.body(tx, request)
        return
    subject = preconditions.customer_subject(admin.subject, "admin_subject")
    if tx.index.member(tenant_id, subject) is None:
        roster.changed(tx, "member.added", None, Membership(tenant_id, subject))
    grants = tx.index.grants(tenant_id, subject)
    roles = {grant.role for grant in grants if not grant.scope and grant.covers((), tx.now)}
    for role in admin.roles:
        if role not in roles:
            grant = RoleGrant(tenant_id, subject, role, source=GrantSource.CONTRACT)
            give(tx, tenant, replace(grant, reason=tx.call.reason), "admin_roles")


def _own(
    tx: Transaction, tenant_id: str, before: tuple[Admin, ...], after: tuple[Admin, ...]
) -> None:
    """Let the first admin own the account, unless somebody else was made its owner."""
    owner, first = roster.owner_of(tx.index, tenant_id), after[0].subject if after else ""
    appointed = {admin.subject for admin in before}
    member = tx.index.member(tenant_id, first)
    if member is None or member.owner or (owner is not None and owner.subject not in appointed):
        return
    if not first.startswith("user:") or not invariants.is_admin(tx.index, tenant_id, first, tx.now):
        return
    if owner is not None:
        roster.changed(tx, "member.owner_replaced", owner, replace(owner, owner=False))
    roster.changed(tx, "member.owner_set", member, replace(member, owner=True))
