"""This service's own policy: the rights it asks of its callers, and the roles it ships for them.

It is the release's: declared at the start of the service, changed by nobody. A product declares
what it likes beside it, but for names that begin with `authz.`; its roles, and those that an
operator composes for callers, may hold any of these rights.
"""

from collections.abc import Iterable
from typing import Final

from authz_service.domain.catalog import Permission, Role
from authz_service.gen import access

OWN: Final = "authz."
"""How the names of the service's own permissions and roles begin."""

NAME_ACTORS: Final = "authz.actors:name"
OVERRIDE: Final = "authz.members:override"

RIGHTS: Final = {
    **access.RIGHTS,
    NAME_ACTORS: "Call on behalf of a customer's user",
    OVERRIDE: "Change members that a customer's directory manages",
}
"""What each right lets its holder do: those that an RPC takes, and two that are asked beside."""

CHECK: Final = "authz.decisions:check"

OPERATOR: Final = "authz.operator"
CHECKER: Final = "authz.checker"


def is_own(name: str) -> bool:
    """Tell whether a permission or a role is the service's own, by its name."""
    return name.startswith(OWN)


def _rights(names: str) -> frozenset[str]:
    """Read lines of `resource: verb verb`."""
    lines = (line.split(":") for line in names.strip().splitlines())
    return frozenset(
        f"{OWN}{resource.strip()}:{verb}" for resource, verbs in lines for verb in verbs.split()
    )


def _reading() -> frozenset[str]:
    """Name the rights with which nothing can be changed; to check is for products alone."""
    changing = {value.right for value in access.ACCESS.values() if value.changes}
    return frozenset(value.right for value in access.ACCESS.values()) - changing - {CHECK}


def _role(name: str, description: str, rights: Iterable[str], *includes: str) -> Role:
    return Role(f"{OWN}{name}", frozenset(rights), frozenset(includes), description)


PERMISSIONS: Final = tuple(
    Permission(name, internal=True, description=description)
    for name, description in sorted(RIGHTS.items())
)

ROLES: Final = (
    _role(
        "checker",
        "A product service that asks for decisions",
        _rights("decisions: check explain"),
    ),
    _role(
        "product",
        "A product in which customers' admins manage their people",
        _rights("""
            actors: name
            members: add remove set_roles transfer_ownership get list
            invitations: create accept resend revoke get list
            role_grants: create delete get list
            own_roles: create update delete
            roles: get list
        """),
        CHECKER,
    ),
    _role(
        "provisioner",
        "A billing or CRM job that keeps tenants and their members up to date",
        _rights("""
            tenants: onboard batch_onboard get list update suspend resume start_trial start_grace
            tenants: activate offboard reactivate
            subscriptions: set_tier preview_tier add_add_on remove_add_on set_limits
            subscriptions: list_scheduled cancel_scheduled
            members: add remove get list suspend resume set_roles transfer_ownership
            invitations: create accept resend revoke get list
            role_grants: create update delete get list
            roles: get list
            tiers: get list
            add_ons: get list
            billing_events: ingest preview get list map_subject reconcile
        """),
    ),
    _role("auditor", "Reads everything and changes nothing", _reading()),
    _role("operator", "May do everything in this service", RIGHTS),
)
