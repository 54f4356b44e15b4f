"""Policy files: what is read, what is refused and where, and that writing is reading backwards."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from authz_service.domain import identifiers
from authz_service.domain.catalog import (
    MAX_NUMBER,
    Feature,
    FeatureKind,
    Limit,
    Period,
    Permission,
    Plan,
    Reset,
    Role,
    chain,
)
from authz_service.domain.own_policy import RIGHTS
from authz_service.domain.policy_set import PolicySet
from authz_service.domain.policy_validation import checked
from authz_service.errors import ErrorReason, InvalidArgument
from authz_service.policyfiles import policy_files
from authz_service.policyfiles.problem import MAX_BYTES, PolicyFileError

POLICIES = Path(__file__).parents[2] / "policies"
HUGE = str(MAX_NUMBER + 1)
SCHEMA: dict[str, Any] = json.loads((POLICIES / "schema.json").read_text())

CATALOGUE = """\
permissions:
  invoices:view: {}
  invoices:export:
    description: Download
  tenants:get: {internal: true}
"""
ROLES = """\
roles:
  viewer:
    permissions: [invoices:view]
  editor:
    includes:
      - viewer
    permissions:
      - invoices:export
"""
TIERS = """\
tiers:
  free:
    permissions: [invoices:view]
    features: {sso: false, support: email}
    limits:
      seats: {value: 3, unit: seat}
  pro:
    extends: free
    assignable_roles: [viewer]
    limits:
      seats: {value: unlimited, unit: seat}
