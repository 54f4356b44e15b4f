"""The service's own policy: what its release ships for callers, and what nobody else declares."""

from typing import Final

import pytest

from authz_service.domain import own_policy
from authz_service.domain.catalog import Permission, Plan, Role
from authz_service.domain.decision import Question
from authz_service.domain.grant import RoleGrant
from authz_service.domain.membership import Membership
from authz_service.domain.own_policy import NAME_ACTORS, OVERRIDE, PERMISSIONS, RIGHTS, ROLES
from authz_service.domain.policy_set import PolicySet
from authz_service.domain.policy_validation import violations
from authz_service.domain.tenant import SYSTEM, Tenant
from authz_service.engine.builder import build
from authz_service.engine.compiling import closure
from authz_service.engine.decide import decide
from authz_service.errors import ErrorReason
from authz_service.gen.access import ACCESS

BY_ID: Final = {role.id: role for role in ROLES}


def held(role: str) -> set[str]:
    return set[str]().union(*(each.permissions for each in closure(BY_ID, role)))


def test_every_role_holds_only_rights_that_there_are() -> None:
    assert set().union(*(role.permissions for role in ROLES)) <= RIGHTS.keys()
    assert all(role.includes <= BY_ID.keys() for role in ROLES)


def test_operator_may_do_everything() -> None:
    assert held("authz.operator") == RIGHTS.keys()


def test_auditor_holds_what_reads_and_nothing_that_changes() -> None:
    changing = {access.right for access in ACCESS.values() if access.changes}
    reading = {access.right for access in ACCESS.values()} - changing
    assert held("authz.auditor") == reading - {"authz.decisions:check"}
    assert "authz.audit:list" in held("authz.auditor")


def test_checker_asks_for_decisions_alone() -> None:
    assert held("authz.checker") == {"authz.decisions:check", "authz.decisions:explain"}


def test_product_neither_sells_nor_writes_roles_of_all_nor_makes_callers() -> None:
    product = held("authz.product")
    assert {NAME_ACTORS, "authz.members:add", "authz.role_grants:create"} <= product
    resources = {right.partition(":")[0] for right in product}
    assert not resources & {"authz.tenants", "authz.exceptions", "authz.keys", "authz.tiers"}
    assert {right for right in product if right.startswith("authz.roles:")} == {
        "authz.roles:get",
        "authz.roles:list",
    }


def test_provisioner_keeps_accounts_and_neither_callers_nor_policy() -> None:
    provisioner = held("authz.provisioner")
    tenants = {right for right in RIGHTS if right.startswith("authz.tenants:")}
    assert tenants <= provisioner
    assert OVERRIDE not in provisioner
    resources = {right.partition(":")[0] for right in provisioner}
    assert not resources & {"authz.keys", "authz.identities", "authz.exceptions", "authz.audit"}


def test_every_right_is_declared_internal_and_says_what_it_is_for() -> None:
    assert [permission.id for permission in PERMISSIONS] == sorted(RIGHTS)
    assert all(permission.internal and permission.description for permission in PERMISSIONS)
    assert {access.right for access in ACCESS.values()} <= RIGHTS.keys()


@pytest.mark.parametrize(
    ("policy", "field"),
    [
        (
            PolicySet(permissions=(Permission("authz.invoices:view"),)),
            "permissions.authz.invoices:view",
        ),
        (
            PolicySet(permissions=(Permission("authz.members:add", description="ours"),)),
            "permissions.authz.members:add",
        ),
        (PolicySet(roles=(Role("authz.mine"),)), "roles.authz.mine"),
        (PolicySet(roles=(Role("authz.operator"),)), "roles.authz.operator"),
    ],
)
def test_reserved_names_are_refused(policy: PolicySet, field: str) -> None:
    (violation,) = violations(policy)
    assert (violation.reason, violation.field) == (ErrorReason.NAME_RESERVED, field)
    assert "'authz.'" in violation.message


def test_own_policy_as_the_release_has_it_is_no_violation() -> None:
    assert list(violations(PolicySet(PERMISSIONS, ROLES))) == []


def test_product_declares_and_sells_what_is_named_as_the_services_own() -> None:
    names = tuple(name.removeprefix(own_policy.OWN) for name in RIGHTS)
    policy = PolicySet(
        permissions=tuple(map(Permission, names)),
        roles=tuple(Role(role.id.removeprefix(own_policy.OWN), frozenset(names)) for role in ROLES),
        tiers=(Plan("tier/internal", permissions=frozenset(names)),),
    )
    assert list(violations(policy)) == []


def test_role_may_hold_rights_of_the_service_and_include_its_roles_without_declaring_them() -> None:
    narrow = Role("support", frozenset({"authz.tenants:get"}), frozenset({"authz.checker"}))
    assert list(violations(PolicySet(roles=(narrow,)))) == []


@pytest.mark.parametrize(
    ("scopes", "right", "allowed"),
    [
        (("tenant:acme",), "authz.members:add", True),
        (("tenant:globex",), "authz.members:add", False),
        ((), "authz.tenants:list", False),
    ],
)
def test_caller_of_one_customer_works_for_that_customer_alone(
    scopes: tuple[str, ...], right: str, allowed: bool
) -> None:
    grant = RoleGrant(SYSTEM, "service:key", "authz.provisioner", "tenant:acme")
    index = build(
        [*PERMISSIONS, *ROLES, Tenant(SYSTEM), Membership(SYSTEM, "service:key"), grant], 1
    )
    question = Question(SYSTEM, "service:key", right, scopes)
    assert decide(index, question, 0).allowed is allowed
