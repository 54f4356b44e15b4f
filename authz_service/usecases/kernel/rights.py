"""What each RPC takes of its caller, and the rights that this service asks for.

An RPC's right stands in its option in the proto; here are only those that no single RPC takes.
"""

from collections.abc import Mapping
from typing import Final

from authz_service.errors import ErrorReason, FailedPrecondition
from authz_service.gen.access import ACCESS, Access

NAME_ACTORS: Final = "actors:name"
"""The right to call on behalf of a customer's user."""

OVERRIDE: Final = "members:override"
"""The right to change members that a directory keeps."""

_IN_TENANT: Final[Mapping[str, str]] = {
    access.right: access.right_in_tenant for access in ACCESS.values() if access.right_in_tenant
}

RIGHTS: Final = frozenset(
    {access.right for access in ACCESS.values()} | {*_IN_TENANT.values(), NAME_ACTORS, OVERRIDE}
)


def access_of(rpc: str) -> Access:
    """Read what an RPC takes. Raises: LookupError, if there is no such RPC."""
    return ACCESS[rpc]


def any_of(right: str, tenant: str) -> tuple[str, ...]:
    """Name the rights of which one is enough, for a customer or, if `tenant` is "", for all.

    What a right comes to for one customer alone may be a right of its own: whoever writes
    customers' roles need not be able to write those that all of them share.
    """
    narrower = _IN_TENANT.get(right) if tenant else None
    return (right,) if narrower is None else (right, narrower)


def require_not_asked(permission: str, field: str) -> None:
    """Check that nothing of this service depends on a permission that would be taken away.

    Raises:
        FailedPrecondition: RIGHT_RESERVED.
    """
    if permission in RIGHTS:
        raise FailedPrecondition(
            ErrorReason.RIGHT_RESERVED,
            f"this service asks {permission!r} of its own callers: it stays declared, and internal",
            field=field,
            details={"permission": permission},
        )
