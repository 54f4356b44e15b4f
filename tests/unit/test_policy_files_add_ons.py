"""Add-ons, admin roles and deprecation in policy files."""

import pytest

from authz_service.domain.catalog import Feature, FeatureKind, Limit, Permission, Plan, Role
from authz_service.domain.policy_set import PolicySet
from authz_service.policyfiles import policy_files
from authz_service.policyfiles.problem import PolicyFileError

CATALOGUE = """\
permissions:
  doc:read: {}
  doc:open: {deprecated: true, replaced_by: doc:read}
  doc:wipe: {internal: true}
"""
ROLES = "roles:\n  boss: {admin: true, permissions: [doc:read]}\n"
TIERS = "tiers: {}\n"
ADD_ONS = """\
add_ons:
  audit:
    description: For auditors
    permissions: [doc:open]
    features: {retention: {text: 10-years, rank: 3}}
    limits:
      seats: {value: 5, unit: seat}
    assignable_roles: [boss]
"""
POLICY = PolicySet(
    (
        Permission("doc:read"),
        Permission("doc:open", deprecated=True, replaced_by="doc:read"),
        Permission("doc:wipe", internal=True),
    ),
    (Role("boss", frozenset({"doc:read"}), admin=True),),
    (),
    (
        Plan(
            "addon/audit",
            permissions=frozenset({"doc:open"}),
            features=(Feature("retention", "10-years", FeatureKind.TEXT, 3),),
            limits=(Limit("seats", 5, "seat"),),
            assignable_roles=frozenset({"boss"}),
            description="For auditors",
        ),
    ),
)


def texts(**changed: str) -> dict[str, str]:
    given = {"catalogue": CATALOGUE, "roles": ROLES, "tiers": TIERS, "addons": ADD_ONS} | changed
    return {f"{name}.yaml": text for name, text in given.items() if text}


def problem(**changed: str) -> str:
    with pytest.raises(PolicyFileError) as raised:
        policy_files.read(texts(**changed))
    (found,) = raised.value.problems
    return str(found)


def test_files_with_add_ons_are_read_as_they_stand() -> None:
    assert policy_files.read(texts()) == POLICY


def test_what_is_written_is_read_back() -> None:
    assert policy_files.read(policy_files.write(POLICY)) == POLICY


def test_limit_of_one_name_has_one_unit_in_tiers_and_add_ons() -> None:
    tiers = "tiers:\n  free:\n    limits:\n      seats: {value: 3, unit: user}\n"
    said = problem(tiers=tiers)
    assert said.startswith("addons.yaml:7:")
    assert "tier 'free' counts 'seats' in 'user', not in 'seat'" in said
    policy_files.read(texts(tiers=tiers.replace("user", "seat")))


def test_a_folder_needs_no_add_ons() -> None:
    policy = policy_files.read(texts(addons=""))
    assert policy.add_ons == ()
    assert "addons.yaml" not in policy_files.write(policy)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        (
            {"addons": "add_ons:\n  a: {permissions: [doc:wipe]}\n"},
            "addons.yaml:2: add_ons.a.permissions[0]: 'doc:wipe' is internal",
        ),
        (
            {"addons": "add_ons:\n  a: {permissions: [doc:raed]}\n"},
            "addons.yaml:2: add_ons.a.permissions[0]: permission 'doc:raed' is not declared",
        ),
        (
            {"addons": "add_ons:\n  a: {extends: b}\n"},
            "addons.yaml:2: add_ons.a.extends: unknown key",
        ),
        (
            {"addons": "add_ons:\n  a:\n    limits:\n      x: {value: -1, unit: u}\n"},
            "addons.yaml:4: add_ons.a.limits.x.value: expected a whole number",
        ),
        ({"addons": "add_ons:\n"}, "addons.yaml:1: add_ons: expected a mapping of add-ons"),
        (
            {"catalogue": CATALOGUE + "  a:b: {replaced_by: doc:read}\n"},
            "catalogue.yaml:5: permissions.a:b.replaced_by: only a deprecated permission",
        ),
        (
            {"roles": "roles:\n  boss: {admin: yes}\n"},
            "roles.yaml:2: roles.boss.admin: `yes` is not clear",
        ),
    ],
)
def test_what_is_wrong_is_told_where_it_stands(changed: dict[str, str], says: str) -> None:
    assert problem(**changed).startswith(says)
