"""The stubs of every service. Here alone a new service is made known to its callers."""

from abc import ABC, abstractmethod
from importlib import import_module
from typing import TYPE_CHECKING, Generic, TypeVar

# gRPC costs more than all the rest: imported when a service is called, not for --help.
if TYPE_CHECKING:
    import grpc

    from authz_service.gen.authz.v1.add_on_pb2_grpc import AddOnServiceStub
    from authz_service.gen.authz.v1.audit_pb2_grpc import AuditServiceStub
    from authz_service.gen.authz.v1.authorization_pb2_grpc import AuthorizationServiceStub
    from authz_service.gen.authz.v1.billing_pb2_grpc import BillingServiceStub
    from authz_service.gen.authz.v1.billing_policy_pb2_grpc import BillingPolicyServiceStub
    from authz_service.gen.authz.v1.changeset_pb2_grpc import ChangesetServiceStub
    from authz_service.gen.authz.v1.exception_pb2_grpc import ExceptionServiceStub
    from authz_service.gen.authz.v1.feature_pb2_grpc import FeatureServiceStub
    from authz_service.gen.authz.v1.identity_pb2_grpc import IdentityServiceStub
    from authz_service.gen.authz.v1.invitation_pb2_grpc import InvitationServiceStub
    from authz_service.gen.authz.v1.job_pb2_grpc import JobServiceStub
    from authz_service.gen.authz.v1.key_pb2_grpc import KeyServiceStub
    from authz_service.gen.authz.v1.limit_pb2_grpc import LimitServiceStub
    from authz_service.gen.authz.v1.mail_template_pb2_grpc import MailTemplateServiceStub
    from authz_service.gen.authz.v1.member_pb2_grpc import MemberServiceStub
    from authz_service.gen.authz.v1.permission_pb2_grpc import PermissionServiceStub
    from authz_service.gen.authz.v1.role_grant_pb2_grpc import RoleGrantServiceStub
    from authz_service.gen.authz.v1.role_pb2_grpc import RoleServiceStub
    from authz_service.gen.authz.v1.rule_pb2_grpc import RuleServiceStub
    from authz_service.gen.authz.v1.subscription_pb2_grpc import SubscriptionServiceStub
    from authz_service.gen.authz.v1.tenant_pb2_grpc import TenantServiceStub
    from authz_service.gen.authz.v1.tier_pb2_grpc import TierServiceStub
    from authz_service.gen.authz.v1.webhook_pb2_grpc import WebhookServiceStub


S = TypeVar("S")


class _Stub(Generic[S]):
    """A service's stub, made when it is first used."""

    def __init__(self, family: str, *, checks: bool = False) -> None:
        """`family` names the proto file and the service; `checks` says on which port it is."""
        self._family = family
        self._checks = checks

    def __set_name__(self, owner: type, attribute: str) -> None:
        self._attribute = attribute

    def __get__(self, services: "Services", owner: type) -> S:
        module = import_module(f"authz_service.gen.authz.v1.{self._family}_pb2_grpc")
        channel = services.check_channel if self._checks else services.admin_channel
        name = f"{self._family.title().replace('_', '')}ServiceStub"
        stub: S = getattr(module, name)(channel)
        # Found there from now on, in the place of this descriptor.
        vars(services)[self._attribute] = stub
        return stub


class Services(ABC):
    """The stubs of all services."""

    authorization: "_Stub[AuthorizationServiceStub]" = _Stub("authorization", checks=True)
    permissions: "_Stub[PermissionServiceStub]" = _Stub("permission")
    roles: "_Stub[RoleServiceStub]" = _Stub("role")
    tiers: "_Stub[TierServiceStub]" = _Stub("tier")
    add_ons: "_Stub[AddOnServiceStub]" = _Stub("add_on")
    features: "_Stub[FeatureServiceStub]" = _Stub("feature")
    limits: "_Stub[LimitServiceStub]" = _Stub("limit")
    changesets: "_Stub[ChangesetServiceStub]" = _Stub("changeset")
    role_grants: "_Stub[RoleGrantServiceStub]" = _Stub("role_grant")
    exceptions: "_Stub[ExceptionServiceStub]" = _Stub("exception")
    tenants: "_Stub[TenantServiceStub]" = _Stub("tenant")
    subscriptions: "_Stub[SubscriptionServiceStub]" = _Stub("subscription")
    members: "_Stub[MemberServiceStub]" = _Stub("member")
    invitations: "_Stub[InvitationServiceStub]" = _Stub("invitation")
    audit: "_Stub[AuditServiceStub]" = _Stub("audit")
    keys: "_Stub[KeyServiceStub]" = _Stub("key")
    identities: "_Stub[IdentityServiceStub]" = _Stub("identity")
    billing: "_Stub[BillingServiceStub]" = _Stub("billing")
    billing_policy: "_Stub[BillingPolicyServiceStub]" = _Stub("billing_policy")
    jobs: "_Stub[JobServiceStub]" = _Stub("job")
    mail_templates: "_Stub[MailTemplateServiceStub]" = _Stub("mail_template")
    webhooks: "_Stub[WebhookServiceStub]" = _Stub("webhook")
    rules: "_Stub[RuleServiceStub]" = _Stub("rule")

    @property
    @abstractmethod
    def check_channel(self) -> "grpc.Channel":
        """The channel to the port that answers questions."""

    @property
    @abstractmethod
    def admin_channel(self) -> "grpc.Channel":
        """The channel to the port that takes changes."""
