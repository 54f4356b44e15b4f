"""Another Casbin user's policy, taken over in one transaction."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from authz_service.domain.audit import AuditRecord
from authz_service.domain.catalog import TIER, Permission, Plan, Role
from authz_service.domain.change import Fact
from authz_service.domain.exception import ExceptionKind, TenantException
from authz_service.domain.grant import RoleGrant
from authz_service.domain.identifiers import checked
from authz_service.domain.membership import Membership
from authz_service.domain.tenant import SYSTEM, SubscriptionItem, Tenant
from authz_service.engine.index import GrantEntry
from authz_service.reference.foreign_model import Line, Shape, read_shape
from authz_service.reference.foreign_rules import Expanded, LeftOut, Translation, translate
from authz_service.store.unit_of_work import Transaction
from authz_service.usecases.catalog.objects import written
from authz_service.usecases.catalog.validation import too_much, too_wide
from authz_service.usecases.kernel import preconditions
from authz_service.usecases.kernel.execution import change
from authz_service.usecases.members.seats import require_room

_APPROVER: Final = "authz.rules:import"
"""Who an exception says approved it: nobody in person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportRules:
    """`into` names the tenant for a model without domains; `tier` what new tenants are put on.

    `roles` and `people` are names that are such however the lines use them.
    """

    model: str
    lines: tuple[Line, ...]
    tier: str = "imported"
    into: str = ""
    roles: tuple[str, ...] = ()
    people: tuple[str, ...] = ()
    tenant: str = ""


@dataclass(frozen=True, slots=True)
class Imported:
    """What was made, as action to count; what could not be taken over; what was renamed.

    `expanded` tells what lines with a `*`, a pattern or a group came to, `unheld` which roles
    nobody has.
    """

    made: dict[str, int]
    left_out: tuple[LeftOut, ...]
    renamed: dict[str, str]
    expanded: tuple[Expanded, ...] = ()
    unheld: tuple[str, ...] = ()


@change
def import_rules(tx: Transaction, command: ImportRules) -> Imported:
    """Make what the lines stand for; what is there already stays and is not counted.

    New tenants are put on the tier, which gets every permission of the lines. A tenant that was
    there keeps its own tier.

    Raises:
        AuthzError: the model cannot be taken over, or a tenant that was there is not entitled to
            what its roles would hold (ROLE_WIDER_THAN_TIER).
    """
    checked("tier", command.tier, "tier")
    shape = read_shape(command.model)
    usable, refused = _without_own_rights(tx, shape, command)
    translation = translate(
        shape,
        usable,
        command.into,
        roles=command.roles,
        people=command.people,
        catalogue=[name for name, entry in tx.index.permissions.items() if not entry.internal],
    )
    importing = _Importing(tx, Counter())
    importing.catalogue(translation.permissions, f"{TIER}{command.tier}")
    for tenant in translation.tenants:
        importing.tenant(tenant, command.tier)
    importing.roles(translation.roles.values())
    importing.roster(translation)
    for tenant in translation.tenants:
        if tx.index.tenant(tenant) is not None:
            require_room(tx, tenant)
    left_out = sorted((*translation.left_out, *refused))
    return Imported(
        dict(importing.made),
        tuple(left_out),
        translation.named,
        tuple(translation.expanded),
        tuple(translation.unheld),
    )


def _without_own_rights(
    tx: Transaction, shape: Shape, command: ImportRules
) -> tuple[list[Line], list[LeftOut]]:
    """Set lines aside that would hand out rights over this service itself."""
    own = {name for name, entry in tx.index.permissions.items() if entry.internal}
    usable, refused = list[Line](), list[LeftOut]()
    for line in command.lines:
        one = translate(shape, [line], command.into)
        clash = sorted(one.permissions & own)
        if clash:
            refused.append(LeftOut(line.number, f"{clash[0]} is a right over this service itself"))
        else:
            usable.append(line)
    return usable, refused


@dataclass(frozen=True, slots=True)
class _Importing:
    """Makes facts that are not there yet; `made` counts them by action."""

    tx: Transaction
    made: Counter[str]

    def catalogue(self, permissions: Iterable[str], tier: str) -> None:
        missing = frozenset(permissions)
        for name in sorted(missing - set(self.tx.index.permissions)):
            self._put("permission.created", SYSTEM, name, None, Permission(name))
        current = self.tx.index.plans.get(tier)
        plan = current or Plan(tier, description="Taken over from another Casbin policy")
        widened = replace(plan, permissions=plan.permissions | missing)
        self._put(written("tier", current), SYSTEM, plan.name, current, widened)

    def tenant(self, name: str, tier: str) -> None:
        if self.tx.index.tenant(name) is None:
            opened = Tenant(name, subscription_items=(SubscriptionItem(TIER + tier),))
            self._put("tenant.onboarded", name, name, None, opened)
        else:
            preconditions.running_customer(self.tx.index, name, self.tx.now, "lines")

    def roles(self, roles: Iterable[Role]) -> None:
        for role in roles:
            entry = self.tx.index.role(role.id)
            current = entry.fact if entry is not None else None
            before = current or Role(role.id)
            widened = replace(
                before,
                permissions=before.permissions | role.permissions,
                includes=before.includes | role.includes,
            )
            self._put(written("role", current), role.tenant, role.id, current, widened)
        after = self.tx.after()
        for role in roles:
            owner = preconditions.tenant(after, role.tenant, "lines")
            entry = after.role(role.id)
            excess = too_much(after, owner, entry.fact, self.tx.now) if entry else frozenset()
            if excess:
                raise too_wide(owner, role, excess, self.tx.now, "lines")

    def roster(self, translation: Translation) -> None:
        index, reason = self.tx.index, self.tx.call.reason
        holders = (*translation.grants, *translation.denials)
        for tenant, subject in sorted({(holder.tenant, holder.subject) for holder in holders}):
            member = index.member(tenant, subject)
            if member is None:
                self._put("member.added", tenant, subject, None, Membership(tenant, subject))
        for tenant, subject, role in translation.grants:
            if GrantEntry(role) not in index.grants(tenant, subject):
                grant = RoleGrant(tenant, subject, role, reason=reason, id=self.tx.new_id())
                self._put("role.granted", tenant, subject, None, grant)
        for tenant, subject, permission in translation.denials:
            denial = TenantException(
                self.tx.new_id(),
                tenant,
                ExceptionKind.DENY,
                frozenset({permission}),
                subject,
                reason=reason or "taken over from another Casbin policy",
                approver=_APPROVER,
            )
            if not self._denied(denial):
                self._put("exception.granted", tenant, denial.id, None, denial)

    def _denied(self, command: TenantException) -> bool:
        entry = self.tx.index.tenants.get(command.tenant)
        alike = (
            (replace(exception, id=command.id) for exception in entry.exceptions) if entry else ()
        )
        return command in alike

    def _put(self, action: str, chain: str, target: str, before: Fact | None, after: Fact) -> None:
        if before != after:
            self.tx.change(before, after)
            record = AuditRecord(action, chain, (target,), before, after, self.tx.call.reason)
            self.tx.record(record)
            self.made[action] += 1
