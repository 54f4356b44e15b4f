"""Registered identities are changed as keys are: what they are called, may do and until when."""

import time
from pathlib import Path
from typing import Any, Final

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from authz_service.errors import ErrorReason
from authz_service.gen.authz.v1 import identity_pb2 as pb
from authz_service.gen.authz.v1 import key_pb2 as keys
from authz_service.gen.authz.v1 import role_pb2
from tests.rpc.account import Account, timestamp
from tests.rpc.conftest import fresh_name
from tests.rpc.harness import Caller, Server, serving
from tests.rpc.trail import added, mark
from tests.services import PUT

EXCEEDS: Final = ErrorReason.GRANT_EXCEEDS_OWN_RIGHTS
IN_AN_HOUR: Final = timestamp(time.time() + 3600)


def registered(server: Server, *roles: str, **more: Any) -> pb.Identity:
    kind = pb.IDENTITY_KIND_CERTIFICATE_COMMON_NAME
    named = roles or ("authz.checker",)
    identity = pb.Identity(kind=kind, name=fresh_name("name"), roles=named, **more)
    request = pb.CreateIdentityRequest(identity=identity)
    return server.operator.identities.CreateIdentity(request).identity


def updating(identity: pb.Identity, **fields: Any) -> pb.UpdateIdentityRequest:
    mask = FieldMask(paths=list(fields))
    return pb.UpdateIdentityRequest(
        identity=pb.Identity(id=identity.id, **fields), update_mask=mask
    )


def got(server: Server, identity: pb.Identity) -> pb.Identity:
    return server.operator.identities.GetIdentity(pb.GetIdentityRequest(id=identity.id)).identity


def narrow(server: Server, *permissions: str) -> Caller:
    role = fresh_name("role")
    made = role_pb2.Role(id=role, permissions=permissions)
    server.operator.call(role_pb2.UpdateRoleRequest(**PUT, role=made))
    return server.caller(server.new_key(role))


def test_what_is_named_is_changed_and_nothing_else(account: Account) -> None:
    account.onboard("free")
    server = account.server
    made = registered(server, "authz.checker", display_name="before", expire_time=IN_AN_HOUR)
    renamed = server.operator.call(updating(made, display_name="after")).identity
    assert (renamed.display_name, renamed.expire_time) == ("after", IN_AN_HOUR)
    bound = server.operator.call(
        updating(made, roles=["authz.auditor"], tenants=[account.id])
    ).identity
    assert (list(bound.roles), list(bound.tenants)) == (["authz.auditor"], [account.id])
    request = pb.UpdateIdentityRequest(
        identity=pb.Identity(id=made.id), update_mask=FieldMask(paths=["tenants", "expire_time"])
    )
    free = server.operator.call(request).identity
    assert (list(free.roles), list(free.tenants)) == (["authz.auditor"], [])
    assert not free.HasField("expire_time")
    assert (free.name, free.kind, free.create_time) == (made.name, made.kind, made.create_time)
    assert got(server, made) == free


def test_change_says_why_in_the_audit_and_the_same_again_changes_nothing(server: Server) -> None:
    made, before = registered(server), mark(server)
    request = updating(made, display_name="search", roles=["authz.checker", "authz.auditor"])
    request.reason = "it lists too"
    server.operator.call(request)
    told = added(server, before)
    assert [each["action"] for each in told] == ["identity.updated", "role.granted"]
    assert {each["reason"] for each in told} == {"it lists too"}
    revision = server.revision
    assert server.operator.call(request).revision == server.revision == revision


def test_revision_is_that_of_the_identity_or_of_its_rights(server: Server) -> None:
    made = registered(server)
    assert made.revision == server.revision == got(server, made).revision
    registered(server)
    assert got(server, made).revision == made.revision
    for fields in (
        {"roles": ["authz.auditor"]},
        {"display_name": "x"},
        {"roles": ["authz.checker"]},
    ):
        answer = server.operator.call(updating(made, **fields))
        assert answer.revision == answer.identity.revision == got(server, made).revision


def test_change_of_what_has_changed_since_it_was_read_is_refused(server: Server) -> None:
    made = registered(server)
    server.operator.call(updating(made, roles=["authz.auditor"]))
    request = updating(made, display_name="late")
    request.expected_revision = made.revision
    server.refuses(request, ErrorReason.REVISION_MISMATCH, at="expected_revision")
    request.expected_revision = got(server, made).revision
    assert server.operator.call(request).identity.display_name == "late"


