"""Case files that are right: what is asked, what is answered, what is covered."""

from pathlib import Path

import pytest

from authz_service.domain.decision import Question, Usage
from authz_service.domain.policy_case import Expectation
from authz_service.policyfiles.cases import running
from authz_service.policyfiles.cases.coverage import coverage
from authz_service.policyfiles.cases.report import told
from tests.unit.policy_case_files import HEAD, POLICY, answered, read, unmet, written

NOON = 1_772_366_400_000_000
"""2026-03-01T12:00:00Z."""


def untouched(folder: Path, text: str) -> dict[str, tuple[str, ...]]:
    return {each.kind: each.untouched for each in coverage(POLICY, answered(folder, text))}


def test_each_permission_of_each_subject_is_one_question_where_it_stands(tmp_path: Path) -> None:
    file = read(
        tmp_path,
        HEAD
        + """\
cases:
  - name: All that a case can say
    tenant: acme
    at: 2026-03-01T13:00:00+01:00
    scope: project:42/document:7
    usage: {limit: projects, used: 1}
    expect:
      user:ann:
        allow:
          - invoices:view
        deny: [invoices:export]
""",
    )
    question = Question(
        "acme",
        "user:ann",
        "invoices:view",
        ("project:42", "project:42/document:7"),
        Usage("projects", 1, 1),
    )
    name = "All that a case can say"
    assert file.expectations == (
        Expectation(file.file, 16, name, question, NOON, "allow"),
        Expectation(
            file.file, 17, name, question._replace(permission="invoices:export"), NOON, "deny"
        ),
    )


def test_a_table_asks_each_cell_on_the_line_of_its_row(tmp_path: Path) -> None:
    file = read(
        tmp_path,
        HEAD
        + """\
      user:bob: [editor]
cases:
  - name: A table
    tenant: acme
    table: |

      permission       user:ann      user:bob
      # a remark
      invoices:view    allow         allow

      invoices:export  role_missing  not_entitled
""",
    )
    asked = [(e.line, e.question.permission, e.question.subject, e.answer) for e in
             file.expectations]  # fmt: skip
    assert asked == [
        (15, "invoices:view", "user:ann", "allow"),
        (15, "invoices:view", "user:bob", "allow"),
        (17, "invoices:export", "user:ann", "role_missing"),
        (17, "invoices:export", "user:bob", "not_entitled"),
    ]


def test_expected_answers_pass_and_others_fail(tmp_path: Path) -> None:
    text = """\
cases:
  - name: Some are wrong
    tenant: acme
    expect:
      user:ann:
        allow: [invoices:view, reports:view]
        role_missing: [invoices:export]
  - name: The reason counts
    tenant: acme
    expect:
      user:ann:
        deny: [invoices:export]
        grant_expired: [invoices:export]
        not_entitled: [reports:view, invoices:view]
"""
    assert unmet(tmp_path, HEAD + text) == [
        (12, "allow", "not_entitled"),
        (19, "grant_expired", "role_missing"),
        (20, "not_entitled", "allowed"),
    ]


def test_what_does_not_exist_can_be_asked_for_outright(tmp_path: Path) -> None:
    text = """\
cases:
  - {name: Tenant, tenant: nowhere, expect: {user:x: {unknown_tenant: [invoices:view]}}}
  - {name: Member, tenant: acme, expect: {user:x: {not_a_member: [invoices:view]}}}
  - {name: Staff, tenant: acme, expect: {staff:x: {not_a_member: [invoices:view]}}}
  - {name: Permission, tenant: acme, expect: {user:ann: {unknown_permission: [invoices:eat]}}}
  - name: Limit
    tenant: acme
    usage: {limit: storage, used: 0}
    expect: {user:ann: {limit_unknown: [invoices:view]}}
"""
    assert unmet(tmp_path, HEAD + text) == []


