"""ExceptionService: one-off exceptions for one tenant."""

from typing import Final

from authz_service.domain.exception import EVERYONE
from authz_service.gen.authz.v1 import exception_pb2 as pb
from authz_service.rpc.messages import exceptions as messages
from authz_service.rpc.messages import values
from authz_service.rpc.messages.exceptions import EXCEPTION
from authz_service.rpc.methods import Service, change, read
from authz_service.usecases.grants import exceptions
from authz_service.usecases.grants.exceptions import (
    CreateException,
    ListExceptions,
    OneException,
    UpdateException,
)


def _grant(request: pb.CreateExceptionRequest) -> CreateException:
    return CreateException(exception=messages.exception(request.exception))


def _one(request: pb.GetExceptionRequest | pb.DeleteExceptionRequest) -> OneException:
    return OneException(tenant=request.tenant, id=request.id)


def _update(request: pb.UpdateExceptionRequest) -> UpdateException:
    message = request.exception
    return UpdateException(
        tenant=message.tenant,
        id=message.id,
        mask=tuple(request.update_mask.paths),
        window=values.window(message),
        permissions=frozenset(message.permissions),
        feature=messages.feature_of(message),
        reason=message.reason,
        approver=message.approver,
        expected_revision=request.expected_revision,
    )


def _listing(request: pb.ListExceptionsRequest) -> ListExceptions:
    return ListExceptions(
        tenant=request.tenant,
        page=values.page(request),
        kind=messages.exception_kind_filter(request.kind),
        permission=request.permission,
        subject=(request.subject or EVERYONE) if request.HasField("subject") else None,
        live_at=values.instant(request.live_time) if request.HasField("live_time") else None,
    )


SERVICE: Final = Service(
    pb.DESCRIPTOR.services_by_name["ExceptionService"],
    change(exceptions.create_exception, _grant, EXCEPTION.one),
    change(exceptions.update_exception, _update, EXCEPTION.one),
    change(exceptions.delete_exception, _one, EXCEPTION.one),
    read(exceptions.get_exception, _one, EXCEPTION.one),
    read(exceptions.list_exceptions, _listing, EXCEPTION.page),
)
