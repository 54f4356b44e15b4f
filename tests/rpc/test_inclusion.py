"""Roles include roles and tiers extend tiers, seven deep and never in a circle."""

import pytest

from authz_service.errors import ErrorReason
from authz_service.gen.authz.v1 import role_pb2, tier_pb2
from tests.changesets import previewing, puts
from tests.rpc.account import GRANT, Account
from tests.rpc.conftest import fresh_name
from tests.rpc.harness import Server
from tests.services import PUT


@pytest.fixture
def stem() -> str:
    return fresh_name("link")


def role(stem: str, at: int, *includes: str) -> role_pb2.UpdateRoleRequest:
    return role_pb2.UpdateRoleRequest(
        **PUT, role=role_pb2.Role(id=f"{stem}-{at}", includes=includes)
    )


def tier(stem: str, at: int, extends: str = "") -> tier_pb2.UpdateTierRequest:
    return tier_pb2.UpdateTierRequest(**PUT, tier=tier_pb2.Tier(id=f"{stem}-{at}", extends=extends))


def chain_of_roles(server: Server, stem: str, length: int) -> None:
    """Put roles 1 to `length`, each including the one before."""
    for at in range(1, length + 1):
        included = (f"{stem}-{at - 1}",) if at > 1 else ()
        server.operator.roles.UpdateRole(role(stem, at, *included))


def chain_of_tiers(server: Server, stem: str, length: int) -> None:
    for at in range(1, length + 1):
        server.operator.tiers.UpdateTier(tier(stem, at, f"{stem}-{at - 1}" if at > 1 else ""))


def test_chain_of_seven_roles_works(server: Server, stem: str, account: Account) -> None:
    chain_of_roles(server, stem, 7)
    bottom = role_pb2.Role(id=f"{stem}-1", permissions=["invoices:view"])
    server.operator.roles.UpdateRole(role_pb2.UpdateRoleRequest(**PUT, role=bottom))
    top = tier_pb2.Tier(id=stem, extends="free", assignable_roles=[f"{stem}-7"])
    server.operator.tiers.UpdateTier(tier_pb2.UpdateTierRequest(**PUT, tier=top))
    account.onboard(stem, ada=[f"{stem}-7"])
    assert account.may("ada", "invoices:view")
    assert account.explain("ada", "invoices:view").allowed


def test_eighth_role_on_top_is_refused(server: Server, stem: str) -> None:
    chain_of_roles(server, stem, 7)
    server.refuses(
        role(stem, 8, f"{stem}-7"),
        ErrorReason.INCLUSION_TOO_DEEP,
        at="role.includes",
        says="include the needed names directly",
    )


def test_eighth_role_at_the_bottom_is_refused(server: Server, stem: str) -> None:
    chain_of_roles(server, stem, 7)
    server.operator.roles.UpdateRole(role(stem, 0))
    server.refuses(role(stem, 1, f"{stem}-0"), ErrorReason.INCLUSION_TOO_DEEP, at="role.includes")


def test_two_chains_of_roles_are_not_joined_to_one_that_is_too_long(
    server: Server, stem: str
) -> None:
    other = fresh_name("link")
    chain_of_roles(server, stem, 4)
    chain_of_roles(server, other, 4)
    server.refuses(role(stem, 1, f"{other}-4"), ErrorReason.INCLUSION_TOO_DEEP, at="role.includes")


def test_role_that_includes_itself_is_refused(server: Server, stem: str) -> None:
    request = role(stem, 1, f"{stem}-1")
    server.refuses(request, ErrorReason.INCLUSION_CYCLE, at="role.includes", says="circle")


def test_circle_of_roles_is_refused(server: Server, stem: str) -> None:
    chain_of_roles(server, stem, 3)
    request = role(stem, 1, f"{stem}-3")
    found = server.refuses(request, ErrorReason.INCLUSION_CYCLE, at="role.includes")
    assert all(f"{stem}-{at}" in found.message for at in (1, 2, 3))


