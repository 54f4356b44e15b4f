"""What each RPC takes of its caller, as its option in the proto says."""

from collections.abc import Mapping
from typing import Final

from authz_service.domain.own_policy import is_own
from authz_service.errors import ErrorReason, FailedPrecondition
from authz_service.gen.access import ACCESS, Access

_IN_TENANT: Final[Mapping[str, str]] = {
    access.right: access.right_in_tenant for access in ACCESS.values() if access.right_in_tenant
}


def access_of(rpc: str) -> Access:
    """Read what an RPC takes. Raises: LookupError, if there is no such RPC."""
    return ACCESS[rpc]


def any_of(right: str, tenant: str) -> tuple[str, ...]:
    """Name the rights of which one is enough, for a customer or, if `tenant` is "", for all.

    What a right means for one customer alone may be a right of its own: whoever writes
    customers' roles need not be able to write those that all of them share.
    """
    narrower = _IN_TENANT.get(right) if tenant else None
    return (right,) if narrower is None else (right, narrower)


def require_not_own(name: str, field: str) -> None:
    """Let nobody end or change what is the service's own: a permission or a role, by its name.

    Raises:
        FailedPrecondition: NAME_RESERVED.
    """
    if is_own(name):
        raise FailedPrecondition(
            ErrorReason.NAME_RESERVED,
            f"{name!r} is the service's own and comes with its release; nobody changes it",
            field=field,
            details={"name": name},
        )