@pytest.mark.parametrize(
    ("tenant", "answer"),
    [
        ("tier: free", "allow"),
        ("tier: free, state: trial", "allow"),
        ("tier: free, state: grace", "allow"),
        ("tier: free, state: offboarded", "tenant_offboarded"),
        ("tier: free, suspended: [billing, risk]", "tenant_suspended"),
        ("tier: free, state: [{state: trial, until: 2026-03-01T12:00:00Z}]", "tenant_suspended"),
        ("tier: free, state: [{state: trial, from: 2026-03-01T12:00:00Z}]", "allow"),
        ("tier: [{tier: free, until: 2026-03-01T12:00:00Z}]", "entitlement_expired"),
        ("tier: [{tier: free, from: 2026-03-01T12:00:00.000001Z}]", "not_entitled"),
        ("tier: free, exceptions: {x: {deny: [invoices:view]}}", "denied_by_exception"),
        ("tier: free, exceptions: {x: {deny: [invoices:view], subject: user:ann}}",
         "denied_by_exception"),
        ("tier: free, exceptions: {x: {deny: [invoices:view], subject: user:bob}}", "allow"),
        ("tier: free, exceptions: {x: {deny: [invoices:view], scope: project:1}}", "allow"),
        ("tier: free, exceptions: {x: {replace: [reports:view]}}", "not_entitled"),
        ("tier: free, exceptions: {x: {replace: []}}", "not_entitled"),
        ("tier: free, exceptions: {x: {replace: [], until: 2026-03-01T12:00:00Z}}", "allow"),
    ],
)  # fmt: skip
def test_tenants_are_as_written(tmp_path: Path, tenant: str, answer: str) -> None:
    text = f"""\
at: 2026-03-01T12:00:00Z
tenants:
  acme: {{{tenant}, members: {{user:ann: [viewer], user:bob: []}}}}
cases:
  - {{name: It, tenant: acme, expect: {{user:ann: {{{answer}: [invoices:view]}}}}}}
"""
    assert unmet(tmp_path, text) == []


@pytest.mark.parametrize(
    ("member", "answer"),
    [
        ("[viewer]", "allow"),
        ("[]", "role_missing"),
        ("{}", "role_missing"),
        ("{roles: [viewer]}", "allow"),
        ("{roles: [viewer], state: invited}", "membership_invited"),
        ("{roles: [viewer], suspended: [scim]}", "membership_suspended"),
        ("[{role: viewer, scope: project:1}]", "allow"),
        ("[{role: viewer, scope: project:2}]", "role_missing"),
        ("[{role: viewer, until: 2026-03-01T12:00:00Z}]", "grant_expired"),
        ("[{role: viewer, from: 2026-03-01T12:00:00.000001Z}]", "role_missing"),
        ("[acme/seer]", "allow"),
        ("[acme/over]", "allow"),
    ],
)
def test_members_are_as_written(tmp_path: Path, member: str, answer: str) -> None:
    text = f"""\
at: 2026-03-01T12:00:00Z
tenants:
  acme:
    tier: free
    roles: {{seer: {{permissions: [invoices:view]}}, over: {{includes: [acme/seer, clerk]}}}}
    members: {{user:ann: {member}}}
cases:
  - name: It
    tenant: acme
    scope: project:1
    expect: {{user:ann: {{{answer}: [invoices:view]}}}}
"""
    assert unmet(tmp_path, text) == []


def test_the_same_tenant_may_be_another_in_another_file(tmp_path: Path) -> None:
    case = "cases: [{name: It, tenant: acme, expect: {user:ann: {%s: [invoices:view]}}}]\n"
    paid = HEAD + case % "allow"
    owing = HEAD.replace("tier: free", "tier: free\n    suspended: [billing]")
    owing += case % "tenant_suspended"
    files = [written(tmp_path, paid, "a.yaml"), written(tmp_path, owing, "b.yml")]
    run = running.run(POLICY, running.read(files, POLICY))
    assert [each.met for each in run] == [True, True]