def test_own_role_on_top_of_seven_is_refused(server: Server, stem: str, account: Account) -> None:
    account.onboard("enterprise")
    chain_of_roles(server, stem, 7)
    request = role_pb2.UpdateRoleRequest(
        **PUT, role=role_pb2.Role(id=f"{account.id}/x", includes=[f"{stem}-7"])
    )
    server.refuses(request, ErrorReason.INCLUSION_TOO_DEEP, at="role.includes")


def test_global_chain_that_grows_below_a_tenants_own_role_is_refused(
    server: Server, stem: str, account: Account
) -> None:
    account.onboard("enterprise")
    chain_of_roles(server, stem, 6)
    account.put_role("x", includes=(f"{stem}-6",))
    server.operator.roles.UpdateRole(role(stem, 0))
    server.refuses(role(stem, 1, f"{stem}-0"), ErrorReason.INCLUSION_TOO_DEEP, at="role.includes")


def test_policy_that_grows_below_a_tenants_own_role_is_refused(
    server: Server, stem: str, account: Account
) -> None:
    account.onboard("enterprise")
    chain_of_roles(server, stem, 6)
    account.put_role("x", includes=(f"{stem}-6",))
    grown = [role_pb2.Role(id=f"{stem}-0"), role_pb2.Role(id=f"{stem}-1", includes=[f"{stem}-0"])]
    request = previewing(puts(roles=grown))
    server.refuses(
        request,
        ErrorReason.INCLUSION_TOO_DEEP,
        at="changeset.commands[0].update_role.role.includes",
    )


def test_circle_of_a_tenants_own_roles_is_refused(account: Account) -> None:
    account.onboard("enterprise")
    account.put_role("x")
    account.put_role("y", includes=(f"{account.id}/x",))
    circle = role_pb2.Role(id=f"{account.id}/x", includes=[f"{account.id}/y"])
    request = role_pb2.UpdateRoleRequest(**PUT, role=circle)
    account.server.refuses(request, ErrorReason.INCLUSION_CYCLE, at="role.includes")


def test_global_role_that_includes_a_tenants_own_is_refused(
    server: Server, stem: str, account: Account
) -> None:
    account.onboard("enterprise")
    account.put_role("x", "invoices:view")
    request = role(stem, 1, f"{account.id}/x")
    server.refuses(request, ErrorReason.ROLE_NOT_FOUND, at="role.includes")


def test_own_role_that_includes_another_tenants_is_refused(account: Account) -> None:
    other = Account(account.server, f"{account.id}2")
    account.onboard("enterprise")
    other.onboard("enterprise")
    other.put_role("x")
    thief = role_pb2.Role(id=f"{account.id}/y", includes=[f"{other.id}/x"])
    request = role_pb2.UpdateRoleRequest(**PUT, role=thief)
    account.server.refuses(request, ErrorReason.ROLE_NOT_FOUND, at="role.includes")


def test_chain_of_seven_tiers_works(server: Server, stem: str, account: Account) -> None:
    chain_of_tiers(server, stem, 7)
    bottom = tier_pb2.Tier(id=f"{stem}-1", extends="", permissions=["invoices:view"])
    bottom.assignable_roles.append("viewer")
    server.operator.tiers.UpdateTier(tier_pb2.UpdateTierRequest(**PUT, tier=bottom))
    account.onboard(f"{stem}-7", ada=["viewer"])
    assert account.may("ada", "invoices:view")
    assert account.explain("ada", "invoices:view").allowed


def test_eighth_tier_is_refused_at_either_end(server: Server, stem: str) -> None:
    chain_of_tiers(server, stem, 7)
    server.operator.tiers.UpdateTier(tier(stem, 0))
    for request in (tier(stem, 8, f"{stem}-7"), tier(stem, 1, f"{stem}-0")):
        server.refuses(request, ErrorReason.INCLUSION_TOO_DEEP, at="tier.extends")


