"""Writing many definitions at once: permissions, roles, tiers and add-ons that name each other."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from authz_service.domain.catalog import ADD_ON, Permission, Plan, Role, checked_inclusion
from authz_service.domain.policy_set import PolicySet
from authz_service.domain.policy_validation import violations
from authz_service.domain.violation import Violation
from authz_service.engine.index import Index
from authz_service.errors import InvalidArgument
from authz_service.store.unit_of_work import Transaction
from authz_service.usecases.catalog import objects, validation
from authz_service.usecases.kernel import declared
from authz_service.usecases.kernel.lockout import require_operable


@dataclass(frozen=True, slots=True)
class Definition:
    """A definition before and after; `field` names its kind, as in `add_on`."""

    field: str
    before: Permission | Role | Plan | None
    after: Permission | Role | Plan

    @property
    def place(self) -> tuple[str, str]:
        """Where a policy has it: its section, and its name there."""
        fact = self.after
        return f"{self.field}s", fact.name if isinstance(fact, Plan) else fact.id


def invalid(index: Index, definitions: Sequence[Definition]) -> Iterator[Violation]:
    """Find every rule of definitions that these break once all of them are written."""
    policy = as_policy(definition.after for definition in definitions)
    broken = list(violations(policy, declared.existing(index)))
    yield from broken or _inclusions(index, policy.roles)


def _inclusions(index: Index, roles: Sequence[Role]) -> Iterator[Violation]:
    """Find circles and chains too long that run through tenants' own roles."""
    graph = validation.inclusion_graph(index, roles)
    for role in roles:
        try:
            checked_inclusion(graph, role.id, "includes")
        except InvalidArgument as wrong:
            yield Violation(("roles", role.id, "includes"), wrong.reason, wrong.message)


def write_all(tx: Transaction, definitions: Sequence[Definition]) -> None:
    """Write definitions that break no rule. Raises: OPERATORS_LOCKED_OUT."""
    for definition in definitions:
        objects.write(tx, definition.field, definition.before, definition.after)
    require_operable(tx)


def write_policy(tx: Transaction, policy: PolicySet) -> None:
    """Write a whole policy into a database that has none. Raises: as the first rule it breaks."""
    validation.check(tx.index, policy, "")
    facts: tuple[tuple[str, tuple[Permission | Role | Plan, ...]], ...] = (
        ("permission", policy.permissions),
        ("role", policy.roles),
        ("tier", policy.tiers),
        ("add_on", policy.add_ons),
    )
    write_all(tx, [Definition(field, None, fact) for field, group in facts for fact in group])


def as_policy(facts: Iterable[Permission | Role | Plan]) -> PolicySet:
    """Sort definitions into a policy, in their order."""
    every = tuple(facts)
    plans = tuple(fact for fact in every if isinstance(fact, Plan))
    return PolicySet(
        permissions=tuple(fact for fact in every if isinstance(fact, Permission)),
        roles=tuple(fact for fact in every if isinstance(fact, Role)),
        tiers=tuple(plan for plan in plans if not plan.id.startswith(ADD_ON)),
        add_ons=tuple(plan for plan in plans if plan.id.startswith(ADD_ON)),
    )


def warnings(index: Index, definitions: Sequence[Definition]) -> Iterator[str]:
    """Tell which deprecated permissions are taken up.

    They are not refused here as they are when one object is written: the same files must make a
    new installation what an old one has become.
    """
    declared = {name: entry.fact for name, entry in index.permissions.items()}
    declared |= {
        definition.after.id: definition.after
        for definition in definitions
        if isinstance(definition.after, Permission)
    }
    for definition in definitions:
        if isinstance(definition.after, Permission) or isinstance(definition.before, Permission):
            continue
        earlier = frozenset[str]() if definition.before is None else definition.before.permissions
        for name in sorted(definition.after.permissions - earlier):
            if name in declared and declared[name].deprecated:
                instead = validation.instead(declared[name].replaced_by)
                label = definition.field.replace("_", "-")
                of = f"{label} {definition.place[1]}"
                yield f"{of} takes up {name}, which is deprecated: {instead}"
