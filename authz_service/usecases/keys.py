"""API keys of this service's own callers."""

from dataclasses import dataclass

from authz_service.domain.audit import Event
from authz_service.domain.grant import RoleGrant
from authz_service.domain.key import ApiKey
from authz_service.domain.membership import Membership
from authz_service.domain.tenant import SYSTEM
from authz_service.domain.window import FOREVER, Instant, Window
from authz_service.engine.index import Index
from authz_service.errors import ErrorReason, InvalidArgument, NotFound
from authz_service.store.facts import Facts
from authz_service.store.schema import rule
from authz_service.store.unit_of_work import Transaction
from authz_service.usecases import paging, require
from authz_service.usecases.execution import View, change, read
from authz_service.usecases.paging import Page, PageRequest
from authz_service.usecases.role_grants import give, take

_SCOPE = "tenant:"


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateKey:
    """`secret_hash` is `domain.key.digest` of the secret that the caller keeps."""

    secret_hash: str
    roles: tuple[str, ...]
    display_name: str = ""
    tenants: tuple[str, ...] = ()
    expires_at: Instant = FOREVER
    tenant: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OneKey:
    id: str
    tenant: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListKeys:
    page: PageRequest
    tenant: str = ""


@dataclass(frozen=True, slots=True)
class KeyNow:
    """A key with its rights and without its secret."""

    id: str
    display_name: str
    roles: tuple[str, ...]
    tenants: tuple[str, ...]
    created_at: Instant
    expires_at: Instant


@change("keys:create")
def create_key(tx: Transaction, wanted: CreateKey) -> KeyNow:
    return make_key(tx, wanted)


def make_key(tx: Transaction, wanted: CreateKey) -> KeyNow:
    """Make a key, its membership in `system` and its rights there."""
    require.text(wanted.display_name, "display_name", at_most=200)
    Window(tx.now, wanted.expires_at).checked("expire_time")
    if not wanted.roles:
        raise _wrong("name at least one role, such as `checker`", "roles")
    for tenant in wanted.tenants:
        require.customer(tx.index, tenant, "tenants")
    system = require.tenant(tx.index, SYSTEM)
    key = ApiKey(
        f"key-{tx.new_id()}", wanted.secret_hash, wanted.display_name, tx.now, wanted.expires_at
    )
    tx.change(None, key)
    tx.change(None, Membership(SYSTEM, key.subject))
    tx.record(Event("key.created", SYSTEM, (key.id,), None, key, tx.call.reason))
    for role in sorted(set(wanted.roles)):
        for scope in sorted({_SCOPE + tenant for tenant in wanted.tenants}) or [""]:
            give(tx, system, RoleGrant(SYSTEM, key.subject, role, scope), "roles")
    return _key_now(key, wanted.roles, wanted.tenants)


@change("keys:revoke")
def revoke_key(tx: Transaction, wanted: OneKey) -> KeyNow:
    key = tx.index.keys.get(wanted.id)
    if key is None:
        raise NotFound(
            ErrorReason.KEY_NOT_FOUND,
            f"there is no key {wanted.id!r}; list the keys to see those in force",
            field="id",
        )
    shown = _described(tx.index, key)
    for grant in Facts(tx.connection).role_grants(SYSTEM, rule.c.subject == key.subject):
        take(tx, grant)
    tx.change(Membership(SYSTEM, key.subject), None)
    tx.change(key, None)
    tx.record(Event("key.revoked", SYSTEM, (key.id,), key, None, tx.call.reason))
    return shown


@read("keys:list")
def list_keys(view: View, wanted: ListKeys) -> Page[KeyNow]:
    keys = [key for _, key in sorted(view.index.keys.items())]
    cut = paging.page(keys, lambda key: key.id, wanted.page, ["keys"])
    return Page(tuple(_described(view.index, key) for key in cut.items), cut.next_token)


def _described(index: Index, key: ApiKey) -> KeyNow:
    grants = index.grants(SYSTEM, key.subject)
    roles = tuple({grant.role for grant in grants})
    tenants = tuple({grant.scope.removeprefix(_SCOPE) for grant in grants if grant.scope})
    return _key_now(key, roles, tenants)


def _key_now(key: ApiKey, roles: tuple[str, ...], tenants: tuple[str, ...]) -> KeyNow:
    return KeyNow(
        id=key.id,
        display_name=key.display_name,
        roles=tuple(sorted(set(roles))),
        tenants=tuple(sorted(set(tenants))),
        created_at=key.created_at,
        expires_at=key.expires_at,
    )


def _wrong(message: str, field: str) -> InvalidArgument:
    return InvalidArgument(ErrorReason.INVALID_FIELD, message, field=field)
