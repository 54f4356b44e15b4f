"""TierVersionService: versions of tiers, and who stays at which."""

from authz_service.gen.authz.v1 import tier_version_pb2 as pb
from authz_service.rpc.calls import AdminCalls, Context
from authz_service.rpc.messages import catalog, effects, tenants, values
from authz_service.usecases.catalog import tier_versions
from authz_service.usecases.catalog.tier_versions import TierVersion


class TierVersionServicer:
    def __init__(self, calls: AdminCalls) -> None:
        self._calls = calls

    def GetTierVersion(
        self, request: pb.GetTierVersionRequest, context: Context
    ) -> pb.GetTierVersionResponse:
        answer = self._calls.read(
            request,
            context,
            tier_versions.get_tier_version,
            lambda r: tier_versions.OneVersion(tier=r.tier, version=r.version),
        )
        return pb.GetTierVersionResponse(
            tier_version=_message(answer.value), revision=answer.revision
        )

    def ListTierVersions(
        self, request: pb.ListTierVersionsRequest, context: Context
    ) -> pb.ListTierVersionsResponse:
        answer = self._calls.read(
            request,
            context,
            tier_versions.list_tier_versions,
            lambda r: tier_versions.ListVersions(tier=r.tier, page=values.page(r)),
        )
        return pb.ListTierVersionsResponse(
            tier_versions=map(_message, answer.value.items),
            next_page_token=answer.value.next_token,
            revision=answer.revision,
        )

    def RollBackTier(
        self, request: pb.RollBackTierRequest, context: Context
    ) -> pb.RollBackTierResponse:
        answer = self._calls.change(
            request,
            context,
            tier_versions.roll_back_tier,
            lambda r: tier_versions.RollBackTier(
                tier=r.tier, version=r.version, expected_revision=r.expected_revision
            ),
        )
        return pb.RollBackTierResponse(
            tier_version=_message(answer.value.version),
            effect=effects.effect_message(answer.value.effect),
            revision=answer.revision,
        )

    def PinTenant(self, request: pb.PinTenantRequest, context: Context) -> pb.PinTenantResponse:
        answer = self._calls.change(
            request,
            context,
            tier_versions.pin_tenant,
            lambda r: tier_versions.PinTenant(
                tenant=r.tenant,
                tier=r.tier,
                version=r.version,
                at=tenants.optional_instant(r, "at"),
            ),
        )
        return pb.PinTenantResponse(
            tenant=tenants.tenant_message(answer.value), revision=answer.revision
        )

    def MigrateTenants(
        self, request: pb.MigrateTenantsRequest, context: Context
    ) -> pb.MigrateTenantsResponse:
        answer = self._calls.change(request, context, tier_versions.migrate_tenants, _migration)
        return pb.MigrateTenantsResponse(
            tenants=answer.value.count,
            tenant_names=answer.value.tenants,
            effect=effects.effect_message(answer.value.effect),
            impacts=map(effects.impact_message, answer.value.impacts),
            revision=answer.revision,
        )


def _migration(request: pb.MigrateTenantsRequest) -> tier_versions.MigrateTenants:
    return tier_versions.MigrateTenants(
        tier=request.tier,
        from_versions=tuple(request.from_versions),
        to_version=request.to_version,
        tenants=tuple(request.tenants),
        tenant_prefix=request.tenant_prefix,
        sample=request.sample_size,
    )


def _message(value: TierVersion) -> pb.TierVersion:
    return pb.TierVersion(
        tier=catalog.tier_message(value.plan),
        version=value.plan.version,
        latest=value.latest,
        extends_version=value.extends_version,
        pinned_tenants=value.pinned,
        following_tenants=value.following,
    )
