"""API keys as they are read: with their rights and their last use, without their secrets."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from authz_service.domain.change import Revision
from authz_service.domain.identifiers import checked
from authz_service.domain.key import ApiKey, KeyKind
from authz_service.domain.window import Instant
from authz_service.engine.index import Index
from authz_service.errors import ErrorReason, NotFound
from authz_service.store import key_use
from authz_service.store.member_revisions import caller_revisions
from authz_service.usecases.callers import system_roles
from authz_service.usecases.kernel import paging
from authz_service.usecases.kernel.execution import View, read
from authz_service.usecases.kernel.paging import Page, PageRequest

Uses = Mapping[str, Instant]
"""When keys were last used, by id; 0 or absent for never."""


@dataclass(frozen=True, slots=True)
class KeyNow:
    """A key with its rights and without its secret.

    `previous_expires_at` is 0 unless the secret before the last rotation is still good;
    `last_used_at` is 0 for a key that never was used. `revision` wrote it, or its rights, last.
    """

    id: str
    display_name: str
    roles: tuple[str, ...]
    tenants: tuple[str, ...]
    created_at: Instant
    expires_at: Instant
    kind: KeyKind
    previous_expires_at: Instant = 0
    last_used_at: Instant = 0
    revision: Revision = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class GetKey:
    """`uses_here` is what this process noted, which may be later than what is stored."""

    id: str
    uses_here: Uses = field(default_factory=dict)
    tenant: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListKeys:
    """`for_tenant`: keys that are bound to it; `unused_since`: no call with it from then on."""

    page: PageRequest
    role: str = ""
    for_tenant: str = ""
    kind: KeyKind | None = None
    expired: bool | None = None
    unused_since: Instant | None = None
    uses_here: Uses = field(default_factory=dict)
    tenant: str = ""


@read
def get_key(view: View, query: GetKey) -> KeyNow:
    key = find(view.index, query.id)
    shown = described(view.index, key, _uses(view, query.uses_here), view.now)
    return _dated(view, [shown])[0]


@read
def list_keys(view: View, query: ListKeys) -> Page[KeyNow]:
    keys = list(_matching(view, query))
    filters = ["keys", *map(str, (query.role, query.for_tenant, query.kind))]
    filters += map(str, (query.expired, query.unused_since))
    page = paging.page(keys, lambda key: key.id, query.page, filters)
    return replace(page, items=_dated(view, page.items))


def find(index: Index, key_id: str, field: str = "id") -> ApiKey:
    """Find a key. Raises: InvalidArgument, NotFound (KEY_NOT_FOUND)."""
    key = index.keys.get(checked("id", key_id, field))
    if key is None:
        raise NotFound(
            ErrorReason.KEY_NOT_FOUND,
            f"there is no key {key_id!r}; list the keys to see those in force",
            field=field,
        )
    return key


def described(index: Index, key: ApiKey, uses: Uses, at: Instant) -> KeyNow:
    """Describe a key with the rights that it holds in `index`."""
    roles, tenants = system_roles.held(index, key.subject)
    return key_now(key, roles, tenants, uses.get(key.id, 0), at)


def key_now(
    key: ApiKey, roles: tuple[str, ...], tenants: tuple[str, ...], used: Instant, at: Instant
) -> KeyNow:
    return KeyNow(
        id=key.id,
        display_name=key.display_name,
        roles=tuple(sorted(set(roles))),
        tenants=tuple(sorted(set(tenants))),
        created_at=key.created_at,
        expires_at=key.expires_at,
        kind=key.kind,
        previous_expires_at=key.previous_expires_at if key.has_previous(at) else 0,
        last_used_at=used,
    )


def later(one: Uses, other: Uses) -> Uses:
    """Take the later of two instants for each key."""
    return {key: max(one.get(key, 0), other.get(key, 0)) for key in {*one, *other}}


def _matching(view: View, query: ListKeys) -> Iterator[KeyNow]:
    if query.role:
        checked("role", query.role)
    if query.for_tenant:
        checked("tenant", query.for_tenant, "for_tenant")
    uses = _uses(view, query.uses_here)
    for _, key in sorted(view.index.keys.items()):
        now = described(view.index, key, uses, view.now)
        if _matches(now, query, view.now):
            yield now


def _matches(key: KeyNow, query: ListKeys, at: Instant) -> bool:
    return (
        (not query.role or query.role in key.roles)
        and (not query.for_tenant or query.for_tenant in key.tenants)
        and (query.kind is None or key.kind is query.kind)
        and (query.expired is None or (key.expires_at <= at) is query.expired)
        and (query.unused_since is None or key.last_used_at < query.unused_since)
    )


def _dated(view: View, shown: Sequence[KeyNow]) -> tuple[KeyNow, ...]:
    """Add when each was last changed."""
    with view.database.read() as connection:
        revisions = caller_revisions(connection, [key.id for key in shown], view.index.revision)
    return tuple(replace(key, revision=revisions.get(key.id, 0)) for key in shown)


def _uses(view: View, uses_here: Uses) -> Uses:
    with view.database.read() as connection:
        return later(key_use.read(connection), uses_here)
