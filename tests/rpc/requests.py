"""One good request for every RPC, in an account made ready for all of them."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Self
from zlib import crc32

from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp

from authz_service.gen.authz.v1 import (
    add_on_pb2,
    changeset_pb2,
    exception_pb2,
    feature_pb2,
    invitation_pb2,
    limit_pb2,
    member_pb2,
    permission_pb2,
    role_grant_pb2,
    role_pb2,
    subscription_pb2,
    tenant_pb2,
    tier_pb2,
)
from authz_service.gen.authz.v1 import audit_pb2 as audit
from authz_service.gen.authz.v1 import authorization_pb2 as checks
from authz_service.gen.authz.v1 import billing_pb2 as events
from authz_service.gen.authz.v1 import billing_policy_pb2 as billing
from authz_service.gen.authz.v1 import identity_pb2 as identities
from authz_service.gen.authz.v1 import job_pb2 as jobs
from authz_service.gen.authz.v1 import key_pb2 as keys
from authz_service.gen.authz.v1 import mail_template_pb2 as mail_templates
from authz_service.gen.authz.v1 import rule_pb2 as rule
from authz_service.gen.authz.v1 import tier_pb2 as versions
from authz_service.gen.authz.v1 import webhook_pb2 as webhooks
from tests.changesets import apply, applying, command, puts
from tests.rpc.access import ACCESS, places
from tests.rpc.account import DENY, Account, member, timestamp, usage, why
from tests.rpc.conftest import fresh_name
from tests.services import PUT, RPCS

PLAIN_RBAC: Final = """
[request_definition]
r = sub, obj, act
[policy_definition]
p = sub, obj, act
[role_definition]
g = _, _
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = g(r.sub, p.sub) && r.obj == p.obj && r.act == p.act
"""


NEW_CENTURY: Final = 4_102_444_800
"""2100-01-01, in seconds since the epoch."""


def foreign(ptype: str, *values: str) -> rule.CasbinRule:
    return rule.CasbinRule(ptype=ptype, values=values)


def _event(id_: str, type_: str, **data: Any) -> events.IngestBillingEventRequest:
    """Make an event of 2020; one of an unknown type is parked."""
    content = json.dumps(data).encode()
    return events.IngestBillingEventRequest(
        source="billing-job", id=id_, type=type_, time=Timestamp(seconds=1577836800), data=content
    )


@dataclass(frozen=True)
class Ready:
    """An account in which every request below is right: what one needs is made when it is built."""

    account: Account

    @property
    def id(self) -> str:
        return self.account.id

    def whole(self) -> Self:
        """Make all that any request needs."""
        for name, each in vars(Ready).items():
            if isinstance(each, cached_property):
                getattr(self, name)
        return self

    @cached_property
    def grant(self) -> str:
        return self.account.grant("vera", "editor", "project:42").id

    @cached_property
    def exception(self) -> str:
        return self.account.except_(DENY, "invoices:void", subject="user:vera").id

    @cached_property
    def key(self) -> str:
        made = self.account.operator.keys.CreateKey(
            keys.CreateKeyRequest(key=keys.Key(roles=["authz.checker"]))
        )
        return made.key.id

    @cached_property
    def invited(self) -> invitation_pb2.InviteMemberResponse:
        return self.account.invite("ivan@example.com", "viewer")

    @cached_property
    def identity(self) -> str:
        wanted = identities.CreateIdentityRequest(identity=_identity(self.id))
        return self.account.operator.identities.CreateIdentity(wanted).identity.id

    @cached_property
    def endpoint(self) -> str:
        return self.account.operator.webhooks.CreateEndpoint(_endpoint(self.id)).endpoint.id

    @cached_property
    def job(self) -> str:
        """A delivery to the endpoint."""
        ping = webhooks.PingEndpointRequest(tenant=self.id, id=self.endpoint)
        return self.account.operator.webhooks.PingEndpoint(ping).delivery.id

    @cached_property
    def event(self) -> str:
        """An event that is parked."""
        intake = self.account.operator.billing
        intake.ResumeIntake(events.ResumeIntakeRequest())
        intake.IngestBillingEvent(_event(self.id, "unheard-of"))
        return self.id

    @cached_property
    def price(self) -> str:
        self.account.operator.billing_policy.CreateBillingPrice(_new_price(f"price-{self.id}"))
        return f"price-{self.id}"

    @cached_property
    def source(self) -> str:
        new = _new_source(f"s-{crc32(self.id.encode())}")
        made = self.account.operator.billing_policy.CreateBillingSource(new)
        return made.billing_source.id

    @cached_property
    def template(self) -> mail_templates.MailKind.ValueType:
        """The kind of mail for which the tenant has a custom template."""
        service = self.account.operator.mail_templates
        return service.UpdateMailTemplate(_template(self.id)).template.kind

    @cached_property
    def role(self) -> str:
        """The tenant's own role."""
        self.account.put_role("mine", "invoices:view")
        return f"{self.id}/mine"

    @cached_property
    def spare(self) -> str:
        """A tier, an add-on, a feature f- and a limit l- of this name, and a permission, unused."""
        apply(self.account.operator.changesets, _spare(self.id))
        return self.id

    @cached_property
    def changed(self) -> str:
        """A tier that has had two versions."""
        changed = tier_pb2.Tier(id=f"{self.id}-changed", permissions=["invoices:view"])
        for description in ("", "changed"):
            changed.description = description
            self.account.operator.tiers.UpdateTier(tier_pb2.UpdateTierRequest(**PUT, tier=changed))
        return changed.id

    @cached_property
    def ended(self) -> str:
        """Another account, which was offboarded."""
        ended = Account(self.account.server, f"{self.id}-ended")
        ended.onboard("free", ada=["admin"])
        ended.offboard()
        return ended.id

    @cached_property
    def fallen(self) -> str:
        """Another account, in which a role is held that its tier no longer lists."""
        fallen = Account(self.account.server, f"{self.id}-fallen")
        fallen.onboard("professional", ada=["admin"], bill=["billing-admin"])
        fallen.set_tier("free")
        return fallen.id

    @cached_property
    def suspended(self) -> str:
        """Another account, suspended for BILLING."""
        suspended = Account(self.account.server, f"{self.id}-suspended")
        suspended.onboard("free", ada=["admin"])
        suspended.suspend("BILLING")
        return suspended.id

    @cached_property
    def in_grace(self) -> str:
        """The account itself, past due until the new century."""
        self.account.grace(NEW_CENTURY)
        return self.id

    @cached_property
    def held_back(self) -> str:
        """A member suspended for SCIM."""
        self.account.add("sven", "viewer")
        self.account.hold_back("sven", "SCIM")
        return "user:sven"

    @cached_property
    def bought(self) -> str:
        """An add-on that the account has until the new century."""
        self.account.add_on("audit", valid_until=timestamp(NEW_CENTURY))
        return "audit"

    @cached_property
    def limit(self) -> str:
        """A limit of the account's own."""
        self.account.limit(limit_pb2.Limit(name="projects", value=60, unit="project"))
        return "projects"


