"""What a set of changes comes to: each step checked as if the steps before it were made.

Nothing is written here. The same steps run for a preview and for the change itself, so that what
is applied is what was shown.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

from authz_service.domain.audit import AuditRecord
from authz_service.domain.catalog import Permission, Plan, Role
from authz_service.domain.change import FactChange
from authz_service.domain.changeset import (
    AnyChange,
    Changeset,
    Delete,
    EndException,
    Except,
    Give,
    HoldAddOn,
    MoveToTier,
    Put,
    Revoke,
)
from authz_service.domain.policy_set import EMPTY
from authz_service.engine import laws
from authz_service.engine.builder import Builder
from authz_service.engine.impact import TenantImpact, tenant_impacts
from authz_service.engine.index import Index
from authz_service.errors import AuthzError, ErrorReason, FailedPrecondition
from authz_service.store.unit_of_work import Transaction
from authz_service.usecases.catalog import apply_policy, bulk_delete
from authz_service.usecases.catalog.objects import Update
from authz_service.usecases.catalog.permissions import update_permission
from authz_service.usecases.catalog.plans import update_add_on, update_tier
from authz_service.usecases.catalog.roles import update_role
from authz_service.usecases.grants.exceptions import (
    CreateException,
    OneException,
    create_exception,
    delete_exception,
)
from authz_service.usecases.grants.role_grants import GrantRole, RevokeRole, grant_role, revoke_role
from authz_service.usecases.kernel.execution import ChangeCase
from authz_service.usecases.kernel.field_masks import WHOLE
from authz_service.usecases.tenants.onboarding import SetTier, set_tier
from authz_service.usecases.tenants.subscriptions import (
    AddAddOn,
    RemoveAddOn,
    add_add_on,
    remove_add_on,
)


@dataclass(frozen=True, slots=True)
class Planned:
    """What a set comes to, at the revision of `before`; `changes` in the order they are made."""

    before: Index
    after: Index
    changes: tuple[FactChange, ...]
    records: tuple[AuditRecord, ...]
    impacts: tuple[TenantImpact, ...]


def planned(tx: Transaction, command: Changeset) -> Planned:
    """Run every step at the transaction's head, and change nothing.

    Definitions are taken together and first, so that they may name each other; then where tenants
    stand, what ends, what begins, and last what is deleted, when all that outlives it has let go.

    Raises:
        AuthzError: the first step that is refused, as the call that makes it alone refuses it;
            the field at fault is that of the request: `changes[3].role_grant.subject`.
    """
    steps = _Steps(tx)
    definitions = command.policy()
    if definitions != EMPTY:
        steps.run(lambda step: apply_policy.put_all(step, definitions))
    for kinds in _ORDER:
        for at, change in enumerate(command.changes):
            if isinstance(change, kinds) and not _is_definition(change):
                steps.make(at, change)
    steps.remove({c: at for at, c in enumerate(command.changes) if isinstance(c, Delete)})
    _require_owners_kept(tx, steps.changes)
    found = tenant_impacts(tx.index, steps.index, tx.now)
    return Planned(tx.index, steps.index, tuple(steps.changes), tuple(steps.records), found)


_ORDER: Final[tuple[tuple[type, ...], ...]] = (
    (Put,),
    (MoveToTier, HoldAddOn),
    (Revoke, EndException),
    (Give, Except),
)


def _is_definition(change: AnyChange) -> bool:
    return isinstance(change, Put) and not (isinstance(change.fact, Role) and change.fact.tenant)


def _require_owners_kept(tx: Transaction, changes: list[FactChange]) -> None:
    """Refuse what the law of rosters refuses, but for the last admin: that is a impact."""
    try:
        laws.require_kept(tx.index, changes, tx.now)
    except FailedPrecondition as refusal:
        if refusal.reason is not ErrorReason.LAST_ADMIN:
            raise


class _Steps:
    """The steps made so far, and the index as they leave it."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx
        self.index = tx.index
        self.changes: list[FactChange] = []
        self.records: list[AuditRecord] = []

    def make(self, at: int, change: AnyChange) -> None:
        case, request, place = _call(change)
        try:
            self.run(lambda step: case.body(step, request))
        except AuthzError as refusal:
            refusal.field = f"changes[{at}].{place}{refusal.field}"
            raise

    def remove(self, waiting: dict[Delete, int]) -> None:
        """Make the deletions, each as soon as no other one names what it deletes."""
        while waiting:
            change = bulk_delete.next_to_go(self.index, waiting)
            at = waiting.pop(change)
            try:
                self.run(partial(bulk_delete.remove, command=change))
            except AuthzError as refusal:
                refusal.field = f"changes[{at}].delete.{refusal.field}"
                raise

    def run(self, body: Callable[[Transaction], object]) -> None:
        """Let a use case believe that the steps so far are made, and keep what it does."""
        step = replace(self._tx, index=self.index, changes=[], records=[], answer=None)
        body(step)
        builder = Builder(self.index)
        for change in step.changes:
            builder.change(change)
        self.index = builder.finish(self._tx.index.revision)
        self.changes += step.changes
        self.records += step.records


def right_of(command: AnyChange) -> tuple[str, str]:
    """Name the right that a change takes by itself, and the tenant it is asked for."""
    match command:
        case Put(fact=Permission()):
            return update_permission.right, ""
        case Put(fact=Plan() as plan):
            return (update_tier if plan.kind == "tier" else update_add_on).right, ""
        case Delete():
            request = bulk_delete.request(command)
            return bulk_delete.CASES[command.kind].right, request.tenant
    case, request, _ = _call(command)
    return case.right, request.tenant


def _call(change: AnyChange) -> tuple[ChangeCase[Any, Any], Any, str]:
    """Give the use case that makes a change alone, its request, and where a request has it."""
    match change:
        case Put(fact=Role() as role):
            return update_role, Update(object=role, mask=(WHOLE,), allow_missing=True), ""
        case Give(grant=grant):
            return grant_role, GrantRole(grant=grant), ""
        case Except(exception=exception):
            return create_exception, CreateException(exception=exception), ""
        case Revoke(tenant, subject, role, scope, source):
            request = RevokeRole(
                tenant=tenant, subject=subject, role=role, scope=scope, source=source
            )
            return revoke_role, request, "revoke_role."
        case EndException(tenant, id_):
            return delete_exception, OneException(tenant=tenant, id=id_), "end_exception."
        case MoveToTier(tenant, tier):
            return set_tier, SetTier(tenant=tenant, tier=tier), "set_tier."
        case HoldAddOn(tenant, add_on, held):
            if held:
                return add_add_on, AddAddOn(tenant=tenant, add_on=add_on), "set_add_on."
            return remove_add_on, RemoveAddOn(tenant=tenant, add_on=add_on), "set_add_on."
    raise TypeError(f"{type(change).__name__} is made with others of its kind")
