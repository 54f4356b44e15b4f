"""Commands of changesets in few words, as use cases take them and as messages."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Any

from google.protobuf.field_mask_pb2 import FieldMask

from authz_service.domain.catalog import Permission, Plan, Role
from authz_service.domain.changeset import ChangesetCommand
from authz_service.domain.exception import TenantException
from authz_service.domain.grant import GrantSource, RoleGrant
from authz_service.gen.authz.v1 import add_on_pb2, permission_pb2, role_pb2, tier_pb2
from authz_service.gen.authz.v1 import changeset_pb2 as pb
from authz_service.usecases.catalog.deletion import DeleteObject
from authz_service.usecases.catalog.objects import Update
from authz_service.usecases.grants.exceptions import CreateException, OneException
from authz_service.usecases.grants.role_grants import GrantRole, RevokeRole
from authz_service.usecases.tenants.onboarding import SetTier
from authz_service.usecases.tenants.subscriptions import AddAddOn, RemoveAddOn


class ObjectKind(StrEnum):
    """What can be defined and deleted, as RPCs name it."""

    PERMISSION = "Permission"
    ROLE = "Role"
    TIER = "Tier"
    ADD_ON = "AddOn"


def put(fact: Permission | Role | Plan) -> ChangesetCommand:
    """Create a definition, or replace it."""
    kind = type(fact).__name__
    if isinstance(fact, Plan):
        kind = "Tier" if fact.kind == "tier" else "AddOn"
    return ChangesetCommand(f"Update{kind}", Update(object=fact, mask=("*",), allow_missing=True))


def delete(kind: ObjectKind, name: str, replacement: str = "") -> ChangesetCommand:
    owner = Role(name).tenant if kind is ObjectKind.ROLE else ""
    content = DeleteObject(id=name, replacement=replacement, tenant=owner)
    return ChangesetCommand(f"Delete{kind}", content)


def give(grant: RoleGrant) -> ChangesetCommand:
    return ChangesetCommand("GrantRole", GrantRole(grant=grant))


def revoke(
    tenant: str, subject: str, role: str, scope: str = "", source: GrantSource | None = None
) -> ChangesetCommand:
    content = RevokeRole(tenant=tenant, subject=subject, role=role, scope=scope, source=source)
    return ChangesetCommand("RevokeRole", content)


def except_(exception: TenantException) -> ChangesetCommand:
    return ChangesetCommand("CreateException", CreateException(exception=exception))


def end_exception(tenant: str, name: str) -> ChangesetCommand:
    return ChangesetCommand("DeleteException", OneException(tenant=tenant, id=name))


def move_to_tier(tenant: str, tier: str) -> ChangesetCommand:
    return ChangesetCommand("SetTier", SetTier(tenant=tenant, tier=tier))


def hold_add_on(tenant: str, add_on: str, held: bool = True) -> ChangesetCommand:
    if held:
        return ChangesetCommand("AddAddOn", AddAddOn(tenant=tenant, add_on=add_on))
    return ChangesetCommand("RemoveAddOn", RemoveAddOn(tenant=tenant, add_on=add_on))


def command(rpc_field: str, **fields: Any) -> pb.Command:
    """Make a command of a message: `command("grant_role", role_grant=...)`."""
    message = pb.Command()
    request = getattr(message, rpc_field)
    request.MergeFrom(type(request)(**fields))
    return message


def puts(
    permissions: Iterable[permission_pb2.Permission] = (),
    roles: Iterable[role_pb2.Role] = (),
    tiers: Iterable[tier_pb2.Tier] = (),
    add_ons: Iterable[add_on_pb2.AddOn] = (),
) -> pb.Changeset:
    """Make a changeset that creates definitions, or replaces them."""
    sections = {"permission": permissions, "role": roles, "tier": tiers, "add_on": add_ons}
    whole = {"update_mask": FieldMask(paths=["*"]), "allow_missing": True}
    return pb.Changeset(
        commands=[
            command(f"update_{noun}", **{noun: each}, **whole)
            for noun, messages in sections.items()
            for each in messages
        ]
    )


def previewing(changeset: pb.Changeset) -> pb.PreviewChangesetRequest:
    return pb.PreviewChangesetRequest(changeset=changeset)


def applying(stub: Any, changeset: pb.Changeset, **more: Any) -> pb.ApplyChangesetRequest:
    """Preview a changeset, and make the request that applies it."""
    seen = stub.PreviewChangeset(previewing(changeset))
    return pb.ApplyChangesetRequest(changeset=changeset, fingerprint=seen.fingerprint, **more)


def apply(stub: Any, changeset: pb.Changeset, **more: Any) -> pb.ApplyChangesetResponse:
    """Preview a changeset and apply it, by the stub of ChangesetService."""
    answer: pb.ApplyChangesetResponse = stub.ApplyChangeset(applying(stub, changeset, **more))
    return answer
