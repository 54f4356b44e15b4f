"""The answer to a deletion: what was deleted, and what moved to its replacement."""

from collections.abc import Callable
from typing import Final, TypeVar

from authz_service.domain.catalog import Permission, Plan, Role
from authz_service.gen.authz.v1 import moved_pb2
from authz_service.rpc.methods import Fields, Shown
from authz_service.usecases.catalog.deletion import Deleted, Moved
from authz_service.usecases.catalog.references import UseKind

D = TypeVar("D", bound=Permission | Role | Plan)


def moved(shown: Shown[D]) -> Callable[[Deleted[D]], Fields]:
    """Show a definition as it was, and what its replacement took over."""

    def fields(value: Deleted[D]) -> Fields:
        return {**shown.one(value.object), "moved": map(_moved_message, value.moved)}

    return fields


def _moved_message(value: Moved) -> moved_pb2.Moved:
    return moved_pb2.Moved(kind=_MOVED[value.kind], count=value.count, names=value.names)


_MOVED: Final = {
    UseKind.PERMISSION: moved_pb2.MOVED_KIND_PERMISSION,
    UseKind.ROLE: moved_pb2.MOVED_KIND_ROLE,
    UseKind.TIER: moved_pb2.MOVED_KIND_TIER,
    UseKind.ADD_ON: moved_pb2.MOVED_KIND_ADD_ON,
    UseKind.EXCEPTION: moved_pb2.MOVED_KIND_EXCEPTION,
    UseKind.ROLE_GRANT: moved_pb2.MOVED_KIND_ROLE_GRANT,
    UseKind.INVITATION: moved_pb2.MOVED_KIND_INVITATION,
    UseKind.TENANT: moved_pb2.MOVED_KIND_TENANT,
    UseKind.BILLING_PRICE: moved_pb2.MOVED_KIND_BILLING_PRICE,
    UseKind.BILLING_SETTINGS: moved_pb2.MOVED_KIND_BILLING_SETTINGS,
}
