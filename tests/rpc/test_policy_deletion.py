"""What is in use is not deleted, unless a replacement steps in: then all of it moves."""

from typing import Any

import pytest

from authz_service.errors import ErrorReason
from authz_service.gen.authz.v1 import (
    add_on_pb2,
    moved_pb2,
    permission_pb2,
    role_grant_pb2,
    role_pb2,
    tier_pb2,
)
from tests import changesets
from tests.rpc.account import DENY, GRANT, Account, timestamp
from tests.rpc.conftest import fresh_name
from tests.rpc.harness import Server
from tests.rpc.trail import added, mark
from tests.services import PUT, request

FOREVER_AWAY = 4_000_000_000


@pytest.fixture
def account(any_server: Server, request: pytest.FixtureRequest) -> Account:
    """Name a tenant of each database in turn."""
    return Account(any_server, fresh_name(request.node.name))


def apply(account: Account, **definitions: Any) -> None:
    changesets.apply(account.operator.changesets, changesets.puts(**definitions))


def moved(answer: Any) -> dict[str, list[str]]:
    assert all(each.count == len(each.names) for each in answer.moved)
    return {
        moved_pb2.MovedKind.Name(each.kind).removeprefix("MOVED_KIND_"): list(each.names)
        for each in answer.moved
    }


def grants(account: Account) -> list[role_grant_pb2.RoleGrant]:
    request = role_grant_pb2.ListRoleGrantsRequest(tenant=account.id)
    return list(account.operator.role_grants.ListRoleGrants(request).role_grants)


@pytest.fixture
def world(account: Account) -> Account:
    """Define permissions, roles, tiers and add-ons that use each other, and an account in them."""
    n = account.id
    apply(
        account,
        permissions=[
            permission_pb2.Permission(id=f"{n}:old"),
            permission_pb2.Permission(id=f"{n}:new"),
            permission_pb2.Permission(id=f"{n}:legacy", deprecated=True, replaced_by=f"{n}:old"),
        ],
        roles=[
            role_pb2.Role(id=f"{n}-old", permissions=[f"{n}:old"]),
            role_pb2.Role(id=f"{n}-new", permissions=[f"{n}:new"]),
            role_pb2.Role(id=f"{n}-boss", includes=[f"{n}-old"]),
        ],
        tiers=[
            tier_pb2.Tier(
                id=f"{n}-old", permissions=[f"{n}:old"], assignable_roles=[f"{n}-old", f"{n}-boss"]
            ),
            tier_pb2.Tier(id=f"{n}-new", extends="free", permissions=[f"{n}:old", f"{n}:new"]),
            tier_pb2.Tier(id=f"{n}-top", extends=f"{n}-old"),
        ],
        add_ons=[
            add_on_pb2.AddOn(id=f"{n}-old", permissions=[f"{n}:old"]),
            add_on_pb2.AddOn(id=f"{n}-new"),
        ],
    )
    account.onboard(f"{n}-old", ada=[f"{n}-old"], vera=[])
    account.put_role("clerk", f"{n}:old")
    return account


def delete(kind: str, name: str, replacement: str = "", **fields: Any) -> Any:
    return request(f"Delete{kind}", id=name, replacement=replacement, **fields)


def test_permission_in_use_is_not_deleted_and_its_users_are_named(world: Account) -> None:
    n = world.id
    exception = world.except_(GRANT, f"{n}:old")
    found = world.server.refuses(
        delete("Permission", f"{n}:old"), ErrorReason.STILL_IN_USE, at="id", says="replacement"
    )
    assert found.metadata == {
        "permission": f"1: {n}:legacy",
        "role": f"2: {n}-old, {n}/clerk",
        "tier": f"2: {n}-old, {n}-new",
        "add-on": f"1: {n}-old",
        "exception": f"1: {n}/{exception.id}",
    }


