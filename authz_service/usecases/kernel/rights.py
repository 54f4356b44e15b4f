"""The rights that this service asks of its own callers."""

from typing import Final

from authz_service.errors import ErrorReason, FailedPrecondition

_ACTIONS: Final = {
    "decisions": "check explain",
    "permissions": "put get list delete",
    "roles": "put get list delete",
    "own_roles": "put delete",
    "tiers": "put get list delete",
    "add_ons": "put get list delete",
    "features": "put get list delete",
    "limits": "put get list delete",
    "policies": "apply",
    "changes": "preview apply",
    "role_grants": "create update delete get list",
    "exceptions": "create update delete get list",
    "tenants": (
        "onboard get list set_tier suspend resume offboard update add_add_on "
        "remove_add_on set_limits start_trial start_grace activate "
        "list_scheduled cancel_scheduled reactivate transfer_ownership "
        "preview_tier import"
    ),
    "members": "add remove get list suspend resume set_roles override",
    "invitations": "create accept resend revoke get list",
    "keys": "create get update rotate list revoke",
    "rules": "import export",
    "identities": "register get update list remove",
    "actors": "name",
    "audit": "list",
    "jobs": "get list retry cancel",
    "mail_templates": "put get delete",
    "webhooks": "create get list update delete rotate ping deliveries redeliver",
    "events": "ingest preview get list replay discard map_subject reconcile pause resume",
}

RIGHTS: Final = frozenset(
    f"{kind}:{action}" for kind, actions in _ACTIONS.items() for action in actions.split()
)
"""INVARIANT: every right that a use case takes is among them. Tests hold them against all RPCs and
the shipped catalogue.
"""

_FOR_ONE: Final = {"roles:put": "own_roles:put", "roles:delete": "own_roles:delete"}


def any_of(right: str, tenant: str) -> tuple[str, ...]:
    """Name the rights of which one is enough, for a customer or, if `tenant` is "", for all.

    What a right comes to for one customer alone may be a right of its own: whoever writes
    customers' roles need not be able to write those that all of them share.
    """
    narrower = _FOR_ONE.get(right) if tenant else None
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
