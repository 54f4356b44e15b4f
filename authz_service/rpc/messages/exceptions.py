"""Tenants' exceptions as messages."""

from typing import Final

from authz_service.domain.catalog import Feature
from authz_service.domain.exception import EVERYONE, ExceptionKind, TenantException
from authz_service.gen.authz.v1 import exception_pb2
from authz_service.rpc.messages import catalog
from authz_service.rpc.messages.values import window, window_fields, word
from authz_service.rpc.methods import Shown

_EXCEPTIONS: Final = {
    ExceptionKind.GRANT: exception_pb2.EXCEPTION_KIND_GRANT,
    ExceptionKind.DENY: exception_pb2.EXCEPTION_KIND_DENY,
    ExceptionKind.REPLACE: exception_pb2.EXCEPTION_KIND_REPLACE,
    ExceptionKind.FEATURE: exception_pb2.EXCEPTION_KIND_FEATURE,
}


def exception(message: exception_pb2.TenantException) -> TenantException:
    return TenantException(
        id="",
        tenant=message.tenant,
        kind=word(_EXCEPTIONS, message.kind, None, "exception.kind"),
        permissions=frozenset(message.permissions),
        subject=message.subject or EVERYONE,
        scope=message.scope,
        window=window(message),
        reason=message.reason,
        approver=message.approver,
        feature=feature_of(message),
    )


def feature_of(message: exception_pb2.TenantException) -> Feature | None:
    return catalog.feature(message.feature) if message.HasField("feature") else None


def exception_message(value: TenantException) -> exception_pb2.TenantException:
    return exception_pb2.TenantException(
        id=value.id,
        tenant=value.tenant,
        kind=_EXCEPTIONS[value.kind],
        permissions=sorted(value.permissions),
        subject="" if value.subject == EVERYONE else value.subject,
        scope=value.scope,
        reason=value.reason,
        approver=value.approver,
        feature=catalog.feature_message(value.feature) if value.feature is not None else None,
        revision=value.revision,
        **window_fields(value.window),
    )


EXCEPTION: Final = Shown("exception", "exceptions", exception_message)


def exception_kind_filter(number: int) -> ExceptionKind | None:
    return word(_EXCEPTIONS, number, None, "kind") if number else None
