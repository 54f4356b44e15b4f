"""Any number of changes that are looked at, and then made, as one."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

from authz_service.domain.catalog import ADD_ON, TIER, Permission, Plan, Role
from authz_service.domain.exception import TenantException
from authz_service.domain.grant import GrantSource, RoleGrant
from authz_service.domain.policy_set import PolicySet
from authz_service.errors import ErrorReason, InvalidArgument

MAX_CHANGES: Final = 10_000
"""Changes in one set: enough for every definition of a large product."""


class ObjectKind(StrEnum):
    """What can be put into a policy and taken out of it."""

    PERMISSION = "permission"
    ROLE = "role"
    TIER = "tier"
    ADD_ON = "add-on"


@dataclass(frozen=True, slots=True)
class Put:
    """Make a definition, or replace the one that has its id."""

    fact: Permission | Role | Plan


@dataclass(frozen=True, slots=True)
class Delete:
    """Take a definition out. Whoever has it gets `replacement` in its stead, if one is named."""

    kind: ObjectKind
    id: str
    replacement: str = ""


@dataclass(frozen=True, slots=True)
class Give:
    """Grant a role to a member."""

    grant: RoleGrant


@dataclass(frozen=True, slots=True)
class Revoke:
    """End every grant of the role on this very scope; `source` None means from any source."""

    tenant: str
    subject: str
    role: str
    scope: str = ""
    source: GrantSource | None = None


@dataclass(frozen=True, slots=True)
class Except:
    """Make an exception for one tenant."""

    exception: TenantException


@dataclass(frozen=True, slots=True)
class EndException:
    """End an exception."""

    tenant: str
    id: str


@dataclass(frozen=True, slots=True)
class MoveToTier:
    """Let a tenant hold a tier, and no other."""

    tenant: str
    tier: str


@dataclass(frozen=True, slots=True)
class HoldAddOn:
    """Let a tenant hold an add-on from now on or, with `held` false, no longer."""

    tenant: str
    add_on: str
    held: bool = True


AnyChange: TypeAlias = Put | Delete | Give | Revoke | Except | EndException | MoveToTier | HoldAddOn


@dataclass(frozen=True, slots=True)
class Changeset:
    """Changes in no order: the service takes definitions first, deletions last."""

    changes: tuple[AnyChange, ...] = ()

    def policy(self) -> PolicySet:
        """Collect the definitions put that are not a tenant's own."""
        facts = [change.fact for change in self.changes if isinstance(change, Put)]
        return PolicySet(
            tuple(fact for fact in facts if isinstance(fact, Permission)),
            tuple(fact for fact in facts if isinstance(fact, Role) and not fact.tenant),
            tuple(f for f in facts if isinstance(f, Plan) and not f.id.startswith(ADD_ON)),
            tuple(f for f in facts if isinstance(f, Plan) and f.id.startswith(ADD_ON)),
        )


def checked(command: Changeset) -> Changeset:
    """Return the set if each thing in it is changed once.

    Raises:
        InvalidArgument: BATCH_TOO_LARGE; INVALID_FIELD, if it is empty; CHANGES_COLLIDE, if the
            outcome would depend on which of two changes came first.
    """
    count = len(command.changes)
    if not count:
        raise InvalidArgument(
            ErrorReason.INVALID_FIELD, "at least one change is required", field="changes"
        )
    if count > MAX_CHANGES:
        raise InvalidArgument(
            ErrorReason.BATCH_TOO_LARGE,
            f"{count} changes are more than the {MAX_CHANGES} that one set may hold; split it",
            field="changes",
            details={"limit": str(MAX_CHANGES)},
        )
    first: dict[str, int] = {}
    for at, change in enumerate(command.changes):
        for name in _claimed(change):
            if first.setdefault(name, at) != at:
                raise _collision(first[name], at, name)
    gone = {name: at for at, c in enumerate(command.changes) for name in _taken_away(c)}
    for at, change in enumerate(command.changes):
        for name in _relied_on(change):
            if name in gone:
                raise _collision(gone[name], at, name)
    return command


def _collision(one: int, other: int, name: str) -> InvalidArgument:
    first, second = sorted((one, other))
    return InvalidArgument(
        ErrorReason.CHANGES_COLLIDE,
        f"changes {first} and {second} both decide about {name}: keep one of them",
        field=f"changes[{second}]",
        details={"first": str(first), "second": str(second)},
    )


def _claimed(change: AnyChange) -> Iterator[str]:
    """Name what a change decides about: two changes must not claim the same."""
    match change:
        case Put(fact=Permission(id=name)):
            yield f"permission {name}"
        case Put(fact=Role(id=name)):
            yield f"role {name}"
        case Put(fact=Plan(id=name)):
            yield _plan(name)
        case Delete(kind=kind, id=name):
            yield f"{kind} {name}"
        case Give(grant=g):
            yield f"the grant of {g.role} on {g.scope or 'all'} of {g.tenant} to {g.subject}"
        case Revoke():
            where = f"{change.scope or 'all'} of {change.tenant}"
            yield f"the grant of {change.role} on {where} to {change.subject}"
        case EndException(id=name):
            yield f"exception {name}"
        case MoveToTier(tenant=tenant):
            yield f"the tier of {tenant}"
        case HoldAddOn(tenant=tenant, add_on=name):
            yield f"add-on {name} of {tenant}"


def _taken_away(change: AnyChange) -> Iterator[str]:
    match change:
        case Delete(kind=kind, id=name, replacement=other):
            yield f"{kind} {name}"
            if kind is ObjectKind.ROLE and other:
                yield from (f"the grants of role {each}" for each in (name, other))


def _relied_on(change: AnyChange) -> Iterator[str]:
    """Name what a change needs to be there after it."""
    match change:
        case Delete(kind=kind, replacement=name) if name:
            yield f"{kind} {name}"
        case Give(grant=grant):
            yield f"role {grant.role}"
            yield f"the grants of role {grant.role}"
        case Revoke(role=role):
            yield f"the grants of role {role}"
        case MoveToTier(tier=name):
            yield f"tier {name}"
        case HoldAddOn(add_on=name, held=True):
            yield f"add-on {name}"


def _plan(plan_id: str) -> str:
    if plan_id.startswith(ADD_ON):
        return f"add-on {plan_id.removeprefix(ADD_ON)}"
    return f"tier {plan_id.removeprefix(TIER)}"