def made_ready(account: Account) -> Ready:
    account.onboard("professional", ada=["admin"], vera=["viewer"])
    return Ready(account)


def _endpoint(tenant: str) -> webhooks.CreateEndpointRequest:
    endpoint = webhooks.Endpoint(url="https://hooks.invalid/", kinds=["nothing.happens"])
    return webhooks.CreateEndpointRequest(tenant=tenant, endpoint=endpoint)


def _template(tenant: str) -> mail_templates.UpdateMailTemplateRequest:
    kind = mail_templates.MAIL_KIND_WELCOME
    template = mail_templates.MailTemplate(kind=kind, subject="Hi", text="{{ link }}")
    return mail_templates.UpdateMailTemplateRequest(
        tenant=tenant, template=template, allow_missing=True
    )


def _identity(name: str, **more: Any) -> identities.Identity:
    kind = identities.IDENTITY_KIND_CERTIFICATE_COMMON_NAME
    return identities.Identity(kind=kind, name=name, roles=["authz.checker"], **more)


def _spare(name: str) -> changeset_pb2.Changeset:
    """Define what nothing uses, to be changed and deleted: `acme:spare` and the plans `acme`."""
    features = [feature_pb2.Feature(name=f"f-{name}", enabled=True)]
    limits = [limit_pb2.Limit(name=f"l-{name}", value=5, unit="thing")]
    return puts(
        permissions=[permission_pb2.Permission(id=f"{name}:spare")],
        tiers=[tier_pb2.Tier(id=name, features=features, limits=limits)],
        add_ons=[add_on_pb2.AddOn(id=name, features=features, limits=limits)],
    )


