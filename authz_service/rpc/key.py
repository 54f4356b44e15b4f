"""KeyService: API keys of this service's callers."""

from collections.abc import Callable

from authz_service.domain.key import digest, write
from authz_service.domain.window import FOREVER
from authz_service.gen.authz.v1 import key_pb2 as pb
from authz_service.rpc import convert
from authz_service.rpc.calls import AdminCalls, Context
from authz_service.usecases import keys


class KeyServicer:
    def __init__(self, calls: AdminCalls, new_secret: Callable[[], str]) -> None:
        self._calls = calls
        self._new_secret = new_secret

    def CreateKey(self, request: pb.CreateKeyRequest, context: Context) -> pb.CreateKeyResponse:
        secret = self._new_secret()
        answer = self._calls.change(
            request, context, keys.create_key, lambda r: _creation(r, digest(secret))
        )
        # A repeated answer is about an earlier secret, which nobody has kept; a validated one
        # about a key that was not made.
        shown = not answer.repeated and not request.validate_only
        return pb.CreateKeyResponse(
            key=convert.key_message(answer.value),
            credential=write(answer.value.id, secret) if shown else "",
            revision=answer.revision,
        )

    def ListKeys(self, request: pb.ListKeysRequest, context: Context) -> pb.ListKeysResponse:
        answer = self._calls.read(
            request, context, keys.list_keys, lambda r: keys.ListKeys(page=convert.page(r))
        )
        return pb.ListKeysResponse(
            keys=[convert.key_message(each) for each in answer.value.items],
            next_page_token=answer.value.next_token,
            revision=answer.revision,
        )

    def RevokeKey(self, request: pb.RevokeKeyRequest, context: Context) -> pb.RevokeKeyResponse:
        answer = self._calls.change(
            request, context, keys.revoke_key, lambda r: keys.OneKey(id=r.id)
        )
        return pb.RevokeKeyResponse(key=convert.key_message(answer.value), revision=answer.revision)


def _creation(request: pb.CreateKeyRequest, secret_hash: str) -> keys.CreateKey:
    expires = request.HasField("expire_time")
    return keys.CreateKey(
        secret_hash=secret_hash,
        roles=tuple(request.roles),
        display_name=request.display_name,
        tenants=tuple(request.tenants),
        expires_at=convert.instant(request.expire_time) if expires else FOREVER,
    )
