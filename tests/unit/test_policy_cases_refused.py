"""Case files that are wrong: every mistake is told with its file, line and field."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from authz_service.policyfiles.cases import running
from authz_service.policyfiles.cases.running import PolicyCaseError
from authz_service.policyfiles.problem import MAX_BYTES
from tests.unit.policy_case_files import HEAD, POLICY, only_problem, problems, written

CASES = "cases: [{name: It, tenant: acme, expect: {user:ann: {allow: [invoices:view]}}}]\n"


def places(folder: Path, text: str) -> list[tuple[int, str]]:
    return [(line, field) for line, field, _ in problems(folder, text)]


def with_tenant(more: str) -> str:
    """Write a good file and one line more in its tenant: the seventh."""
    return f"{HEAD}    {more}\n{CASES}"


def with_member(more: str) -> str:
    """Write a good file and one member more: the seventh line."""
    return f"{HEAD}      {more}\n{CASES}"


def with_case(body: str) -> str:
    """Write a good file with one case, its body on the tenth line."""
    return f"{HEAD}cases:\n  - name: It\n    tenant: acme\n    {body}\n"


def with_table(*lines: str) -> str:
    """Write a good file with a table, its head on the eleventh line."""
    return with_case("table: |\n" + "\n".join(f"      {line}" for line in lines))


@pytest.mark.parametrize(
    ("text", "line", "field"),
    [
        ("", 1, ""),
        ("[]", 1, ""),
        ("tenants: {}\n", 1, "cases"),
        ("cases: []\ntenants: {}\n", 1, "cases"),
        (HEAD + "cases: []\n", 7, "cases"),
        (with_case("expect: {}"), 10, "cases[0].expect"),
        (with_case("expect: {user:ann: {}}"), 10, "cases[0].expect.user:ann"),
        (with_case("expect: {user:ann: {allow: []}}"), 10, "cases[0].expect.user:ann.allow"),
        (with_case("table: ''"), 10, "cases[0].table"),
        (with_case("table: |"), 10, "cases[0].table"),
        (with_table("permission user:ann"), 10, "cases[0].table"),
        (with_table("# permission user:ann", "# invoices:view allow"), 10, "cases[0].table"),
    ],
)
def test_a_file_or_a_case_that_asks_nothing_is_wrong(
    tmp_path: Path, text: str, line: int, field: str
) -> None:
    found_line, found_field, _ = only_problem(tmp_path, text)
    assert (found_line, found_field) == (line, field)


def test_a_case_without_a_question_says_what_to_add(tmp_path: Path) -> None:
    line, field, message = only_problem(tmp_path, with_case("at: 2026-03-01T00:00:00Z"))
    assert (line, field) == (8, "cases[0]")
    assert "`expect`, `table` or both" in message


@pytest.mark.parametrize(
    ("text", "line", "field"),
    [
        (HEAD + "extra: 1\n" + CASES, 7, "extra"),
        (with_tenant("plan: free"), 7, "tenants.acme.plan"),
        (with_member("user:bob: {role: viewer}"), 7, "tenants.acme.members.user:bob.role"),
        (with_member("user:bob: [{role: viewer, to: x}]"), 7,
         "tenants.acme.members.user:bob[0].to"),
        (with_tenant("roles: {r: {permision: []}}"), 7, "tenants.acme.roles.r.permision"),
        (with_tenant("exceptions: {x: {grant: [], who: x}}"), 7, "tenants.acme.exceptions.x.who"),
        (with_case("when: {expect: {user:ann: {allow: [invoices:view]}}}"), 10, "cases[0].when"),
        (with_case("usage: {limit: projects, used: 1, more: 1}\n"
                   "    expect: {user:ann: {allow: [invoices:view]}}"), 10,
         "cases[0].usage.more"),
    ],
)  # fmt: skip
def test_an_unknown_key_is_wrong_wherever_it_stands(
    tmp_path: Path, text: str, line: int, field: str
) -> None:
    assert (line, field) in places(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "line", "field", "said"),
    [
        (HEAD.replace("free", "fre") + CASES, 4, "tenants.acme.tier", "did you mean 'free'?"),
        (with_member("user:bob: [viewr]"), 7, "tenants.acme.members.user:bob[0]",
         "did you mean 'viewer'?"),
        (with_member("user:bob: [other/clerk]"), 7, "tenants.acme.members.user:bob[0]",
         "role 'other/clerk' is not declared"),
        (with_tenant("roles: {r: {permissions: [invoices:veiw]}}"), 7,
         "tenants.acme.roles.r.permissions[0]", "did you mean 'invoices:view'?"),
        (with_tenant("roles: {r: {includes: [acme/s]}}"), 7,
         "tenants.acme.roles.r.includes[0]", "role 'acme/s' is not declared"),
        (with_tenant("exceptions: {x: {grant: [invoices:eat]}}"), 7,
         "tenants.acme.exceptions.x.grant[0]", "'invoices:eat' is not declared"),
        (with_tenant("exceptions: {x: {deny: [invoices:view], subject: user:bob}}"), 7,
         "tenants.acme.exceptions.x.subject", "user:bob is not among the tenant's `members`"),
        (with_case("expect: {user:ann: {allow: [invoices:eat]}}"), 10,
         "cases[0].expect.user:ann.allow[0]", "or expect unknown_permission"),
        (with_case("expect: {user:ann: {deny: [invoices:eat]}}"), 10,
         "cases[0].expect.user:ann.deny[0]", "or expect unknown_permission"),
        (with_case("expect: {user:bob: {deny: [invoices:view]}}"), 10,
         "cases[0].expect.user:bob.deny[0]", "or expect not_a_member"),
        (with_case("expect: {user:ann: {deny: [invoices:view]}}").replace(
            "tenant: acme", "tenant: akme"), 9, "cases[0].tenant", "or expect unknown_tenant"),
        (with_case("usage: {limit: seets, used: 1}\n"
                   "    expect: {user:ann: {allow: [invoices:view]}}"), 10,
         "cases[0].usage.limit", "or expect limit_unknown"),
    ],
)  # fmt: skip
def test_a_name_that_does_not_exist_is_a_mistake_and_not_a_denial(
    tmp_path: Path, text: str, line: int, field: str, said: str
) -> None:
    found_line, found_field, message = only_problem(tmp_path, text)
    assert (found_line, found_field) == (line, field)
    assert said in message


@pytest.mark.parametrize(
    ("text", "line", "field"),
    [
        (with_tenant("state: closed"), 7, "tenants.acme.state"),
        (with_tenant("state: suspended"), 7, "tenants.acme.state"),
        (with_tenant("state: [{state: trial}, {state: active}]"), 7, "tenants.acme.state[1]"),
        (with_tenant("suspended: [mood]"), 7, "tenants.acme.suspended[0]"),
        (with_tenant("suspended: billing"), 7, "tenants.acme.suspended"),
        (with_tenant("exceptions: {x: {}}"), 7, "tenants.acme.exceptions.x"),
        (with_tenant("exceptions: {x: {grant: [], deny: []}}"), 7, "tenants.acme.exceptions.x"),
        (with_tenant("exceptions: {x: {grant: [], scope: project:1}}"), 7,
         "tenants.acme.exceptions.x.scope"),
        (with_tenant("exceptions: {x_y: {grant: []}}"), 7, "tenants.acme.exceptions.x_y"),
        (with_tenant("roles: {r: {includes: [acme/r]}}"), 7, "tenants.acme.roles.r.includes"),
        (HEAD.replace("tier: free", "tier: [{tier: free}, {tier: pro}]") + CASES, 4,
         "tenants.acme.tier[1]"),
        (with_member("staff:bob: []"), 7, "tenants.acme.members.staff:bob"),
        (with_member("bob: []"), 7, "tenants.acme.members.bob"),
        (with_member("user:bob: viewer"), 7, "tenants.acme.members.user:bob"),
        (with_member("user:bob:"), 7, "tenants.acme.members.user:bob"),
        (with_member("user:bob: {state: removed}"), 7, "tenants.acme.members.user:bob.state"),
        (with_member("user:bob: [{scope: project:1}]"), 7,
         "tenants.acme.members.user:bob[0].role"),
        (with_member("user:bob: [{role: viewer, scope: a}]"), 7,
         "tenants.acme.members.user:bob[0].scope"),
        (with_member("user:bob: [{role: viewer, scope: 'a:b/c:d/e:f/g:h/i:j'}]"), 7,
         "tenants.acme.members.user:bob[0].scope"),
        (with_member("user:bob: [{role: viewer}, {role: viewer}]"), 7,
         "tenants.acme.members.user:bob[1]"),
        (with_member("user:ann: []"), 7, "tenants.acme.members.user:ann"),
        (with_case("expect: {user:ann: {alow: [invoices:view]}}"), 10,
         "cases[0].expect.user:ann.alow"),
        (with_case("scope: project\n    expect: {user:ann: {allow: [invoices:view]}}"), 10,
         "cases[0].scope"),
        (with_case("usage: {limit: projects, used: -1}\n"
                   "    expect: {user:ann: {allow: [invoices:view]}}"), 10, "cases[0].usage.used"),
        (with_case("usage: {limit: projects}\n"
                   "    expect: {user:ann: {allow: [invoices:view]}}"), 10, "cases[0].usage.used"),
        (HEAD + CASES.replace("name: It, ", ""), 7, "cases[0].name"),
        (HEAD + CASES.replace("It", "''"), 7, "cases[0].name"),
        (HEAD + CASES + "cases: []\n", 8, "cases"),
        (HEAD + f"cases: [{CASES[8:-2]}, {CASES[8:-2]}]", 7, "cases[1].name"),
        (HEAD.partition("\n")[2] + CASES, 6, "cases[0].at"),
    ],
)  # fmt: skip
def test_each_mistake_has_its_place(tmp_path: Path, text: str, line: int, field: str) -> None:
    found_line, found_field, _ = only_problem(tmp_path, text)
    assert (found_line, found_field) == (line, field)


@pytest.mark.parametrize(
    "instant",
    [
        "2026-03-01",
        "2026-03-01T12:00:00",
        "2026-03-01T12:00Z",
        "2026-02-30T12:00:00Z",
        "2026-03-01T25:00:00Z",
        "2026-03-01 12:00:00Z",
        "2026-03-01T12:00:00.1234567Z",
        "2026-W09-1T12:00:00Z",
        "1969-12-31T23:59:59Z",
        "9999-12-31T23:59:59-01:00",
        "0001-01-01T00:00:00+23:00",
        "now",
        "+1d",
    ],
)
def test_an_instant_is_written_in_rfc_3339_with_its_offset(tmp_path: Path, instant: str) -> None:
    line, field, message = only_problem(tmp_path, HEAD.replace("2026-03-01T12:00:00Z", instant)
                                        + CASES)  # fmt: skip
    assert (line, field) == (1, "at")
    assert "2026-03-01T12:00:00Z" in message


@pytest.mark.parametrize("until", ["2026-03-01T00:00:00Z", "2026-03-01T01:00:00+02:00"])
def test_a_window_ends_after_it_starts(tmp_path: Path, until: str) -> None:
    grant = f"{{role: viewer, from: 2026-03-01T00:00:00Z, until: '{until}'}}"
    line, field, _ = only_problem(tmp_path, with_member(f"user:bob: [{grant}]"))
    assert (line, field) == (7, "tenants.acme.members.user:bob[0].until")


@pytest.mark.parametrize(
    ("lines", "line", "field"),
    [
        (["subject user:ann", "invoices:view allow"], 11, "cases[0].table"),
        (["permission", "invoices:view"], 11, "cases[0].table"),
        (["permission user:ann user:ann", "invoices:view allow allow"], 11,
         "cases[0].table.user:ann"),
        (["permission user:ann", "invoices:view"], 12, "cases[0].table.invoices:view"),
        (["permission user:ann", "invoices:view allow allow"], 12, "cases[0].table.invoices:view"),
        (["permission user:ann", "invoices:view allow", "", "invoices:view allow"], 14,
         "cases[0].table.invoices:view"),
        (["permission user:ann", "# remark", "invoices:view yes"], 13,
         "cases[0].table.invoices:view.user:ann"),
        (["permission user:ann", "invoices:veiw allow"], 12,
         "cases[0].table.invoices:veiw.user:ann"),
        (["permission user:bob", "invoices:view role_missing"], 12,
         "cases[0].table.invoices:view.user:bob"),
        (["permission user:ann", "Invoices unknown_permission"], 12, "cases[0].table.Invoices"),
        (["permission bob", "invoices:view not_a_member"], 11, "cases[0].table.bob"),
    ],
)  # fmt: skip
def test_each_mistake_in_a_table_has_its_row_and_column(
    tmp_path: Path, lines: list[str], line: int, field: str
) -> None:
    found_line, found_field, _ = only_problem(tmp_path, with_table(*lines))
    assert (found_line, found_field) == (line, field)


def test_every_problem_of_every_file_is_told_at_once(tmp_path: Path) -> None:
    first = written(tmp_path, HEAD.replace("free", "fre") + "cases: []\n", "a.yaml")
    second = written(tmp_path, "tenants: {}\n x", "b.yaml")
    (tmp_path / "none").mkdir()
    missing = tmp_path / "missing.yaml"
    with pytest.raises(PolicyCaseError) as refused:
        running.read([first, second, tmp_path / "none", missing], POLICY)
    found = [(Path(p.file).name, p.line, p.field) for p in refused.value.problems]
    assert sorted(found) == [
        ("a.yaml", 4, "tenants.acme.tier"),
        ("a.yaml", 7, "cases"),
        ("b.yaml", 2, ""),
        ("missing.yaml", 1, ""),
        ("none", 1, ""),
    ]
    assert all(str(problem) in refused.value.message for problem in refused.value.problems)


@pytest.mark.parametrize(
    ("content", "line", "said"),
    [(b"a:\n\xff", 2, "not UTF-8"), (b"#" * (MAX_BYTES + 1), 1, "larger than")],
)
def test_a_file_that_cannot_be_read_is_told(
    tmp_path: Path, content: bytes, line: int, said: str
) -> None:
    (tmp_path / "a.yaml").write_bytes(content)
    with pytest.raises(PolicyCaseError) as refused:
        running.read([tmp_path / "a.yaml"], POLICY)
    (problem,) = refused.value.problems
    assert problem.line == line
    assert said in problem.message


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(HEAD + CASES, "utf-8-sig")
    assert len(running.read([tmp_path / "a.yaml"], POLICY)) == 1


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
    | st.sampled_from(["acme", "viewer", "free", "user:ann", "invoices:view", "allow"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["role", "tier", "state", "x", "from", "acme"]), inner,
                      max_size=3),
    max_leaves=6,
)  # fmt: skip

WHOLE = """\
description: text
at: "2026-03-01T12:00:00Z"
tenants:
  acme:
    tier: [{tier: free, from: "2026-01-01T00:00:00Z"}]
    state: [{state: active}]
    suspended: [billing]
    roles: {clerk: {permissions: [invoices:view], includes: [viewer]}}
    members:
      user:ann: {state: active, suspended: [], roles: [{role: viewer, scope: a:b}, clerk]}
    exceptions: {x: {deny: [invoices:view], subject: user:ann, scope: a:b, reason: text}}
