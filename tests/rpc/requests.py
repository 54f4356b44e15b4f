"""One good request for every RPC, in an account made ready for all of them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf.message import Message

from authz_service.gen.authz.v1 import authorization_pb2 as checks
from authz_service.gen.authz.v1 import key_pb2 as keys
from authz_service.gen.authz.v1 import policy_pb2 as policy
from authz_service.gen.authz.v1 import provisioning_pb2 as provisioning
from tests.rpc.account import DENY, Account, member, usage, why
from tests.rpc.conftest import fresh_name
from tests.rpc.harness import RPCS


@dataclass(frozen=True)
class Ready:
    """An account in which every request below is right."""

    account: Account
    grant: str
    exception: str
    key: str

    @property
    def id(self) -> str:
        return self.account.id


def made_ready(account: Account) -> Ready:
    account.onboard("professional", ada=["admin"], vera=["viewer"])
    account.suspend("BILLING")
    account.put_role("mine", "invoices:view")
    key = account.operator.keys.CreateKey(keys.CreateKeyRequest(roles=["checker"])).key
    grant = account.grant("vera", "editor", "project:42")
    return Ready(account, grant.id, account.except_(DENY, "invoices:void").id, key.id)


def _question(kind: type[Any], ready: Ready) -> Any:
    return kind(tenant=ready.id, subject="user:ada", permission="invoices:view")


def _applied(ready: Ready) -> Message:
    name = fresh_name("applied")
    return policy.ApplyPolicyRequest(
        permissions=[policy.Permission(id=f"{name}:view")],
        roles=[policy.Role(id=name, permissions=[f"{name}:view"])],
        tiers=[policy.Tier(id=name, permissions=[f"{name}:view"], assignable_roles=[name])],
    )


READS: Final[dict[str, Callable[[Ready], Message]]] = {
    "Check": lambda r: _question(checks.CheckRequest, r),
    "BatchCheck": lambda r: checks.BatchCheckRequest(questions=[_question(checks.Question, r)] * 2),
    "CheckPermissions": lambda r: checks.CheckPermissionsRequest(
        tenant=r.id, subject="user:ada", permissions=["invoices:view"]
    ),
    "ListPermissions": lambda r: checks.ListPermissionsRequest(tenant=r.id, subject="user:ada"),
    "ListSubjects": lambda r: checks.ListSubjectsRequest(tenant=r.id, permission="invoices:view"),
    "GetEntitlements": lambda r: checks.GetEntitlementsRequest(tenant=r.id),
    "CheckLimit": lambda r: checks.CheckLimitRequest(tenant=r.id, usage=usage("seats", 1)),
    "Explain": lambda r: _question(checks.ExplainRequest, r),
    "GetPermission": lambda _: policy.GetPermissionRequest(id="invoices:view"),
    "ListCatalogue": lambda _: policy.ListCatalogueRequest(),
    "GetRole": lambda _: policy.GetRoleRequest(id="viewer"),
    "ListRoles": lambda r: policy.ListRolesRequest(tenant=r.id),
    "GetTier": lambda _: policy.GetTierRequest(id="free"),
    "ListTiers": lambda _: policy.ListTiersRequest(),
    "GetRoleGrant": lambda r: policy.GetRoleGrantRequest(tenant=r.id, id=r.grant),
    "ListRoleGrants": lambda r: policy.ListRoleGrantsRequest(tenant=r.id),
    "GetException": lambda r: policy.GetExceptionRequest(tenant=r.id, id=r.exception),
    "ListExceptions": lambda r: policy.ListExceptionsRequest(tenant=r.id),
    "GetTenant": lambda r: provisioning.GetTenantRequest(tenant=r.id),
    "ListTenants": lambda _: provisioning.ListTenantsRequest(),
    "GetMember": lambda r: provisioning.GetMemberRequest(tenant=r.id, subject="user:ada"),
    "ListMembers": lambda r: provisioning.ListMembersRequest(tenant=r.id),
    "ListKeys": lambda _: keys.ListKeysRequest(),
}
CHANGES: Final[dict[str, Callable[[Ready], Message]]] = {
    "PutPermission": lambda _: policy.PutPermissionRequest(
        permission=policy.Permission(id=f"{fresh_name('put')}:view", description="See it")
    ),
    "PutRole": lambda r: policy.PutRoleRequest(
        role=policy.Role(id=f"{r.id}/new", permissions=["invoices:view"], includes=["viewer"])
    ),
    "PutTier": lambda _: policy.PutTierRequest(
        tier=policy.Tier(id=fresh_name("put"), extends="free", assignable_roles=["viewer"])
    ),
    "ApplyPolicy": _applied,
    "GrantRole": lambda r: policy.GrantRoleRequest(
        role_grant=policy.RoleGrant(tenant=r.id, subject="user:vera", role="editor", reason="work")
    ),
    "RevokeRole": lambda r: policy.RevokeRoleRequest(
        tenant=r.id, subject="user:ada", role="admin", reason="left"
    ),
    "GrantException": lambda r: policy.GrantExceptionRequest(
        exception=r.account.exception(DENY, "invoices:send")
    ),
    "RevokeException": lambda r: policy.RevokeExceptionRequest(tenant=r.id, id=r.exception),
    "OnboardTenant": lambda r: provisioning.OnboardTenantRequest(
        tenant=f"{r.id}-new", tier="free", members=[member("nina", "admin")], display_name="Nina's"
    ),
    "SetTier": lambda r: provisioning.SetTierRequest(tenant=r.id, tier="enterprise"),
    "SuspendTenant": lambda r: provisioning.SuspendTenantRequest(
        tenant=r.id, suspension_reason=why("RISK")
    ),
    "ResumeTenant": lambda r: provisioning.ResumeTenantRequest(
        tenant=r.id, suspension_reason=why("BILLING")
    ),
    "OffboardTenant": lambda r: provisioning.OffboardTenantRequest(tenant=r.id),
    "AddMember": lambda r: provisioning.AddMemberRequest(
        tenant=r.id, member=member("nina", "viewer", "editor")
    ),
    "RemoveMember": lambda r: provisioning.RemoveMemberRequest(tenant=r.id, subject="user:vera"),
    "CreateKey": lambda r: keys.CreateKeyRequest(
        roles=["checker"], tenants=[r.id], display_name="backend"
    ),
    "RevokeKey": lambda r: keys.RevokeKeyRequest(id=r.key, reason="leaked"),
}
GOOD: Final = {**READS, **CHANGES}

WITH_PAGES: Final = [n for n in RPCS if "page_size" in RPCS[n].input_type.fields_by_name]


def places_of_tenant(request: Any) -> Iterator[Any]:
    """Yield the parts of a request that name the tenant which it is about."""
    known = request.DESCRIPTOR.fields_by_name
    nested = (getattr(request, name) for name in ("role_grant", "exception") if name in known)
    parts = [request, *getattr(request, "questions", ()), *nested]
    return (part for part in parts if "tenant" in part.DESCRIPTOR.fields_by_name)


def names_tenant(name: str, ready: Ready) -> bool:
    """Tell whether the RPC is about one tenant, which exists before."""
    request = GOOD[name](ready)
    return name == "PutRole" or any(part.tenant for part in places_of_tenant(request))


def about(request: Any, tenant: str) -> Any:
    """Let the request be about another tenant."""
    for part in places_of_tenant(request):
        part.tenant = tenant
    if request.DESCRIPTOR.name == "PutRoleRequest":
        request.role.id = f"{tenant}/{request.role.id.partition('/')[2]}"
    return request
