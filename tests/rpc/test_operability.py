"""No change of the policy leaves the service without somebody who could undo it."""

from typing import Any

import pytest
import yaml
from google.protobuf.field_mask_pb2 import FieldMask

from authz_service.config import shipped_policies
from authz_service.errors import ErrorReason
from authz_service.gen.authz.v1 import changeset_pb2, permission_pb2, role_pb2, tier_pb2
from authz_service.gen.authz.v1 import key_pb2 as keys
from authz_service.usecases.kernel.lockout import OPERATING
from authz_service.usecases.kernel.rights import RIGHTS
from tests.rpc.access import RIGHT_OF
from tests.rpc.harness import Server


def operator_role(server: Server) -> role_pb2.Role:
    return server.operator.roles.GetRole(role_pb2.GetRoleRequest(id="operator")).role


def without(role: role_pb2.Role, right: str) -> role_pb2.Role:
    kept = [name for name in role.permissions if name != right]
    return role_pb2.Role(id=role.id, permissions=kept, includes=role.includes)


@pytest.mark.parametrize("right", OPERATING)
def test_last_operator_keeps_what_operating_takes(server: Server, right: str) -> None:
    role = without(operator_role(server), right)
    mask = FieldMask(paths=["permissions"])
    requests: list[Any] = [
        role_pb2.PutRoleRequest(role=role),
        role_pb2.UpdateRoleRequest(role=role, update_mask=mask),
        changeset_pb2.ApplyPolicyRequest(roles=[role]),
    ]
    for request in requests:
        found = server.refuses(request, ErrorReason.OPERATORS_LOCKED_OUT, says="another key first")
        assert found.metadata == {"right": right}


def test_what_operating_does_not_take_may_go(server: Server) -> None:
    role = without(operator_role(server), "keys:revoke")
    request = role_pb2.PutRoleRequest(role=role, validate_only=True)
    assert "keys:revoke" not in server.operator.roles.PutRole(request).role.permissions


def test_another_role_of_a_key_is_enough(server: Server) -> None:
    spare = role_pb2.Role(id="spare-operator", permissions=OPERATING)
    internal = server.operator.tiers.GetTier(tier_pb2.GetTierRequest(id="internal")).tier
    wider = tier_pb2.Tier()
    wider.CopyFrom(internal)
    wider.assignable_roles.append(spare.id)
    server.operator.changesets.ApplyPolicy(
        changeset_pb2.ApplyPolicyRequest(roles=[spare], tiers=[wider])
    )
    role = role_pb2.PutRoleRequest(
        role=without(operator_role(server), "keys:create"), validate_only=True
    )
    server.refuses(role, ErrorReason.OPERATORS_LOCKED_OUT)
    wanted = keys.CreateKeyRequest(roles=[spare.id])
    made = server.operator.keys.CreateKey(wanted).key
    server.operator.roles.PutRole(role)
    server.operator.keys.RevokeKey(keys.RevokeKeyRequest(id=made.id))


@pytest.mark.parametrize("right", ["tenants:get", "roles:put", "decisions:check"])
def test_right_that_this_service_asks_stays_declared_and_internal(
    server: Server, right: str
) -> None:
    plain = permission_pb2.Permission(id=right, description="now for sale")
    mask = FieldMask(paths=["internal"])
    refused: list[tuple[Any, str]] = [
        (permission_pb2.DeletePermissionRequest(id=right, replacement="invoices:view"), "id"),
        (permission_pb2.PutPermissionRequest(permission=plain), "permission.internal"),
        (
            permission_pb2.UpdatePermissionRequest(permission=plain, update_mask=mask),
            "permission.internal",
        ),
        (changeset_pb2.ApplyPolicyRequest(permissions=[plain]), f"permissions.{right}.internal"),
    ]
    for request, field in refused:
        found = server.refuses(request, ErrorReason.RIGHT_RESERVED, at=field)
        assert found.metadata == {"permission": right}


def test_every_right_that_is_asked_is_known() -> None:
    assert set(RIGHT_OF.values()) <= RIGHTS


def test_rights_are_what_the_shipped_catalogue_declares_as_internal() -> None:
    catalogue = yaml.safe_load((shipped_policies() / "catalogue.yaml").read_text())
    internal = {name for name, said in catalogue["permissions"].items() if said.get("internal")}
    assert internal == RIGHTS


def test_tier_of_the_callers_is_not_deleted(server: Server) -> None:
    request = tier_pb2.DeleteTierRequest(id="internal")
    found = server.refuses(request, ErrorReason.STILL_IN_USE, at="id")
    assert found.metadata == {"tenant": "1: system"}
    request.replacement = "free"
    server.refuses(request, ErrorReason.TENANT_RESERVED, at="replacement")
