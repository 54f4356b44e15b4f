"""Random changesets on random worlds: most can be made, some must be refused."""

from dataclasses import replace
from random import Random
from typing import Final, TypeVar

from authz_service.domain.catalog import ADD_ON, TIER, Permission, Plan, Role
from authz_service.domain.change import Fact
from authz_service.domain.changeset import Changeset, ChangesetCommand
from authz_service.domain.exception import TenantException
from authz_service.domain.grant import RoleGrant
from authz_service.domain.membership import Membership
from authz_service.domain.tenant import Tenant
from tests.changesets import (
    ObjectKind,
    delete,
    end_exception,
    except_,
    give,
    hold_add_on,
    move_to_tier,
    put,
    revoke,
)
from tests.differential.history import History, key
from tests.differential.making import ADD_ONS, INSTANTS, Making
from tests.differential.worlds import World

NOW: Final = INSTANTS[1]

F = TypeVar("F", Permission, Role, Plan, Tenant, Membership, RoleGrant, TenantException)


class Drawing:
    """Draws changesets about the facts of a world."""

    def __init__(self, made: World, facts: tuple[Fact, ...]) -> None:
        self.random = Random(f"changes {made.seed}")
        self._facts = facts
        self._making = Making(self.random, History({key(fact): fact for fact in facts}))
        self._making.tenants, self._making.subjects = made.tenants, made.subjects
        self._making.roles = tuple(r.id for r in self._of(Role) if not r.tenant)
        self._making.tiers = tuple(p.id for p in self._of(Plan) if p.id.startswith(TIER))

    def change_set(self) -> Changeset:
        drawing = (
            self._put_role, self._put_plan, self._put_permission, self._put_own_role, self._give,
            self._revoke, self._except, self._end, self._move, self._hold, self._delete,
        )  # fmt: skip
        count = self.random.randint(1, 4)
        drawn = (self.random.choice(drawing)() for _ in range(count))
        return Changeset(tuple(change for change in drawn if change is not None))

    def _put_role(self) -> ChangesetCommand:
        return put(self._making._role(self.random.choice(self._making.roles)))

    def _put_plan(self) -> ChangesetCommand:
        plan = self._making._plan(self.random.choice((*self._making.tiers, *ADD_ONS)))
        internal = {p.id for p in self._of(Permission) if p.internal}
        declared = {p.id for p in self._of(Permission)}
        return put(
            replace(
                plan,
                permissions=(plan.permissions - internal) & declared,
                assignable_roles=frozenset(self._making.roles),
            )
        )

    def _put_permission(self) -> ChangesetCommand:
        return put(self.random.choice(self._of(Permission)))

    def _put_own_role(self) -> ChangesetCommand:
        tenant = self.random.choice(self._of(Tenant))
        return put(self._making._own_role(tenant.id, self.random.choice(self._making.roles)))

    def _give(self) -> ChangesetCommand:
        member = self.random.choice(
            [m for m in self._of(Membership) if not m.subject.startswith("staff:")]
        )
        return give(self._making._grant(member.tenant, member.subject))

    def _revoke(self) -> ChangesetCommand | None:
        grants = self._of(RoleGrant)
        if not grants:
            return None
        grant = self.random.choice(grants)
        source = self.random.choice((None, grant.source))
        return revoke(grant.tenant, grant.subject, grant.role, grant.scope, source)

    def _except(self) -> ChangesetCommand:
        drawn = self._making._exception(self.random.choice(self._of(Tenant)).id)
        return except_(replace(drawn, id="", reason="agreed", approver="user:boss"))

    def _end(self) -> ChangesetCommand | None:
        exceptions = self._of(TenantException)
        if not exceptions:
            return None
        held = self.random.choice(exceptions)
        return end_exception(held.tenant, held.id)

    def _move(self) -> ChangesetCommand:
        tenant = self.random.choice(self._of(Tenant))
        return move_to_tier(tenant.id, self.random.choice(self._making.tiers).removeprefix(TIER))

    def _hold(self) -> ChangesetCommand:
        tenant = self.random.choice(self._of(Tenant))
        add_on = self.random.choice(ADD_ONS).removeprefix(ADD_ON)
        return hold_add_on(tenant.id, add_on, held=self.random.random() < 0.5)

    def _delete(self) -> ChangesetCommand:
        roles, tiers = self._making.roles, self._making.tiers
        if self.random.random() < 0.5:
            return self._without(ObjectKind.ROLE, roles)
        return self._without(ObjectKind.TIER, tuple(t.removeprefix(TIER) for t in tiers))

    def _without(self, kind: ObjectKind, names: tuple[str, ...]) -> ChangesetCommand:
        gone, other = self.random.choice(names), self.random.choice(names)
        return delete(kind, gone, other if self.random.random() < 0.7 else "")

    def _of(self, kind: type[F]) -> list[F]:
        return [fact for fact in self._facts if isinstance(fact, kind)]
