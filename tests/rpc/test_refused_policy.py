"""What is wrong in roles, tiers, grants and exceptions is named precisely and changes nothing."""

from collections.abc import Callable
from typing import Any, Final

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from authz_service.errors import ErrorReason
from authz_service.gen.authz.v1 import (
    add_on_pb2,
    exception_pb2,
    permission_pb2,
    role_grant_pb2,
    role_pb2,
    tier_pb2,
)
from tests.changesets import previewing, puts
from tests.rpc.account import DENY, GRANT, REPLACE, Account, timestamp
from tests.rpc.conftest import fresh_name
from tests.rpc.harness import Server, made, refusal
from tests.services import PUT


@pytest.fixture
def acme(account: Account) -> Account:
    account.onboard("professional", ada=["admin"], vera=["viewer"])
    return account


def grant(account: Account, **fields: Any) -> role_grant_pb2.GrantRoleRequest:
    known = {"tenant": account.id, "subject": "user:vera", "role": "editor"}
    return role_grant_pb2.GrantRoleRequest(role_grant=role_grant_pb2.RoleGrant(**(known | fields)))


def exception(account: Account, kind: Any = DENY, *names: str, **fields: Any) -> Any:
    made = account.exception(kind, *(names or ("invoices:view",)), **fields)
    return exception_pb2.CreateExceptionRequest(exception=made)


def put_role(name: str, *permissions: str, includes: tuple[str, ...] = ()) -> Any:
    return role_pb2.UpdateRoleRequest(
        **PUT, role=role_pb2.Role(id=name, permissions=permissions, includes=includes)
    )


def put_tier(name: str, **fields: Any) -> tier_pb2.UpdateTierRequest:
    return tier_pb2.UpdateTierRequest(**PUT, tier=tier_pb2.Tier(id=name, **fields))


WINDOWS: Final[dict[str, dict[str, Timestamp]]] = {
    "ends-before-it-starts": {"valid_from": timestamp(2000), "valid_until": timestamp(1000)},
    "ends-as-it-starts": {"valid_from": timestamp(2000), "valid_until": timestamp(2000)},
    "ends-at-the-epoch": {"valid_until": timestamp(0)},
    "starts-before-1970": {"valid_from": timestamp(-1)},
    "ends-before-1970": {"valid_until": timestamp(-1)},
}


@pytest.mark.parametrize("window", WINDOWS.values(), ids=WINDOWS)
def test_window_of_a_grant_that_holds_nothing_is_refused(
    acme: Account, window: dict[str, Timestamp]
) -> None:
    acme.server.refuses(
        grant(acme, **window), ErrorReason.INVALID_WINDOW, at="role_grant.valid_until"
    )


@pytest.mark.parametrize("window", WINDOWS.values(), ids=WINDOWS)
def test_window_of_an_exception_that_holds_nothing_is_refused(
    acme: Account, window: dict[str, Timestamp]
) -> None:
    acme.server.refuses(
        exception(acme, **window), ErrorReason.INVALID_WINDOW, at="exception.valid_until"
    )


def test_window_that_ends_in_9999_is_taken(acme: Account) -> None:
    last = Timestamp(seconds=253_402_300_799, nanos=999_999_000)
    assert acme.grant("vera", "editor", valid_until=last).valid_until == last


def test_grant_in_an_unknown_tenant_is_refused(acme: Account) -> None:
    acme.server.refuses(
        grant(acme, tenant="nowhere"),
        ErrorReason.TENANT_NOT_FOUND,
        at="role_grant.tenant",
        says="onboard it first",
    )


def test_grant_of_an_unknown_role_is_refused(acme: Account) -> None:
    acme.server.refuses(
        grant(acme, role="astronaut"),
        ErrorReason.ROLE_NOT_FOUND,
        at="role_grant.role",
        says="named tenant/role",
    )


def test_grant_to_someone_who_is_no_member_is_refused(acme: Account) -> None:
    found = acme.server.refuses(
        grant(acme, subject="user:nina"),
        ErrorReason.NOT_A_MEMBER,
        at="role_grant.subject",
        says="add the member first",
    )
    assert found.metadata == {"tenant": acme.id, "subject": "user:nina"}


def test_grant_to_staff_is_refused(acme: Account) -> None:
    acme.server.refuses(
        grant(acme, subject="staff:sam"), ErrorReason.STAFF_NOT_ALLOWED, at="role_grant.subject"
    )


def test_grant_of_a_role_that_the_tier_does_not_list_is_refused(account: Account) -> None:
    account.onboard("free", vera=[])
    found = account.server.refuses(
        grant(account, role="billing-admin"),
        ErrorReason.ROLE_NOT_ASSIGNABLE,
        at="role_grant.role",
        says="it lists admin, editor, viewer",
    )
    assert found.metadata == {"role": "billing-admin", "tier": "free"}