def _question(kind: type[Any], ready: Ready) -> Any:
    return kind(tenant=ready.id, subject="user:ada", permission="invoices:view")


def _granting(ready: Ready) -> changeset_pb2.Changeset:
    grant = role_grant_pb2.RoleGrant(
        tenant=ready.id, subject="user:vera", role="editor", reason="work"
    )
    return changeset_pb2.Changeset(commands=[command("grant_role", role_grant=grant)])


def _new_price(id_: str) -> billing.CreateBillingPriceRequest:
    seats = billing.SoldLimit(name="seats", each=1)
    price = billing.BillingPrice(id=id_, tier="professional", limits=[seats])
    return billing.CreateBillingPriceRequest(billing_price=price)


def _definition(*ignored: str) -> Struct:
    definition = Struct()
    said: dict[str, Any] = {"scheme": "trusted-rpc", "times": {"unit": "seconds"}}
    definition.update({**said, "ignore": [*ignored], "events": [{"type": "rest", "do": []}]})
    return definition


def _new_source(id_: str) -> billing.CreateBillingSourceRequest:
    source = billing.BillingSource(id=id_, definition=_definition("hello"))
    return billing.CreateBillingSourceRequest(billing_source=source)


def _previewed(ready: Ready) -> Message:
    declared = permission_pb2.Permission(id=f"{fresh_name('previewed')}:view")
    return applying(ready.account.operator.changesets, puts(permissions=[declared]))


def scheduled(ready: Ready) -> str:
    """Schedule the declaration of a permission for the next century; give the schedule's id."""
    changeset = puts(permissions=[permission_pb2.Permission(id=f"{fresh_name('ahead')}:view")])
    changeset.apply_time.CopyFrom(timestamp(NEW_CENTURY))
    return apply(ready.account.operator.changesets, changeset).scheduled.id


def _ahead(ready: Ready) -> str:
    """Give the id of something that lies ahead, and see that there is something."""
    ask = ready.account.operator.changesets
    found = ask.ListScheduledChangesets(changeset_pb2.ListScheduledChangesetsRequest()).scheduled
    return found[0].id if found else scheduled(ready)


