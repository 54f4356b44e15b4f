"""Shipped sources are held by recorded events, and a rule that no case fires is refused."""

import json
import shutil
from pathlib import Path

import pytest

from authz_service.config import shipped_policies
from authz_service.policyfiles import billing_policy_file
from authz_service.usecases.billing import policy_cases


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Copy the shipped policy, to break it."""
    return shutil.copytree(shipped_policies(), tmp_path / "policies")


def problems(folder: Path) -> list[str]:
    report = policy_cases.run(folder, billing_policy_file.read_folder(folder))
    return [str(problem) for problem in report.problems]


def test_shipped_sources_are_held_by_cases() -> None:
    assert problems(shipped_policies()) == []


def test_folder_without_cases_says_nothing(folder: Path) -> None:
    shutil.rmtree(folder / "cases" / "billing")
    assert policy_cases.run(folder, billing_policy_file.read_folder(folder)).cases == 0


def test_rule_that_no_case_fires_is_told_with_its_line(folder: Path) -> None:
    file = folder / "billing.yaml"
    rule = "      - {type: customer.deleted, do: [churned]}\n"
    extra = "      - {type: customer.deleted, when: data.object.never, do: [churned]}\n"
    text = file.read_text()
    assert rule in text
    file.write_text(text.replace(rule, rule + extra))
    (problem,) = problems(folder)
    line = text[: text.index(rule)].count("\n") + 2
    assert problem.startswith(f"billing.yaml:{line}: sources.stripe.events[")
    assert "no case fires it" in problem


@pytest.mark.parametrize("source", ["stripe", "hubspot", "salesforce", "chargebee"])
def test_rule_taken_out_fails_a_case(folder: Path, source: str) -> None:
    """Break the meaning of what wins or opens, sender by sender."""
    file = folder / "billing.yaml"
    replaced = {
        "stripe": (
            "active: [change_plan, active, end]\n          past_due",
            "active: [change_plan, end]\n          past_due",
        ),
        "hubspot": (
            "do: [onboard, reactivated]\n        fields:\n          display_name: properties",
            "do: [onboard]\n        fields:\n          display_name: properties",
        ),
        "salesforce": ("Closed Won: [onboard, reactivated]", "Closed Won: [onboard]"),
        "chargebee": (
            "in_trial: [change_plan, trial, end]",
            "in_trial: [change_plan, active, end]",
        ),
    }
    before, after = replaced[source]
    text = file.read_text()
    assert before in text
    file.write_text(text.replace(before, after))
    found = problems(folder)
    assert any(f"cases/billing/{source}" in problem for problem in found), found


def test_wrong_expectation_is_told(folder: Path) -> None:
    file = folder / "cases" / "billing" / "hubspot.yaml"
    file.write_text(file.read_text().replace("{seats: 12}", "{seats: 25}"))
    assert any("its limits are {'seats': 12}, not {'seats': 25}" in p for p in problems(folder))


def test_recording_that_is_not_json_is_told(folder: Path) -> None:
    (folder / "cases" / "billing" / "recordings" / "hubspot-won.json").write_text("{")
    with pytest.raises(Exception, match=r"hubspot-won\.json"):
        problems(folder)


def test_recordings_are_all_used() -> None:
    cases = shipped_policies() / "cases" / "billing"
    text = "".join(file.read_text() for file in cases.glob("*.yaml"))
    unused = [f.name for f in (cases / "recordings").iterdir() if f.name not in text]
    assert unused == []
    assert all(json.loads(f.read_text()) for f in (cases / "recordings").iterdir())
