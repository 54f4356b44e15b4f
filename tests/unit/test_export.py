"""An export of any policy reads back as that policy, in one order, and obeys the schema."""

import json
from random import Random
from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from authz_service.cli.commands.export import in_order
from authz_service.cli.files.folder_changes import difference
from authz_service.config import shipped_policies
from authz_service.domain.policy_set import PolicySet
from authz_service.policyfiles import policy_files
from authz_service.rpc.messages import catalog as convert
from tests.unit.test_policy_files import policies


def through_the_api(policy: PolicySet) -> PolicySet:
    """Send every definition as a message and read it back, as an export gets it."""
    return PolicySet(
        tuple(convert.permission(convert.permission_message(p)) for p in policy.permissions),
        tuple(convert.role(convert.role_message(r)) for r in policy.roles),
        tuple(convert.tier(convert.tier_message(t)) for t in policy.tiers),
        tuple(convert.add_on(convert.add_on_message(a)) for a in policy.add_ons),
    )


def shuffled(policy: PolicySet, random: Random) -> PolicySet:
    def mixed(items: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(random.sample(items, len(items)))

    return PolicySet(
        mixed(policy.permissions), mixed(policy.roles), mixed(policy.tiers), mixed(policy.add_ons)
    )


@given(policies())
def test_export_then_plan_is_no_change(policy: PolicySet) -> None:
    exported = policy_files.write(in_order(through_the_api(policy)))
    found = difference(policy_files.read(exported), policy, {}, prune=True)
    assert (found.commands, found.left) == ([], [])
    assert found.same == sum(
        map(len, (policy.permissions, policy.roles, policy.tiers, policy.add_ons))
    )


@given(policies(), st.randoms(use_true_random=False))
def test_export_has_one_order(policy: PolicySet, random: Random) -> None:
    again = policy_files.write(in_order(shuffled(policy, random)))
    assert again == policy_files.write(in_order(policy))


@given(policies())
def test_exported_files_obey_the_schema(policy: PolicySet) -> None:
    schema = json.loads((shipped_policies() / "schema.json").read_text())
    for text in policy_files.write(in_order(policy)).values():
        Draft202012Validator(schema).validate(yaml.safe_load(text))


@given(policies(), policies())
def test_plan_of_one_policy_over_another_makes_it_so(wanted: PolicySet, held: PolicySet) -> None:
    """Apply the difference by hand: puts replace, deletions take away, nothing else stays."""
    names: dict[tuple[str, str], Any] = {("permission", p.id): p for p in held.permissions}
    names |= {("role", r.id): r for r in held.roles}
    names |= {("tier", t.name): t for t in held.tiers}
    names |= {("add_on", a.name): a for a in held.add_ons}
    for command in difference(wanted, held, {}, prune=True).commands:
        which = command.WhichOneof("command")
        assert which is not None
        verb, _, kind = which.partition("_")
        if verb == "delete":
            del names[kind, getattr(command, which).id]
        else:
            message = getattr(getattr(command, which), kind)
            names[kind, message.id] = getattr(convert, kind)(message)
    everything = (*wanted.permissions, *wanted.roles, *wanted.tiers, *wanted.add_ons)
    assert set(names.values()) == set(everything)
