"""The shipped cases pass, and hold the shipped policy: no line of it can change unnoticed."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from authz_service.domain.catalog import TIER, Limit, Plan, Role
from authz_service.domain.decision import DecisionReason
from authz_service.domain.policy_case import ANSWERS, LAYERS, CaseFile
from authz_service.domain.policy_set import PolicySet
from authz_service.policyfiles import yaml_text
from authz_service.policyfiles.cases import running
from authz_service.policyfiles.cases.coverage import coverage
from authz_service.policyfiles.policy_files import read_folder

POLICIES = Path(__file__).parents[2] / "policies"
POLICY = read_folder(POLICIES)
FILES = running.read([POLICIES / "cases"], POLICY)

PRODUCT = sorted(permission.id for permission in POLICY.permissions)
TIERS = {tier.name: tier for tier in POLICY.tiers}
CUSTOMER_ROLES = sorted(frozenset[str]().union(*(t.assignable_roles for t in TIERS.values())))
ROLES = {role.id: role for role in POLICY.roles if role.id in CUSTOMER_ROLES}


def passes(policy: PolicySet, files: tuple[CaseFile, ...] = FILES) -> bool:
    return all(each.met for each in running.run(policy, files))


def untouched(kind: str) -> set[str]:
    found = coverage(POLICY, running.run(POLICY, FILES))
    return next(set(each.untouched) for each in found if each.kind == kind)


def with_role(role: Role) -> PolicySet:
    return replace(POLICY, roles=tuple(role if r.id == role.id else r for r in POLICY.roles))


def with_tier(tier: Plan) -> PolicySet:
    return replace(POLICY, tiers=tuple(tier if t.id == tier.id else t for t in POLICY.tiers))


def closures() -> Iterator[tuple[str, frozenset[str]]]:
    """Yield each customer tier with all that it sells."""
    for name, tier in TIERS.items():
        sold, base = tier.permissions, tier.extends
        while base:
            sold |= TIERS[base.removeprefix(TIER)].permissions
            base = TIERS[base.removeprefix(TIER)].extends
        yield name, sold


def test_the_shipped_cases_pass() -> None:
    failed = [each.expectation for each in running.run(POLICY, FILES) if not each.met]
    assert failed == []


def test_every_customer_role_and_tier_and_product_permission_is_touched() -> None:
    assert untouched("roles") & set(CUSTOMER_ROLES) == set()
    assert untouched("tiers") & set(TIERS) == set()
    assert untouched("permissions") & set(PRODUCT) == set()


def test_every_layer_denies_and_every_reason_is_given() -> None:
    assert untouched("layers") == set()
    assert untouched("reasons") == set()


def test_every_reason_belongs_to_one_layer() -> None:
    reasons = [reason for layer in LAYERS.values() for reason in layer]
    assert sorted([*reasons, DecisionReason.ALLOWED]) == sorted(DecisionReason)


@pytest.mark.parametrize("name", ROLES)
def test_no_permission_leaves_or_enters_a_customer_role_unnoticed(name: str) -> None:
    role = ROLES[name]
    held = set[str]()
    waiting = [role]
    while waiting:
        reached = waiting.pop()
        held |= reached.permissions
        waiting += [ROLES[other] for other in reached.includes]
    for permission in role.permissions:
        taken = with_role(replace(role, permissions=role.permissions - {permission}))
        assert not passes(taken), f"{permission} left {name}"
    for permission in set(PRODUCT) - held:
        given = with_role(replace(role, permissions=role.permissions | {permission}))
        assert not passes(given), f"{permission} entered {name}"


@pytest.mark.parametrize("name", ROLES)
def test_no_inclusion_leaves_a_customer_role_unnoticed(name: str) -> None:
    role = ROLES[name]
    for other in role.includes:
        assert not passes(with_role(replace(role, includes=role.includes - {other}))), other


@pytest.mark.parametrize("name", TIERS)
def test_no_permission_leaves_or_enters_a_customer_tier_unnoticed(name: str) -> None:
    tier, sold = TIERS[name], dict(closures())[name]
    for permission in tier.permissions:
        taken = with_tier(replace(tier, permissions=tier.permissions - {permission}))
        assert not passes(taken), f"{permission} left {name}"
    for permission in set(PRODUCT) - sold:
        given = with_tier(replace(tier, permissions=tier.permissions | {permission}))
        assert not passes(given), f"{permission} entered {name}"


@pytest.mark.parametrize("name", TIERS)
def test_no_limit_of_a_customer_tier_moves_by_one_unnoticed(name: str) -> None:
    tier = TIERS[name]
    for limit in tier.limits:
        changed = [0, 999] if limit.value is None else [limit.value - 1, limit.value + 1, None]
        for value in changed:
            others = tuple(each for each in tier.limits if each != limit)
            moved = Limit(limit.name, value, limit.unit)
            policy = with_tier(replace(tier, limits=(*others, moved)))
            assert not passes(policy), f"{limit.name} of {name} is {value}"


def test_a_product_permission_that_becomes_internal_is_noticed() -> None:
    for permission in POLICY.permissions:
        if permission.id not in TIERS["enterprise"].permissions:
            continue
        changed = tuple(
            replace(each, internal=True) if each is permission else each
            for each in POLICY.permissions
        )
        assert not passes(replace(POLICY, permissions=changed)), permission.id


def test_the_schema_that_editors_use_takes_the_shipped_cases_and_lists_every_answer() -> None:
    def retrieve(uri: str) -> Resource[Any]:
        return Resource.from_contents(json.loads(Path(uri.removeprefix("file:")).read_text()))

    location = f"file:{POLICIES / 'cases' / 'schema.json'}"
    registry: Registry[Any] = Registry(retrieve=retrieve)  # type: ignore[call-arg]
    validator = Draft202012Validator({"$ref": location}, registry=registry)
    for file in FILES:
        text = Path(file.file).read_text()
        assert text.startswith("# yaml-language-server: $schema=schema.json\n")
        validator.validate(yaml_text.parse(file.file, text).data)
    listed = retrieve(f"file:{POLICIES / 'schema.json'}").contents["$defs"]["case_answer"]["enum"]
    assert set(listed) == set(ANSWERS)
