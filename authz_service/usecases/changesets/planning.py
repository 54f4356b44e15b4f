"""What a changeset would do: each command checked as if those before it had been run.

Nothing is written here. The same steps run for a preview and for the change itself, so that what
is applied is what was shown.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

from authz_service.domain.audit import AuditRecord
from authz_service.domain.change import FactChange
from authz_service.domain.changeset import Changeset, ChangesetCommand
from authz_service.domain.violation import Violation
from authz_service.engine import invariants
from authz_service.engine.impact import TenantImpact, tenant_impacts
from authz_service.engine.index import Index
from authz_service.errors import AuthzError, ErrorReason, FailedPrecondition, InvalidArgument
from authz_service.store.unit_of_work import Transaction
from authz_service.usecases.billing import billing_policy, policy_release, policy_writing
from authz_service.usecases.billing.ingestion import Taken
from authz_service.usecases.billing.policy_release import Released
from authz_service.usecases.billing.policy_writing import PartChange, Place
from authz_service.usecases.catalog import definitions, kinds
from authz_service.usecases.catalog.definitions import Definition
from authz_service.usecases.changesets import removal
from authz_service.usecases.changesets.commands import Stage, kind_of, required
from authz_service.usecases.kernel.field_masks import snake
from authz_service.usecases.kernel.previews import index_with


@dataclass(frozen=True, slots=True)
class Planned:
    """What a changeset would do at the revision of `before`; `changes` in their order.

    `own` are those of its commands; the others are of `released` events, which wait for them.
    """

    before: Index
    after: Index
    changes: tuple[FactChange, ...]
    records: tuple[AuditRecord, ...]
    impacts: tuple[TenantImpact, ...]
    warnings: tuple[str, ...]
    own: tuple[FactChange, ...]
    released: tuple[Taken, ...] = ()


@dataclass(frozen=True, slots=True)
class _Numbered:
    """A command, and where the changeset has it."""

    number: int
    command: ChangesetCommand

    @property
    def stage(self) -> Stage:
        return kind_of(self.command).stage_of(self.command.content)

    def refused(self, refusal: AuthzError) -> AuthzError:
        """Name the field of the changeset: `changeset.commands[3].update_role.role.includes`."""
        refusal.field = (
            f"changeset.commands[{self.number}].{snake(self.command.rpc)}.{refusal.field}"
        )
        return refusal


@dataclass(slots=True)
class _Plan:
    """The commands run so far, and the index as they leave it."""

    tx: Transaction
    index: Index
    at_once: bool
    """Whether it is done in this transaction, and not at an instant ahead."""
    changes: list[FactChange] = field(default_factory=list)
    records: list[AuditRecord] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    own: list[FactChange] = field(default_factory=list)
    released: tuple[Taken, ...] = ()

    def release(self, changes: Sequence[PartChange]) -> None:
        """Read again the events that wait for parts of the billing policy."""
        released = list[Released]()
        self.run(lambda step: released.append(policy_release.release(step, changes)), own=False)
        self.released = tuple(taken for each in released for taken in each.events)

    def run(self, body: Callable[[Transaction], object], *, own: bool = True) -> None:
        """Let a use case believe that what was planned so far is done, and keep what it does."""
        step = replace(self.tx, index=self.index, changes=[], records=[], answer=None)
        body(step)
        self.index = index_with(self.index, step.changes)
        self.changes += step.changes
        self.own += step.changes if own else ()
        self.records += step.records


def planned(tx: Transaction, changeset: Changeset, *, at_once: bool = False) -> Planned:
    """Run every command at the transaction's head, and change no fact.

    What is done `at_once` reads again the parked events that wait for the billing policy.

    Raises:
        AuthzError: the first command that is refused, as the RPC that runs it alone refuses it, and
            `others` of its stage; each names the field of the changeset.
    """
    plan = _Plan(tx, tx.index, at_once)
    numbered = [_Numbered(number, command) for number, command in enumerate(changeset.commands)]
    for stage, commands in groupby(sorted(numbered, key=_place), key=lambda item: item.stage):
        refusals = list(_refusals(plan, stage, list(commands)))
        if refusals:
            refusals[0].others = tuple(refusals[1:])
            raise refusals[0]
    _require_owners_kept(tx, plan.changes)
    impacts = tenant_impacts(tx.index, plan.index, tx.now)
    return Planned(
        tx.index,
        plan.index,
        tuple(plan.changes),
        tuple(plan.records),
        impacts,
        tuple(plan.warnings),
        tuple(plan.own),
        plan.released,
    )


def _place(numbered: _Numbered) -> tuple[Stage, int]:
    return numbered.stage, numbered.number


def _refusals(plan: _Plan, stage: Stage, commands: list[_Numbered]) -> Iterator[AuthzError]:
    """Run the commands of one stage, and iterate over what is refused of them."""
    match stage:
        case Stage.DEFINE:
            yield from _define(plan, commands)
        case Stage.DELETE:
            yield from _delete(plan, commands)
        case Stage.BILLING:
            yield from _change_billing(plan, commands)
        case _:
            for numbered in commands:
                yield from _run(plan, numbered, kind_of(numbered.command).case.body)


def _run(
    plan: _Plan, numbered: _Numbered, body: Callable[[Transaction, object], object]
) -> Iterator[AuthzError]:
    try:
        plan.run(lambda step: body(step, numbered.command.content))
    except AuthzError as refusal:
        yield numbered.refused(refusal)


def _define(plan: _Plan, commands: list[_Numbered]) -> Iterator[AuthzError]:
    """Take definitions together, so that they may name each other."""
    resolved: dict[tuple[str, str], tuple[_Numbered, Definition]] = {}
    refusals = []
    for numbered in commands:
        kind = required(kind_of(numbered.command).definition)
        try:
            before, after = kinds.resolved(kind, plan.index, numbered.command.content)
        except AuthzError as refusal:
            refusals.append(numbered.refused(refusal))
            continue
        definition = Definition(kind.field, before, after)
        resolved[definition.place] = numbered, definition
    every = [definition for _, definition in resolved.values()]
    invalid = definitions.invalid(plan.index, every)
    refusals += (_violation(violation, resolved) for violation in invalid)
    if not refusals:
        plan.warnings += definitions.warnings(plan.index, every)
        plan.run(lambda step: definitions.write_all(step, every))
    yield from refusals


def _violation(
    violation: Violation, resolved: dict[tuple[str, str], tuple[_Numbered, Definition]]
) -> AuthzError:
    section, name, *rest = violation.path
    refusal = InvalidArgument(violation.reason, violation.message, details=violation.details)
    numbered, definition = resolved[section, name]
    refusal.field = ".".join((definition.field, *rest))
    return numbered.refused(refusal)


def _change_billing(plan: _Plan, commands: list[_Numbered]) -> Iterator[AuthzError]:
    """Take all parts of the billing policy together, and release once what waited for them."""
    changes: dict[Place, tuple[_Numbered, PartChange]] = {}
    refusals: list[AuthzError] = []
    for numbered in commands:
        try:
            change = billing_policy.resolved(plan.index, numbered.command.content)
        except AuthzError as refusal:
            refusals.append(numbered.refused(refusal))
            continue
        changes[change.place] = numbered, change
    every = [change for _, change in changes.values()]
    for wrong in policy_writing.invalid(plan.index, every) if every else ():
        invalid = InvalidArgument(ErrorReason.INVALID_FIELD, wrong.message, field=wrong.field)
        refusals.append(changes[wrong.place][0].refused(invalid))
    if not refusals:
        plan.run(lambda step: policy_writing.write(step, every))
        if plan.at_once:
            plan.release(every)
    yield from refusals


def _delete(plan: _Plan, commands: list[_Numbered]) -> Iterator[AuthzError]:
    """Run deletions, each as soon as no other one names what it deletes."""
    waiting = {numbered.command: numbered for numbered in commands}
    while waiting:
        command = removal.next_to_go(plan.index, waiting)
        yield from _run(plan, waiting.pop(command), removal.body(kind_of(command)))


def _require_owners_kept(tx: Transaction, changes: list[FactChange]) -> None:
    """Refuse what breaks an invariant of rosters, except for the last admin: that is an impact."""
    try:
        invariants.require_kept(tx.index, changes, tx.now)
    except FailedPrecondition as refusal:
        if refusal.reason is not ErrorReason.LAST_ADMIN:
            raise