READS: Final[dict[str, Callable[[Ready], Message]]] = {
    "Check": lambda r: _question(checks.CheckRequest, r),
    "BatchCheck": lambda r: checks.BatchCheckRequest(questions=[_question(checks.Question, r)] * 2),
    "CheckPermissions": lambda r: checks.CheckPermissionsRequest(
        tenant=r.id, subject="user:ada", permissions=["invoices:view"]
    ),
    "ListSubjectPermissions": lambda r: checks.ListSubjectPermissionsRequest(
        tenant=r.id, subject="user:ada"
    ),
    "ListSubjects": lambda r: checks.ListSubjectsRequest(tenant=r.id, permission="invoices:view"),
    "GetEntitlements": lambda r: checks.GetEntitlementsRequest(tenant=r.id),
    "CheckLimit": lambda r: checks.CheckLimitRequest(tenant=r.id, usage=usage("seats", 1)),
    "Explain": lambda r: _question(checks.ExplainRequest, r),
    "GetPermission": lambda _: permission_pb2.GetPermissionRequest(id="invoices:view"),
    "ListPermissions": lambda _: permission_pb2.ListPermissionsRequest(),
    "GetRole": lambda _: role_pb2.GetRoleRequest(id="viewer"),
    "ListRoles": lambda r: role_pb2.ListRolesRequest(tenant=r.id),
    "GetTier": lambda _: tier_pb2.GetTierRequest(id="free"),
    "ListTiers": lambda _: tier_pb2.ListTiersRequest(),
    "GetTierVersion": lambda _: versions.GetTierVersionRequest(tier="free", version=1),
    "ListTierVersions": lambda _: versions.ListTierVersionsRequest(tier="free"),
    "PreviewChangeset": lambda r: changeset_pb2.PreviewChangesetRequest(changeset=_granting(r)),
    "ListChangesetEffects": lambda r: changeset_pb2.ListChangesetEffectsRequest(
        changeset=_granting(r)
    ),
    "ListScheduledChangesets": lambda _: changeset_pb2.ListScheduledChangesetsRequest(),
    "GetScheduledChangeset": lambda r: changeset_pb2.GetScheduledChangesetRequest(id=_ahead(r)),
    "GetAddOn": lambda r: add_on_pb2.GetAddOnRequest(id=r.spare),
    "ListAddOns": lambda _: add_on_pb2.ListAddOnsRequest(),
    "GetFeature": lambda r: feature_pb2.GetFeatureRequest(tier=r.spare, name=f"f-{r.id}"),
    "ListFeatures": lambda _: feature_pb2.ListFeaturesRequest(),
    "GetLimit": lambda r: limit_pb2.GetLimitRequest(add_on=r.spare, name=f"l-{r.id}"),
    "ListLimits": lambda _: limit_pb2.ListLimitsRequest(),
    "GetRoleGrant": lambda r: role_grant_pb2.GetRoleGrantRequest(tenant=r.id, id=r.grant),
    "ListRoleGrants": lambda r: role_grant_pb2.ListRoleGrantsRequest(tenant=r.id),
    "GetException": lambda r: exception_pb2.GetExceptionRequest(tenant=r.id, id=r.exception),
    "ListExceptions": lambda r: exception_pb2.ListExceptionsRequest(tenant=r.id),
    "ListChanges": lambda r: audit.ListChangesRequest(tenant=r.id),
    "ListAuditEntries": lambda r: audit.ListAuditEntriesRequest(tenant=r.id),
    "VerifyAudit": lambda r: audit.VerifyAuditRequest(tenant=r.id),
    "GetTenant": lambda r: tenant_pb2.GetTenantRequest(tenant=r.id),
    "ListTenants": lambda _: tenant_pb2.ListTenantsRequest(),
    "PreviewTierChange": lambda r: subscription_pb2.PreviewTierChangeRequest(
        tenant=r.id, tier="free", apply_downgrade_policy=True
    ),
    "ListScheduledChanges": lambda r: subscription_pb2.ListScheduledChangesRequest(tenant=r.id),
    "GetMember": lambda r: member_pb2.GetMemberRequest(tenant=r.id, subject="user:ada"),
    "ListMembers": lambda r: member_pb2.ListMembersRequest(tenant=r.id),
    "GetInvitation": lambda r: invitation_pb2.GetInvitationRequest(
        tenant=r.id, id=r.invited.invitation.id
    ),
    "ListInvitations": lambda r: invitation_pb2.ListInvitationsRequest(tenant=r.id),
    "GetIdentity": lambda r: identities.GetIdentityRequest(id=r.identity),
    "ListIdentities": lambda _: identities.ListIdentitiesRequest(),
    "ListJobs": lambda r: jobs.ListJobsRequest(tenant=r.id),
    "GetJob": lambda r: jobs.GetJobRequest(tenant=r.id, id=r.job),
    "GetMailTemplate": lambda r: mail_templates.GetMailTemplateRequest(
        tenant=r.id, kind=mail_templates.MAIL_KIND_NOTICE
    ),
    "ListMailTemplates": lambda r: mail_templates.ListMailTemplatesRequest(tenant=r.id),
    "GetEndpoint": lambda r: webhooks.GetEndpointRequest(tenant=r.id, id=r.endpoint),
    "ListEndpoints": lambda r: webhooks.ListEndpointsRequest(tenant=r.id),
    "ListDeliveries": lambda r: webhooks.ListDeliveriesRequest(tenant=r.id, endpoint=r.endpoint),
    "GetKey": lambda r: keys.GetKeyRequest(id=r.key),
    "PreviewBillingEvent": lambda r: events.PreviewBillingEventRequest(
        source="billing-job",
        id="new",
        type="paused",
        time=Timestamp(seconds=1577836800),
        data=json.dumps({"tenant": r.id}).encode(),
    ),
    "GetBillingEvent": lambda r: events.GetBillingEventRequest(source="billing-job", id=r.event),
    "ListBillingEvents": lambda r: events.ListBillingEventsRequest(tenant=r.id),
    "GetIntake": lambda _: events.GetIntakeRequest(),
    "GetBillingPrice": lambda r: billing.GetBillingPriceRequest(id=r.price),
    "ListBillingPrices": lambda _: billing.ListBillingPricesRequest(),
    "ListUnmappedPrices": lambda _: billing.ListUnmappedPricesRequest(),
    "GetBillingSource": lambda r: billing.GetBillingSourceRequest(id=r.source),
    "ListBillingSources": lambda _: billing.ListBillingSourcesRequest(),
    "GetBillingSettings": lambda _: billing.GetBillingSettingsRequest(),
    "GetBillingPolicy": lambda _: billing.GetBillingPolicyRequest(),
    "ListBillingPolicyVersions": lambda _: billing.ListBillingPolicyVersionsRequest(),
    "ListKeys": lambda _: keys.ListKeysRequest(),
    "ExportRules": lambda r: rule.ExportRulesRequest(tenant=r.id),
}
CHANGES: Final[dict[str, Callable[[Ready], Message]]] = {
    "ImportRules": lambda r: rule.ImportRulesRequest(
        model=PLAIN_RBAC, into=f"{r.id}-taken", rules=[foreign("p", "ann", "data", "read")]
    ),
    "CreatePermission": lambda _: permission_pb2.CreatePermissionRequest(
        permission=permission_pb2.Permission(id=f"{fresh_name('made')}:view")
    ),
    "UpdatePermission": lambda r: permission_pb2.UpdatePermissionRequest(
        permission=permission_pb2.Permission(id=f"{r.spare}:spare", description="new"),
        update_mask=FieldMask(paths=["description"]),
    ),
    "DeletePermission": lambda r: permission_pb2.DeletePermissionRequest(id=f"{r.spare}:spare"),
    "CreateRole": lambda r: role_pb2.CreateRoleRequest(
        role=role_pb2.Role(id=f"{r.id}/newer", permissions=["invoices:view"])
    ),
    "UpdateRole": lambda r: role_pb2.UpdateRoleRequest(
        role=role_pb2.Role(id=r.role, description="new"),
        update_mask=FieldMask(paths=["description", "permissions"]),
    ),
    "DeleteRole": lambda r: role_pb2.DeleteRoleRequest(id=r.role),
    "CreateTier": lambda _: tier_pb2.CreateTierRequest(tier=tier_pb2.Tier(id=fresh_name("made"))),
    "UpdateTier": lambda r: tier_pb2.UpdateTierRequest(
        tier=tier_pb2.Tier(id=r.spare, extends="free"), update_mask=FieldMask(paths=["extends"])
    ),
    "DeleteTier": lambda r: tier_pb2.DeleteTierRequest(id=r.spare),
    "CreateAddOn": lambda _: add_on_pb2.CreateAddOnRequest(
        add_on=add_on_pb2.AddOn(id=fresh_name("made"))
    ),
    "UpdateAddOn": lambda r: add_on_pb2.UpdateAddOnRequest(
        add_on=add_on_pb2.AddOn(id=r.spare, description="new"),
        update_mask=FieldMask(paths=["description"]),
    ),
    "DeleteAddOn": lambda r: add_on_pb2.DeleteAddOnRequest(id=r.spare),
    "CreateFeature": lambda r: feature_pb2.CreateFeatureRequest(
        tier=r.spare, feature=feature_pb2.Feature(name="sso", enabled=True)
    ),
    "UpdateFeature": lambda r: feature_pb2.UpdateFeatureRequest(
        add_on=r.spare,
        feature=feature_pb2.Feature(name=f"f-{r.id}", enabled=False),
        update_mask=FieldMask(paths=["enabled"]),
    ),
    "DeleteFeature": lambda r: feature_pb2.DeleteFeatureRequest(add_on=r.spare, name=f"f-{r.id}"),
    "CreateLimit": lambda r: limit_pb2.CreateLimitRequest(
        add_on=r.spare, limit=limit_pb2.Limit(name="seats", value=5, unit="seat")
    ),
    "UpdateLimit": lambda r: limit_pb2.UpdateLimitRequest(
        tier=r.spare,
        limit=limit_pb2.Limit(name=f"l-{r.id}", unlimited=True),
        update_mask=FieldMask(paths=["unlimited"]),
    ),
    "DeleteLimit": lambda r: limit_pb2.DeleteLimitRequest(tier=r.spare, name=f"l-{r.id}"),
    "ApplyChangeset": _previewed,
    "CancelScheduledChangeset": lambda r: changeset_pb2.CancelScheduledChangesetRequest(
        id=_ahead(r)
    ),
    "GrantRole": lambda r: role_grant_pb2.GrantRoleRequest(
        role_grant=role_grant_pb2.RoleGrant(
            tenant=r.id, subject="user:vera", role="editor", reason="work"
        )
    ),
    "RevokeRole": lambda r: role_grant_pb2.RevokeRoleRequest(
        tenant=r.id, subject="user:vera", role="viewer", reason="left"
    ),
    "BatchGrantRoles": lambda r: role_grant_pb2.BatchGrantRolesRequest(
        role_grants=[role_grant_pb2.RoleGrant(tenant=r.id, subject="user:vera", role="editor")],
        reason="work",
    ),
    "BatchRevokeRoles": lambda r: role_grant_pb2.BatchRevokeRolesRequest(
        revocations=[role_grant_pb2.RoleRevocation(tenant=r.id, subject="user:vera", role="viewer")]
    ),
    "UpdateRoleGrant": lambda r: role_grant_pb2.UpdateRoleGrantRequest(
        role_grant=role_grant_pb2.RoleGrant(tenant=r.id, id=r.grant, reason="other work"),
        update_mask=FieldMask(paths=["reason"]),
    ),
    "DeleteRoleGrant": lambda r: role_grant_pb2.DeleteRoleGrantRequest(tenant=r.id, id=r.grant),
    "UpdateException": lambda r: exception_pb2.UpdateExceptionRequest(
        exception=exception_pb2.TenantException(tenant=r.id, id=r.exception, approver="user:chief"),
        update_mask=FieldMask(paths=["approver"]),
    ),
    "CreateException": lambda r: exception_pb2.CreateExceptionRequest(
        exception=r.account.exception(DENY, "invoices:send")
    ),
    "DeleteException": lambda r: exception_pb2.DeleteExceptionRequest(tenant=r.id, id=r.exception),
    "OnboardTenant": lambda r: tenant_pb2.OnboardTenantRequest(
        tenant=f"{r.id}-new", tier="free", members=[member("nina", "admin")], display_name="Nina's"
    ),
    "RollBackTier": lambda r: versions.RollBackTierRequest(tier=r.changed, version=1),
    "PinTenant": lambda r: versions.PinTenantRequest(tenant=r.id, version=1),
    "MigrateTenants": lambda r: versions.MigrateTenantsRequest(
        tier="professional", version=1, tenants=[r.id]
    ),
    "SetTier": lambda r: subscription_pb2.SetTierRequest(tenant=r.id, tier="enterprise"),
    "ApplyDowngradePolicy": lambda r: subscription_pb2.ApplyDowngradePolicyRequest(tenant=r.fallen),
    "BatchOnboardTenants": lambda r: tenant_pb2.BatchOnboardTenantsRequest(
        tenants=[
            tenant_pb2.NewTenant(
                tenant=f"{r.id}-taken-over", tier="free", members=[member("nina", "admin")]
            )
        ]
    ),
    "SuspendTenant": lambda r: tenant_pb2.SuspendTenantRequest(
        tenant=r.id, suspension_reason=why("RISK")
    ),
    "ResumeTenant": lambda r: tenant_pb2.ResumeTenantRequest(
        tenant=r.suspended, suspension_reason=why("BILLING")
    ),
    "OffboardTenant": lambda r: tenant_pb2.OffboardTenantRequest(tenant=r.id),
    "ReactivateTenant": lambda r: tenant_pb2.ReactivateTenantRequest(tenant=r.ended),
    "UpdateTenant": lambda r: tenant_pb2.UpdateTenantRequest(
        tenant=tenant_pb2.Tenant(id=r.id, display_name="Ready Ltd"),
        update_mask=FieldMask(paths=["display_name"]),
    ),
    "AddAddOn": lambda r: subscription_pb2.AddAddOnRequest(tenant=r.id, add_on="extra-seats"),
    "RemoveAddOn": lambda r: subscription_pb2.RemoveAddOnRequest(tenant=r.id, add_on=r.bought),
    "SetLimits": lambda r: subscription_pb2.SetLimitsRequest(
        tenant=r.id,
        limits=[limit_pb2.Limit(name="seats", value=40, unit="seat")],
        removed=[r.limit],
    ),
    "StartTrial": lambda r: tenant_pb2.StartTrialRequest(
        tenant=r.id, trial_end_time=timestamp(NEW_CENTURY)
    ),
    "StartGrace": lambda r: tenant_pb2.StartGraceRequest(
        tenant=r.in_grace, grace_end_time=timestamp(NEW_CENTURY + 1)
    ),
    "ActivateTenant": lambda r: tenant_pb2.ActivateTenantRequest(tenant=r.in_grace),
    "CancelScheduledChange": lambda r: subscription_pb2.CancelScheduledChangeRequest(
        tenant=r.id, id=f"add-on-end:{r.bought}@2100-01-01T00:00:00Z"
    ),
    "AddMember": lambda r: member_pb2.AddMemberRequest(
        tenant=r.id, member=member("nina", "viewer", "editor")
    ),
    "RemoveMember": lambda r: member_pb2.RemoveMemberRequest(tenant=r.id, subject="user:vera"),
    "SuspendMember": lambda r: member_pb2.SuspendMemberRequest(
        tenant=r.id, subject="user:vera", suspension_reason=why("RISK")
    ),
    "ResumeMember": lambda r: member_pb2.ResumeMemberRequest(
        tenant=r.id, subject=r.held_back, suspension_reason=why("SCIM")
    ),
    "SetMemberRoles": lambda r: member_pb2.SetMemberRolesRequest(
        tenant=r.id, subject="user:vera", roles=["editor"]
    ),
    "TransferOwnership": lambda r: member_pb2.TransferOwnershipRequest(
        tenant=r.id, new_owner="user:vera"
    ),
    "InviteMember": lambda r: invitation_pb2.InviteMemberRequest(
        tenant=r.id, subject="user:nina", email="nina@example.com", roles=["viewer"]
    ),
    "AcceptInvitation": lambda r: invitation_pb2.AcceptInvitationRequest(
        tenant=r.id, token=r.invited.token, subject="user:ivan"
    ),
    "ResendInvitation": lambda r: invitation_pb2.ResendInvitationRequest(
        tenant=r.id, id=r.invited.invitation.id
    ),
    "RevokeInvitation": lambda r: invitation_pb2.RevokeInvitationRequest(
        tenant=r.id, id=r.invited.invitation.id
    ),
    "IngestBillingEvent": lambda r: _event(
        f"{r.id}-up", "onboard", tenant=r.id, plans="enterprise"
    ),
    "ReplayBillingEvent": lambda r: events.ReplayBillingEventRequest(
        source="billing-job", id=r.event
    ),
    "DiscardBillingEvent": lambda r: events.DiscardBillingEventRequest(
        source="billing-job", id=r.event
    ),
    "MapSubject": lambda r: events.MapSubjectRequest(
        source="billing-job", subject=f"cus-{r.id}", tenant=r.id
    ),
    "Reconcile": lambda r: events.ReconcileRequest(
        tenant=r.id,
        source="billing-job",
        desired=[events.DesiredContract(tenant=r.id, plans=[events.SoldPlan(plan="enterprise")])],
        repair=True,
    ),
    "CreateBillingPrice": lambda r: _new_price(f"newer-{r.id}"),
    "UpdateBillingPrice": lambda r: billing.UpdateBillingPriceRequest(
        billing_price=billing.BillingPrice(id=r.price, tier="enterprise"),
        update_mask=FieldMask(paths=["tier"]),
    ),
    "DeleteBillingPrice": lambda r: billing.DeleteBillingPriceRequest(id=r.price),
    "CreateBillingSource": lambda r: _new_source(f"n-{crc32(r.id.encode())}"),
    "UpdateBillingSource": lambda r: billing.UpdateBillingSourceRequest(
        billing_source=billing.BillingSource(id=r.source, definition=_definition("hello", "bye")),
        update_mask=FieldMask(paths=["definition"]),
    ),
    "DeleteBillingSource": lambda r: billing.DeleteBillingSourceRequest(id=r.source),
    "UpdateBillingSettings": lambda r: billing.UpdateBillingSettingsRequest(
        billing_settings=billing.BillingSettings(
            grace_period=Duration(seconds=60 * (1_440 + crc32(r.id.encode()) % 1_440))
        ),
        update_mask=FieldMask(paths=["grace_period"]),
    ),
    "PauseIntake": lambda _: events.PauseIntakeRequest(reason="a flood"),
    "ResumeIntake": lambda _: events.ResumeIntakeRequest(),
    "CreateKey": lambda r: keys.CreateKeyRequest(
        key=keys.Key(roles=["authz.checker"], tenants=[r.id], display_name="backend")
    ),
    "UpdateKey": lambda r: keys.UpdateKeyRequest(
        key=keys.Key(id=r.key, display_name="frontend", roles=["authz.checker", "authz.auditor"]),
        update_mask=FieldMask(paths=["display_name", "roles"]),
    ),
    "RotateKey": lambda r: keys.RotateKeyRequest(id=r.key, reason="every quarter"),
    "CreateIdentity": lambda r: identities.CreateIdentityRequest(
        identity=_identity(fresh_name("identity"), tenants=[r.id])
    ),
    "UpdateIdentity": lambda r: identities.UpdateIdentityRequest(
        identity=identities.Identity(
            id=r.identity, display_name="frontend", roles=["authz.checker", "authz.auditor"]
        ),
        update_mask=FieldMask(paths=["display_name", "roles"]),
    ),
    "DeleteIdentity": lambda r: identities.DeleteIdentityRequest(id=r.identity, reason="left"),
    "RetryJob": lambda r: jobs.RetryJobRequest(tenant=r.id, id=r.job),
    "CancelJob": lambda r: jobs.CancelJobRequest(tenant=r.id, id=r.job),
    "UpdateMailTemplate": lambda r: _template(r.id),
    "DeleteMailTemplate": lambda r: mail_templates.DeleteMailTemplateRequest(
        tenant=r.id, kind=r.template
    ),
    "CreateEndpoint": lambda r: _endpoint(r.id),
    "UpdateEndpoint": lambda r: webhooks.UpdateEndpointRequest(
        tenant=r.id,
        endpoint=webhooks.Endpoint(id=r.endpoint, description="mine"),
        update_mask=FieldMask(paths=["description"]),
    ),
    "DeleteEndpoint": lambda r: webhooks.DeleteEndpointRequest(tenant=r.id, id=r.endpoint),
    "RotateEndpointSecret": lambda r: webhooks.RotateEndpointSecretRequest(
        tenant=r.id, id=r.endpoint
    ),
    "PingEndpoint": lambda r: webhooks.PingEndpointRequest(tenant=r.id, id=r.endpoint),
    "RedeliverDelivery": lambda r: webhooks.RedeliverDeliveryRequest(
        tenant=r.id, endpoint=r.endpoint, id=r.job
    ),
    "RevokeKey": lambda r: keys.RevokeKeyRequest(id=r.key, reason="leaked"),
}
GOOD: Final = {**READS, **CHANGES}

