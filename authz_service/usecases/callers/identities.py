"""Registered identities: callers of this service by token or by certificate."""

import re
from dataclasses import dataclass
from typing import Final

from authz_service.domain.audit import Event
from authz_service.domain.grant import RoleGrant
from authz_service.domain.identifiers import checked
from authz_service.domain.identity import Identity, IdentityKind
from authz_service.domain.membership import Membership
from authz_service.domain.tenant import SYSTEM
from authz_service.domain.window import FOREVER, Instant, Window
from authz_service.engine.index import Index
from authz_service.errors import AlreadyExists, ErrorReason, InvalidArgument, NotFound
from authz_service.store.facts import Facts
from authz_service.store.schema import rule
from authz_service.store.unit_of_work import Transaction
from authz_service.usecases import paging, require
from authz_service.usecases.access.role_grants import give, take
from authz_service.usecases.execution import View, change, read
from authz_service.usecases.giving import TENANT_SCOPE
from authz_service.usecases.paging import Page, PageRequest

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
class OneIdentity:
    id: str
    tenant: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListIdentities:
    page: PageRequest
    tenant: str = ""


@dataclass(frozen=True, slots=True)
class IdentityNow:
    """An identity with the rights that it holds."""

    identity: Identity
    roles: tuple[str, ...]
    tenants: tuple[str, ...]


@change("identities:register")
def register_identity(tx: Transaction, wanted: RegisterIdentity) -> IdentityNow:
    """Register a caller, make it a member of `system` and give it its rights there."""
    made = _made(tx, wanted)
    if not wanted.roles:
        raise _wrong("name at least one role, such as `checker`", "roles")
    for tenant in wanted.tenants:
        require.customer(tx.index, tenant, "identity.tenants")
    scopes = sorted({TENANT_SCOPE + tenant for tenant in wanted.tenants}) or [""]
    require.batch(len(set(wanted.roles)) * len(scopes), "identity.tenants")
    system = require.tenant(tx.index, SYSTEM)
    tx.change(None, made)
    tx.change(None, Membership(SYSTEM, made.subject))
    tx.record(Event("identity.registered", SYSTEM, (made.id,), None, made, tx.call.reason))
    for role in sorted(set(wanted.roles)):
        for scope in scopes:
            give(tx, system, RoleGrant(SYSTEM, made.subject, role, scope), "identity.roles")
    return _identity_now(made, set(wanted.roles), set(wanted.tenants))


@change("identities:remove")
def remove_identity(tx: Transaction, wanted: OneIdentity) -> IdentityNow:
    found = _find(tx.index, wanted.id)
    shown = _described(tx.index, found)
    end_identity(tx, found)
    return shown


@read("identities:get")
def get_identity(view: View, wanted: OneIdentity) -> IdentityNow:
    return _described(view.index, _find(view.index, wanted.id))


@read("identities:list")
def list_identities(view: View, wanted: ListIdentities) -> Page[IdentityNow]:
    found = sorted(view.index.identities.values(), key=lambda each: each.id)
    cut = paging.page(found, lambda each: each.id, wanted.page, ["identities"])
    shown = tuple(_described(view.index, each) for each in cut.items)
    return paging.described(cut, shown, lambda each: each.identity.id, ["identities"])


def end_identity(tx: Transaction, identity: Identity) -> None:
    """End an identity, its rights and its membership in `system`."""
    for grant in Facts(tx.connection).role_grants(SYSTEM, rule.c.subject == identity.subject):
        take(tx, grant)
    tx.change(Membership(SYSTEM, identity.subject), None)
    tx.change(identity, None)
    tx.record(Event("identity.removed", SYSTEM, (identity.id,), identity, None, tx.call.reason))


def _made(tx: Transaction, wanted: RegisterIdentity) -> Identity:
    """Check what is registered. Raises: InvalidArgument, AlreadyExists (IDENTITY_EXISTS)."""
    _plain(wanted.name, "name")
    if wanted.kind is IdentityKind.TOKEN:
        _plain(wanted.issuer, "issuer")
    elif wanted.issuer:
        raise _wrong("a certificate's CA is a setting of the server; leave it empty", "issuer")
    require.text(wanted.display_name, "identity.display_name", at_most=200)
    Window(tx.now, wanted.expires_at).checked("identity.expire_time")
    made = Identity(
        f"idn-{tx.new_id()}",
        wanted.kind,
        wanted.issuer,
        wanted.name,
        wanted.display_name,
        tx.now,
        wanted.expires_at,
    )
    before = tx.index.identities.get(made.key)
    if before is not None:
        raise AlreadyExists(
            ErrorReason.IDENTITY_EXISTS,
            f"{wanted.name!r} is registered already, as {before.id}; remove that first",
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
    for each in index.identities.values():
        if each.id == identity_id:
            return each
    raise NotFound(
        ErrorReason.IDENTITY_NOT_FOUND,
        f"there is no identity {identity_id!r}; list the identities to see those registered",
        field="id",
    )


def _described(index: Index, identity: Identity) -> IdentityNow:
    grants = index.grants(SYSTEM, identity.subject)
    tenants = {grant.scope.removeprefix(TENANT_SCOPE) for grant in grants if grant.scope}
    return _identity_now(identity, {grant.role for grant in grants}, tenants)


def _identity_now(identity: Identity, roles: set[str], tenants: set[str]) -> IdentityNow:
    return IdentityNow(identity, tuple(sorted(roles)), tuple(sorted(tenants)))


def _wrong(message: str, field: str) -> InvalidArgument:
    where = f"identity.{field}"
    return InvalidArgument(ErrorReason.INVALID_FIELD, f"{where}: {message}", field=where)
