"""The roles that a key or an identity holds in `system`, and the customers it holds them for."""

from collections.abc import Collection, Iterable

from authz_service.domain.grant import RoleGrant
from authz_service.domain.tenant import SYSTEM
from authz_service.engine.index import Index
from authz_service.errors import ErrorReason, InvalidArgument
from authz_service.store.facts import Facts
from authz_service.store.filters import GrantFilter
from authz_service.store.unit_of_work import Transaction
from authz_service.usecases.grants.role_grants import give, take
from authz_service.usecases.kernel import preconditions
from authz_service.usecases.kernel.escalation import TENANT_SCOPE


def paired(
    tx: Transaction, roles: Iterable[str], tenants: Collection[str], at: str = ""
) -> set[tuple[str, str]]:
    """Pair roles and the scopes they are to be held in; `at` leads to the request's fields.

    Raises:
        AuthzError: no role is named, a tenant is not a customer's, or there are too many pairs.
    """
    names = set(roles)
    if not names:
        message = f"{at}roles: name at least one role, such as `authz.checker`"
        raise InvalidArgument(ErrorReason.INVALID_FIELD, message, field=f"{at}roles")
    for tenant in tenants:
        preconditions.customer(tx.index, tenant, f"{at}tenants")
    scopes = {TENANT_SCOPE + tenant for tenant in tenants} or {""}
    preconditions.batch(len(names) * len(scopes), f"{at}tenants")
    return {(role, scope) for role in names for scope in scopes}


def give_all(
    tx: Transaction, subject: str, rights: Iterable[tuple[str, str]], at: str = ""
) -> None:
    """Grant roles that are not held so yet."""
    system = preconditions.tenant(tx.index, SYSTEM)
    for role, scope in sorted(rights):
        grant = RoleGrant(SYSTEM, subject, role, scope, reason=tx.call.reason)
        give(tx, system, grant, f"{at}roles")


def hold_only(tx: Transaction, subject: str, rights: set[tuple[str, str]], at: str = "") -> None:
    """Let a caller hold these and no others; those that it keeps are not touched."""
    grants = Facts(tx.connection).role_grants(SYSTEM, GrantFilter(subject=subject))
    for grant in grants:
        if (grant.role, grant.scope) not in rights:
            take(tx, grant)
    give_all(tx, subject, rights - {(grant.role, grant.scope) for grant in grants}, at)


def take_all(tx: Transaction, subject: str) -> None:
    for grant in Facts(tx.connection).role_grants(SYSTEM, GrantFilter(subject=subject)):
        take(tx, grant)


def held(index: Index, subject: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Name the roles and the tenants they are held for, each in order; no tenant means all."""
    grants = index.grants(SYSTEM, subject)
    roles = {grant.role for grant in grants}
    tenants = {grant.scope.removeprefix(TENANT_SCOPE) for grant in grants if grant.scope}
    return tuple(sorted(roles)), tuple(sorted(tenants))
