"""`authz policy test` as it is typed."""

from pathlib import Path
from xml.etree import ElementTree

import pytest

from authz_service.policyfiles import policy_files
from tests.commands import Authz, authz_command
from tests.unit.policy_case_files import HEAD, POLICY

authz = pytest.fixture(authz_command)

GOOD = (
    HEAD + "cases: [{name: Ann sees, tenant: acme, expect: {user:ann: {allow: [invoices:view]}}}]\n"
)
BAD = (
    HEAD
    + """\
cases:
  - name: Ann <exports> & sees
    tenant: acme
    expect: {user:ann: {allow: [invoices:export], role_missing: [invoices:view]}}
"""
)


@pytest.fixture
def policies(tmp_path: Path) -> Path:
    """Write a policy folder with its own cases into the folder that commands run in."""
    (tmp_path / "policies" / "cases").mkdir(parents=True)
    for name, text in policy_files.write(POLICY).items():
        (tmp_path / "policies" / name).write_text(text)
    (tmp_path / "policies" / "cases" / "good.yaml").write_text(GOOD)
    (tmp_path / "bad.yaml").write_text(BAD)
    return tmp_path / "policies"


def test_the_folder_cases_of_the_policy_is_run_unless_others_are_named(
    authz: Authz, policies: Path
) -> None:
    ran = authz("policy", "test", "--policies", "policies")
    assert (ran.code, ran.out) == (0, "✓ 1 question passed in 1 file\n")
    ran = authz("policy", "test", "policies/cases", "bad.yaml", "--policies", "policies")
    assert ran.code == 1
    assert ran.out.endswith("✗ 2 failed, 1 question passed in 2 files\n")


def test_the_policy_of_the_environment_is_the_default(
    authz: Authz, policies: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTHZ_POLICIES_DIR", str(policies))
    assert authz("policy", "test").out == "✓ 1 question passed in 1 file\n"


def test_a_failure_tells_place_question_both_answers_why_and_what_to_do(
    authz: Authz, policies: Path
) -> None:
    ran = authz("policy", "test", "bad.yaml", "--policies", "policies")
    assert (
        ran.out
        == """\
✗ bad.yaml:10  Ann <exports> & sees
  asked     user:ann invoices:export in acme, at 2026-03-01T12:00:00Z
  expected  allow
  got       deny, role_missing
  because   roles: user:ann holds viewer; nothing live gives invoices:export
  because   entitlement: tier free of acme lacks invoices:export
  remedy    grant acme an exception for invoices:export, create role acme/invoices-export with \
invoices:export and grant user:ann acme/invoices-export in acme
  remedy    move acme to tier pro, create role acme/invoices-export with invoices:export and \
grant user:ann acme/invoices-export in acme

✗ bad.yaml:10  Ann <exports> & sees
  asked     user:ann invoices:view in acme, at 2026-03-01T12:00:00Z
  expected  role_missing
  got       allow
  because   permission: invoices:view is declared
  because   tenant: acme is active
  because   membership: user:ann is a member of acme, active
  because   exceptions: no deny exception applies
  because   roles: user:ann holds viewer, which has invoices:view
  because   entitlement: tier free entitles acme

✗ 2 failed, 0 questions passed in 1 file
"""
    )


def test_json_is_one_document_with_failures_and_coverage(authz: Authz, policies: Path) -> None:
    ran = authz("policy", "test", "bad.yaml", "--policies", "policies", "--coverage", "-o", "json")
    assert ran.code == 1
    document = ran.document
    assert (document["files"], document["cases"]) == (1, 1)
    assert (document["passed"], document["failed"]) == (0, 2)
    failure = document["failures"][0]
    assert failure["file"] == "bad.yaml"
    assert failure["line"] == 10
    assert (failure["expected"], failure["got"]) == ("allow", "role_missing")
    assert [each["layer"] for each in failure["layers"] if each["answer"] != "allow"] == [
        "roles",
        "entitlement",
    ]
    assert failure["remedies"][1] == {
        "summary": "move acme to tier pro, create role acme/invoices-export with invoices:export "
        "and grant user:ann acme/invoices-export in acme",
        "gives": [],
        "takes_away": [],
    }
    assert document["coverage"]["tiers"] == {"touched": ["free"], "untouched": ["pro"]}


def test_junit_has_a_suite_for_each_file_and_a_test_for_each_question(
    authz: Authz, policies: Path
) -> None:
    paths = ("policies/cases", "bad.yaml")
    ran = authz("policy", "test", *paths, "--policies", "policies", "--junit", "var/out.xml")
    assert ran.code == 1
    root = ElementTree.fromstring((policies.parent / "var" / "out.xml").read_bytes())
    assert root.tag == "testsuites"
    assert (root.attrib["tests"], root.attrib["failures"], root.attrib["errors"]) == ("3", "2", "0")
    good, bad = root
    assert (good.attrib["name"], good.attrib["tests"]) == ("policies/cases/good.yaml", "1")
    assert (bad.attrib["name"], bad.attrib["failures"]) == ("bad.yaml", "2")
    test = bad[0]
    assert test.attrib == {
        "classname": "Ann <exports> & sees",
        "name": "user:ann invoices:export in acme, at 2026-03-01T12:00:00Z: allow",
        "file": "bad.yaml",
        "line": "10",
    }
    assert test[0].attrib["message"] == "expected allow, got role_missing"
    assert test[0].text is not None
    assert "because: roles: user:ann holds viewer" in test[0].text
    assert list(good[0]) == []


def test_coverage_shows_what_no_case_touches(authz: Authz, policies: Path) -> None:
    ran = authz("policy", "test", "--policies", "policies", "--coverage")
    assert ran.code == 0
    rows = [line.split() for line in ran.out.splitlines()]
    assert ["roles", "1", "of", "3", "editor,", "clerk"] in rows
    assert ["tiers", "1", "of", "2", "pro"] in rows


def test_a_wrong_case_file_is_exit_2_and_nothing_is_asked(authz: Authz, policies: Path) -> None:
    (policies / "cases" / "wrong.yaml").write_text(GOOD.replace("viewer", "viewr"))
    for how in ((), ("--junit", "out.xml")):
        ran = authz("policy", "test", "--policies", "policies", *how)
        assert (ran.code, ran.out) == (2, "")
        assert "policies/cases/wrong.yaml:6: tenants.acme.members.user:ann[0]: role 'viewr'" in (
            ran.err
        )
    assert not (policies.parent / "out.xml").exists()
    failure = authz("policy", "test", "--policies", "policies", "-o", "json").failure
    assert (failure["reason"], failure["field"]) == (
        "INVALID_CASES",
        "tenants.acme.members.user:ann[0]",
    )
    assert failure["details"] == {"file": "policies/cases/wrong.yaml", "line": "6"}


@pytest.mark.parametrize("wrong", ["nowhere", "policies"])
def test_a_wrong_policy_is_exit_2(authz: Authz, policies: Path, wrong: str) -> None:
    (policies / "tiers.yaml").write_text("tiers: {free: {permissions: [x:y]}}\n")
    ran = authz("policy", "test", "bad.yaml", "--policies", wrong)
    assert (ran.code, ran.out) == (2, "")
    assert "INVALID_POLICY" in ran.err


def test_a_report_that_cannot_be_written_is_exit_2(authz: Authz, policies: Path) -> None:
    ran = authz("policy", "test", "--policies", "policies", "--junit", "bad.yaml/out.xml")
    assert ran.code == 2
    assert "UNWRITABLE_FILE" in ran.err
