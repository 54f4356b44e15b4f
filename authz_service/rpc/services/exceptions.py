"""PolicyService: one-off exceptions for one tenant."""

from authz_service.domain.exception import EVERYONE
from authz_service.gen.authz.v1 import policy_pb2 as pb
from authz_service.rpc.calls import AdminCalls, Context
from authz_service.rpc.messages import values
from authz_service.usecases.grants import exceptions


class ExceptionCalls:
    """The RPCs about exceptions; a part of PolicyServicer."""

    _calls: AdminCalls

    def GrantException(
        self, request: pb.GrantExceptionRequest, context: Context
    ) -> pb.GrantExceptionResponse:
        answer = self._calls.change(
            request,
            context,
            exceptions.grant_exception,
            lambda r: exceptions.GrantException(exception=values.exception(r.exception)),
        )
        return pb.GrantExceptionResponse(
            exception=values.exception_message(answer.value), revision=answer.revision
        )

    def UpdateException(
        self, request: pb.UpdateExceptionRequest, context: Context
    ) -> pb.UpdateExceptionResponse:
        answer = self._calls.change(request, context, exceptions.update_exception, _update)
        return pb.UpdateExceptionResponse(
            exception=values.exception_message(answer.value), revision=answer.revision
        )

    def RevokeException(
        self, request: pb.RevokeExceptionRequest, context: Context
    ) -> pb.RevokeExceptionResponse:
        answer = self._calls.change(
            request,
            context,
            exceptions.revoke_exception,
            lambda r: exceptions.OneException(tenant=r.tenant, id=r.id),
        )
        return pb.RevokeExceptionResponse(
            exception=values.exception_message(answer.value), revision=answer.revision
        )

    def GetException(
        self, request: pb.GetExceptionRequest, context: Context
    ) -> pb.GetExceptionResponse:
        answer = self._calls.read(
            request,
            context,
            exceptions.get_exception,
            lambda r: exceptions.OneException(tenant=r.tenant, id=r.id),
        )
        return pb.GetExceptionResponse(
            exception=values.exception_message(answer.value), revision=answer.revision
        )

    def ListExceptions(
        self, request: pb.ListExceptionsRequest, context: Context
    ) -> pb.ListExceptionsResponse:
        answer = self._calls.read(request, context, exceptions.list_exceptions, _listing)
        return pb.ListExceptionsResponse(
            exceptions=[values.exception_message(item) for item in answer.value.items],
            next_page_token=answer.value.next_token,
            revision=answer.revision,
            total_size=answer.value.total_size,
        )


def _update(request: pb.UpdateExceptionRequest) -> exceptions.UpdateException:
    wanted = request.exception
    return exceptions.UpdateException(
        tenant=wanted.tenant,
        id=wanted.id,
        mask=tuple(request.update_mask.paths),
        window=values.window(wanted),
        permissions=frozenset(wanted.permissions),
        reason=wanted.reason,
        approver=wanted.approver,
        expected_revision=request.expected_revision,
    )


def _listing(request: pb.ListExceptionsRequest) -> exceptions.ListExceptions:
    return exceptions.ListExceptions(
        tenant=request.tenant,
        page=values.page(request),
        kind=values.exception_kind_filter(request.kind),
        permission=request.permission,
        subject=(request.subject or EVERYONE) if request.HasField("subject") else None,
        live_at=values.instant(request.live_at) if request.HasField("live_at") else None,
    )
