"""Keys and identities to values and back."""

from typing import Any, Final

from authz_service.domain.identity import IdentityKind
from authz_service.domain.window import FOREVER
from authz_service.errors import ErrorReason, InvalidArgument
from authz_service.gen.authz.v1 import identity_pb2, key_pb2
from authz_service.rpc.messages import keys, values
from authz_service.rpc.methods import Shown
from authz_service.usecases.callers.caller_changes import CallerFields
from authz_service.usecases.callers.identities import IdentityNow

IDENTITY_KINDS: Final = {
    getattr(identity_pb2, f"IDENTITY_KIND_{kind.name}"): kind for kind in IdentityKind
}
_IDENTITY_NUMBERS: Final = {kind: number for number, kind in IDENTITY_KINDS.items()}


def caller_fields(message: key_pb2.Key | identity_pb2.Identity) -> CallerFields:
    expires = message.HasField("expire_time")
    return CallerFields(
        display_name=message.display_name,
        expires_at=values.instant(message.expire_time) if expires else FOREVER,
        roles=tuple(message.roles),
        tenants=tuple(message.tenants),
    )


def require_unset(message: Any, resource: str, *fields: str) -> None:
    """Refuse a new resource that says what only this service says. Raises: INVALID_FIELD."""
    present = {field.name for field, _ in message.ListFields()}
    for field in fields:
        if field in present:
            raise InvalidArgument(
                ErrorReason.INVALID_FIELD,
                f"{resource}.{field} is given by this service; leave it unset",
                field=f"{resource}.{field}",
            )


def identity_message(value: IdentityNow) -> identity_pb2.Identity:
    fact = value.identity
    message = identity_pb2.Identity(
        id=fact.id,
        kind=_IDENTITY_NUMBERS[fact.kind],
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


KEY: Final = Shown("key", "keys", keys.key_message)
IDENTITY: Final = Shown("identity", "identities", identity_message)
