"""What was scheduled, planned anew whenever something changes that could matter to it.

So the instant itself decides nothing: what was last planned is done, in memory and in the database
alike. What would be refused then is known before, and is shown with the reason.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import assert_never

from authz_service.domain import fingerprint
from authz_service.domain.audit import AuditRecord
from authz_service.domain.audit_changes import tenant_of
from authz_service.domain.call import Call
from authz_service.domain.catalog import Permission, Plan, Role
from authz_service.domain.change import Blocker, Fact, FactChange, ScheduledChangeset
from authz_service.domain.changeset import Changeset
from authz_service.domain.exception import TenantException
from authz_service.domain.grant import RoleGrant
from authz_service.domain.invitation import Invitation
from authz_service.domain.kept import Kept
from authz_service.domain.membership import Membership
from authz_service.domain.tenant import SYSTEM, Tenant
from authz_service.domain.window import FOREVER
from authz_service.engine.scheduled import due
from authz_service.errors import AuthzError, Internal, Unavailable
from authz_service.store.unit_of_work import Transaction, come_due, undone
from authz_service.usecases.changesets.commands import footprint, read
from authz_service.usecases.changesets.planning import planned
from authz_service.usecases.changesets.scheduling import settled, work_out


def replan(tx: Transaction, changes: Sequence[FactChange]) -> None:
    """Plan anew, after `changes`, what they could matter to, and all that comes after that.

    Each is planned on what those before it leave, as if its author applied it at the instant.
    """
    touched = {
        changeset.id for changeset in tx.index.scheduled.values() if _matter(changes, changeset)
    }
    if not touched:
        return
    with undone(tx) as world:
        moved = False
        for changeset in due(tx.index, (FOREVER, "")):
            now = _anew(world, changeset) if moved or changeset.id in touched else changeset
            if _differ(changeset, now):
                moved = True
                tx.change(changeset, now)
                record = AuditRecord(
                    "changeset.planned_anew",
                    SYSTEM,
                    (changeset.id,),
                    changeset,
                    now,
                    changeset.reason,
                )
                tx.record(record)
            world.index = come_due(world, now).after()


def _anew(world: Transaction, scheduled_changeset: ScheduledChangeset) -> ScheduledChangeset:
    call = Call(scheduled_changeset.by, reason=scheduled_changeset.reason)
    step = replace(world, call=call, now=scheduled_changeset.at, changes=[], records=[])
    concerned: list[str] = []
    try:
        changeset = read(scheduled_changeset.commands)
        plan = planned(step, changeset)
        concerned += (impact.tenant for impact in plan.impacts if impact.blocking)
        work_out(step, changeset, plan)
    except (Unavailable, Internal):
        raise
    except AuthzError as refusal:
        tenant = refusal.details.get("tenant") or next(iter(concerned), "")
        blocker = Blocker(refusal.reason, refusal.message, tenant)
        return replace(scheduled_changeset, changes=(), records=(), blocker=blocker)
    return replace(
        scheduled_changeset,
        changes=tuple(step.changes),
        records=settled(step.records, scheduled_changeset.at),
        blocker=None,
    )


def _differ(one: ScheduledChangeset, other: ScheduledChangeset) -> bool:
    """Tell whether two plans of one set do otherwise; the ids they would give do not count."""
    if one is other:
        return False
    before, after = map(fingerprint.digest_of_changes, (one.changes, other.changes))
    return before != after or one.blocker != other.blocker


def _matter(changes: Sequence[FactChange], scheduled: ScheduledChangeset) -> bool:
    """Tell whether changes could make a set do something else at its instant.

    Those of the catalogue, of who may change it, and of accounts that the set changes always could;
    those of any account, if they name what it deletes, or it takes from a role that it runs one.
    """
    tenants, going = {SYSTEM, *_tenants(scheduled)}, set(_deleted(read(scheduled.commands)))
    demoting = any(map(_demotes, scheduled.changes))
    for change in changes:
        if demoting and isinstance(change.before, Membership | RoleGrant):
            return True
        for fact in (change.before, change.after):
            if fact is None:
                continue
            if tenant_of(fact) in tenants or isinstance(fact, Role):
                return True
            if isinstance(fact, Tenant) and (going or scheduled.blocker):
                return True
            if going.intersection(_named(fact)):
                return True
    return False


def _tenants(scheduled: ScheduledChangeset) -> Iterator[str]:
    for change in scheduled.changes:
        yield tenant_of(change.fact)
    for command in read(scheduled.commands).commands:
        yield command.content.tenant or SYSTEM
    if scheduled.blocker is not None:
        yield scheduled.blocker.tenant


def _deleted(changeset: Changeset) -> Iterator[str]:
    for command in changeset.commands:
        yield from (name for _, _, name in footprint(command).deletes)


def _named(fact: Fact) -> Iterator[str]:
    """Iterate over the definitions that an account's fact names."""
    match fact:
        case RoleGrant(role=role):
            yield role
        case Invitation(roles=roles):
            yield from roles
        case TenantException(permissions=permissions):
            yield from permissions
        case Permission() | Role() | Plan() | Tenant() | Membership():
            return
        case ScheduledChangeset() | Kept():
            return
        case _:
            assert_never(fact)


def _demotes(change: FactChange) -> bool:
    return _of_admins(change.before) and not _of_admins(change.after)


def _of_admins(fact: Fact | None) -> bool:
    return isinstance(fact, Role) and fact.admin
