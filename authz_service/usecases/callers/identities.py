"""Registered identities: callers of this service by token or by certificate."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from authz_service.domain.audit import AuditRecord
from authz_service.domain.change import Revision
from authz_service.domain.identifiers import checked
from authz_service.domain.identity import Identity, IdentityKind
from authz_service.domain.membership import Membership
from authz_service.domain.tenant import SYSTEM
from authz_service.domain.window import FOREVER, Instant, Window
from authz_service.engine.index import Index
from authz_service.errors import AlreadyExists, ErrorReason, InvalidArgument, NotFound
from authz_service.store.member_revisions import caller_revisions
from authz_service.store.unit_of_work import Transaction
from authz_service.usecases.callers import system_roles
from authz_service.usecases.kernel import field_masks, paging, preconditions
from authz_service.usecases.kernel.execution import View, change, read
from authz_service.usecases.kernel.lockout import require_operable
from authz_service.usecases.kernel.paging import Page, PageRequest

UPDATABLE: Final = frozenset({"display_name", "expire_time", "roles", "tenants"})

_LONGEST_NAME: Final = 255
_PLAIN: Final = re.compile(r"[!-~](?:[ -~]*[!-~])?")


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterIdentity:
    """`roles` are held for `tenants`, for all of them if none is named."""

    kind: IdentityKind
    issuer: str
    name: str
    roles: tuple[str, ...]
    tenants: tuple[str, ...] = ()
    display_name: str = ""
    expires_at: Instant = FOREVER
    tenant: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateIdentity:
    """`mask` names the fields of `UPDATABLE` that are to be as they are here."""

    id: str
    mask: tuple[str, ...]
    display_name: str = ""
    expires_at: Instant = FOREVER
    roles: tuple[str, ...] = ()
    tenants: tuple[str, ...] = ()
    expected_revision: Revision = 0
    tenant: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OneIdentity:
    id: str
    tenant: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListIdentities:
    page: PageRequest
    tenant: str = ""


@dataclass(frozen=True, slots=True)
class IdentityNow:
    """An identity with the rights that it holds; `revision` wrote it, or them, last."""

    identity: Identity
    roles: tuple[str, ...]
    tenants: tuple[str, ...]
    revision: Revision = 0


@change
def register_identity(tx: Transaction, command: RegisterIdentity) -> IdentityNow:
    """Register a caller, make it a member of `system` and give it its rights there."""
    made = _made(tx, command)
    rights = system_roles.paired(tx, command.roles, command.tenants, "identity.")
    tx.change(None, made)
    tx.change(None, Membership(SYSTEM, made.subject))
    tx.record(AuditRecord("identity.registered", SYSTEM, (made.id,), None, made, tx.call.reason))
    system_roles.give_all(tx, made.subject, rights, "identity.")
    return _now(tx, made, command.roles, command.tenants)


@change
def update_identity(tx: Transaction, command: UpdateIdentity) -> IdentityNow:
    """Change what an identity is called, when it ends or what it may do; how it proves itself
    stays.
    """
    before = _find(tx.index, command.id)
    mask = field_masks.checked(command.mask, UPDATABLE)
    field_masks.unchanged(_revision(tx, before.id), command.expected_revision)
    after = before
    if "display_name" in mask:
        name = preconditions.text(command.display_name, "display_name", at_most=200)
        after = replace(after, display_name=name)
    if "expire_time" in mask:
        Window(tx.now, command.expires_at).checked("expire_time")
        after = replace(after, expires_at=command.expires_at)
    if after != before:
        tx.change(before, after)
        tx.record(
            AuditRecord("identity.updated", SYSTEM, (after.id,), before, after, tx.call.reason)
        )
    roles, tenants = system_roles.held(tx.index, after.subject)
    roles = command.roles if "roles" in mask else roles
    tenants = command.tenants if "tenants" in mask else tenants
    if {"roles", "tenants"}.intersection(mask):
        system_roles.hold_only(tx, after.subject, system_roles.paired(tx, roles, tenants))
    require_operable(tx)
    return _now(tx, after, roles, tenants)


@change
def remove_identity(tx: Transaction, command: OneIdentity) -> IdentityNow:
    found = _find(tx.index, command.id)
    shown = _now(tx, found, *system_roles.held(tx.index, found.subject))
    end_identity(tx, found)
    require_operable(tx)
    return shown


@read
def get_identity(view: View, query: OneIdentity) -> IdentityNow:
    return _described(view, [_find(view.index, query.id)])[0]


@read
def list_identities(view: View, query: ListIdentities) -> Page[IdentityNow]:
    found = sorted(view.index.identities.values(), key=lambda each: each.id)
    cut = paging.page(found, lambda each: each.id, query.page, ["identities"])
    shown = _described(view, cut.items)
    return paging.described(cut, shown, lambda each: each.identity.id, ["identities"])


def end_identity(tx: Transaction, identity: Identity) -> None:
    """End an identity, its rights and its membership in `system`."""
    system_roles.take_all(tx, identity.subject)
    tx.change(Membership(SYSTEM, identity.subject), None)
    tx.change(identity, None)
    tx.record(
        AuditRecord("identity.removed", SYSTEM, (identity.id,), identity, None, tx.call.reason)
    )


def _made(tx: Transaction, command: RegisterIdentity) -> Identity:
    """Check what is registered. Raises: InvalidArgument, AlreadyExists (IDENTITY_EXISTS)."""
    _plain(command.name, "name")
    if command.kind is IdentityKind.TOKEN:
        _plain(command.issuer, "issuer")
    elif command.issuer:
        raise _wrong("a certificate's CA is a setting of the server; leave it empty", "issuer")
    preconditions.text(command.display_name, "identity.display_name", at_most=200)
    Window(tx.now, command.expires_at).checked("identity.expire_time")
    made = Identity(
        f"idn-{tx.new_id()}",
        command.kind,
        command.issuer,
        command.name,
        command.display_name,
        tx.now,
        command.expires_at,
    )
    before = tx.index.identities.get(made.key)
    if before is not None:
        raise AlreadyExists(
            ErrorReason.IDENTITY_EXISTS,
            f"{command.name!r} is registered already, as {before.id}; remove that first",
            field="identity.name",
            details={"id": before.id},
        )
    return made


def _plain(text: str, field: str) -> None:
    """Check what tokens and certificates are compared with, byte for byte."""
    if len(text) > _LONGEST_NAME or not _PLAIN.fullmatch(text):
        raise _wrong(
            f"1 to {_LONGEST_NAME} printable ASCII characters, as the token or certificate has it",
            field,
        )


def _find(index: Index, identity_id: str) -> Identity:
    checked("id", identity_id)
    for identity in index.identities.values():
        if identity.id == identity_id:
            return identity
    raise NotFound(
        ErrorReason.IDENTITY_NOT_FOUND,
        f"there is no identity {identity_id!r}; list the identities to see those registered",
        field="id",
    )


def _described(view: View, found: Sequence[Identity]) -> tuple[IdentityNow, ...]:
    with view.database.read() as connection:
        known = caller_revisions(connection, [each.id for each in found], view.index.revision)
    return tuple(
        IdentityNow(each, *system_roles.held(view.index, each.subject), known.get(each.id, 0))
        for each in found
    )


def _now(
    tx: Transaction, identity: Identity, roles: Iterable[str], tenants: Iterable[str]
) -> IdentityNow:
    """Describe an identity as this transaction leaves it."""
    revision = tx.revision if tx.changes else _revision(tx, identity.id)
    return IdentityNow(identity, tuple(sorted(set(roles))), tuple(sorted(set(tenants))), revision)


def _revision(tx: Transaction, identity_id: str) -> Revision:
    return caller_revisions(tx.connection, [identity_id], tx.index.revision).get(identity_id, 0)


def _wrong(message: str, field: str) -> InvalidArgument:
    where = f"identity.{field}"
    return InvalidArgument(ErrorReason.INVALID_FIELD, f"{where}: {message}", field=where)