def test_key_is_guarded_by_its_revision_too(server: Server) -> None:
    made = server.operator.call(keys.CreateKeyRequest(key=keys.Key(roles=["authz.checker"]))).key
    request = keys.UpdateKeyRequest(
        key=keys.Key(id=made.id, roles=["authz.auditor"]),
        update_mask=FieldMask(paths=["roles"]),
        expected_revision=made.revision,
    )
    changed = server.operator.call(request).key
    assert changed.revision == server.revision > made.revision
    read = server.operator.call(keys.GetKeyRequest(id=made.id)).key
    assert read.revision == changed.revision
    request.key.roles[:] = ["authz.checker"]
    server.refuses(request, ErrorReason.REVISION_MISMATCH, at="expected_revision")


WRONG: Final[dict[str, tuple[dict[str, Any], ErrorReason, str]]] = {
    "nothing": ({}, ErrorReason.INVALID_FIELD, "update_mask"),
    "its-name": ({"mask": ["name"]}, ErrorReason.INVALID_FIELD, "update_mask"),
    "no-role": ({"mask": ["roles"]}, ErrorReason.INVALID_FIELD, "identity.roles"),
    "no-such-role": ({"roles": ["nobody"]}, ErrorReason.ROLE_NOT_FOUND, "identity.roles"),
    "customers-role": ({"roles": ["viewer"]}, ErrorReason.ROLE_NOT_ASSIGNABLE, "identity.roles"),
    "no-such-tenant": ({"tenants": ["nowhere"]}, ErrorReason.TENANT_NOT_FOUND, "identity.tenants"),
    "system": ({"tenants": ["system"]}, ErrorReason.TENANT_RESERVED, "identity.tenants"),
    "over": ({"expire_time": timestamp(1)}, ErrorReason.INVALID_WINDOW, "identity.expire_time"),
    "long": ({"display_name": "x" * 201}, ErrorReason.INVALID_FIELD, "identity.display_name"),
}


@pytest.mark.parametrize(("fields", "reason", "at"), WRONG.values(), ids=WRONG)
def test_wrong_change_is_refused(
    server: Server, fields: dict[str, Any], reason: ErrorReason, at: str
) -> None:
    given = {name: value for name, value in fields.items() if name != "mask"}
    request = updating(registered(server), **given)
    request.update_mask.paths.extend(fields.get("mask", ()))
    server.refuses(request, reason, at=at)


def test_unknown_identity_and_malformed_id_are_told_apart(server: Server) -> None:
    unknown = ErrorReason.IDENTITY_NOT_FOUND
    server.refuses(
        pb.UpdateIdentityRequest(identity=pb.Identity(id="idn-0")), unknown, at="identity.id"
    )
    for wrong in ("", "a b", "x" * 65):
        request = pb.UpdateIdentityRequest(identity=pb.Identity(id=wrong))
        server.refuses(request, ErrorReason.INVALID_IDENTIFIER, at="identity.id")


def test_nobody_gives_or_prolongs_by_a_change_what_it_does_not_hold(server: Server) -> None:
    by = narrow(
        server, "authz.identities:update", "authz.decisions:check", "authz.decisions:explain"
    )
    wide = registered(server, "authz.operator", expire_time=IN_AN_HOUR)
    own = registered(server, expire_time=IN_AN_HOUR)
    forever = FieldMask(paths=["expire_time"])
    for request in (
        updating(own, roles=["authz.operator"]),
        pb.UpdateIdentityRequest(identity=pb.Identity(id=wide.id), update_mask=forever),
    ):
        server.refuses(request, EXCEEDS, by=by)
    by.call(pb.UpdateIdentityRequest(identity=pb.Identity(id=own.id), update_mask=forever))
    by.call(updating(wide, display_name="renamed"))


def test_last_operator_stays_one_also_if_it_is_an_identity(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        by = narrow(
            server, "authz.identities:update", "authz.identities:delete", "authz.decisions:check"
        )
        boss = registered(server, "authz.operator")
        server.operator.call(keys.RevokeKeyRequest(id=server.operator_key.split("_")[2]))
        demoting = updating(boss, roles=["authz.checker"])
        for request in (pb.DeleteIdentityRequest(id=boss.id), demoting):
            server.refuses(request, ErrorReason.OPERATORS_LOCKED_OUT, by=by)