def test_grant_of_the_services_own_roles_to_a_customer_is_refused(acme: Account) -> None:
    acme.server.refuses(
        grant(acme, role="authz.operator"), ErrorReason.ROLE_NOT_ASSIGNABLE, at="role_grant.role"
    )


def test_grant_of_another_tenants_own_role_is_refused_as_if_there_were_none(
    acme: Account,
) -> None:
    other = Account(acme.server, f"{acme.id}2")
    other.onboard("professional")
    other.put_role("secret", "invoices:view")
    told = [
        acme.server.refuses(
            grant(acme, role=f"{other.id}/{name}"), ErrorReason.ROLE_NOT_FOUND, at="role_grant.role"
        ).message.replace(name, "?")
        for name in ("secret", "absent")
    ]
    assert told[0] == told[1]


def test_same_grant_twice_is_refused_and_names_the_first(acme: Account) -> None:
    first = acme.grant("vera", "editor", "project:42")
    found = acme.server.refuses(
        grant(acme, scope="project:42"),
        ErrorReason.ROLE_GRANT_EXISTS,
        at="role_grant",
        says="send a request_id",
    )
    assert found.metadata == {"id": first.id}


@pytest.mark.parametrize(
    "difference",
    [
        {"scope": "project:43"},
        {"valid_until": timestamp(4_000_000_000)},
        {"source": role_grant_pb2.GRANT_SOURCE_CONTRACT},
    ],
    ids=["scope", "window", "source"],
)
def test_grant_that_differs_in_scope_window_or_source_is_another_one(
    acme: Account, difference: dict[str, Any]
) -> None:
    first = acme.grant("vera", "editor")
    second = acme.operator.role_grants.GrantRole(grant(acme, **difference)).role_grant
    assert first.id != second.id


def test_revoking_takes_the_grants_of_the_named_source_alone(acme: Account) -> None:
    acme.grant("vera", "editor")
    acme.grant("vera", "editor", source=role_grant_pb2.GRANT_SOURCE_SCIM)
    revoked = acme.revoke("vera", "editor", source=role_grant_pb2.GRANT_SOURCE_SCIM)
    assert [each.source for each in revoked] == [role_grant_pb2.GRANT_SOURCE_SCIM]
    assert acme.may("vera", "invoices:create")


def test_revoking_what_was_not_granted_is_refused(acme: Account) -> None:
    request = role_grant_pb2.RevokeRoleRequest(tenant=acme.id, subject="user:vera", role="editor")
    acme.server.refuses(
        request, ErrorReason.ROLE_GRANT_NOT_FOUND, at="role", says="list the grants"
    )


def test_revoking_on_another_scope_than_granted_is_refused(acme: Account) -> None:
    acme.grant("vera", "editor", "project:42")
    request = role_grant_pb2.RevokeRoleRequest(tenant=acme.id, subject="user:vera", role="editor")
    acme.server.refuses(request, ErrorReason.ROLE_GRANT_NOT_FOUND, at="role")


def test_getting_a_grant_of_another_tenant_is_refused(acme: Account) -> None:
    other = Account(acme.server, f"{acme.id}2")
    other.onboard("professional", ada=[])
    theirs = other.grant("ada", "viewer")
    request = role_grant_pb2.GetRoleGrantRequest(tenant=acme.id, id=theirs.id)
    acme.server.refuses(request, ErrorReason.ROLE_GRANT_NOT_FOUND, at="id")


def test_getting_a_grant_that_there_is_not_is_refused(acme: Account) -> None:
    request = role_grant_pb2.GetRoleGrantRequest(tenant=acme.id, id="nothing")
    acme.server.refuses(request, ErrorReason.ROLE_GRANT_NOT_FOUND, at="id")


def test_exception_for_an_unknown_permission_is_refused(acme: Account) -> None:
    acme.server.refuses(
        exception(acme, GRANT, "invoices:shred"),
        ErrorReason.PERMISSION_NOT_FOUND,
        at="exception.permissions",
        says="is not declared",
    )


EXCEPTIONS: Final[dict[str, tuple[Any, dict[str, Any], str]]] = {
    "no-kind": (exception_pb2.EXCEPTION_KIND_UNSPECIFIED, {}, "kind"),
    "unknown-kind": (99, {}, "kind"),
    "no-reason": (DENY, {"reason": ""}, "reason"),
    "blank-reason": (DENY, {"reason": "  "}, "reason"),
    "no-approver": (DENY, {"approver": ""}, "approver"),
    "grant-for-one-subject": (GRANT, {"subject": "user:ada"}, "subject"),
    "grant-in-one-scope": (GRANT, {"scope": "project:42"}, "scope"),
    "replace-for-one-subject": (REPLACE, {"subject": "user:ada"}, "subject"),
    "replace-in-one-scope": (REPLACE, {"scope": "project:42"}, "scope"),
}