def test_circle_of_tiers_is_refused(server: Server, stem: str) -> None:
    chain_of_tiers(server, stem, 3)
    server.refuses(tier(stem, 1, f"{stem}-3"), ErrorReason.INCLUSION_CYCLE, at="tier.extends")
    server.refuses(tier(stem, 1, f"{stem}-1"), ErrorReason.INCLUSION_CYCLE, at="tier.extends")


def test_own_role_wider_than_its_tier_is_refused(account: Account) -> None:
    account.onboard("free")
    wide = role_pb2.Role(id=f"{account.id}/x", permissions=["invoices:view", "sso:configure"])
    found = account.server.refuses(
        role_pb2.UpdateRoleRequest(**PUT, role=wide),
        ErrorReason.ROLE_WIDER_THAN_TIER,
        at="role.permissions",
        says="leave out what is not entitled",
    )
    assert found.metadata == {"permissions": "sso:configure"}


@pytest.mark.parametrize("through", ["viewer", "own"])
def test_own_role_includes_what_reaches_past_its_tier_and_the_check_cuts_it(
    account: Account, through: str
) -> None:
    account.onboard("professional")
    included = "viewer"
    if through == "own":
        account.put_role("below", "reports:view", "invoices:view")
        included = f"{account.id}/below"
    account.set_tier("free")
    account.put_role("x", includes=(included,))
    account.add("emil", f"{account.id}/x")
    assert account.may("emil", "invoices:view")
    assert account.reason("emil", "reports:view") == "NOT_ENTITLED"
    account.set_tier("professional")
    assert account.may("emil", "reports:view")


@pytest.mark.parametrize("included", ["authz.provisioner", "authz.operator"])
def test_own_role_includes_no_rights_of_the_service_that_no_assignable_role_has(
    account: Account, included: str
) -> None:
    account.onboard("enterprise")
    wide = role_pb2.Role(id=f"{account.id}/x", includes=[included])
    found = account.server.refuses(
        role_pb2.UpdateRoleRequest(**PUT, role=wide),
        ErrorReason.ROLE_WIDER_THAN_TIER,
        at="role.permissions",
    )
    assert "authz.add_ons:get" in found.metadata["permissions"]
    assert "authz.members:add" not in found.metadata["permissions"]


def test_own_role_never_gives_more_than_the_tier_after_a_downgrade(account: Account) -> None:
    account.onboard("enterprise")
    account.put_role("x", "sso:configure")
    account.add("emil", f"{account.id}/x")
    account.set_tier("free")
    assert account.reason("emil", "sso:configure") == "NOT_ENTITLED"


def test_own_role_may_hold_what_an_exception_entitles_to(account: Account) -> None:
    account.onboard("free")
    account.except_(GRANT, "sso:configure")
    account.put_role("x", "sso:configure")


def test_own_role_with_a_permission_of_the_service_itself_is_refused(account: Account) -> None:
    account.onboard("enterprise")
    own = role_pb2.Role(id=f"{account.id}/x", permissions=["authz.keys:create"])
    request = role_pb2.UpdateRoleRequest(**PUT, role=own)
    account.server.refuses(request, ErrorReason.ROLE_WIDER_THAN_TIER, at="role.permissions")


def test_own_role_of_an_unknown_tenant_is_refused(server: Server) -> None:
    request = role_pb2.UpdateRoleRequest(**PUT, role=role_pb2.Role(id="nowhere/x"))
    server.refuses(request, ErrorReason.TENANT_NOT_FOUND, at="role.id")


def test_own_role_of_the_reserved_tenant_is_refused(server: Server) -> None:
    request = role_pb2.UpdateRoleRequest(**PUT, role=role_pb2.Role(id="system/x"))
    server.refuses(request, ErrorReason.TENANT_RESERVED, at="role.id")
