"""A caller of a real server, as a customer's system would be: generated stubs and a key."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import grpc
from google.rpc.error_details_pb2 import ErrorInfo
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub
from grpc_status import rpc_status

from authz_service.cli.demo.throwaway_server import Trial
from authz_service.gen.authz.v1.authorization_pb2 import BatchCheckRequest, ExplainRequest, Question
from authz_service.gen.authz.v1.authorization_pb2_grpc import AuthorizationServiceStub
from authz_service.gen.authz.v1.member_pb2 import AddMemberRequest, NewMember
from authz_service.gen.authz.v1.member_pb2_grpc import MemberServiceStub
from authz_service.gen.authz.v1.role_grant_pb2 import (
    GrantRoleRequest,
    RevokeRoleRequest,
    RoleGrant,
)
from authz_service.gen.authz.v1.role_grant_pb2_grpc import RoleGrantServiceStub
from authz_service.gen.authz.v1.tenant_pb2 import OnboardTenantRequest
from authz_service.gen.authz.v1.tenant_pb2_grpc import TenantServiceStub

TENANT: Final = "acme"
DEADLINE: Final = 20.0
DIRECT: Final = (
    ("grpc.enable_http_proxy", 0),
    ("grpc.use_local_subchannel_pool", 1),  # or channels to one address would share a connection
)


class Client:
    """Calls both ports. Every failed call raises `grpc.RpcError`."""

    def __init__(self, check_port: grpc.Channel, admin_port: grpc.Channel, key: str) -> None:
        self._called: dict[str, Any] = {
            "metadata": (("authorization", f"Bearer {key}"),),
            "timeout": DEADLINE,
        }
        self._ports = {"check": check_port, "admin": admin_port}
        self._checks = AuthorizationServiceStub(check_port)
        self._role_grants = RoleGrantServiceStub(admin_port)
        self._tenants = TenantServiceStub(admin_port)
        self._members = MemberServiceStub(admin_port)

    def onboard(self, *subjects: str) -> int:
        """Open the account with these members and no roles; return the revision."""
        members = [NewMember(subject=subject) for subject in subjects]
        request = OnboardTenantRequest(tenant=TENANT, tier="enterprise", members=members)
        return int(self._tenants.OnboardTenant(request, **self._called).revision)

    def add_member(self, subject: str, roles: Sequence[str], request_id: str) -> int:
        member = NewMember(subject=subject, roles=roles)
        request = AddMemberRequest(tenant=TENANT, member=member, request_id=request_id)
        return int(self._members.AddMember(request, **self._called).revision)

    def grant(self, subject: str, role: str, scope: str, request_id: str) -> int:
        grant = RoleGrant(tenant=TENANT, subject=subject, role=role, scope=scope)
        request = GrantRoleRequest(role_grant=grant, request_id=request_id)
        return int(self._role_grants.GrantRole(request, **self._called).revision)

    def revoke(self, subject: str, role: str) -> int:
        request = RevokeRoleRequest(tenant=TENANT, subject=subject, role=role)
        return int(self._role_grants.RevokeRole(request, **self._called).revision)

    def allowed(self, permission: str, *asked: tuple[str, str]) -> list[bool]:
        """Ask for each pair of subject and scope."""
        questions = [
            Question(tenant=TENANT, subject=subject, permission=permission, scope=scope)
            for subject, scope in asked
        ]
        request = BatchCheckRequest(questions=questions)
        return list(self._checks.BatchCheck(request, **self._called).allowed)

    def explain(self, subject: str, permission: str) -> bool:
        """Ask for one decision with its reasons; return the decision."""
        request = ExplainRequest(tenant=TENANT, subject=subject, permission=permission)
        return bool(self._checks.Explain(request, **self._called).allowed)

    def serving(self, port: str) -> bool:
        """Tell what the health service of the port `check` or `admin` says."""
        health: Any = HealthStub(self._ports[port])  # its types know no methods
        answer = health.Check(HealthCheckRequest(), timeout=DEADLINE)
        return bool(answer.status == HealthCheckResponse.SERVING)


@contextmanager
def client_of(server: Trial) -> Iterator[Client]:
    """Connect with the server's first operator key."""
    with (
        grpc.insecure_channel(server.check_address, DIRECT) as checks,
        grpc.insecure_channel(server.admin_address, DIRECT) as administration,
    ):
        yield Client(checks, administration, server.key)


def reason_of(error: grpc.RpcError) -> str:
    """Name the reason in a refusal's ErrorInfo; "" if it has none."""
    status = rpc_status.from_call(error)  # type: ignore[arg-type]  # a failed call is both
    info = ErrorInfo()
    found = status is not None and any(detail.Unpack(info) for detail in status.details)
    return info.reason if found else ""
