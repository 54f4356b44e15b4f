"""KeyService: API keys of this service's callers."""

from collections.abc import Callable

from authz_service.domain.key import digest, write
from authz_service.gen.authz.v1 import key_pb2 as pb
from authz_service.rpc.messages import keys as messages
from authz_service.rpc.messages import values
from authz_service.rpc.messages.callers import KEY, caller_fields, require_unset
from authz_service.rpc.methods import Fields, Service, change, issue, read
from authz_service.usecases.callers import keys, keys_now
from authz_service.usecases.callers.keys_now import KeyNow, Uses


def service(new_secret: Callable[[], str], uses_here: Callable[[], Uses]) -> Service:
    """Describe the service; `uses_here` tells when this process last saw each key."""

    def rotation(request: pb.RotateKeyRequest, secret: str) -> keys.RotateKey:
        overlaps = request.HasField("overlap")
        return keys.RotateKey(
            id=request.id,
            secret_hash=digest(secret),
            overlap=values.duration(request.overlap) if overlaps else keys.OVERLAP,
            uses_here=uses_here(),
        )

    def update(request: pb.UpdateKeyRequest) -> keys.UpdateKey:
        return keys.UpdateKey(
            id=request.key.id,
            fields=caller_fields(request.key),
            mask=tuple(request.update_mask.paths),
            expected_revision=request.expected_revision,
            uses_here=uses_here(),
        )

    def revocation(request: pb.RevokeKeyRequest) -> keys.RevokeKey:
        return keys.RevokeKey(
            id=request.id, previous_only=request.previous_only, uses_here=uses_here()
        )

    return Service(
        pb.DESCRIPTOR.services_by_name["KeyService"],
        issue(keys.create_key, _creation, KEY.one, _credential, new_secret),
        read(keys_now.get_key, lambda r: keys_now.GetKey(id=r.id, uses_here=uses_here()), KEY.one),
        read(keys_now.list_keys, lambda r: _listing(r, uses_here()), KEY.page),
        change(keys.update_key, update, KEY.one),
        issue(keys.rotate_key, rotation, KEY.one, _credential, new_secret),
        change(keys.revoke_key, revocation, KEY.one),
    )


def _credential(key: KeyNow, secret: str) -> Fields:
    return {"credential": write(key.kind, key.id, secret)}


def _creation(request: pb.CreateKeyRequest, secret: str) -> keys.CreateKey:
    output_only = ("id", "create_time", "previous_expire_time", "last_use_time", "revision")
    require_unset(request.key, "key", *output_only)
    return keys.CreateKey(
        secret_hash=digest(secret),
        fields=caller_fields(request.key),
        kind=messages.key_kind(request.key.kind, "key.kind"),
    )


def _listing(request: pb.ListKeysRequest, uses_here: Uses) -> keys_now.ListKeys:
    unused = request.HasField("unused_since_time")
    return keys_now.ListKeys(
        page=values.page(request),
        role=request.role,
        for_tenant=request.for_tenant,
        kind=messages.key_kind(request.kind),
        expired=request.expired if request.HasField("expired") else None,
        unused_since=values.instant(request.unused_since_time) if unused else None,
        uses_here=uses_here,
    )