"""


def texts(catalogue: str = CATALOGUE, roles: str = ROLES, tiers: str = TIERS) -> dict[str, str]:
    return {"catalogue.yaml": catalogue, "roles.yaml": roles, "tiers.yaml": tiers}


def refusal(read: Callable[[], PolicySet]) -> PolicyFileError:
    with pytest.raises(PolicyFileError) as raised:
        read()
    assert raised.value.reason == ErrorReason.INVALID_FIELD
    return raised.value


def places(**changed: str) -> list[tuple[str, int, str]]:
    error = refusal(lambda: policy_files.read(texts(**changed)))
    return [(p.file, p.line, p.field) for p in error.problems]


def only_message(**changed: str) -> str:
    (problem,) = refusal(lambda: policy_files.read(texts(**changed))).problems
    return problem.message


def test_files_are_read_as_they_stand() -> None:
    assert policy_files.read(texts()) == PolicySet(
        (
            Permission("invoices:view"),
            Permission("invoices:export", description="Download"),
            Permission("tenants:get", internal=True),
        ),
        (
            Role("viewer", frozenset({"invoices:view"})),
            Role("editor", frozenset({"invoices:export"}), frozenset({"viewer"})),
        ),
        (
            Plan(
                "tier/free",
                permissions=frozenset({"invoices:view"}),
                features=(Feature("sso", "false"), Feature("support", "email", FeatureKind.TEXT)),
                limits=(Limit("seats", 3, "seat"),),
            ),
            Plan(
                "tier/pro",
                extends="tier/free",
                limits=(Limit("seats", None, "seat"),),
                assignable_roles=frozenset({"viewer"}),
            ),
        ),
    )


CUSTOMERS_OWN = ("authz.members", "authz.invitations", "authz.role_grants", "authz.roles")
"""What a customer's admin may manage, in the customer's account alone."""


@pytest.fixture(scope="module")
def shipped() -> PolicySet:
    return policy_files.read_folder(POLICIES)


def held(policy: PolicySet, role: str) -> set[str]:
    roles = {r.id: r for r in policy.roles}
    found = roles[role]
    return set(found.permissions).union(*(held(policy, name) for name in found.includes))


def test_shipped_customer_roles_administer_their_own_people_alone(shipped: PolicySet) -> None:
    customer = {r for t in shipped.tiers for r in t.assignable_roles}
    assert customer == {"viewer", "editor", "billing-admin", "admin"}
    assert customer == {role.id for role in shipped.roles}
    for role in customer - {"admin"}:
        assert not held(shipped, role) & RIGHTS.keys()
    rights = held(shipped, "admin") & RIGHTS.keys()
    assert {right.split(":")[0] for right in rights} == set(CUSTOMERS_OWN)
    assert not rights & {
        "authz.members:override",
        "authz.invitations:accept",
        "authz.role_grants:update",
    }


def test_shipped_enterprise_tier_carries_every_product_permission(shipped: PolicySet) -> None:
    plans = {t.id: t for t in shipped.tiers}
    sold = {p for plan in chain(plans, "tier/enterprise") for p in plan.permissions}
    assert sold == {p.id for p in shipped.permissions if not p.internal}


@pytest.mark.parametrize("name", ["catalogue.yaml", "roles.yaml", "tiers.yaml"])
def test_an_editor_finds_the_schema_and_accepts_the_file(name: str) -> None:
    text = (POLICIES / name).read_text()
    assert text.startswith("# yaml-language-server: $schema=schema.json\n")
    Draft202012Validator.check_schema(SCHEMA)
    Draft202012Validator(SCHEMA).validate(yaml.safe_load(text))


def test_every_problem_in_every_file_is_told_at_once() -> None:
    assert places(
        catalogue="permissions:\n  Invoices:view: {}\n  invoices:export: {interal: true}\n",
        roles="roles:\n  editor:\n    permissions: [invoices:export, invoices:vew]\n",
        tiers="tiers:\n  professional:\n    limits:\n      seats:\n        value: 3\n"
        "        units: seat\n",
    ) == [
        ("catalogue.yaml", 2, "permissions.Invoices:view"),
        ("catalogue.yaml", 3, "permissions.invoices:export.interal"),
        ("roles.yaml", 3, "roles.editor.permissions[1]"),
        ("tiers.yaml", 4, "tiers.professional.limits.seats.unit"),
        ("tiers.yaml", 6, "tiers.professional.limits.seats.units"),
    ]


def test_message_holds_a_line_for_each_problem_and_the_first_place_is_a_detail() -> None:
    error = refusal(lambda: policy_files.read(texts(roles="roles:\n  a: {x: 1}\n  b: {y: 1}\n")))
    assert error.message.splitlines()[0] == "3 problems, nothing was changed:"
    assert "  roles.yaml:2: roles.a.x: unknown key: known here: " in error.message
    assert "  roles.yaml:3: roles.b.y: unknown key: known here: " in error.message
    assert error.field == "roles.a.x"
    assert error.details == {"file": "roles.yaml", "line": "2"}


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ("roles: [a\nb: 2\n", 2, "not YAML: while parsing a flow sequence"),
        ("roles:\n  a: {}\n\tb: {}\n", 3, "not YAML: "),
        ("roles:\n  a: 'open\n", 3, "not YAML: "),
        ("roles:\n  a: \x01\n", 2, "the character '\\x01' may not stand in YAML"),
        ("roles:\n  a: \ud800\n", 2, "the character '\\ud800' may not stand in YAML"),
        ("roles: {}\n---\nroles: {}\n", 2, "a second YAML document starts here"),
        ("roles:\n  a: &all {}\n  b: *all\n", 3, "the alias `*all` is refused"),
        ("roles:\n  a: !!python/name:os.system {}\n", 2, "the tag `tag:yaml.org,2002:python/name"),
        ("roles: " + "[" * 100_000, 1, "nested deeper than 10 levels"),
        ("roles:\n  " + "a: {" * 5_000, 2, "nested deeper than 10 levels"),
        ("#" * (MAX_BYTES + 1), 1, "the file is larger than 5,000,000 bytes"),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else None,
)
def test_what_is_not_plain_yaml_is_refused_at_its_line(text: str, line: int, told: str) -> None:
    (problem,) = refusal(lambda: policy_files.read(texts(roles=text))).problems
    assert (problem.file, problem.line, problem.field) == ("roles.yaml", line, "")
    assert problem.message.startswith(told)


def test_alias_bomb_is_refused_before_it_unfolds() -> None:
    levels = "".join(f"  a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 60))
    error = refusal(lambda: policy_files.read(texts(roles=f"roles:\n  a0: &a0 []\n{levels}")))
    assert error.problems[0].line == 3
    assert len(error.problems) == 59


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "expected a mapping with the one key `roles`, found nothing"),
        ("# nothing\n", "expected a mapping with the one key `roles`, found nothing"),
        ("[]", "expected a mapping with the one key `roles`, found a list"),
        ("roles\n", "expected a mapping with the one key `roles`, found 'roles'"),
    ],
)
def test_a_file_that_is_no_mapping_is_refused(text: str, told: str) -> None:
    assert places(roles=text) == [("roles.yaml", 1, "")]
    assert only_message(roles=text) == told


def test_a_section_under_another_name_is_missing_and_unknown() -> None:
    assert places(roles="role: {}\n") == [("roles.yaml", 1, "role"), ("roles.yaml", 1, "roles")]


def test_every_repeated_key_is_told_with_the_line_of_the_first() -> None:
    text = "roles:\n  a: {}\n  b: {}\n  a: {}\n  a: {}\n"
    assert places(roles=text, tiers="tiers: {}") == [
        ("roles.yaml", 4, "roles.a"),
        ("roles.yaml", 5, "roles.a"),
    ]
    assert only_message(roles="roles:\n  viewer: {}\n  viewer: {}\n") == (
        "the key stands on line 2 already: keep one"
    )


def test_a_repeated_list_item_is_told_where_it_stands() -> None:
    text = "roles:\n  a:\n    permissions:\n      - invoices:view\n      - invoices:view\n"
    assert places(roles=text, tiers="tiers: {}") == [("roles.yaml", 5, "roles.a.permissions[1]")]


@pytest.mark.parametrize("key", ["on", "no", "yes", "Off", "5", "1.5", "0x1F", "~", "12:30"])
def test_a_key_that_yaml_takes_for_something_else_must_be_quoted(key: str) -> None:
    written = f"tiers:\n  basic: {{}}\n  {key}: {{}}\n"
    field = f"tiers.{key}" if key.replace(":", "").isalnum() else f'tiers["{key}"]'
    assert places(tiers=written) == [("tiers.yaml", 3, field)]
    assert only_message(tiers=written) == f"YAML does not read the key `{key}` as text: quote it"


@pytest.mark.parametrize("name", ["on", "no", "5", "1.5", "0x1F"])
def test_a_quoted_key_is_text(name: str) -> None:
    policy = policy_files.read(texts(tiers=f"tiers:\n  '{name}': {{}}\n"))
    assert policy.tiers == (Plan(f"tier/{name}"),)


def test_a_complex_key_is_refused() -> None:
    assert places(roles="roles:\n  viewer: {}\n  ? [a, b]\n  : {}\n")[0] == (
        "roles.yaml",
        3,
        "roles",
    )


@pytest.mark.parametrize("value", ["on", "no", "Yes", "OFF", "0x10", "010", "1_000", "1.5", "1:30"])
def test_a_value_that_yaml_readers_differ_on_is_refused(value: str) -> None:
    text = f"tiers:\n  a:\n    features:\n      sso: {value}\n"
    assert places(tiers=text) == [("tiers.yaml", 4, "tiers.a.features.sso")]
    assert only_message(tiers=text).startswith(f"`{value}` is not clear: ")
    quoted = policy_files.read(texts(tiers=text.replace(value, f"'{value}'")))
    assert quoted.tiers[0].features == (Feature("sso", value, FeatureKind.TEXT),)


@pytest.mark.parametrize("value", ["-5", "''", "a b", "[x]", "~", "'a,b'", "é"])
def test_a_feature_is_a_flag_a_number_or_a_word(value: str) -> None:
    text = f"tiers:\n  a:\n    features:\n      sso: {value}\n"
    assert places(tiers=text) == [("tiers.yaml", 4, "tiers.a.features.sso")]
    assert "expected true, false, a whole number" in only_message(tiers=text)


@pytest.mark.parametrize(
    "value", ["-1", "lots", "true", "9223372036854775808", "'3'", "{}", "~", "9" * 40]
)
def test_a_limit_is_a_whole_number_or_unlimited(value: str) -> None:
    text = f"tiers:\n  a:\n    limits:\n      seats:\n        unit: seat\n        value: {value}\n"
    assert places(tiers=text) == [("tiers.yaml", 6, "tiers.a.limits.seats.value")]


@pytest.mark.parametrize(
    ("file", "text", "line", "field", "told"),
    [
        ("catalogue", "permissions:\n  view: {}\n", 2, "permissions.view", "resource_type:action"),
        ("catalogue", "permissions:\n  a:b: []\n", 2, "permissions.a:b", "found a list"),
        ("catalogue", "permissions:\n  a:b:\n", 2, "permissions.a:b", "found nothing"),
        (
            "catalogue",
            "permissions:\n  a:b:\n    internal: 'true'\n",
            3,
            "permissions.a:b.internal",
            "expected true or false, found 'true'",
        ),
        (
            "catalogue",
            'permissions:\n  a:b: {description: "a\\u0007b"}\n',
            2,
            "permissions.a:b.description",
            "remove the character",
        ),
        (
            "catalogue",
            f"permissions:\n  a:b: {{description: {'x' * 1001}}}\n",
            2,
            "permissions.a:b.description",
            "at most 1000 characters",
        ),
        ("catalogue", 'permissions:\n  "a:b\\n": {}\n', 2, 'permissions["a:b\\n"]', "not a valid"),
        ("roles", "roles:\n  a b: {}\n", 2, 'roles["a b"]', "expected a role"),
        ("roles", "roles:\n  acme/a: {}\n", 2, 'roles["acme/a"]', "expected a role"),
        ("roles", "roles:\n  a: {include: []}\n", 2, "roles.a.include", "did you mean `includes`?"),
        ("roles", "roles:\n  a:\n    includes: a\n", 3, "roles.a.includes", "expected a list"),
        (
            "roles",
            "roles:\n  a:\n    permissions:\n      - 5\n",
            4,
            "roles.a.permissions[0]",
            "put quotes around it",
        ),
        ("tiers", "tiers:\n  a: {extends: [b]}\n", 2, "tiers.a.extends", "expected a tier"),
        (
            "tiers",
            "tiers:\n  a:\n    limits: {Seats: {value: 1, unit: seat}}\n",
            3,
            "tiers.a.limits.Seats",
            "lower case",
        ),
        (
            "tiers",
            "tiers:\n  a:\n    limits:\n      seats:\n        value: 1\n        unit: a b\n",
            6,
            "tiers.a.limits.seats.unit",
            "lower case",
        ),
    ],
)
def test_what_the_schema_forbids_is_refused_at_its_line(
    file: str, text: str, line: int, field: str, told: str
) -> None:
    everything = {"roles": "roles: {}", "tiers": "tiers: {}", file: text}
    assert places(**everything) == [(f"{file}.yaml", line, field)]
    assert told in only_message(**everything)


@pytest.mark.parametrize(
    ("file", "text", "line", "field", "told"),
    [
        (
            "roles",
            "roles:\n  a:\n    permissions: [invoices:veiw]\n",
            3,
            "roles.a.permissions[0]",
            "did you mean 'invoices:view'?",
        ),
        ("roles", "roles:\n  a:\n    includes: [b]\n", 3, "roles.a.includes[0]", "role 'b' is not"),
        (
            "tiers",
            "tiers:\n  a:\n    permissions: [x:y]\n",
            3,
            "tiers.a.permissions[0]",
            "permission 'x:y' is not declared",
        ),
        (
            "tiers",
            "tiers:\n  a:\n    permissions: [tenants:get]\n",
            3,
            "tiers.a.permissions[0]",
            "internal and no tier sells it",
        ),
        ("tiers", "tiers:\n  a:\n    extends: b\n", 3, "tiers.a.extends", "tier 'b' is not"),
        (
            "tiers",
            "tiers:\n  a:\n    assignable_roles: [viewr]\n",
            3,
            "tiers.a.assignable_roles[0]",
            "did you mean 'viewer'?",
        ),
        ("roles", "roles:\n  a: {includes: [a]}\n", 2, "roles.a.includes", "in a circle: a > a"),
        ("tiers", "tiers:\n  a: {extends: a}\n", 2, "tiers.a.extends", "in a circle: a > a"),
    ],
)
def test_a_bad_reference_is_refused_at_its_line(
    file: str, text: str, line: int, field: str, told: str
) -> None:
    everything = {"tiers": "tiers: {}", file: text}
    assert places(**everything) == [(f"{file}.yaml", line, field)]
    assert told in only_message(**everything)


def test_a_circle_is_told_once_and_another_one_too() -> None:
    text = (
        "roles:\n  a: {includes: [b]}\n  b: {includes: [c]}\n  c: {includes: [a]}\n"
        "  x: {includes: [y]}\n  y: {includes: [x]}\n"
    )
    assert places(roles=text, tiers="tiers: {}") == [
        ("roles.yaml", 2, "roles.a.includes"),
        ("roles.yaml", 5, "roles.x.includes"),
    ]


def chained(section: str, key: str, length: int) -> str:
    lines = [f"{section}:"]
    for n in range(length):
        value = f"[r{n + 1}]" if key == "includes" else f"r{n + 1}"
        lines.append(f"  r{n}: {{{key}: {value}}}" if n < length - 1 else f"  r{n}: {{}}")
    return "\n".join(lines)


def test_a_chain_of_seven_is_the_longest() -> None:
    policy_files.read(
        texts(roles=chained("roles", "includes", 7), tiers=chained("tiers", "extends", 7))
    )
    assert places(roles=chained("roles", "includes", 8), tiers=chained("tiers", "extends", 8)) == [
        ("roles.yaml", 2, "roles.r0.includes"),
        ("tiers.yaml", 2, "tiers.r0.extends"),
    ]


def test_wide_inclusion_is_checked_in_linear_time() -> None:
    layers = [[f"r{depth}-{n}" for n in range(30)] for depth in range(7)]
    roles = [
        Role(name, includes=frozenset(below))
        for layer, below in zip(layers, [*layers[1:], []], strict=True)
        for name in layer
    ]
    checked(PolicySet(roles=tuple(roles)))


def test_references_wait_until_every_file_can_be_made_out() -> None:
    assert places(catalogue="permissions: [\n") == [("catalogue.yaml", 2, "")]


def test_a_part_refused_by_the_schema_causes_no_second_complaint() -> None:
    text = "roles:\n  viewer: []\n  editor:\n    includes: [viewer]\n"
    assert places(roles=text) == [("roles.yaml", 2, "roles.viewer")]


def test_what_exists_can_be_referred_to() -> None:
    existing = policy_files.read(texts())
    policy = policy_files.read(
        texts("permissions: {}", "roles:\n  boss: {includes: [editor]}", "tiers: {}"), existing
    )
    assert policy == PolicySet(roles=(Role("boss", includes=frozenset({"editor"})),))


def folder(path: Path, contents: dict[str, str]) -> Path:
    for name, text in contents.items():
        (path / name).write_text(text, encoding="utf-8")
    return path


def test_a_folder_may_hold_other_files_byte_order_marks_and_windows_line_ends(
    tmp_path: Path,
) -> None:
    folder(tmp_path, {"notes.yaml": "not: [ours"} | texts())
    windows = b"\xef\xbb\xbf" + ROLES.replace("\n", "\r\n").encode()
    (tmp_path / "roles.yaml").write_bytes(windows)
    assert policy_files.read_folder(tmp_path) == policy_files.read(texts())


def test_unreadable_files_are_told_together(tmp_path: Path) -> None:
    (tmp_path / "catalogue.yaml").write_bytes(b"permissions:\n  a:b: {description: \xff}\n")
    (tmp_path / "roles.yaml").mkdir()
    error = refusal(lambda: policy_files.read_folder(tmp_path))
    assert [(p.file, p.line, p.message) for p in error.problems] == [
        ("catalogue.yaml", 2, "not UTF-8: save the file as UTF-8"),
        ("roles.yaml", 1, "cannot be read: Is a directory"),
        ("tiers.yaml", 1, "the file is missing: create it, `tiers: {}` for none"),
    ]


def test_a_file_over_five_megabytes_is_not_read(tmp_path: Path) -> None:
    folder(tmp_path, texts(roles="#" * (MAX_BYTES + 1)))
    (problem,) = refusal(lambda: policy_files.read_folder(tmp_path)).problems
    assert (problem.file, problem.line) == ("roles.yaml", 1)
    assert "larger than 5,000,000 bytes" in problem.message


def test_a_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    (problem,) = refusal(lambda: policy_files.read_folder(tmp_path / "none")).problems
    assert problem.file == str(tmp_path / "none")


EXISTING = PolicySet(
    (Permission("invoices:view"), Permission("tenants:get", internal=True)),
    (Role("viewer", frozenset({"invoices:view"})), Role("editor", includes=frozenset({"viewer"}))),
    (Plan("tier/free", permissions=frozenset({"invoices:view"})),),
)


@pytest.mark.parametrize(
    ("policy", "reason", "field"),
    [
        (
            PolicySet(roles=(Role("a", frozenset({"x:y"})),)),
            ErrorReason.PERMISSION_NOT_FOUND,
            "roles.a.permissions",
        ),
        (
            PolicySet(roles=(Role("a", includes=frozenset({"b"})),)),
            ErrorReason.ROLE_NOT_FOUND,
            "roles.a.includes",
        ),
        (
            PolicySet(tiers=(Plan("tier/a", extends="tier/b"),)),
            ErrorReason.TIER_NOT_FOUND,
            "tiers.a.extends",
        ),
        (
            PolicySet(tiers=(Plan("tier/a", assignable_roles=frozenset({"b"})),)),
            ErrorReason.ROLE_NOT_FOUND,
            "tiers.a.assignable_roles",
        ),
        (
            PolicySet(roles=(Role("viewer", includes=frozenset({"editor"})),)),
            ErrorReason.INCLUSION_CYCLE,
            "roles.viewer.includes",
        ),
        (
            PolicySet(
                roles=tuple(
                    Role(f"r{n}", includes=frozenset({f"r{n + 1}" if n < 5 else "editor"}))
                    for n in range(6)
                )
            ),
            ErrorReason.INCLUSION_TOO_DEEP,
            "roles.r0.includes",
        ),
        (PolicySet((Permission("x"),)), ErrorReason.INVALID_IDENTIFIER, "permissions.x"),
        (PolicySet(roles=(Role("a b"),)), ErrorReason.INVALID_IDENTIFIER, "roles.a b"),
        (PolicySet(roles=(Role("acme/a"),)), ErrorReason.INVALID_FIELD, "roles.acme/a"),
        (PolicySet(roles=(Role("a"), Role("a"))), ErrorReason.INVALID_FIELD, "roles.a"),
        (PolicySet(tiers=(Plan("addon/a"),)), ErrorReason.INVALID_FIELD, "tiers.a"),
        (
            PolicySet(tiers=(Plan("tier/a", permissions=frozenset({"tenants:get"})),)),
            ErrorReason.INVALID_FIELD,
            "tiers.a.permissions",
        ),
        (
            PolicySet((Permission("invoices:view", internal=True),)),
            ErrorReason.INVALID_FIELD,
            "permissions.invoices:view.internal",
        ),
        (
            PolicySet(tiers=(Plan("tier/a", limits=(Limit("seats", -1, "seat"),)),)),
            ErrorReason.INVALID_FIELD,
            "tiers.a.limits.seats.value",
        ),
        (
            PolicySet(tiers=(Plan("tier/a", limits=(Limit("seats", 2**63, "seat"),)),)),
            ErrorReason.INVALID_FIELD,
            "tiers.a.limits.seats.value",
        ),
        (
            PolicySet(tiers=(Plan("tier/a", limits=(Limit("seats", 1, ""),)),)),
            ErrorReason.INVALID_IDENTIFIER,
            "tiers.a.limits.seats.unit",
        ),
        (
            PolicySet(tiers=(Plan("tier/a", limits=(Limit("x", 1, "u"), Limit("x", 2, "u"))),)),
            ErrorReason.INVALID_FIELD,
            "tiers.a.limits.x",
        ),
        (
            PolicySet(tiers=(Plan("tier/a", features=(Feature("x", "maybe"),)),)),
            ErrorReason.INVALID_FIELD,
            "tiers.a.features.x",
        ),
        (
            PolicySet(tiers=(Plan("tier/a", features=(Feature("x", "a b", FeatureKind.TEXT),)),)),
            ErrorReason.INVALID_IDENTIFIER,
            "tiers.a.features.x",
        ),
        (
            PolicySet(tiers=(Plan("tier/a", features=(Feature("x", HUGE, FeatureKind.NUMBER),)),)),
            ErrorReason.INVALID_FIELD,
            "tiers.a.features.x",
        ),
        (
            PolicySet(tiers=(Plan("tier/a", features=(Feature("x", "true", rank=1),)),)),
            ErrorReason.INVALID_FIELD,
            "tiers.a.features.x.rank",
        ),
        (
            PolicySet(tiers=(Plan("tier/a", limits=(Limit("x", int(HUGE), "u"),)),)),
            ErrorReason.INVALID_FIELD,
            "tiers.a.limits.x.value",
        ),
        (
            PolicySet(tiers=(Plan("tier/a", limits=(Limit("x", 1, "u", Period.DAY),)),)),
            ErrorReason.INVALID_FIELD,
            "tiers.a.limits.x.reset",
        ),
        (
            PolicySet(tiers=(Plan("tier/a", limits=(Limit("x", 1, "u", reset=Reset.CALENDAR),)),)),
            ErrorReason.INVALID_FIELD,
            "tiers.a.limits.x.reset",
        ),
        (
            PolicySet(
                tiers=(Plan("tier/a", limits=(Limit("seats", 1, "u", Period.DAY, Reset.ROLLING),)),)
            ),
            ErrorReason.INVALID_FIELD,
            "tiers.a.limits.seats.period",
        ),
        (
            PolicySet(roles=(Role("a", description="\0"),)),
            ErrorReason.INVALID_FIELD,
            "roles.a.description",
        ),
        (
            PolicySet(roles=(Role("a", description="x" * 1001),)),
            ErrorReason.INVALID_FIELD,
            "roles.a.description",
        ),
    ],
    ids=lambda value: None if isinstance(value, PolicySet) else str(value),
)
def test_a_set_that_breaks_a_law_is_refused_with_its_reason(
    policy: PolicySet, reason: ErrorReason, field: str
) -> None:
    with pytest.raises(InvalidArgument) as raised:
        checked(policy, EXISTING)
    assert (raised.value.reason, raised.value.field) == (reason, field)


def test_a_set_replaces_what_has_the_same_id_before_it_is_judged() -> None:
    policy = PolicySet(
        (Permission("invoices:view", internal=True),),
        (Role("viewer", includes=frozenset({"editor"})), Role("editor")),
        (Plan("tier/free"),),
    )
    assert checked(policy, EXISTING) is policy


WORD = st.from_regex(r"\A[a-z0-9][a-z0-9._-]{0,63}\Z")
NAME = st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")
TRAPS = st.sampled_from(["on", "no", "y", "5", "1e3", "0x1", "1.5", "null", "true", "2026-11-22"])
DESCRIPTION = st.text(st.characters(exclude_categories=("Cs", "Cc")) | st.just("\n"), max_size=300)


def named(part: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(part, unique_by=lambda made: made.name, max_size=3)


TEXTS = st.builds(
    Feature,
    WORD,
    st.from_regex(r"\A[!#-'+\-.0-Z^-~]{1,128}\Z") | TRAPS,
    st.just(FeatureKind.TEXT),
    st.integers(0, 1000),
)
NUMBERS = st.builds(Feature, WORD, st.integers(0, MAX_NUMBER).map(str), st.just(FeatureKind.NUMBER))
FLAGS = st.builds(Feature, WORD, st.sampled_from(["true", "false"]))
COUNTING = st.just((Period.NONE, Reset.NONE)) | st.tuples(
    st.sampled_from(list(Period)[1:]), st.sampled_from(list(Reset)[1:])
)
LIMITS = st.builds(
    lambda name, value, unit, counting: Limit(name, value, unit, *counting),
    WORD,
    st.none() | st.integers(0, MAX_NUMBER),
    WORD,
    COUNTING,
)


def alike(like: dict[tuple[type, str], Any], item: Any) -> Any:
    """Make a limit count as the first of its name did, and a feature be as the first was."""
    first = like.setdefault((type(item), item.name), item)
    return first if isinstance(first, Feature) else replace(first, value=item.value)


@st.composite
def policies(draw: st.DrawFn) -> PolicySet:
    ids = draw(st.lists(st.builds("{}:{}".format, WORD, WORD | TRAPS), unique=True, max_size=5))
    permissions = [Permission(name, draw(st.booleans()), draw(DESCRIPTION)) for name in ids]
    sold = [p.id for p in permissions if not p.internal]
    roles: list[Role] = []
    for role in draw(st.lists(NAME | TRAPS, unique=True, max_size=7)):
        included = draw(st.frozensets(st.sampled_from([r.id for r in roles]))) if roles else ()
        held = draw(st.frozensets(st.sampled_from(ids))) if ids else ()
        roles.append(Role(role, frozenset(held), frozenset(included), draw(DESCRIPTION)))
    tiers: list[Plan] = []
    like: dict[tuple[type, str], Any] = {}
    for tier in draw(st.lists(NAME | TRAPS, unique=True, max_size=7)):
        tiers.append(
            Plan(
                f"tier/{tier}",
                extends=draw(st.sampled_from(["", *(t.id for t in tiers)])),
                permissions=frozenset(draw(st.frozensets(st.sampled_from(sold))) if sold else ()),
                features=tuple(alike(like, each) for each in draw(named(TEXTS | NUMBERS | FLAGS))),
                # Of one name there is one unit, one period, and one kind of feature.
                limits=tuple(alike(like, each) for each in draw(named(LIMITS))),
                assignable_roles=frozenset(
                    draw(st.frozensets(st.sampled_from([r.id for r in roles]))) if roles else ()
                ),
                description=draw(DESCRIPTION),
            )
        )
    return PolicySet(tuple(permissions), tuple(roles), tuple(tiers))


@given(policies())
def test_what_is_written_reads_back_the_same(policy: PolicySet) -> None:
    written = policy_files.write(policy)
    assert policy_files.read(written) == policy
    assert policy_files.write(policy_files.read(written)) == written


def test_written_files_name_the_schema_and_obey_it() -> None:
    for text in policy_files.write(policy_files.read(texts())).values():
        assert text.startswith("# yaml-language-server: $schema=schema.json\n")
        Draft202012Validator(SCHEMA).validate(yaml.safe_load(text))


NEAR = st.text("aZ0._-:/ é", max_size=6) | st.text("a", min_size=60, max_size=130)


@pytest.mark.parametrize(
    ("definition", "kind"),
    [
        ("permission_id", "permission"),
        ("role_id", "tier"),
        ("tier_id", "tier"),
        ("word", "feature"),
        ("word", "limit"),
        ("word", "unit"),
        ("feature_value", "value"),
    ],
)
@given(text=NEAR)
def test_schema_and_domain_have_the_same_alphabet(definition: str, kind: str, text: str) -> None:
    try:
        identifiers.checked(kind, text)
    except InvalidArgument:
        well_formed = False
    else:
        well_formed = True
    assert Draft202012Validator(SCHEMA["$defs"][definition]).is_valid(text) == well_formed
