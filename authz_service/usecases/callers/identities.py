"""Registered identities: callers of this service by token or by certificate."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from authz_service.domain.change import Revision
from authz_service.domain.identifiers import checked
from authz_service.domain.identity import Identity, IdentityKind
from authz_service.engine.index import Index
from authz_service.errors import AlreadyExists, ErrorReason, InvalidArgument, NotFound
from authz_service.store.member_revisions import caller_revisions
from authz_service.store.unit_of_work import Transaction
from authz_service.usecases.callers import caller_changes, system_roles
from authz_service.usecases.callers.caller_changes import CallerFields, UpdateCaller
from authz_service.usecases.callers.certificate_kinds import require_name
from authz_service.usecases.kernel import paging
from authz_service.usecases.kernel.execution import View, change, read
from authz_service.usecases.kernel.lockout import require_operable
from authz_service.usecases.kernel.paging import Page, PageRequest

_AT: Final = "identity."
"""Leads to the fields of the identity in a request."""

_LONGEST_NAME: Final = 255
_PLAIN: Final = re.compile(r"[!-~](?:[ -~]*[!-~])?")


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateIdentity:
    kind: IdentityKind
    issuer: str
    name: str
    fields: CallerFields
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
def create_identity(tx: Transaction, command: CreateIdentity) -> IdentityNow:
    """Register a caller, make it a member of `system` and give it its rights there."""
    identity = _made(tx, command)
    fields = command.fields
    caller_changes.enter(tx, identity, "identity.created", fields, _AT)
    return _now(tx, identity, fields.roles, fields.tenants)


@change
def update_identity(tx: Transaction, command: UpdateCaller) -> IdentityNow:
    """Change the name, the end or the rights of an identity; how it proves itself stays."""
    before = _find(tx.index, command.id, f"{_AT}id")
    after = caller_changes.amend(tx, before, command, "identity.updated", _AT)
    roles, tenants = caller_changes.rights_after(tx, after, command)
    if caller_changes.changes_rights(command):
        rights = system_roles.paired(tx, roles, tenants, _AT)
        system_roles.hold_only(tx, after.subject, rights, _AT)
    require_operable(tx)
    return _now(tx, after, roles, tenants)


@change
def delete_identity(tx: Transaction, command: OneIdentity) -> IdentityNow:
    identity = _find(tx.index, command.id)
    shown = _now(tx, identity, *system_roles.held(tx.index, identity.subject))
    caller_changes.leave(tx, identity, "identity.deleted")
    require_operable(tx)
    return shown


@read
def get_identity(view: View, query: OneIdentity) -> IdentityNow:
    return _described(view, [_find(view.index, query.id)])[0]


@read
def list_identities(view: View, query: ListIdentities) -> Page[IdentityNow]:
    everyone = sorted(view.index.identities.values(), key=lambda identity: identity.id)
    page = paging.page(everyone, lambda identity: identity.id, query.page, ["identities"])
    shown = _described(view, page.items)
    fitting = paging.described(
        page, shown, lambda shown_identity: shown_identity.identity.id, ["identities"]
    )
    return replace(fitting, total_size=len(everyone))


def _made(tx: Transaction, command: CreateIdentity) -> Identity:
    """Check what is registered. Raises: InvalidArgument, AlreadyExists (IDENTITY_EXISTS)."""
    _plain(command.name, "name")
    if command.kind is IdentityKind.TOKEN:
        _plain(command.issuer, "issuer")
    elif command.issuer:
        raise _wrong("a certificate's CA is a setting of the server; leave it empty", "issuer")
    else:
        require_name(command.kind, command.name)
    caller_changes.check(tx, command.fields, _AT)
    identity = Identity(
        f"idn-{tx.new_id()}",
        command.kind,
        command.issuer,
        command.name,
        command.fields.display_name,
        tx.now,
        command.fields.expires_at,
    )
    existing = tx.index.identities.get(identity.key)
    if existing is not None:
        raise AlreadyExists(
            ErrorReason.IDENTITY_EXISTS,
            f"{command.name!r} is registered already, as {existing.id}; delete that first",
            field="identity.name",
            details={"id": existing.id},
        )
    return identity


def _plain(text: str, field: str) -> None:
    """Check what tokens and certificates are compared with, byte for byte."""
    if len(text) > _LONGEST_NAME or not _PLAIN.fullmatch(text):
        raise _wrong(
            f"1 to {_LONGEST_NAME} printable ASCII characters, as the token or certificate has it",
            field,
        )


def _find(index: Index, identity_id: str, field: str = "id") -> Identity:
    checked("id", identity_id, field)
    for identity in index.identities.values():
        if identity.id == identity_id:
            return identity
    raise NotFound(
        ErrorReason.IDENTITY_NOT_FOUND,
        f"there is no identity {identity_id!r}; list the identities to see those registered",
        field=field,
    )


def _described(view: View, identities: Sequence[Identity]) -> tuple[IdentityNow, ...]:
    ids = [identity.id for identity in identities]
    with view.database.read() as connection:
        revisions = caller_revisions(connection, ids, view.index.revision)
    return tuple(
        IdentityNow(item, *system_roles.held(view.index, item.subject), revisions.get(item.id, 0))
        for item in identities
    )


def _now(
    tx: Transaction, identity: Identity, roles: Iterable[str], tenants: Iterable[str]
) -> IdentityNow:
    """Describe an identity as this transaction leaves it."""
    in_order = caller_changes.in_order
    revision = caller_changes.revision_after(tx, identity.id)
    return IdentityNow(identity, in_order(roles), in_order(tenants), revision)


def _wrong(message: str, field: str) -> InvalidArgument:
    where = f"identity.{field}"
    return InvalidArgument(ErrorReason.INVALID_FIELD, f"{where}: {message}", field=where)