BESIDE_FACTS: Final = (
    *("ReplayBillingEvent", "DiscardBillingEvent", "MapSubject"),
    *("PauseIntake", "ResumeIntake"),
    *("RetryJob", "CancelJob", "UpdateMailTemplate", "DeleteMailTemplate"),
    *("RotateEndpointSecret", "PingEndpoint", "RedeliverDelivery"),
)
"""Changes of events, jobs, mails and deliveries: these are no facts, so no revision is made."""

WITH_PAGES: Final = [n for n in RPCS if "page_size" in RPCS[n].input_type.fields_by_name]


OF_OWN_ROLES: Final = tuple(name for name, access in ACCESS.items() if access.right_in_tenant)
"""RPCs that are about the tenant whose own role they name."""


def places_of_tenant(request: Any) -> Iterator[tuple[Any, str]]:
    """Yield the parts and fields of a request that name a tenant, also where the call concerns
    all.
    """
    path = ACCESS[request.DESCRIPTOR.name.removesuffix("Request")].tenant
    if not path and "tenant" in request.DESCRIPTOR.fields_by_name:
        path = "tenant"
    return places(request, path) if path else iter(())


def names_tenant(name: str, ready: Ready) -> bool:
    """Tell whether the RPC is about one tenant, which exists before."""
    request = GOOD[name](ready)
    return name in OF_OWN_ROLES or any(
        getattr(part, field) for part, field in places_of_tenant(request)
    )


def about(request: Any, tenant: str) -> Any:
    """Let the request be about another tenant."""
    for part, field in places_of_tenant(request):
        setattr(part, field, tenant)
    name = request.DESCRIPTOR.name.removesuffix("Request")
    if name in OF_OWN_ROLES:
        for part, field in places(request, ACCESS[name].role):
            setattr(part, field, f"{tenant}/{getattr(part, field).partition('/')[2]}")
    return request