def test_permission_is_replaced_wherever_it_is_used(world: Account) -> None:
    n = world.id
    exception = world.except_(DENY, f"{n}:old", subject="user:vera")
    assert world.may("ada", f"{n}:old")
    before = mark(world.server)
    request = delete("Permission", f"{n}:old", f"{n}:new", reason="renamed")
    answer = world.operator.permissions.DeletePermission(request)
    assert moved(answer) == {
        "PERMISSION": [f"{n}:legacy"],
        "ROLE": [f"{n}-old", f"{n}/clerk"],
        "TIER": [f"{n}-old", f"{n}-new"],
        "ADD_ON": [f"{n}-old"],
        "EXCEPTION": [f"{n}/{exception.id}"],
    }
    assert world.may("ada", f"{n}:new")
    assert world.reason("ada", f"{n}:old") == "UNKNOWN_PERMISSION"
    assert world.reason("vera", f"{n}:new") == "DENIED_BY_EXCEPTION"
    actions = [entry["action"] for entry in added(world.server, before)]
    assert sorted(a for a in actions if not a.startswith(("decisions", "tier.version"))) == [
        "add_on.updated",
        "exception.moved",
        "permission.deleted",
        "permission.updated",
        *["role.updated"] * 2,
        *["tier.updated"] * 2,
    ]


def test_trying_a_deletion_tells_the_whole_effect_and_changes_nothing(world: Account) -> None:
    n = world.id
    request = delete("Permission", f"{n}:old", f"{n}:new", validate_only=True)
    before = world.server.footprint()
    tried = world.operator.permissions.DeletePermission(request)
    assert world.server.footprint() == before
    request.validate_only = False
    done = world.operator.permissions.DeletePermission(request)
    assert (tried.moved, tried.permission) == (done.moved, done.permission)


def test_permission_that_nothing_uses_is_deleted(world: Account) -> None:
    world.operator.permissions.DeletePermission(delete("Permission", f"{world.id}:legacy"))
    request = permission_pb2.GetPermissionRequest(id=f"{world.id}:legacy")
    world.server.refuses(request, ErrorReason.PERMISSION_NOT_FOUND, at="id")


def test_role_in_use_is_not_deleted(world: Account) -> None:
    n = world.id
    found = world.server.refuses(delete("Role", f"{n}-old"), ErrorReason.STILL_IN_USE, at="id")
    assert found.metadata == {
        "role": f"1: {n}-boss", "tier": f"1: {n}-old", "role_grant": f"1: {n}/user:ada",
    }  # fmt: skip


def test_grants_move_with_their_id_window_scope_and_source(world: Account) -> None:
    n = world.id
    until = timestamp(FOREVER_AWAY)
    world.grant("vera", f"{n}-old", "project:42", valid_until=until, reason="audit",
                source=role_grant_pb2.GRANT_SOURCE_SCIM)  # fmt: skip
    before = {each.id: each for each in grants(world)}
    answer = world.operator.roles.DeleteRole(delete("Role", f"{n}-old", f"{n}-new"))
    assert moved(answer) == {
        "ROLE": [f"{n}-boss"],
        "TIER": [f"{n}-old"],
        "ROLE_GRANT": [f"{n}/user:ada", f"{n}/user:vera"],
    }
    after = {each.id: each for each in grants(world)}
    for grant in before.values():
        grant.role = f"{n}-new"
        grant.revision = after[grant.id].revision
    assert after == before


def test_grant_that_is_held_already_is_not_held_twice(world: Account) -> None:
    n = world.id
    tier = tier_pb2.Tier(
        id=f"{n}-old", permissions=[f"{n}:old", f"{n}:new"],
        assignable_roles=[f"{n}-old", f"{n}-boss", f"{n}-new"],
    )  # fmt: skip
    apply(world, tiers=[tier])
    world.grant("ada", f"{n}-new")
    world.operator.roles.DeleteRole(delete("Role", f"{n}-old", f"{n}-new"))
    assert [each.role for each in grants(world)] == [f"{n}-new"]
    assert world.may("ada", f"{n}:new")