def test_folders_are_searched_to_their_depths_and_no_file_is_read_twice(tmp_path: Path) -> None:
    text = HEAD + "cases: [{name: It, tenant: acme, expect: {user:ann: {allow: [invoices:view]}}}]"
    (tmp_path / "in").mkdir()
    paths = [written(tmp_path, text, name) for name in ("b.yaml", "a.yml", "in/c.yaml")]
    written(tmp_path, "no case file", "notes.txt")
    files = running.read([tmp_path, paths[2], tmp_path], POLICY)
    assert [Path(file.file).name for file in files] == ["a.yml", "b.yaml", "c.yaml"]


def test_coverage_names_what_no_question_came_to(tmp_path: Path) -> None:
    text = "cases: [{name: It, tenant: acme, expect: {user:ann: {allow: [invoices:view]}}}]"
    assert untouched(tmp_path, HEAD + text) == {
        "roles": ("editor", "clerk"),
        "tiers": ("pro",),
        "permissions": ("invoices:export", "reports:view", "tenants:get"),
        "layers": (
            "permission", "tenant", "membership", "exceptions", "roles", "entitlement", "limit",
        ),
        "reasons": (
            "unknown_permission", "unknown_tenant", "tenant_suspended", "tenant_offboarded",
            "not_a_member", "membership_invited", "membership_suspended", "denied_by_exception",
            "role_missing", "grant_expired", "not_entitled", "entitlement_expired",
            "limit_unknown", "limit_reached",
        ),
    }  # fmt: skip


def test_a_question_that_ends_early_touches_nothing_behind(tmp_path: Path) -> None:
    suspended = HEAD.replace("tier: free", "tier: free\n    suspended: [risk]")
    text = suspended + (
        "cases: [{name: It, tenant: acme, expect: {user:ann: {tenant_suspended: [invoices:view]}}}]"
    )
    found = untouched(tmp_path, text)
    assert found["permissions"] == tuple(each.id for each in POLICY.permissions)
    assert found["roles"] == ("viewer", "editor", "clerk")
    assert found["tiers"] == ("free", "pro")
    assert "tenant" not in found["layers"]
    assert "tenant_suspended" not in found["reasons"]


def test_a_denial_for_want_of_a_role_touches_the_role_and_not_the_tier(tmp_path: Path) -> None:
    text = "cases: [{name: It, tenant: acme, expect: {user:ann: {deny: [invoices:export]}}}]"
    found = untouched(tmp_path, HEAD + text)
    assert "viewer" not in found["roles"]
    assert "free" in found["tiers"]
    assert "invoices:export" not in found["permissions"]


def test_a_grant_that_does_not_hold_there_and_then_is_not_touched(tmp_path: Path) -> None:
    text = HEAD + """\
      user:bob: [{role: editor, scope: project:1}, {role: clerk, until: 2026-03-01T00:00:00Z}]
cases:
  - {name: Elsewhere, tenant: acme, expect: {user:bob: {role_missing: [invoices:view]}}}
"""  # fmt: skip
    assert untouched(tmp_path, text)["roles"] == ("viewer", "editor", "clerk")
    inside = text.replace("tenant: acme, expect", "tenant: acme, scope: project:1, expect")
    found = untouched(tmp_path, inside.replace("role_missing", "allow"))
    assert found["roles"] == ("viewer", "clerk")


def test_remedies_are_told_only_where_an_allowance_was_expected(tmp_path: Path) -> None:
    text = HEAD + """\
cases:
  - name: It
    tenant: acme
    expect: {user:ann: {grant_expired: [invoices:export], allow: [invoices:export]}}
"""  # fmt: skip
    denial, allowance = answered(tmp_path, text)
    assert {label for label, _ in told(denial)} == {"asked", "expected", "got", "because"}
    assert "remedy" in {label for label, _ in told(allowance)}
