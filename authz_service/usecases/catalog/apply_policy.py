"""A whole policy, put in one step."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from authz_service.domain.audit import AuditRecord
from authz_service.domain.catalog import Permission, Plan, Role
from authz_service.domain.policy_set import PolicySet
from authz_service.domain.tenant import SYSTEM
from authz_service.store.unit_of_work import Transaction
from authz_service.usecases.catalog import validation
from authz_service.usecases.kernel.execution import change
from authz_service.usecases.kernel.lockout import require_operable


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyPolicy:
    policy: PolicySet
    tenant: str = ""


@dataclass(frozen=True, slots=True)
class Applied:
    """What a policy set changed, as `kind id`, in the order of the set."""

    created: tuple[str, ...]
    updated: tuple[str, ...]
    unchanged: int
    warnings: tuple[str, ...] = ()
    """What was done and is worth a second look: deprecated permissions taken up."""


@dataclass(frozen=True, slots=True)
class _Definition:
    name: str
    """`role editor`: for people."""
    before: Permission | Role | Plan | None
    after: Permission | Role | Plan


@change
def apply_policy(tx: Transaction, command: ApplyPolicy) -> Applied:
    """Put a whole set: permissions first, for roles and plans to name them."""
    return put_all(tx, command.policy)


def put_all(tx: Transaction, policy: PolicySet) -> Applied:
    validation.check(tx.index, policy, "")
    validation.check_inclusion(tx.index, policy.roles, "roles")
    found = list(_definitions(tx, policy.product))
    for each in found:
        tx.change(each.before, each.after)
    applied = Applied(
        created=tuple(each.name for each in found if each.before is None),
        updated=tuple(each.name for each in found if each.before not in (None, each.after)),
        unchanged=sum(each.before == each.after for each in found),
        warnings=tuple(_warnings(tx, policy, found)),
    )
    if tx.changes:
        _record(tx, found, applied)
        require_operable(tx)
    return applied


def _record(tx: Transaction, definitions: Iterable[_Definition], applied: Applied) -> None:
    """Say of each definition what became of it, and of all together that they came in one go."""
    for each in definitions:
        if each.before != each.after:
            action = f"{each.name.partition(' ')[0].replace('-', '_')}.put"
            target = (each.name.partition(" ")[2],)
            tx.record(AuditRecord(action, SYSTEM, target, each.before, each.after, tx.call.reason))
    details = {
        "created": str(len(applied.created)),
        "updated": str(len(applied.updated)),
        "unchanged": str(applied.unchanged),
    }
    reason = tx.call.reason
    tx.record(AuditRecord("policy.applied", SYSTEM, (), reason=reason, details=details))


def _definitions(tx: Transaction, policy: PolicySet) -> Iterator[_Definition]:
    index = tx.index
    for permission in policy.permissions:
        entry = index.permissions.get(permission.id)
        before = entry.fact if entry is not None else None
        yield _Definition(f"permission {permission.id}", before, permission)
    for role in policy.roles:
        held = index.roles.get(role.id)
        yield _Definition(f"role {role.id}", held.fact if held is not None else None, role)
    for plan in policy.plans:
        yield _Definition(f"{plan.kind} {plan.name}", index.plans.get(plan.id), plan)


def _warnings(tx: Transaction, policy: PolicySet, found: list[_Definition]) -> Iterator[str]:
    """Tell which deprecated permissions are taken up.

    They are not refused here as in a change of one object: the same files must make a new
    installation what an old one has become.
    """
    known = {name: entry.fact for name, entry in tx.index.permissions.items()}
    known |= {permission.id: permission for permission in policy.permissions}
    for each in found:
        match each.before, each.after:
            case (Role() | Plan() | None) as before, (Role() | Plan()) as after:
                held = before.permissions if before is not None else frozenset[str]()
                for name in sorted(after.permissions - held):
                    if name in known and known[name].deprecated:
                        instead = validation.instead(known[name].replaced_by)
                        yield f"{each.name} takes up {name}, which is deprecated: {instead}"
