"""`authz tiers versions, pin, rollback, migrate`: earlier versions of what customers buy."""

from typing import Annotated

import typer
from rich.console import RenderableType

from authz_service.cli.display import output as out
from authz_service.cli.display import tables
from authz_service.cli.display.plans import carried
from authz_service.cli.display.preview import effect_parts, impact_parts
from authz_service.cli.display.tenant_table import tenant_facts, versioned
from authz_service.cli.display.words import timestamp
from authz_service.cli.options import ExpectedRevision, Limit, Reason, Tenant, TierName
from authz_service.cli.paging import every, total
from authz_service.cli.registration import changes, reads
from authz_service.cli.session import Session
from authz_service.cli.time_options import ScheduledAt
from authz_service.gen.authz.v1 import tier_pb2 as pb

commands = typer.Typer()

LATEST = "latest"


def _version(text: str) -> int:
    """Read a version; 0 stands for the latest."""
    if text == LATEST:
        return 0
    if not text.isdecimal() or not 0 < int(text) < 2**31:
        raise typer.BadParameter(f"{text!r} is no version; write its number, or {LATEST}")
    return int(text)


Version = Annotated[
    int, typer.Argument(metavar="VERSION", parser=_version, help=f"Its number, or {LATEST}.")
]


@reads(commands)
def versions(
    session: Session,
    tier: TierName,
    version: Annotated[
        int | None, typer.Argument(metavar="[VERSION]", parser=_version, help="Show this one.")
    ] = None,
    limit: Limit = None,
) -> None:
    """List the versions of a tier and who holds them, or show one of them."""
    if version is not None:
        one = pb.GetTierVersionRequest(tier=tier, version=version)
        shown = session.tiers.GetTierVersion(one)
        session.show(shown, _facts(shown.tier_version))
        return
    request = pb.ListTierVersionsRequest(tier=tier)
    answer = every(session.tiers.ListTierVersions, request, lambda page: page.tier_versions, limit)
    rows = [
        (
            f"{tier_version.version}",
            LATEST if tier_version.latest else "",
            _base(tier_version),
            f"{tier_version.pinned_tenants:,}",
            f"{tier_version.following_tenants:,}",
            f"{tier_version.tier.revision}",
            tier_version.tier.description,
        )
        for tier_version in answer.tier_versions
    ]
    columns = ("VERSION", "", "EXTENDS", "PINNED", "FOLLOWING", "REVISION", "DESCRIPTION")
    session.show(answer, tables.table(columns, rows), note=total(len(rows), "version", answer))


@changes(commands)
def pin(
    session: Session,
    tenant: Tenant,
    version: Version,
    tier: Annotated[
        str, typer.Option("--tier", metavar="TIER", help="Another tier than it has.")
    ] = "",
    at: ScheduledAt = None,
    reason: Reason = "",
) -> None:
    """Let an account stay at a version of its tier, or follow the latest."""
    request = pb.PinTenantRequest(
        tenant=tenant, tier=tier, version=version, effective_time=timestamp(at), reason=reason
    )
    answer = session.tiers.PinTenant(request)
    session.show(answer, tenant_facts(answer.tenant))


@changes(commands)
def rollback(
    session: Session,
    tier: TierName,
    version: Version,
    expected_revision: ExpectedRevision = 0,
    reason: Reason = "",
) -> None:
    """Sell an earlier version again, as a new one. --dry-run shows whom it changes what for."""
    request = pb.RollBackTierRequest(
        tier=tier, version=version, expected_revision=expected_revision, reason=reason
    )
    answer = session.tiers.RollBackTier(request)
    session.show(answer, _facts(answer.tier_version), *effect_parts(answer.effect))


@changes(commands)
def migrate(
    session: Session,
    tier: TierName,
    version: Version,
    *,
    from_version: Annotated[
        list[int] | None,
        typer.Option(
            "--from",
            metavar="VERSION",
            parser=_version,
            help=f"Only who holds it, {LATEST} for who follows. Repeat for more.",
        ),
    ] = None,
    tenant: Annotated[
        list[str] | None,
        typer.Option("--tenant", metavar="TENANT", help="Only this account. Repeat for more."),
    ] = None,
    prefix: Annotated[
        str, typer.Option("--prefix", metavar="TEXT", help="Only accounts named so.")
    ] = "",
    reason: Reason = "",
) -> None:
    """Move accounts to a version of their tier, in one step. --dry-run shows what that changes."""
    request = pb.MigrateTenantsRequest(
        tier=tier,
        from_versions=from_version or (),
        version=version,
        tenants=tenant or (),
        tenant_prefix=prefix,
        reason=reason,
    )
    answer = session.tiers.MigrateTenants(request)
    moved = tables.facts(
        [
            ("to", versioned(tier, version) if version else f"{tier}, {LATEST}"),
            ("tenants", f"{answer.count:,}"),
            ("such as", out.listed(answer.tenants[:10])),
        ]
    )
    parts = (*effect_parts(answer.effect), *impact_parts(answer.impacts))
    session.show(answer, moved, *parts)


def _facts(version: pb.TierVersion) -> RenderableType:
    tier = version.tier
    return tables.facts(
        [
            ("tier", tier.id),
            ("version", f"{version.version}{f', {LATEST}' if version.latest else ''}"),
            ("description", tier.description),
            ("extends", _base(version)),
            *carried(tier),
            ("pinned", f"{version.pinned_tenants:,}"),
            ("following", f"{version.following_tenants:,}"),
        ]
    )


def _base(version: pb.TierVersion) -> str:
    return versioned(version.tier.extends, version.extends_version)
