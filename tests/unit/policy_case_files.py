"""Case files for tests: a policy, and files written from text."""

from pathlib import Path

import pytest

from authz_service.domain.policy_case import CaseFile
from authz_service.domain.policy_set import PolicySet
from authz_service.policyfiles import policy_files
from authz_service.policyfiles.cases import running
from authz_service.policyfiles.cases.running import Answered, PolicyCaseError

POLICY: PolicySet = policy_files.read(
    {
        "catalogue.yaml": """\
permissions:
  invoices:view: {}
  invoices:export: {}
  reports:view: {}
  tenants:get: {internal: true}
""",
        "roles.yaml": """\
roles:
  viewer: {permissions: [invoices:view, reports:view]}
  editor: {includes: [viewer], permissions: [invoices:export]}
  clerk: {permissions: [invoices:export]}
""",
        "tiers.yaml": """\
tiers:
  free: {permissions: [invoices:view], limits: {projects: {value: 2, unit: project}}}
  pro: {extends: free, permissions: [invoices:export]}
""",
    }
)

HEAD = """\
at: 2026-03-01T12:00:00Z
tenants:
  acme:
    tier: free
    members:
      user:ann: [viewer]
"""
"""Six lines; what a test adds begins on the seventh."""


def written(folder: Path, text: str, name: str = "a.yaml") -> Path:
    path = folder / name
    path.write_text(text, "utf-8")
    return path


def read(folder: Path, text: str) -> CaseFile:
    (file,) = running.read([written(folder, text)], POLICY)
    return file


def answered(folder: Path, text: str) -> list[Answered]:
    return list(running.run(POLICY, [read(folder, text)]))


def unmet(folder: Path, text: str) -> list[tuple[int, str, str]]:
    """Return line, expected answer and reason got of each question that failed."""
    return [
        (each.expectation.line, each.expectation.answer, each.reason.name.lower())
        for each in answered(folder, text)
        if not each.met
    ]


def problems(folder: Path, text: str) -> list[tuple[int, str, str]]:
    """Return line, field and message of everything wrong in a file that must be refused."""
    with pytest.raises(PolicyCaseError) as refused:
        read(folder, text)
    return [(each.line, each.field, each.message) for each in refused.value.problems]


def only_problem(folder: Path, text: str) -> tuple[int, str, str]:
    (problem,) = problems(folder, text)
    return problem
