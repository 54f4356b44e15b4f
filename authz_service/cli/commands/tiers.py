"""`authz tiers`: what customers buy."""

from typing import Annotated

import typer
from rich.table import Table

from authz_service.cli.changing import (
    Carries,
    Clear,
    Description,
    Expected,
    Replacement,
    Sets,
    features,
    filled,
    limits,
    moved_parts,
    whole,
)
from authz_service.cli.commands import tier_versions
from authz_service.cli.display import output as out
from authz_service.cli.display import tables
from authz_service.cli.display.entitlements import amount
from authz_service.cli.display.plans import AssignableRoles, Features, Limits, Permissions, carried
from authz_service.cli.options import Limit, Reason, changes, reads
from authz_service.cli.paging import every, total
from authz_service.cli.session import Session
from authz_service.gen.authz.v1 import tier_pb2 as pb

app = typer.Typer(help="What customers buy.")
app.add_typer(tier_versions.commands)

TierName = Annotated[str, typer.Argument(metavar="TIER", help="As authz tiers list shows them.")]
Extends = Annotated[
    str | None, typer.Option("--extends", metavar="TIER", help="The tier it builds on.")
]


@reads(app, "list")
def list_tiers(
    session: Session, *, permission: Carries = "", feature: Sets = "", limit: Limit = None
) -> None:
    """List tiers."""
    request = pb.ListTiersRequest(permission=permission, feature=feature)
    answer = every(session.tiers.ListTiers, request, lambda p: p.tiers, limit)
    rows = [
        (tier.id, tier.extends, str(len(tier.permissions)),
         out.listed(f"{limit.name} {amount(limit)}" for limit in tier.limits), tier.description)
        for tier in answer.tiers
    ]  # fmt: skip
    columns = ("TIER", "EXTENDS", "PERMISSIONS", "LIMITS", "DESCRIPTION")
    session.show(answer, tables.table(columns, rows), note=total(len(rows), "tier", answer))


@reads(app)
def get(session: Session, tier: TierName) -> None:
    """Show one tier: what it adds to the one that it extends."""
    answer = session.tiers.GetTier(pb.GetTierRequest(id=tier))
    session.show(answer, _facts(answer.tier))


@changes(app)
def create(
    session: Session,
    tier: TierName,
    *,
    extends: Extends = None,
    permission: Permissions = None,
    feature: Features = None,
    limit: Limits = None,
    assignable_role: AssignableRoles = None,
    description: Description = None,
    reason: Reason = "",
) -> None:
    """Make a tier that does not exist yet."""
    wanted = whole(
        pb.Tier(id=tier), extends=extends, permissions=permission, features=features(feature),
        limits=limits(limit), assignable_roles=assignable_role, description=description,
    )  # fmt: skip
    answer = session.tiers.CreateTier(pb.CreateTierRequest(tier=wanted, reason=reason))
    session.show(answer, _facts(answer.tier))


@changes(app)
def put(
    session: Session,
    tier: TierName,
    *,
    extends: Extends = None,
    permission: Permissions = None,
    feature: Features = None,
    limit: Limits = None,
    assignable_role: AssignableRoles = None,
    description: Description = None,
    expected_revision: Expected = 0,
    reason: Reason = "",
) -> None:
    """Make a tier or replace it, whole: what is not named is gone."""
    wanted = whole(
        pb.Tier(id=tier), extends=extends, permissions=permission, features=features(feature),
        limits=limits(limit), assignable_roles=assignable_role, description=description,
    )  # fmt: skip
    request = pb.PutTierRequest(tier=wanted, expected_revision=expected_revision, reason=reason)
    answer = session.tiers.PutTier(request)
    session.show(answer, _facts(answer.tier))


@changes(app)
def update(
    session: Session,
    tier: TierName,
    *,
    extends: Extends = None,
    permission: Permissions = None,
    feature: Features = None,
    limit: Limits = None,
    assignable_role: AssignableRoles = None,
    description: Description = None,
    clear: Clear = None,
    expected_revision: Expected = 0,
    reason: Reason = "",
) -> None:
    """Change what is named of a tier, and nothing else; a list that is named is replaced."""
    wanted, mask = filled(
        pb.Tier(id=tier), clear, extends=extends, permissions=permission,
        features=features(feature), limits=limits(limit), assignable_roles=assignable_role,
        description=description,
    )  # fmt: skip
    answer = session.tiers.UpdateTier(
        pb.UpdateTierRequest(
            tier=wanted, update_mask=mask, expected_revision=expected_revision, reason=reason
        )
    )
    session.show(answer, _facts(answer.tier))


@changes(app)
def delete(
    session: Session,
    tier: TierName,
    *,
    replacement: Replacement = "",
    expected_revision: Expected = 0,
    reason: Reason = "",
) -> None:
    """End a tier; with a replacement, whoever holds it holds that from then on."""
    answer = session.tiers.DeleteTier(
        pb.DeleteTierRequest(
            id=tier, replacement=replacement, expected_revision=expected_revision, reason=reason
        )
    )
    session.show(answer, _facts(answer.tier), *moved_parts(answer.moved))


def _facts(tier: pb.Tier) -> Table:
    return tables.facts(
        [
            ("tier", tier.id),
            ("description", tier.description),
            ("extends", tier.extends),
            *carried(tier),
            ("version", str(tier.version)),
            ("last changed", f"revision {tier.revision}"),
        ]
    )