def test_role_is_not_replaced_by_one_that_cannot_be_granted_there(world: Account) -> None:
    n = world.id
    tier = tier_pb2.Tier(id=f"{n}-old", assignable_roles=[f"{n}-boss"])
    apply(world, tiers=[tier])
    world.server.refuses(
        delete("Role", f"{n}-old", f"{n}-new"), ErrorReason.ROLE_NOT_ASSIGNABLE, at="replacement"
    )


def test_role_is_not_replaced_by_one_that_includes_it(world: Account) -> None:
    n = world.id
    request = delete("Role", f"{n}-old", f"{n}-boss")
    world.server.refuses(request, ErrorReason.INCLUSION_CYCLE, at="replacement")


def test_chain_through_an_own_role_does_not_become_too_long(world: Account) -> None:
    n = world.id
    chain = [f"{n}-{at}" for at in range(7)]
    apply(
        world,
        roles=[
            role_pb2.Role(id=name, includes=chain[at + 1 : at + 2]) for at, name in enumerate(chain)
        ],
    )
    world.put_role("lead", includes=(f"{n}-old",))
    apply(world, roles=[role_pb2.Role(id=f"{n}-boss")])
    request = delete("Role", f"{n}-old", chain[0])
    world.server.refuses(request, ErrorReason.INCLUSION_TOO_DEEP, at="replacement")


def test_own_role_includes_a_replacement_that_reaches_past_its_tier(world: Account) -> None:
    n = world.id
    apply(world, roles=[role_pb2.Role(id=f"{n}-wide", permissions=["sso:configure"])])
    world.put_role("lead", includes=(f"{n}-old",))
    request = delete("Role", f"{n}-old", f"{n}-wide")
    request.validate_only = True
    world.operator.call(request)


def test_own_role_is_replaced_by_its_tenants_own_or_a_global_one(world: Account) -> None:
    n = world.id
    world.grant("vera", f"{n}/clerk")
    foreign = Account(world.server, f"{n}-x")
    foreign.onboard("free")
    foreign.put_role("clerk", "invoices:view")
    world.server.refuses(
        delete("Role", f"{n}/clerk", f"{n}-x/clerk"), ErrorReason.INVALID_FIELD, at="replacement"
    )
    answer = world.operator.roles.DeleteRole(delete("Role", f"{n}/clerk", f"{n}-old"))
    assert moved(answer) == {"ROLE_GRANT": [f"{n}/user:vera"]}


def test_replacement_leaves_every_account_its_admin(world: Account) -> None:
    n = world.id
    roles = [role_pb2.Role(id=f"{n}-{name}", admin=True) for name in ("chief", "head")]
    assignable = [f"{n}-old", f"{n}-chief", f"{n}-head"]
    tier = tier_pb2.Tier(id=f"{n}-old", permissions=[f"{n}:old"], assignable_roles=assignable)
    apply(world, roles=roles, tiers=[tier])
    world.grant("vera", f"{n}-chief")
    world.server.refuses(delete("Role", f"{n}-chief", f"{n}-old"), ErrorReason.LAST_ADMIN)
    answer = world.operator.roles.DeleteRole(delete("Role", f"{n}-chief", f"{n}-head"))
    assert moved(answer) == {"TIER": [f"{n}-old"], "ROLE_GRANT": [f"{n}/user:vera"]}


def test_role_of_keys_is_not_replaced_here(world: Account) -> None:
    n = world.id
    composed = role_pb2.Role(id=f"{n}-support", permissions=["authz.tenants:get"])
    world.operator.roles.UpdateRole(role_pb2.UpdateRoleRequest(**PUT, role=composed))
    world.server.new_key(composed.id)
    request = delete("Role", composed.id, "authz.operator")
    world.server.refuses(request, ErrorReason.TENANT_RESERVED, at="replacement")


