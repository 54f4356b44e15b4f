"""Parts of the billing policy written: checked as a whole, recorded, and what waited released."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from authz_service.domain.audit import AuditRecord
from authz_service.domain.billing_documents import PartKind
from authz_service.domain.billing_part import SECTIONS, SETTINGS, BillingPart, BillingParts
from authz_service.domain.tenant import SYSTEM
from authz_service.engine.index import Index
from authz_service.policyfiles import billing_policy_file
from authz_service.policyfiles.yaml_text import Steps, told
from authz_service.store import policy_versions
from authz_service.store.unit_of_work import Transaction
from authz_service.usecases.kernel import declared

Place = tuple[PartKind, str]


@dataclass(frozen=True, slots=True)
class PartChange:
    """A part before and after; None where there is none."""

    before: BillingPart | None
    after: BillingPart | None

    @property
    def place(self) -> Place:
        part = self.after or self.before
        if part is None:
            raise ValueError("a change of nothing into nothing")
        return part.kind, part.id


@dataclass(frozen=True, slots=True)
class Refusal:
    """What would be wrong, in which part, and under which field of its request."""

    place: Place
    field: str
    message: str


def invalid(index: Index, changes: Sequence[PartChange]) -> Iterator[Refusal]:
    """Find what is wrong with the policy after changes and was not before: as a file would be."""
    after = dict(index.billing.by_name)
    for change in changes:
        after.pop(change.place, None)
        if change.after is not None:
            after[change.place] = change.after
    catalogue = declared.existing(index)
    wrong = list(billing_policy_file.violations(BillingParts(after).data(), catalogue))
    earlier: set[tuple[Steps, str]] = set()
    if wrong and index.billing.by_name:
        earlier = set(billing_policy_file.violations(index.billing.data(), catalogue))
    for steps, message in wrong:
        if (steps, message) not in earlier:
            yield _refusal(steps, message, changes)


def _refusal(steps: Steps, message: str, changes: Sequence[PartChange]) -> Refusal:
    """Name the part that is to blame: the one where it is wrong, else the first that changes."""
    place: Place = PartKind.SETTINGS, SETTINGS
    rest = steps
    for kind, section in SECTIONS.items():
        match steps:
            case (str(head), str(name), *inside) if head == section:
                place, rest = (kind, name), tuple(inside)
    if place in {change.place for change in changes}:
        return Refusal(place, field_of(place[0], rest), message)
    first = changes[0].place
    return Refusal(first, field_of(first[0], ()), f"{told(steps)}: {message}")


def field_of(kind: PartKind, rest: Steps) -> str:
    """Name a field of a part's message by where the file has it."""
    for file, message in _RENAMED.get(kind, {}).items():
        if rest[: len(file)] == file:
            rest = (*message, *rest[len(file) :])
            break
    inside: Steps = ("definition", *rest) if kind is PartKind.SOURCE else rest
    return told((f"billing_{kind.value}", *inside))


_IN_SETTINGS: Final[dict[Steps, Steps]] = {
    ("first_admin", "roles"): ("first_admin_roles",),
    ("first_admin",): ("first_admin_roles",),
    ("past_due", "grace"): ("grace_period",),
    ("trial", "then"): ("after_trial",),
    ("trial",): ("after_trial",),
    ("cancelled", "then"): ("after_end",),
    ("cancelled",): ("after_end",),
}
_RENAMED: Final[dict[PartKind, dict[Steps, Steps]]] = {
    PartKind.PRICE: {("quantity",): ("ignores_quantity",)},
    PartKind.SETTINGS: _IN_SETTINGS,
}


def write(tx: Transaction, changes: Sequence[PartChange]) -> None:
    """Write parts that were found good."""
    policy_versions.hold(tx.connection)
    for change in changes:
        before, after = change.before, change.after
        if before == after:
            continue
        verb = "created" if before is None else "updated" if after is not None else "deleted"
        kind, name = change.place
        tx.change(before, after)
        action = f"billing_{kind.value}.{verb}"
        tx.record(AuditRecord(action, SYSTEM, (name,), before, after, tx.call.reason))