@pytest.mark.parametrize(("kind", "fields", "blamed"), EXCEPTIONS.values(), ids=EXCEPTIONS)
def test_exception_that_contradicts_itself_is_refused(
    acme: Account, kind: Any, fields: dict[str, Any], blamed: str
) -> None:
    request = exception(acme, kind, **fields)
    acme.server.refuses(request, ErrorReason.INVALID_FIELD, at=f"exception.{blamed}")


@pytest.mark.parametrize("kind", [GRANT, DENY], ids=["grant", "deny"])
def test_exception_about_no_permission_is_refused(acme: Account, kind: Any) -> None:
    request = exception_pb2.CreateExceptionRequest(exception=acme.exception(kind))
    acme.server.refuses(request, ErrorReason.INVALID_FIELD, at="exception.permissions")


def test_exception_in_an_unknown_tenant_is_refused(acme: Account) -> None:
    request = exception(acme, tenant="nowhere")
    acme.server.refuses(request, ErrorReason.TENANT_NOT_FOUND, at="exception.tenant")


def test_exception_is_revoked_once(acme: Account) -> None:
    made = acme.except_(DENY, "invoices:view")
    acme.delete_exception(made.id)
    request = exception_pb2.DeleteExceptionRequest(tenant=acme.id, id=made.id)
    acme.server.refuses(request, ErrorReason.EXCEPTION_NOT_FOUND, at="id", says="list them")


def test_exception_of_another_tenant_is_neither_shown_nor_revoked(acme: Account) -> None:
    other = Account(acme.server, f"{acme.id}2")
    other.onboard("professional")
    theirs = other.except_(DENY, "invoices:view")
    for request in (exception_pb2.GetExceptionRequest, exception_pb2.DeleteExceptionRequest):
        asked = request(tenant=acme.id, id=theirs.id)
        acme.server.refuses(asked, ErrorReason.EXCEPTION_NOT_FOUND, at="id")


def test_unknown_permission_is_not_found(server: Server) -> None:
    request = permission_pb2.GetPermissionRequest(id="invoices:shred")
    server.refuses(request, ErrorReason.PERMISSION_NOT_FOUND, at="id", says="is not declared")


def test_unknown_role_is_not_found(server: Server) -> None:
    server.refuses(role_pb2.GetRoleRequest(id="nobody"), ErrorReason.ROLE_NOT_FOUND, at="id")


def test_unknown_tier_is_not_found(server: Server) -> None:
    request = tier_pb2.GetTierRequest(id="platinum")
    server.refuses(request, ErrorReason.TIER_NOT_FOUND, at="id", says="create it first")


def test_role_with_an_undeclared_permission_is_refused(server: Server) -> None:
    server.refuses(
        put_role(fresh_name("r"), "invoices:exprot"),
        ErrorReason.PERMISSION_NOT_FOUND,
        at="role.permissions",
        says="did you mean 'invoices:export'?",
    )


def test_role_that_includes_an_unknown_one_is_refused(server: Server) -> None:
    request = put_role(fresh_name("r"), includes=("astronaut",))
    server.refuses(request, ErrorReason.ROLE_NOT_FOUND, at="role.includes")


TIERS: Final[dict[str, tuple[dict[str, Any], ErrorReason, str]]] = {
    "unknown-base": ({"extends": "platinum"}, ErrorReason.TIER_NOT_FOUND, "extends"),
    "unknown-permission": (
        {"permissions": ["a:b"]},
        ErrorReason.PERMISSION_NOT_FOUND,
        "permissions",
    ),
    "unknown-role": (
        {"assignable_roles": ["nobody"]},
        ErrorReason.ROLE_NOT_FOUND,
        "assignable_roles",
    ),
    "sells-internal": (
        {"permissions": ["authz.keys:create"]},
        ErrorReason.INVALID_FIELD,
        "permissions",
    ),
    "no-amount": (
        {"limits": [{"name": "seats", "unit": "seat"}]},
        ErrorReason.INVALID_FIELD,
        "limits[0]",
    ),
    "unlimited-false": (
        {"limits": [{"name": "seats", "unlimited": False, "unit": "seat"}]},
        ErrorReason.INVALID_FIELD,
        "limits[0]",
    ),
    "negative-amount": (
        {"limits": [{"name": "seats", "value": -1, "unit": "seat"}]},
        ErrorReason.INVALID_FIELD,
        "limits.seats.value",
    ),
    "limit-twice": (
        {"limits": [{"name": "seats", "value": n, "unit": "seat"} for n in (1, 2)]},
        ErrorReason.INVALID_FIELD,
        "limits.seats",
    ),
    "feature-twice": (
        {"features": [{"name": "sso", "enabled": on} for on in (True, False)]},
        ErrorReason.INVALID_FIELD,
        "features.sso",
    ),
}