def test_ended_grants_do_not_keep_a_role(world: Account) -> None:
    n = world.id
    world.revoke("ada", f"{n}-old")
    world.grant("vera", f"{n}-old", valid_until=timestamp(1))
    found = world.server.refuses(delete("Role", f"{n}-old"), ErrorReason.STILL_IN_USE, at="id")
    assert set(found.metadata) == {"role", "tier"}


def test_tier_in_use_is_not_deleted(world: Account) -> None:
    n = world.id
    found = world.server.refuses(delete("Tier", f"{n}-old"), ErrorReason.STILL_IN_USE, at="id")
    assert found.metadata == {"tier": f"1: {n}-top", "tenant": f"1: {n}"}


def test_tenants_and_tiers_move_to_another_tier(world: Account) -> None:
    n = world.id
    answer = world.operator.tiers.DeleteTier(delete("Tier", f"{n}-old", f"{n}-new"))
    assert moved(answer) == {"TIER": [f"{n}-top"], "TENANT": [n]}
    assert world.entitlements().tier == f"{n}-new"
    top = world.operator.tiers.GetTier(tier_pb2.GetTierRequest(id=f"{n}-top")).tier
    assert top.extends == f"{n}-new"


def test_tier_is_not_replaced_by_one_that_extends_it(world: Account) -> None:
    n = world.id
    request = delete("Tier", f"{n}-old", f"{n}-top")
    world.server.refuses(request, ErrorReason.INCLUSION_CYCLE, at="replacement")


def test_tier_is_not_replaced_by_one_narrower_than_an_own_role(world: Account) -> None:
    request = delete("Tier", f"{world.id}-old", "free")
    found = world.server.refuses(request, ErrorReason.ROLE_WIDER_THAN_TIER, at="replacement")
    assert found.metadata == {"permissions": f"{world.id}:old"}


def test_offboarded_tenants_do_not_keep_a_tier(world: Account) -> None:
    n = world.id
    world.operator.tiers.DeleteTier(delete("Tier", f"{n}-top"))
    world.offboard()
    world.operator.tiers.DeleteTier(delete("Tier", f"{n}-old"))


def test_add_on_that_nobody_holds_is_deleted(world: Account) -> None:
    world.operator.add_ons.DeleteAddOn(delete("AddOn", f"{world.id}-old"))
    request = add_on_pb2.GetAddOnRequest(id=f"{world.id}-old")
    world.server.refuses(request, ErrorReason.ADD_ON_NOT_FOUND, at="id")


@pytest.mark.parametrize("kind", ["Permission", "Role", "Tier", "AddOn"])
def test_nothing_replaces_itself_and_only_what_exists_replaces(world: Account, kind: str) -> None:
    name = f"{world.id}:old" if kind == "Permission" else f"{world.id}-old"
    request = delete(kind, name, name)
    world.server.refuses(request, ErrorReason.INVALID_FIELD, at="replacement")
    reason = ErrorReason(f"{'ADD_ON' if kind == 'AddOn' else kind.upper()}_NOT_FOUND")
    nothing = "no:such" if kind == "Permission" else "no-such"
    world.server.refuses(delete(kind, name, nothing), reason, at="replacement")


def test_internal_permission_replaces_none_that_is_sold(world: Account) -> None:
    n = world.id
    apply(world, permissions=[permission_pb2.Permission(id=f"{n}:hidden", internal=True)])
    request = delete("Permission", f"{n}:old", f"{n}:hidden")
    world.server.refuses(request, ErrorReason.INVALID_FIELD, at="replacement", says="is internal")


def test_deprecated_permission_replaces_none(world: Account) -> None:
    n = world.id
    apply(world, permissions=[permission_pb2.Permission(id=f"{n}:gone", deprecated=True)])
    request = delete("Permission", f"{n}:old", f"{n}:gone")
    world.server.refuses(request, ErrorReason.PERMISSION_DEPRECATED, at="replacement")
