"""IdentityService: callers of this service by token or by certificate."""

from typing import Final

from authz_service.errors import ErrorReason, InvalidArgument
from authz_service.gen.authz.v1 import identity_pb2 as pb
from authz_service.rpc.messages import values
from authz_service.rpc.messages.callers import (
    IDENTITY,
    IDENTITY_KINDS,
    caller_fields,
    require_unset,
)
from authz_service.rpc.methods import Service, change, read
from authz_service.usecases.callers import identities
from authz_service.usecases.callers.caller_changes import UpdateCaller
from authz_service.usecases.callers.identities import OneIdentity


def _one(request: pb.GetIdentityRequest | pb.DeleteIdentityRequest) -> OneIdentity:
    return OneIdentity(id=request.id)


def _creation(request: pb.CreateIdentityRequest) -> identities.CreateIdentity:
    message = request.identity
    require_unset(message, "identity", "id", "create_time", "revision")
    if message.kind not in IDENTITY_KINDS:
        raise InvalidArgument(
            ErrorReason.INVALID_FIELD,
            "kind must be TOKEN, or CERTIFICATE_ with a type of name",
            field="identity.kind",
        )
    return identities.CreateIdentity(
        kind=IDENTITY_KINDS[message.kind],
        issuer=message.issuer,
        name=message.name,
        fields=caller_fields(message),
    )


def _update(request: pb.UpdateIdentityRequest) -> UpdateCaller:
    return UpdateCaller(
        id=request.identity.id,
        fields=caller_fields(request.identity),
        mask=tuple(request.update_mask.paths),
        expected_revision=request.expected_revision,
    )


def _listing(request: pb.ListIdentitiesRequest) -> identities.ListIdentities:
    return identities.ListIdentities(page=values.page(request))


SERVICE: Final = Service(
    pb.DESCRIPTOR.services_by_name["IdentityService"],
    change(identities.create_identity, _creation, IDENTITY.one),
    read(identities.get_identity, _one, IDENTITY.one),
    read(identities.list_identities, _listing, IDENTITY.page),
    change(identities.update_identity, _update, IDENTITY.one),
    change(identities.delete_identity, _one, IDENTITY.one),
)
