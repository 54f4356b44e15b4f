"""Many role grants, or many revocations, in one step: all of them or none."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import TypeAlias

from authz_service.domain.grant import GrantSource, RoleGrant
from authz_service.domain.identifiers import checked
from authz_service.engine.compiling import grant_entry
from authz_service.engine.index import GrantEntry
from authz_service.store.facts import Facts
from authz_service.store.unit_of_work import Transaction
from authz_service.usecases.grants.role_grants import (
    RevokeRole,
    check,
    enter,
    require_not_managed,
    take,
)
from authz_service.usecases.kernel import batch, preconditions
from authz_service.usecases.kernel.execution import change_of_many

_Same: TypeAlias = tuple[str, str, GrantEntry, GrantSource]
"""Tenant, subject, role with scope and window, source: of such grants one at most is in force."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchGrantRoles:
    grants: tuple[RoleGrant, ...]
    tenant: str = ""

    @property
    def tenants(self) -> Collection[str]:
        return dict.fromkeys(grant.tenant for grant in self.grants)


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRevokeRoles:
    revocations: tuple[RevokeRole, ...]
    tenant: str = ""

    @property
    def tenants(self) -> Collection[str]:
        return dict.fromkeys(revocation.tenant for revocation in self.revocations)


@dataclass(frozen=True, slots=True)
class Granted:
    """The grant that is in force now; not `made` if it was before."""

    id: str
    made: bool


@change_of_many
def batch_grant_roles(tx: Transaction, command: BatchGrantRoles) -> tuple[Granted, ...]:
    """Tell of each grant, in order, what became of it."""
    existing = _held(tx, command.grants)

    def grant_one(grant: RoleGrant) -> Granted:
        tenant = check(tx, grant, "")
        preconditions.assignable(tx.index, tenant, grant.role, tx.now, "role")
        same = _same(grant)
        if same in existing:
            return Granted(existing[same], made=False)
        reasoned = grant if grant.reason else replace(grant, reason=tx.call.reason)
        existing[same] = enter(tx, reasoned).id
        return Granted(existing[same], made=True)

    return batch.each(command.grants, "role_grants", grant_one)


@change_of_many
def batch_revoke_roles(tx: Transaction, command: BatchRevokeRoles) -> tuple[tuple[str, ...], ...]:
    """Tell of each revocation, in order, the ids of the grants that it ended."""
    remaining = _grants_of(
        tx, ((revocation.tenant, revocation.subject) for revocation in command.revocations)
    )

    def revoke_one(described: RevokeRole) -> tuple[str, ...]:
        preconditions.customer(tx.index, described.tenant)
        checked("subject", described.subject)
        checked("role", described.role)
        if described.scope:
            checked("scope", described.scope)
        grants = remaining.get((described.tenant, described.subject), [])
        ended = [grant for grant in grants if described.describes(grant)]
        for grant in ended:
            require_not_managed(tx, grant, "subject")
            grants.remove(grant)
            take(tx, grant)
        return tuple(grant.id for grant in ended)

    return batch.each(command.revocations, "revocations", revoke_one)


def _same(grant: RoleGrant) -> _Same:
    return grant.tenant, grant.subject, grant_entry(grant), grant.source


def _held(tx: Transaction, requests: Iterable[RoleGrant]) -> dict[_Same, str]:
    """Find the ids of grants in force that are among the wanted ones; the database is asked about
    those alone of which the index says that somebody holds the role so.
    """
    holders = (
        (grant.tenant, grant.subject)
        for grant in requests
        if grant_entry(grant) in tx.index.grants(grant.tenant, grant.subject)
    )
    return {
        _same(grant): grant.id
        for grants in _grants_of(tx, holders).values()
        for grant in grants
        if not grant.held_back
    }


def _grants_of(
    tx: Transaction, holders: Iterable[tuple[str, str]]
) -> dict[tuple[str, str], list[RoleGrant]]:
    """Find the grants of members; other subjects hold none, and are not looked up."""
    members = {holder for holder in holders if tx.index.member(*holder) is not None}
    return Facts(tx.connection).role_grants_of(members)
