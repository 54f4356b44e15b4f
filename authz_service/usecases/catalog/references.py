"""Who uses what is to be deleted, and what each would be with the replacement in its place.

What is over does not count: ended grants, exceptions, subscription items, offboarded tenants.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum
from typing import assert_never

from authz_service.domain import billing_part
from authz_service.domain.billing_documents import PartKind
from authz_service.domain.catalog import Permission, Plan, Role, chain, split_version
from authz_service.domain.change import Fact
from authz_service.domain.tenant import Tenant, TenantState
from authz_service.domain.window import Instant
from authz_service.engine.index import Index, TenantEntry
from authz_service.store.facts import Facts
from authz_service.store.filters import GrantFilter
from authz_service.store.unit_of_work import Transaction


class UseKind(Enum):
    """What uses a definition; its value is for people."""

    PERMISSION = "permission"
    ROLE = "role"
    TIER = "tier"
    ADD_ON = "add-on"
    EXCEPTION = "exception"
    ROLE_GRANT = "role grant"
    INVITATION = "invitation"
    TENANT = "tenant"
    BILLING_PRICE = "billing price"
    BILLING_SETTINGS = "billing settings"


@dataclass(frozen=True, slots=True)
class Use:
    """A fact that names what is to go, and its successor. `name` is for people."""

    kind: UseKind
    name: str
    fact: Fact
    successor: Fact


def uses(tx: Transaction, definition: Permission | Role | Plan, other: str) -> Iterator[Use]:
    """Find every use of `going`; the successors name `other`, an object of the same kind."""
    match definition:
        case Permission(id=name):
            yield from _of_permission(tx, name, other)
        case Role(id=name):
            yield from _of_role(tx, name, other)
            yield from _grants(tx, name, other)
            yield from _in_billing_policy(tx, "role", name, other)
        case Plan(id=name):
            yield from _of_plan(tx, name, other)
            other_name = other.partition("/")[2]
            yield from _in_billing_policy(tx, definition.kind, definition.name, other_name)
        case _:
            assert_never(definition)


def _of_permission(tx: Transaction, name: str, other: str) -> Iterator[Use]:
    for entry in tx.index.permissions.values():
        if entry.fact.replaced_by == name:
            fact = entry.fact
            yield Use(UseKind.PERMISSION, fact.id, fact, replace(fact, replaced_by=other))
    for role in _roles(tx.index, tx.now):
        if name in role.permissions:
            listed = _swapped(role.permissions, name, other)
            yield Use(UseKind.ROLE, role.id, role, replace(role, permissions=listed))
    for plan in _plans(tx, other):
        if name in plan.permissions:
            listed = _swapped(plan.permissions, name, other)
            yield Use(UseKind(plan.kind), plan.name, plan, replace(plan, permissions=listed))
    for tenant in _tenants(tx.index, tx.now):
        for exception in tenant.exceptions:
            if name in exception.permissions and exception.window.valid_until > tx.now:
                listed = _swapped(exception.permissions, name, other)
                moved = replace(exception, permissions=listed)
                yield Use(UseKind.EXCEPTION, f"{tenant.fact.id}/{exception.id}", exception, moved)


def _of_role(tx: Transaction, name: str, other: str) -> Iterator[Use]:
    for role in _roles(tx.index, tx.now):
        if name in role.includes:
            included = _swapped(role.includes, name, other)
            yield Use(UseKind.ROLE, role.id, role, replace(role, includes=included))
    for plan in _plans(tx, other):
        if name in plan.assignable_roles:
            listed = _swapped(plan.assignable_roles, name, other)
            yield Use(UseKind(plan.kind), plan.name, plan, replace(plan, assignable_roles=listed))
    for tenant in _tenants(tx.index, tx.now):
        for invitation in tenant.invitations.values():
            if name in invitation.roles and invitation.live(tx.now):
                roles = dict.fromkeys(
                    other if role_id == name else role_id for role_id in invitation.roles
                )
                moved = replace(invitation, roles=tuple(roles))
                yield Use(
                    UseKind.INVITATION, f"{tenant.fact.id}/{invitation.id}", invitation, moved
                )


def _grants(tx: Transaction, name: str, other: str) -> Iterator[Use]:
    for grant in Facts(tx.connection).role_grants(None, GrantFilter(role=name)):
        tenant = tx.index.tenant(grant.tenant)
        if tenant is not None and _is_open(tenant, tx.now) and grant.window.valid_until > tx.now:
            moved = replace(grant, role=other)
            yield Use(UseKind.ROLE_GRANT, f"{grant.tenant}/{grant.subject}", grant, moved)


def _of_plan(tx: Transaction, name: str, other: str) -> Iterator[Use]:
    for plan in tx.index.plans.values():
        if plan.extends == name:
            yield Use(UseKind(plan.kind), plan.name, plan, replace(plan, extends=other))
    for entry in _tenants(tx.index, tx.now):
        tenant = entry.fact
        subscription_items = tuple(
            replace(item, plan=other)
            if split_version(item.plan)[0] == name and item.window.valid_until > tx.now
            else item
            for item in tenant.subscription_items
        )
        if name in {split_version(p)[0] for p in _held(tenant, tx.now)}:
            after = replace(tenant, subscription_items=subscription_items)
            yield Use(UseKind.TENANT, tenant.id, tenant, after)


def _in_billing_policy(tx: Transaction, kind: str, name: str, other: str) -> Iterator[Use]:
    """Find the prices that sell a plan, and settings that name a plan or a role."""
    for part in tx.index.billing.by_name.values():
        if name in billing_part.names(part, kind):
            price = part.kind is PartKind.PRICE
            use_kind = UseKind.BILLING_PRICE if price else UseKind.BILLING_SETTINGS
            yield Use(use_kind, part.id, part, billing_part.renamed(part, kind, name, other))


def _plans(tx: Transaction, other: str) -> Iterator[Plan]:
    """Iterate over the plans; a version that is kept counts if somebody is pinned to it.

    With a replacement it moves along in any case, so that who is pinned to it loses nothing.
    """
    plans = tx.index.plans
    sold = {p for entry in _tenants(tx.index, tx.now) for p in _held(entry.fact, tx.now)}
    needed = {below.id for name in sold for below in chain(plans, name)}
    yield from (p for p in plans.values() if other or not p.is_kept or p.id in needed)


def _held(tenant: Tenant, at: Instant) -> set[str]:
    """Name the plans that a tenant holds now or will hold."""
    return {item.plan for item in tenant.subscription_items if item.window.valid_until > at}


def _roles(index: Index, at: Instant) -> Iterator[Role]:
    """Iterate over global roles and tenants' own."""
    for entry in index.roles.values():
        yield entry.fact
    for tenant in _tenants(index, at):
        for entry in tenant.own_roles.values():
            yield entry.fact


def _tenants(index: Index, at: Instant) -> Iterator[TenantEntry]:
    return (entry for _, entry in sorted(index.tenants.items()) if _is_open(entry.fact, at))


def _is_open(tenant: Tenant, at: Instant) -> bool:
    return tenant.state_at(at) is not TenantState.OFFBOARDED


def _swapped(names: frozenset[str], name: str, other: str) -> frozenset[str]:
    return names - {name} | {other}
