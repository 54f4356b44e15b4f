"""Deltas as they stand in the change log: JSON, each fact tagged with its kind."""

from typing import Any, Final

from pydantic import TypeAdapter

from authz_service.domain.catalogue import Permission, Plan, Role
from authz_service.domain.change import Change, Delta, Fact, Revision
from authz_service.domain.endpoint import Endpoint
from authz_service.domain.exception import TenantException
from authz_service.domain.grant import RoleGrant
from authz_service.domain.identity import Identity
from authz_service.domain.invitation import Invitation
from authz_service.domain.key import ApiKey
from authz_service.domain.membership import Membership
from authz_service.domain.tenant import Tenant
from authz_service.domain.window import Instant

_KINDS: Final[dict[str, TypeAdapter[Any]]] = {
    kind.__name__: TypeAdapter(kind)
    for kind in (
        Permission,
        Role,
        Plan,
        Tenant,
        Membership,
        RoleGrant,
        TenantException,
        ApiKey,
        Identity,
        Endpoint,
        Invitation,
    )
}
_WIRE: Final = TypeAdapter(list[tuple[str, Any, Any]])


def write(changes: tuple[Change, ...]) -> str:
    """Write the changes of one revision: a list of [kind, before or null, after or null]."""
    return _WIRE.dump_json([_change(change) for change in changes]).decode()


def read(revision: Revision, text: str, at: Instant) -> Delta:
    """Read the changes of one revision. Raises: ValueError if this version cannot make them out."""
    changes = (_read(*item) for item in _WIRE.validate_json(text))
    return Delta(revision, tuple(changes), at)


def _change(change: Change) -> tuple[str, Any, Any]:
    kind = type(change.fact).__name__
    dump = _KINDS[kind].dump_python
    return (
        kind,
        None if change.before is None else dump(change.before, mode="json"),
        None if change.after is None else dump(change.after, mode="json"),
    )


def _read(kind: str, before: Any, after: Any) -> Change:
    if kind not in _KINDS:
        raise ValueError(f"{kind!r} is no kind of fact that this version knows")
    return Change(_fact(kind, before), _fact(kind, after))


def _fact(kind: str, value: Any) -> Fact | None:
    # Not strict: JSON has lists where facts have tuples and sets, words where they have enums.
    return None if value is None else _KINDS[kind].validate_python(value)
