"""API keys as messages."""

from typing import Final

from authz_service.domain.key import KeyKind
from authz_service.domain.window import FOREVER
from authz_service.gen.authz.v1 import key_pb2
from authz_service.rpc.messages.values import timestamp, word
from authz_service.usecases.callers.keys_now import KeyNow

_KEY_KINDS: Final = {
    KeyKind.APP: key_pb2.KEY_KIND_APP,
    KeyKind.JOB: key_pb2.KEY_KIND_JOB,
    KeyKind.OPERATOR: key_pb2.KEY_KIND_OPERATOR,
    KeyKind.SCIM: key_pb2.KEY_KIND_SCIM,
}


def key_kind(number: int, field: str = "kind") -> KeyKind | None:
    """Read a kind; None for unspecified."""
    return word(_KEY_KINDS, number, None, field) if number else None


def key_message(value: KeyNow) -> key_pb2.Key:
    message = key_pb2.Key(
        id=value.id,
        display_name=value.display_name,
        roles=value.roles,
        tenants=value.tenants,
        create_time=timestamp(value.created_at),
        kind=_KEY_KINDS.get(value.kind, key_pb2.KEY_KIND_UNSPECIFIED),
        revision=value.revision,
    )
    if value.expires_at != FOREVER:
        message.expire_time.CopyFrom(timestamp(value.expires_at))
    if value.previous_expires_at:
        message.previous_expire_time.CopyFrom(timestamp(value.previous_expires_at))
    if value.last_used_at:
        message.last_use_time.CopyFrom(timestamp(value.last_used_at))
    return message
