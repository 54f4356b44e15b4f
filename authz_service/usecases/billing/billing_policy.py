"""The billing policy: its sources, prices and settings, each looked up and changed alone."""

from dataclasses import dataclass
from typing import Final, assert_never

from authz_service.domain.billing_documents import PartKind
from authz_service.domain.billing_part import BillingPart, part, stored
from authz_service.domain.change import Revision
from authz_service.engine.index import Index
from authz_service.errors import AlreadyExists, ErrorReason, InvalidArgument, NotFound
from authz_service.store.unit_of_work import Transaction
from authz_service.usecases.billing import part_ids, policy_release, policy_writing
from authz_service.usecases.billing.policy_release import NOTHING, Released
from authz_service.usecases.billing.policy_writing import PartChange
from authz_service.usecases.kernel import field_masks, guard
from authz_service.usecases.kernel.execution import ChangeCase
from authz_service.usecases.kernel.rights import access_of


@dataclass(frozen=True, slots=True, kw_only=True)
class CreatePart:
    """`body` is what the file has for the part."""

    kind: PartKind
    id: str
    body: str
    tenant: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdatePart:
    """Only the fields that `mask` names are taken from `body`; all of them to add it.

    An `expected_revision` of 0 accepts any.
    """

    kind: PartKind
    id: str
    body: str
    mask: tuple[str, ...]
    allow_missing: bool = False
    expected_revision: Revision = 0
    tenant: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletePart:
    """An `expected_revision` of 0 takes the part as it is."""

    kind: PartKind
    id: str
    expected_revision: Revision = 0
    tenant: str = ""


PartCommand = CreatePart | UpdatePart | DeletePart


@dataclass(frozen=True, slots=True)
class PartNow:
    """A part as it is now, and what waited for it."""

    kind: PartKind
    id: str
    body: str
    revision: Revision
    released: Released = NOTHING

    @property
    def part(self) -> BillingPart:
        return stored(self.kind, self.id, self.body, self.revision)


def require_creator(tx: Transaction, command: UpdatePart) -> None:
    """Let an update add a part only for who may. Raises: PERMISSION_DENIED."""
    kind = command.kind
    if command.allow_missing and tx.index.billing.of(kind, command.id) is None:
        right = access_of(f"CreateBilling{kind.value.capitalize()}").right
        guard.require(tx.index, tx.call.actor, right, "", tx.now)


def resolved(index: Index, command: PartCommand) -> PartChange:
    """Give a part before and after a command.

    Raises:
        AlreadyExists, NotFound: it is there already, or is not although it has to be.
        Aborted: REVISION_MISMATCH.
        InvalidArgument: INVALID_FIELD: of the mask.
    """
    kind, name = command.kind, command.id
    before = index.billing.of(kind, name)
    match command:
        case CreatePart():
            part_ids.require(kind, name, f"billing_{kind.value}")
            if before is not None:
                raise _there_already(before)
            return PartChange(None, _new(command))
        case DeletePart():
            part_ids.require(kind, name, "id")
            before = require(index, kind, name)
            field_masks.unchanged(before.revision, command.expected_revision, _label(kind, name))
            return PartChange(before, None)
        case UpdatePart():
            part_ids.require(kind, name, f"billing_{kind.value}.id")
            return _updated(index, command)
        case _:
            assert_never(command)


def _updated(index: Index, command: UpdatePart) -> PartChange:
    kind, name = command.kind, command.id
    before = index.billing.of(kind, name)
    if before is None and not command.allow_missing and kind is not PartKind.SETTINGS:
        require(index, kind, name, f"billing_{kind.value}.id")
    revision = before.revision if before is not None else 0
    field_masks.unchanged(revision, command.expected_revision, _label(kind, name))
    fields = _FIELDS[kind]
    paths = field_masks.checked(command.mask, fields)
    new = _new(command)
    if before is None or len(paths) == len(fields):
        return PartChange(before, new)
    keys = {fields[path] for path in paths}
    kept = {key: value for key, value in before.data.items() if key not in keys}
    taken = {key: value for key, value in new.data.items() if key in keys}
    return PartChange(before, part(kind, name, kept | taken))


def _new(command: CreatePart | UpdatePart) -> BillingPart:
    new = stored(command.kind, command.id, command.body, 0)
    part_ids.require_names(new)
    return new


_FIELDS: Final = {
    PartKind.SOURCE: {"definition": ""},
    PartKind.PRICE: {
        "tier": "tier",
        "add_ons": "add_ons",
        "limits": "limits",
        "ignores_quantity": "quantity",
    },
    PartKind.SETTINGS: {
        "first_admin_roles": "first_admin",
        "grace_period": "past_due",
        "after_trial": "trial",
        "after_end": "cancelled",
        "quantities": "quantities",
        "downgrade": "downgrade",
        "breaker": "breaker",
    },
}
"""The fields that can be updated, and what the file calls each."""


def require(index: Index, kind: PartKind, name: str, field: str = "id") -> BillingPart:
    """Find a part, or refuse with the field that names it."""
    found = index.billing.of(kind, name)
    if found is not None:
        return found
    reason = {
        PartKind.PRICE: ErrorReason.BILLING_PRICE_NOT_FOUND,
        PartKind.SOURCE: ErrorReason.EVENT_SOURCE_NOT_FOUND,
    }[kind]
    message = f"the billing policy has no {kind.value} {name[:200]!r}"
    raise NotFound(reason, message, field=field)


def _there_already(before: BillingPart) -> AlreadyExists:
    price = before.kind is PartKind.PRICE
    return AlreadyExists(
        ErrorReason.BILLING_PRICE_EXISTS if price else ErrorReason.BILLING_SOURCE_EXISTS,
        f"{_label(before.kind, before.id)} exists, last changed at revision {before.revision}; "
        "update it",
        field=f"billing_{before.kind.value}.id",
        details={"revision": str(before.revision)},
    )


def _label(kind: PartKind, name: str) -> str:
    return "the billing settings" if kind is PartKind.SETTINGS else f"{kind.value} {name!r}"


def _write(tx: Transaction, command: PartCommand) -> PartNow:
    change = resolved(tx.index, command)
    for refusal in policy_writing.invalid(tx.index, [change]):
        raise InvalidArgument(ErrorReason.INVALID_FIELD, refusal.message, field=refusal.field)
    now = change.after or change.before
    if now is None:
        raise TypeError("a command about a part that neither was nor is there")
    policy_writing.write(tx, [change])
    released = policy_release.release(tx, [change])
    revision = tx.revision if change.before != change.after else now.revision
    return PartNow(now.kind, now.id, now.body, revision, released)


def _create(tx: Transaction, command: CreatePart) -> PartNow:
    return _write(tx, command)


def _update(tx: Transaction, command: UpdatePart) -> PartNow:
    require_creator(tx, command)
    return _write(tx, command)


def _delete(tx: Transaction, command: DeletePart) -> PartNow:
    return _write(tx, command)


create_billing_price: Final = ChangeCase.of("CreateBillingPrice", _create)
update_billing_price: Final = ChangeCase.of("UpdateBillingPrice", _update)
delete_billing_price: Final = ChangeCase.of("DeleteBillingPrice", _delete)
create_billing_source: Final = ChangeCase.of("CreateBillingSource", _create)
update_billing_source: Final = ChangeCase.of("UpdateBillingSource", _update)
delete_billing_source: Final = ChangeCase.of("DeleteBillingSource", _delete)
update_billing_settings: Final = ChangeCase.of("UpdateBillingSettings", _update)
