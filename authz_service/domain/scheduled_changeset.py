"""The facts as they are at an instant, with the changesets scheduled up to it applied."""

from collections.abc import Iterable
from typing import Any, assert_never

from authz_service.domain import comparison
from authz_service.domain.catalog import Permission, Plan, Role
from authz_service.domain.change import Fact, FactChange, ScheduledChangeset
from authz_service.domain.comparison import ObjectChange
from authz_service.domain.exception import TenantException
from authz_service.domain.grant import RoleGrant
from authz_service.domain.invitation import Invitation
from authz_service.domain.kept import Kept
from authz_service.domain.membership import Membership
from authz_service.domain.tenant import Tenant
from authz_service.domain.window import Instant


def in_force(facts: Iterable[Fact], at: Instant) -> list[Fact]:
    """Give the facts as they are at an instant: what was scheduled up to it is done."""
    facts = list(facts)
    scheduled = (fact for fact in facts if isinstance(fact, ScheduledChangeset))
    due = sorted((changeset for changeset in scheduled if changeset.at <= at), key=_place)
    if not due:
        return facts
    by_key = {_key(fact): fact for fact in facts}
    for changeset in due:
        del by_key[_key(changeset)]
        for change in changeset.changes:
            if change.before is not None:
                by_key.pop(_key(change.before), None)
            if change.after is not None:
                by_key[_key(change.after)] = change.after
    return list(by_key.values())


def objects_of(changeset: ScheduledChangeset) -> tuple[ObjectChange, ...]:
    """Name the objects that a changeset would change as things stand, and how."""
    return comparison.objects(c for c in changeset.changes if not _keeps_a_version(c))


def _keeps_a_version(change: FactChange) -> bool:
    """Tell what numbering adds: it was not asked for, and a preview does not show it."""
    created_or_deleted = None in (change.before, change.after)
    return created_or_deleted and isinstance(change.fact, Plan) and change.fact.is_kept


def _place(changeset: ScheduledChangeset) -> tuple[Instant, str]:
    return changeset.place


def _key(fact: Fact) -> tuple[Any, ...]:
    """Tell facts apart: no two that hold at once have the same key."""
    kind = type(fact).__name__
    match fact:
        case RoleGrant() as g:
            return kind, g.tenant, g.subject, g.role, g.scope, g.window, g.source, g.held_back
        case Membership(tenant=tenant, subject=subject):
            return kind, tenant, subject
        case Permission() | Role() | Plan() | Tenant() | Invitation() | TenantException():
            return kind, fact.id
        case ScheduledChangeset() | Kept():
            return kind, fact.id
        case _:
            assert_never(fact)
