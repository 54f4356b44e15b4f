"""TierService: what customers buy, and its versions."""

from typing import Final

from authz_service.domain.catalog import Plan
from authz_service.gen.authz.v1 import tier_pb2 as pb
from authz_service.rpc.messages import catalog, effects, tenants, values
from authz_service.rpc.messages.catalog import TIERS
from authz_service.rpc.messages.catalog_commands import (
    create,
    deletion,
    named,
    plans_listing,
    update,
)
from authz_service.rpc.messages.moved import moved
from authz_service.rpc.methods import Fields, Service, Shown, change, read
from authz_service.usecases.catalog import plans, tier_versions
from authz_service.usecases.catalog.tier_versions import (
    ListVersions,
    Migrated,
    MigrateTenants,
    OneVersion,
    PinTenant,
    RollBackTier,
    RolledBack,
    TierVersion,
)


def _plan(request: pb.CreateTierRequest | pb.UpdateTierRequest) -> Plan:
    return catalog.tier(request.tier)


def _version(request: pb.GetTierVersionRequest) -> OneVersion:
    return OneVersion(tier=request.tier, version=request.version)


def _versions(request: pb.ListTierVersionsRequest) -> ListVersions:
    return ListVersions(tier=request.tier, page=values.page(request))


def _version_message(value: TierVersion) -> pb.TierVersion:
    return pb.TierVersion(
        tier=catalog.tier_message(value.plan),
        version=value.plan.version,
        latest=value.latest,
        extends_version=value.extends_version,
        pinned_tenants=value.pinned,
        following_tenants=value.following,
    )


def _roll_back(request: pb.RollBackTierRequest) -> RollBackTier:
    return RollBackTier(
        tier=request.tier, version=request.version, expected_revision=request.expected_revision
    )


def _rolled_back(value: RolledBack) -> Fields:
    return {
        "tier_version": _version_message(value.version),
        "effect": effects.effect_message(value.effect),
    }


def _pin(request: pb.PinTenantRequest) -> PinTenant:
    return PinTenant(
        tenant=request.tenant,
        tier=request.tier,
        version=request.version,
        at=tenants.optional_instant(request, "effective_time"),
    )


def _migrate(request: pb.MigrateTenantsRequest) -> MigrateTenants:
    return MigrateTenants(
        tier=request.tier,
        version=request.version,
        from_versions=tuple(request.from_versions),
        tenants=tuple(request.tenants),
        tenant_prefix=request.tenant_prefix,
        sample=request.sample_size,
    )


def _migrated(value: Migrated) -> Fields:
    return {
        "count": value.count,
        "tenants": value.tenants,
        "effect": effects.effect_message(value.effect),
        "impacts": map(effects.impact_message, value.impacts),
    }


VERSIONS: Final = Shown("tier_version", "tier_versions", _version_message)

SERVICE: Final = Service(
    pb.DESCRIPTOR.services_by_name["TierService"],
    change(plans.create_tier, create(_plan), TIERS.one),
    change(plans.update_tier, update(_plan), TIERS.one),
    change(plans.delete_tier, deletion, moved(TIERS)),
    read(plans.get_tier, named, TIERS.one),
    read(plans.list_tiers, plans_listing, TIERS.page),
    read(tier_versions.get_tier_version, _version, VERSIONS.one),
    read(tier_versions.list_tier_versions, _versions, VERSIONS.page),
    change(tier_versions.roll_back_tier, _roll_back, _rolled_back),
    change(
        tier_versions.pin_tenant, _pin, lambda tenant: {"tenant": tenants.tenant_message(tenant)}
    ),
    change(tier_versions.migrate_tenants, _migrate, _migrated),
)
