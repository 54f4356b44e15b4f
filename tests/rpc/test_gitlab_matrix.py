"""GitLab's published permissions, imported and asked cell by cell through gRPC."""

import csv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from authz_service.config import shipped_policies
from authz_service.gen.authz.v1 import authorization_pb2 as checks
from authz_service.gen.authz.v1 import changeset_pb2, member_pb2, tenant_pb2
from authz_service.policyfiles.matrix.matrix import read_matrix
from authz_service.rpc.messages import catalog
from tests import changesets
from tests.rpc.exported import asked, by_node, by_pycasbin, exported
from tests.rpc.harness import Server, serving
from tests.sweeps import share_of

FILE: Final = shipped_policies() / "examples" / "gitlab" / "permissions.csv"
TIERS: Final = ("free", "premium", "ultimate")
ROLES: Final = ("guest", "reporter", "developer", "maintainer", "owner")


class Cell(NamedTuple):
    """A role on a tier and a permission, with what the table itself says about it."""

    tier: str
    role: str
    permission: str
    says: str

    @property
    def allowed(self) -> bool:
        return self.says == "yes"


def cells() -> Iterator[Cell]:
    """Read the table by nothing that the service reads it by."""
    with FILE.open(newline="") as file:
        for row in csv.DictReader(file):
            name = f"{row['scope']}.{row['resource']}:{row['action']}"
            for tier in TIERS:
                bought = TIERS.index(tier) >= TIERS.index(row["tier"])
                for role in ROLES:
                    says = row[role] if bought or row[role] == "conditional" else "no"
                    yield Cell(tier, role, name, says)


@pytest.fixture(scope="module")
def gitlab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Serve with the table applied, one tenant a tier and in it one user a role."""
    with serving(tmp_path_factory.mktemp("gitlab"), shadow_per_second=5.0) as server:
        apply(server)
        for tier in TIERS:
            server.operator.tenants.OnboardTenant(_customer(tier))
        yield server
        assert server.service.explainer.disagreements == 0


def apply(server: Server) -> changeset_pb2.ApplyChangesetResponse:
    policy = read_matrix(FILE.read_text(), TIERS).policy
    changeset = changesets.puts(
        permissions=[catalog.permission_message(each) for each in policy.permissions],
        roles=[catalog.role_message(each) for each in policy.roles],
        tiers=[catalog.tier_message(each) for each in policy.tiers],
    )
    return changesets.apply(server.operator.changesets, changeset, reason="imported")


def _customer(tier: str) -> tenant_pb2.OnboardTenantRequest:
    members = [member_pb2.NewMember(subject=f"user:{role}", roles=[role]) for role in ROLES]
    return tenant_pb2.OnboardTenantRequest(tenant=f"on-{tier}", tier=tier, members=members)


def batch_answers(server: Server, wanted: list[Cell]) -> list[bool]:
    answers: list[bool] = []
    for start in range(0, len(wanted), 1000):
        questions = [
            checks.Question(
                tenant=f"on-{cell.tier}", subject=f"user:{cell.role}", permission=cell.permission
            )
            for cell in wanted[start : start + 1000]
        ]
        request = checks.BatchCheckRequest(questions=questions)
        answers += server.operator.checks.BatchCheck(request).allowed
    return answers


def decided() -> list[Cell]:
    return [cell for cell in cells() if cell.says != "conditional"]


def test_table_has_as_many_cells_as_are_promised() -> None:
    allowed = [cell.allowed for cell in decided()]
    assert (allowed.count(True), allowed.count(False)) == (1611, 1554)


def test_every_cell_is_answered_right_in_batches(gitlab: Server) -> None:
    wanted = decided()
    answers = batch_answers(gitlab, wanted)
    assert [c for c, a in zip(wanted, answers, strict=True) if a != c.allowed] == []


def test_every_cell_is_answered_right_one_by_one(gitlab: Server) -> None:
    wrong = []
    for cell in share_of(decided()):
        request = checks.CheckRequest(
            tenant=f"on-{cell.tier}", subject=f"user:{cell.role}", permission=cell.permission
        )
        if gitlab.operator.checks.Check(request).allowed != cell.allowed:
            wrong.append(cell)
    assert wrong == []


def test_conditional_cell_grants_nothing(gitlab: Server) -> None:
    wanted = [cell for cell in cells() if cell.says == "conditional"]
    assert wanted
    assert not any(batch_answers(gitlab, wanted))


def test_denied_cell_says_whether_role_or_tier_is_missing(gitlab: Server) -> None:
    asked: dict[str, Any] = {"tenant": "on-free", "permission": "project.dora_metrics:view"}
    owner = checks.CheckRequest(subject="user:owner", **asked)
    guest = checks.CheckRequest(subject="user:guest", **asked)
    assert gitlab.operator.checks.Check(owner).reason == checks.DECISION_REASON_NOT_ENTITLED
    assert gitlab.operator.checks.Check(guest).reason == checks.DECISION_REASON_ROLE_MISSING


def test_table_applied_again_changes_nothing(gitlab: Server) -> None:
    before = gitlab.revision
    answer = apply(gitlab)
    assert list(answer.objects) == []
    assert (answer.revision, gitlab.revision) == (before, before)


@pytest.mark.parametrize("enforce", [by_pycasbin, by_node])
def test_stock_casbin_answers_every_cell_by_the_exported_rules(
    gitlab: Server, tmp_path: Path, enforce: Callable[..., list[bool]]
) -> None:
    wanted = share_of(decided())
    questions = [asked(f"on-{cell.tier}", f"user:{cell.role}", cell.permission) for cell in wanted]
    answers = enforce(*exported(gitlab, tmp_path), questions)
    assert [c for c, a in zip(wanted, answers, strict=True) if a is not c.allowed] == []


def test_shipped_table_names_its_source() -> None:
    assert "gitlab" in Path(FILE.parent, "README.md").read_text().lower()
