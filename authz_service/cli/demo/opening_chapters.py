"""The demo's opening: a published table becomes roles and tiers, and customers come."""

import csv
from pathlib import Path
from typing import Final

from authz_service.cli.demo.stage import CUSTOMERS, Stage
from authz_service.cli.files.folder_changes import puts
from authz_service.gen.authz.v1 import changeset_pb2, member_pb2, tenant_pb2
from authz_service.policyfiles.matrix.matrix import read_matrix

TIERS: Final = ("free", "premium", "ultimate")
TEAM: Final = {"user:olga": "owner", "user:dan": "developer", "user:gil": "guest"}


def load(stage: Stage, matrix: Path) -> None:
    """Policy is data."""
    stage.teller.chapter("Policy is data")
    policy = read_matrix(matrix.read_text("utf-8"), TIERS, matrix.name).policy
    stage.rows = list(csv.DictReader(matrix.read_text("utf-8").splitlines()))
    changeset = changeset_pb2.Changeset(commands=puts(policy))
    total = len(changeset.commands)
    stage.teller.step(
        "GitLab's published permissions become catalogue, roles and tiers",
        f"authz import matrix {matrix.name} --tiers {','.join(TIERS)}",
        stage.noting(lambda: _apply(stage, changeset)),
        lambda a: f"{len(a.objects)} definitions put",
        f"{total} definitions put",
    )


def _apply(
    stage: Stage, changeset: changeset_pb2.Changeset
) -> changeset_pb2.ApplyChangesetResponse:
    """Preview a changeset, and apply it as previewed."""
    preview = changeset_pb2.PreviewChangesetRequest(changeset=changeset)
    fingerprint = stage.changesets.PreviewChangeset(preview).fingerprint
    request = changeset_pb2.ApplyChangesetRequest(
        changeset=changeset, fingerprint=fingerprint, reason="demo"
    )
    return stage.changesets.ApplyChangeset(request)


def customers(stage: Stage) -> None:
    """Customers, one on each tier."""
    stage.teller.chapter("A customer on each tier")
    team = [member_pb2.NewMember(subject=s, roles=[r]) for s, r in TEAM.items()]
    members = " ".join(f"--member {subject}={role}" for subject, role in TEAM.items())
    for tenant, tier in CUSTOMERS.items():
        opened = tenant_pb2.OnboardTenantRequest(tenant=tenant, tier=tier, members=team)
        stage.change(
            f"Open {tenant} on {tier}, with its first people and their roles",
            f"authz tenants onboard {tenant} --tier {tier} {members}",
            lambda opened=opened: stage.tenants.OnboardTenant(opened),  # type: ignore[misc]
        )
