"""KeyService: API keys of this service's callers."""

from collections.abc import Callable

from authz_service.domain.key import digest, write
from authz_service.domain.window import FOREVER
from authz_service.gen.authz.v1 import key_pb2 as pb
from authz_service.rpc.calls import AdminCalls, Context
from authz_service.rpc.messages import values
from authz_service.usecases.callers import keys, keys_now
from authz_service.usecases.callers.keys_now import KeyNow, Uses
from authz_service.usecases.kernel.execution import Answer


class KeyServicer:
    """`seen` tells when this process last saw each key."""

    def __init__(
        self, calls: AdminCalls, new_secret: Callable[[], str], seen: Callable[[], Uses]
    ) -> None:
        self._calls = calls
        self._new_secret = new_secret
        self._seen = seen

    def CreateKey(self, request: pb.CreateKeyRequest, context: Context) -> pb.CreateKeyResponse:
        secret = self._new_secret()
        answer = self._calls.change(
            request, context, keys.create_key, lambda r: _creation(r, digest(secret))
        )
        return pb.CreateKeyResponse(
            key=values.key_message(answer.value),
            credential=_shown_once(request, answer, secret),
            revision=answer.revision,
        )

    def GetKey(self, request: pb.GetKeyRequest, context: Context) -> pb.GetKeyResponse:
        answer = self._calls.read(
            request,
            context,
            keys_now.get_key,
            lambda r: keys_now.GetKey(id=r.id, seen=self._seen()),
        )
        return pb.GetKeyResponse(key=values.key_message(answer.value), revision=answer.revision)

    def ListKeys(self, request: pb.ListKeysRequest, context: Context) -> pb.ListKeysResponse:
        answer = self._calls.read(
            request, context, keys_now.list_keys, lambda r: _listing(r, self._seen())
        )
        return pb.ListKeysResponse(
            keys=[values.key_message(item) for item in answer.value.items],
            next_page_token=answer.value.next_token,
            revision=answer.revision,
            total_size=answer.value.total,
        )

    def UpdateKey(self, request: pb.UpdateKeyRequest, context: Context) -> pb.UpdateKeyResponse:
        answer = self._calls.change(
            request, context, keys.update_key, lambda r: _update(r, self._seen())
        )
        return pb.UpdateKeyResponse(key=values.key_message(answer.value), revision=answer.revision)

    def RotateKey(self, request: pb.RotateKeyRequest, context: Context) -> pb.RotateKeyResponse:
        secret = self._new_secret()
        answer = self._calls.change(
            request, context, keys.rotate_key, lambda r: _rotation(r, digest(secret), self._seen())
        )
        return pb.RotateKeyResponse(
            key=values.key_message(answer.value),
            credential=_shown_once(request, answer, secret),
            revision=answer.revision,
        )

    def RevokeKey(self, request: pb.RevokeKeyRequest, context: Context) -> pb.RevokeKeyResponse:
        answer = self._calls.change(
            request,
            context,
            keys.revoke_key,
            lambda r: keys.RevokeKey(id=r.id, previous_only=r.previous_only, seen=self._seen()),
        )
        return pb.RevokeKeyResponse(key=values.key_message(answer.value), revision=answer.revision)


def _shown_once(
    request: pb.CreateKeyRequest | pb.RotateKeyRequest, answer: Answer[KeyNow], secret: str
) -> str:
    """Write the credential; "" for a repeated answer, which is about an earlier secret that nobody
    has kept, and for a validated one, about a secret that was not taken.
    """
    if answer.repeated or request.validate_only:
        return ""
    return write(answer.value.kind, answer.value.id, secret)


def _creation(request: pb.CreateKeyRequest, secret_hash: str) -> keys.CreateKey:
    return keys.CreateKey(
        secret_hash=secret_hash,
        roles=tuple(request.roles),
        display_name=request.display_name,
        tenants=tuple(request.tenants),
        expires_at=_end(request),
        kind=values.key_kind(request.kind),
    )


def _listing(request: pb.ListKeysRequest, seen: Uses) -> keys_now.ListKeys:
    unused = request.HasField("unused_since")
    return keys_now.ListKeys(
        page=values.page(request),
        role=request.role,
        for_tenant=request.for_tenant,
        kind=values.key_kind(request.kind),
        expired=request.expired if request.HasField("expired") else None,
        unused_since=values.instant(request.unused_since) if unused else None,
        seen=seen,
    )


def _update(request: pb.UpdateKeyRequest, seen: Uses) -> keys.UpdateKey:
    return keys.UpdateKey(
        id=request.id,
        mask=tuple(request.update_mask.paths),
        display_name=request.display_name,
        expires_at=_end(request),
        roles=tuple(request.roles),
        tenants=tuple(request.tenants),
        expected_revision=request.expected_revision,
        seen=seen,
    )


def _rotation(request: pb.RotateKeyRequest, secret_hash: str, seen: Uses) -> keys.RotateKey:
    given = request.HasField("overlap")
    return keys.RotateKey(
        id=request.id,
        secret_hash=secret_hash,
        overlap=values.duration(request.overlap) if given else keys.OVERLAP,
        seen=seen,
    )


def _end(request: pb.CreateKeyRequest | pb.UpdateKeyRequest) -> int:
    return values.instant(request.expire_time) if request.HasField("expire_time") else FOREVER
