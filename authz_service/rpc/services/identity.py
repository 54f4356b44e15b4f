"""IdentityService: callers of this service by token or by certificate."""

from typing import Final

from authz_service.domain.identity import IdentityKind
from authz_service.domain.window import FOREVER
from authz_service.errors import ErrorReason, InvalidArgument
from authz_service.gen.authz.v1 import identity_pb2 as pb
from authz_service.rpc.calls import AdminCalls, Context
from authz_service.rpc.messages import values
from authz_service.usecases.callers import identities
from authz_service.usecases.callers.identities import IdentityNow, OneIdentity

_KINDS: Final = {
    pb.IDENTITY_KIND_TOKEN: IdentityKind.TOKEN,
    pb.IDENTITY_KIND_CERTIFICATE: IdentityKind.CERTIFICATE,
}
_NUMBERS: Final = {kind: number for number, kind in _KINDS.items()}


class IdentityServicer:
    def __init__(self, calls: AdminCalls) -> None:
        self._calls = calls

    def RegisterIdentity(
        self, request: pb.RegisterIdentityRequest, context: Context
    ) -> pb.RegisterIdentityResponse:
        answer = self._calls.change(
            request, context, identities.register_identity, lambda r: _registration(r.identity)
        )
        return pb.RegisterIdentityResponse(
            identity=_message(answer.value), revision=answer.revision
        )

    def GetIdentity(
        self, request: pb.GetIdentityRequest, context: Context
    ) -> pb.GetIdentityResponse:
        answer = self._calls.read(request, context, identities.get_identity, _one)
        return pb.GetIdentityResponse(identity=_message(answer.value), revision=answer.revision)

    def ListIdentities(
        self, request: pb.ListIdentitiesRequest, context: Context
    ) -> pb.ListIdentitiesResponse:
        answer = self._calls.read(
            request,
            context,
            identities.list_identities,
            lambda r: identities.ListIdentities(page=values.page(r)),
        )
        return pb.ListIdentitiesResponse(
            identities=[_message(item) for item in answer.value.items],
            next_page_token=answer.value.next_token,
            revision=answer.revision,
        )

    def UpdateIdentity(
        self, request: pb.UpdateIdentityRequest, context: Context
    ) -> pb.UpdateIdentityResponse:
        answer = self._calls.change(request, context, identities.update_identity, _update)
        return pb.UpdateIdentityResponse(identity=_message(answer.value), revision=answer.revision)

    def RemoveIdentity(
        self, request: pb.RemoveIdentityRequest, context: Context
    ) -> pb.RemoveIdentityResponse:
        answer = self._calls.change(request, context, identities.remove_identity, _one)
        return pb.RemoveIdentityResponse(identity=_message(answer.value), revision=answer.revision)


def _one(request: pb.GetIdentityRequest | pb.RemoveIdentityRequest) -> OneIdentity:
    return OneIdentity(id=request.id)


def _registration(message: pb.Identity) -> identities.RegisterIdentity:
    """Read an identity. Raises: InvalidArgument for a kind unknown, or what a caller cannot set."""
    if message.id or message.HasField("create_time") or message.revision:
        said = "id, create_time and revision are given by this service; leave them unset"
        raise _wrong(said, "id")
    if message.kind not in _KINDS:
        raise _wrong("kind must be TOKEN or CERTIFICATE", "kind")
    return identities.RegisterIdentity(
        kind=_KINDS[message.kind],
        issuer=message.issuer,
        name=message.name,
        roles=tuple(message.roles),
        tenants=tuple(message.tenants),
        display_name=message.display_name,
        expires_at=_end(message),
    )


def _update(request: pb.UpdateIdentityRequest) -> identities.UpdateIdentity:
    return identities.UpdateIdentity(
        id=request.id,
        mask=tuple(request.update_mask.paths),
        display_name=request.display_name,
        expires_at=_end(request),
        roles=tuple(request.roles),
        tenants=tuple(request.tenants),
        expected_revision=request.expected_revision,
    )


def _end(message: pb.Identity | pb.UpdateIdentityRequest) -> int:
    return values.instant(message.expire_time) if message.HasField("expire_time") else FOREVER


def _message(value: IdentityNow) -> pb.Identity:
    fact = value.identity
    message = pb.Identity(
        id=fact.id,
        kind=_NUMBERS[fact.kind],
        issuer=fact.issuer,
        name=fact.name,
        display_name=fact.display_name,
        roles=value.roles,
        tenants=value.tenants,
        create_time=values.timestamp(fact.created_at),
        revision=value.revision,
    )
    if fact.expires_at != FOREVER:
        message.expire_time.CopyFrom(values.timestamp(fact.expires_at))
    return message


def _wrong(message: str, field: str) -> InvalidArgument:
    return InvalidArgument(ErrorReason.INVALID_FIELD, message, field=f"identity.{field}")
