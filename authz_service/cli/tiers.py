"""`authz tiers`: what customers buy."""

from typing import Annotated

import typer
from rich.table import Table

from authz_service.cli import output as out
from authz_service.cli.entitlements import amount, feature_value, limit_value
from authz_service.cli.options import Limit, reads
from authz_service.cli.paging import every, total
from authz_service.cli.session import Session
from authz_service.gen.authz.v1 import policy_pb2 as pb

app = typer.Typer(help="What customers buy; authz apply changes it.")


@reads(app, "list")
def list_tiers(session: Session, limit: Limit = None) -> None:
    """List tiers."""
    answer = every(session.policy.ListTiers, pb.ListTiersRequest(), lambda p: p.tiers, limit)
    rows = [
        (each.id, each.extends, str(len(each.permissions)),
         out.listed(f"{limit.name} {amount(limit)}" for limit in each.limits), each.description)
        for each in answer.tiers
    ]  # fmt: skip
    columns = ("TIER", "EXTENDS", "PERMISSIONS", "LIMITS", "DESCRIPTION")
    session.show(answer, out.table(columns, rows), note=total(len(rows), "tier", answer))


@reads(app)
def get(
    session: Session,
    tier: Annotated[str, typer.Argument(metavar="TIER", help="As authz tiers list shows them.")],
) -> None:
    """Show one tier: what it adds to the one that it extends."""
    answer = session.policy.GetTier(pb.GetTierRequest(id=tier))
    session.show(answer, _facts(answer.tier))


def _facts(tier: pb.Tier) -> Table:
    return out.facts(
        [
            ("tier", tier.id),
            ("description", tier.description),
            ("extends", tier.extends),
            ("features", "\n".join(f"{f.name}: {feature_value(f)}" for f in tier.features)),
            ("limits", "\n".join(map(_limit, tier.limits))),
            ("assignable roles", out.listed(sorted(tier.assignable_roles))),
            ("permissions", "\n".join(sorted(tier.permissions))),
        ]
    )


def _limit(limit: pb.Limit) -> str:
    return f"{limit.name}: {limit_value(limit)}"
