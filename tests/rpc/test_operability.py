"""No change of the policy leaves the service without somebody who could undo it."""

from collections.abc import Iterator
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from authz_service.domain.own_policy import RIGHTS, ROLES
from authz_service.errors import ErrorReason
from authz_service.gen.authz.v1 import key_pb2 as keys
from authz_service.gen.authz.v1 import permission_pb2, role_pb2
from authz_service.usecases.kernel.lockout import OPERATING
from tests.changesets import apply, previewing, puts
from tests.rpc.harness import Caller, Server, serving
from tests.services import PUT

MORE = ("authz.keys:revoke", "authz.changesets:preview")


@pytest.fixture(scope="module")
def composed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Caller]]:
    """Serve with one key, whose role operations have composed of rights of the service."""
    with serving(tmp_path_factory.mktemp("composed")) as server:
        role = role_pb2.Role(id="boss", permissions=[*OPERATING, *MORE])
        server.operator.roles.UpdateRole(role_pb2.UpdateRoleRequest(**PUT, role=role))
        boss = server.caller(server.new_key("boss"))
        first = server.operator_key.split("_")[2]
        boss.keys.RevokeKey(keys.RevokeKeyRequest(id=first))
        yield server, boss


def without(*rights: str) -> role_pb2.Role:
    kept = [name for name in (*OPERATING, *MORE) if name not in rights]
    return role_pb2.Role(id="boss", permissions=kept)


@pytest.mark.parametrize("right", OPERATING)
def test_last_operator_keeps_what_operating_takes(
    composed: tuple[Server, Caller], right: str
) -> None:
    server, boss = composed
    mask = FieldMask(paths=["permissions"])
    requests: list[Any] = [
        role_pb2.UpdateRoleRequest(**PUT, role=without(right)),
        role_pb2.UpdateRoleRequest(role=without(right), update_mask=mask),
        previewing(puts(roles=[without(right)])),
    ]
    for request in requests:
        found = server.refuses(
            request, ErrorReason.OPERATORS_LOCKED_OUT, says="another key first", by=boss
        )
        assert found.metadata == {"right": right}


def test_what_operating_does_not_take_may_go(composed: tuple[Server, Caller]) -> None:
    _, boss = composed
    narrower = without("authz.keys:revoke")
    request = role_pb2.UpdateRoleRequest(**PUT, role=narrower, validate_only=True)
    assert boss.roles.UpdateRole(request).role.permissions == sorted(narrower.permissions)


def test_another_key_is_enough(server: Server) -> None:
    spare = role_pb2.Role(id="spare-operator", permissions=OPERATING)
    apply(server.operator.changesets, puts(roles=[spare]))
    made = server.operator.keys.CreateKey(keys.CreateKeyRequest(key=keys.Key(roles=[spare.id]))).key
    emptied = role_pb2.UpdateRoleRequest(**PUT, role=role_pb2.Role(id=spare.id), validate_only=True)
    server.operator.roles.UpdateRole(emptied)
    server.operator.keys.RevokeKey(keys.RevokeKeyRequest(id=made.id))


@pytest.mark.parametrize(
    "right",
    ["authz.tenants:get", "authz.roles:create", "authz.roles:update", "authz.decisions:check"],
)
def test_rights_of_this_service_are_neither_changed_nor_deleted(server: Server, right: str) -> None:
    ours = permission_pb2.Permission(id=right, description="now for sale")
    mask = FieldMask(paths=["internal"])
    refused: list[tuple[Any, str]] = [
        (permission_pb2.DeletePermissionRequest(id=right, replacement="invoices:view"), "id"),
        (permission_pb2.UpdatePermissionRequest(**PUT, permission=ours), "permission"),
        (permission_pb2.UpdatePermissionRequest(permission=ours, update_mask=mask), "permission"),
        (
            previewing(puts(permissions=[ours])),
            "changeset.commands[0].update_permission.permission",
        ),
    ]
    for request, field in refused:
        server.refuses(request, ErrorReason.NAME_RESERVED, at=field, says="service's own")


@pytest.mark.parametrize("role", ["authz.operator", "authz.checker", "authz.product"])
def test_roles_of_this_service_are_neither_changed_nor_deleted(server: Server, role: str) -> None:
    emptied = role_pb2.Role(id=role, description="ours")
    mask = FieldMask(paths=["permissions"])
    refused: list[tuple[Any, str]] = [
        (role_pb2.DeleteRoleRequest(id=role, replacement="viewer"), "id"),
        (role_pb2.UpdateRoleRequest(**PUT, role=emptied), "role"),
        (role_pb2.UpdateRoleRequest(role=emptied, update_mask=mask), "role"),
        (previewing(puts(roles=[emptied])), "changeset.commands[0].update_role.role"),
    ]
    for request, field in refused:
        server.refuses(request, ErrorReason.NAME_RESERVED, at=field, says="service's own")


def test_names_of_the_service_are_not_for_new_permissions_and_roles(server: Server) -> None:
    permission = permission_pb2.Permission(id="authz.invoices:view")
    request = permission_pb2.CreatePermissionRequest(permission=permission)
    server.refuses(request, ErrorReason.NAME_RESERVED, at="permission", says="another name")
    request_ = role_pb2.CreateRoleRequest(role=role_pb2.Role(id="authz.clerk"))
    server.refuses(request_, ErrorReason.NAME_RESERVED, at="role", says="another name")


def test_service_itself_is_listed_only_if_asked_for(server: Server) -> None:
    def names(*, reserved: bool) -> tuple[set[str], set[str]]:
        ask = server.operator
        wanted = permission_pb2.ListPermissionsRequest(page_size=1000, include_reserved=reserved)
        permissions = ask.permissions.ListPermissions(wanted).permissions
        roles = role_pb2.ListRolesRequest(page_size=1000, include_reserved=reserved)
        return {each.id for each in permissions}, {
            role.id for role in ask.roles.ListRoles(roles).roles
        }

    permissions, roles = names(reserved=False)
    assert {"invoices:view"} <= permissions
    assert {"viewer"} <= roles
    assert not [name for name in permissions | roles if name.startswith("authz.")]
    all_permissions, all_roles = names(reserved=True)
    assert all_permissions - permissions == RIGHTS.keys()
    assert all_roles - roles == {role.id for role in ROLES}
