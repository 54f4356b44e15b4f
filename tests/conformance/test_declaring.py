"""A start makes the service's own policy that of its release, and leaves what people made."""

from dataclasses import replace

import pytest

from authz_service.domain.audit import AuditRecord
from authz_service.domain.call import Call
from authz_service.domain.catalog import Permission, Plan, Role
from authz_service.domain.change import FactChange
from authz_service.domain.grant import RoleGrant
from authz_service.domain.membership import Membership
from authz_service.domain.own_policy import PERMISSIONS, ROLES
from authz_service.domain.policy_set import PolicySet
from authz_service.domain.tenant import SYSTEM
from authz_service.errors import ErrorReason, FailedPrecondition
from authz_service.store.unit_of_work import Transaction
from authz_service.usecases.bootstrap import seeding
from authz_service.usecases.bootstrap.declaring import SEEDER, declare, require_declared
from tests.conformance import ledger
from tests.conformance.store_world import StoreWorld

OLD = Permission("authz.fax:send", internal=True)
OLD_ROLE = Role("authz.faxer", frozenset({OLD.id}))
SUPPORT = Role("support", frozenset({OLD.id, "authz.tenants:get"}), frozenset({OLD_ROLE.id}))


@pytest.fixture
def seeded(store_world: StoreWorld) -> StoreWorld:
    seeding.seed(store_world.store, PolicySet())
    return store_world


def made_older(world: StoreWorld) -> None:
    """Make the own policy that of another release, with uses of what only that one had."""
    index = world.index
    operator = index.roles["authz.operator"].fact
    new = index.permissions["authz.keys:create"].fact
    fewer = replace(operator, permissions=operator.permissions - {new.id} | {OLD.id})
    world.commit(
        FactChange(None, OLD),
        FactChange(None, OLD_ROLE),
        FactChange(None, SUPPORT),
        FactChange(None, Plan("tier/own", assignable_roles=frozenset({"support", OLD_ROLE.id}))),
        FactChange(None, Membership(SYSTEM, "service:key-1")),
        FactChange(None, RoleGrant(SYSTEM, "service:key-1", OLD_ROLE.id, id="grant-1")),
        FactChange(operator, fewer),
        FactChange(new, None),
    )


def own(world: StoreWorld) -> tuple[list[Permission], list[Role]]:
    index = world.index
    permissions = [e.fact for n, e in sorted(index.permissions.items()) if n.startswith("authz.")]
    return permissions, [e.fact for n, e in sorted(index.roles.items()) if n.startswith("authz.")]


def shipped() -> tuple[list[Permission], list[Role]]:
    return list(PERMISSIONS), sorted(ROLES, key=lambda role: role.id)


def test_first_start_declares_the_own_policy(seeded: StoreWorld) -> None:
    assert own(seeded) == shipped()
    require_declared(seeded.index)


def test_nothing_happens_where_all_is_declared(seeded: StoreWorld) -> None:
    before = ledger.contents(seeded.database)
    assert declare(seeded.store, "start") == ()
    assert ledger.contents(seeded.database) == before


def test_database_of_another_release_becomes_that_of_this_one(seeded: StoreWorld) -> None:
    made_older(seeded)
    with pytest.raises(FailedPrecondition, match=r"authz\.keys:create") as refused:
        require_declared(seeded.index)
    assert refused.value.reason is ErrorReason.DATABASE_BEHIND
    changed = declare(seeded.store, "upgrade")
    assert changed == ("authz.fax:send", "authz.faxer", "authz.keys:create", "authz.operator")
    assert own(seeded) == shipped()
    ledger.assert_whole(seeded.database)


def test_what_people_made_loses_what_is_gone_and_nothing_else(seeded: StoreWorld) -> None:
    made_older(seeded)
    declare(seeded.store, "upgrade")
    support = seeded.index.roles["support"].fact
    assert support == Role("support", frozenset({"authz.tenants:get"}))
    assert seeded.index.plans["tier/own"].assignable_roles == {"support"}
    assert seeded.index.grants(SYSTEM, "service:key-1") == ()


def test_renewal_is_audited_as_the_services_own(seeded: StoreWorld) -> None:
    made_older(seeded)
    known = len(ledger.chains(seeded.database)[SYSTEM])
    declare(seeded.store, "upgrade")
    added = ledger.chains(seeded.database)[SYSTEM][known:]
    assert {entry.actor for entry in added} == {"service:authz"}
    assert "own_policy.declared" in {entry.action for entry in added}
    assert {entry.document["reason"] for entry in added} == {"upgrade"}


def test_role_that_an_operator_composed_is_left_alone(seeded: StoreWorld) -> None:
    role = Role("support", frozenset({"authz.tenants:get"}))

    def body(tx: Transaction) -> None:
        tx.change(None, role)
        tx.record(AuditRecord("role.put", SYSTEM, (role.id,)))

    seeded.run(body, Call(SEEDER))
    declare(seeded.store, "start")
    assert seeded.index.roles["support"].fact == role