@pytest.mark.parametrize(("fields", "reason", "blamed"), TIERS.values(), ids=TIERS)
def test_tier_that_breaks_a_law_is_refused(
    server: Server, fields: dict[str, Any], reason: ErrorReason, blamed: str
) -> None:
    request = put_tier(fresh_name("tier"), **fields)
    server.refuses(request, reason, at=f"tier.{blamed}")


def test_permission_that_a_tier_sells_cannot_become_internal(server: Server) -> None:
    request = permission_pb2.UpdatePermissionRequest(
        **PUT, permission=permission_pb2.Permission(id="invoices:view", internal=True)
    )
    server.refuses(
        request, ErrorReason.INVALID_FIELD, at="permission.internal", says="out of the tier first"
    )


def test_policy_with_one_mistake_changes_nothing(server: Server) -> None:
    name = fresh_name("policy")
    changeset = puts(
        permissions=[permission_pb2.Permission(id=f"{name}:view")],
        roles=[role_pb2.Role(id=name, permissions=[f"{name}:view"])],
        tiers=[tier_pb2.Tier(id=name, permissions=[f"{name}:edit"])],
    )
    server.refuses(
        previewing(changeset),
        ErrorReason.PERMISSION_NOT_FOUND,
        at="changeset.commands[2].update_tier.tier.permissions",
        says=f"did you mean '{name}:view'?",
    )
    server.refuses(role_pb2.GetRoleRequest(id=name), ErrorReason.ROLE_NOT_FOUND, at="id")


def test_changeset_that_defines_something_twice_is_refused(server: Server) -> None:
    name = fresh_name("policy")
    twice = puts(roles=[role_pb2.Role(id=name), role_pb2.Role(id=name)])
    server.refuses(
        previewing(twice),
        ErrorReason.COMMANDS_COLLIDE,
        at="changeset.commands[1]",
        says="keep one",
    )


def test_all_that_is_wrong_with_definitions_is_told_at_once(server: Server) -> None:
    names = [fresh_name("policy") for _ in range(3)]
    changeset = puts(roles=[role_pb2.Role(id=name, permissions=["no:such"]) for name in names])
    found = refusal(lambda: server.operator.call(previewing(changeset)))
    assert found.fields == tuple(
        f"changeset.commands[{number}].update_role.role.permissions" for number in range(3)
    )


NAMING: Final[dict[str, Callable[[str], Any]]] = {
    "role": lambda name: role_pb2.CreateRoleRequest(role=role_pb2.Role(id="x", permissions=[name])),
    "own-role": lambda name: role_pb2.CreateRoleRequest(
        role=role_pb2.Role(id="acme/x", permissions=[name])
    ),
    "tier": lambda name: tier_pb2.CreateTierRequest(tier=tier_pb2.Tier(id="x", permissions=[name])),
    "add-on": lambda name: add_on_pb2.CreateAddOnRequest(
        add_on=add_on_pb2.AddOn(id="x", permissions=[name])
    ),
    "replaced-by": lambda name: permission_pb2.CreatePermissionRequest(
        permission=permission_pb2.Permission(id="a:b", deprecated=True, replaced_by=name)
    ),
    "get": lambda name: permission_pb2.GetPermissionRequest(id=name),
    "delete": lambda name: permission_pb2.DeletePermissionRequest(id=name),
    "replacement": lambda name: permission_pb2.DeletePermissionRequest(
        id="invoices:view", replacement=name
    ),
    "roles-of": lambda name: role_pb2.ListRolesRequest(permission=name),
    "tiers-of": lambda name: tier_pb2.ListTiersRequest(permission=name),
    "exception": lambda name: made(
        exception_pb2.CreateExceptionRequest,
        exception={
            "tenant": "acme", "kind": "EXCEPTION_KIND_GRANT", "permissions": [name],
            "reason": "r", "approver": "a",
        },
    ),
}  # fmt: skip


@pytest.mark.parametrize("naming", NAMING)
def test_undeclared_permission_is_told_with_the_one_that_may_be_meant(
    server: Server, naming: str
) -> None:
    if server.service.replica.index.tenant("acme") is None:
        Account(server, "acme").onboard()
    found = refusal(lambda: server.operator.call(NAMING[naming]("invoices:veiw")))
    assert found.reason == ErrorReason.PERMISSION_NOT_FOUND
    assert "did you mean 'invoices:view'?" in found.message
    assert found.metadata["did_you_mean"] == "invoices:view"