cases:
  - name: It
    tenant: acme
    at: "2026-03-01T12:00:00Z"
    scope: a:b
    usage: {limit: projects, used: 1, quantity: 1}
    expect: {user:ann: {deny: [invoices:view]}}
    table: "permission user:ann\\ninvoices:view deny"
"""


def spots(value: Any) -> list[tuple[Any, Any]]:
    """List every place in a document as a container and its key."""
    entries = value.items() if isinstance(value, dict) else enumerate(value)
    found = []
    for key, inner in list(entries):
        found.append((value, key))
        found += spots(inner) if isinstance(inner, dict | list) else []
    return found


def test_the_whole_document_that_is_spoilt_below_is_right(tmp_path: Path) -> None:
    (file,) = running.read([written(tmp_path, yaml.safe_dump(yaml.safe_load(WHOLE)))], POLICY)
    assert all(each.met for each in running.run(POLICY, [file]))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_stands_anywhere_is_read_or_refused(tmp_path: Path, data: st.DataObject) -> None:
    document = yaml.safe_load(WHOLE)
    container, key = data.draw(st.sampled_from(spots(document)))
    container[key] = data.draw(ANYTHING)
    path = written(tmp_path, yaml.safe_dump(document))
    try:
        files = running.read([path], POLICY)
    except PolicyCaseError:
        return
    for each in running.run(POLICY, files):
        assert each.explained().decision.reason is each.reason
