"""WebhookService: who is told of changes, and what became of it."""

from collections.abc import Callable
from typing import Any, Final

from authz_service.gen.authz.v1 import webhook_pb2 as pb
from authz_service.rpc.calls import AdminCalls, Context
from authz_service.rpc.messages import jobs as to
from authz_service.rpc.messages import values
from authz_service.usecases.delivery import webhook_endpoints
from authz_service.usecases.kernel.execution import Answer

_OVERLAP: Final = 86_400_000_000
"""Microseconds that an old secret signs as well, if nothing else is asked."""


class WebhookServicer:
    def __init__(
        self,
        calls: AdminCalls,
        new_secret: Callable[[], str],
        prepare: Callable[[], None],
        *,
        plaintext: bool,
    ) -> None:
        """`prepare` makes the queue ready before anything can be enqueued for an endpoint;
        `plaintext` lets endpoints be http.
        """
        self._calls = calls
        self._new_secret = new_secret
        self._prepare = prepare
        self._plaintext = plaintext

    def CreateEndpoint(
        self, request: pb.CreateEndpointRequest, context: Context
    ) -> pb.CreateEndpointResponse:
        secret = self._new_secret()
        answer = self._calls.change(
            request, context, webhook_endpoints.create_endpoint, lambda r: self._made(r, secret)
        )
        return pb.CreateEndpointResponse(
            endpoint=to.endpoint_message(answer.value),
            secret=_shown(secret, answer, request),
            revision=answer.revision,
        )

    def GetEndpoint(
        self, request: pb.GetEndpointRequest, context: Context
    ) -> pb.GetEndpointResponse:
        answer = self._calls.read(request, context, webhook_endpoints.get_endpoint, _one)
        return pb.GetEndpointResponse(
            endpoint=to.endpoint_message(answer.value), revision=answer.revision
        )

    def ListEndpoints(
        self, request: pb.ListEndpointsRequest, context: Context
    ) -> pb.ListEndpointsResponse:
        answer = self._calls.read(
            request,
            context,
            webhook_endpoints.list_endpoints,
            lambda r: webhook_endpoints.ListEndpoints(tenant=r.tenant, page=values.page(r)),
        )
        return pb.ListEndpointsResponse(
            endpoints=[to.endpoint_message(item) for item in answer.value.items],
            next_page_token=answer.value.next_token,
            revision=answer.revision,
            total_size=answer.value.total_size,
        )

    def UpdateEndpoint(
        self, request: pb.UpdateEndpointRequest, context: Context
    ) -> pb.UpdateEndpointResponse:
        answer = self._calls.change(
            request, context, webhook_endpoints.update_endpoint, self._updated
        )
        return pb.UpdateEndpointResponse(
            endpoint=to.endpoint_message(answer.value), revision=answer.revision
        )

    def DeleteEndpoint(
        self, request: pb.DeleteEndpointRequest, context: Context
    ) -> pb.DeleteEndpointResponse:
        answer = self._calls.change(request, context, webhook_endpoints.delete_endpoint, _one)
        return pb.DeleteEndpointResponse(
            endpoint=to.endpoint_message(answer.value), revision=answer.revision
        )

    def RotateEndpointSecret(
        self, request: pb.RotateEndpointSecretRequest, context: Context
    ) -> pb.RotateEndpointSecretResponse:
        secret = self._new_secret()
        answer = self._calls.change(
            request,
            context,
            webhook_endpoints.rotate_endpoint_secret,
            lambda r: _rotated(r, secret),
        )
        return pb.RotateEndpointSecretResponse(
            endpoint=to.endpoint_message(answer.value),
            secret=_shown(secret, answer, request),
            revision=answer.revision,
        )

    def PingEndpoint(
        self, request: pb.PingEndpointRequest, context: Context
    ) -> pb.PingEndpointResponse:
        answer = self._calls.change(request, context, webhook_endpoints.ping_endpoint, _one)
        return pb.PingEndpointResponse(
            delivery=to.job_message(answer.value), revision=answer.revision
        )

    def ListDeliveries(
        self, request: pb.ListDeliveriesRequest, context: Context
    ) -> pb.ListDeliveriesResponse:
        answer = self._calls.read(
            request,
            context,
            webhook_endpoints.list_deliveries,
            lambda r: webhook_endpoints.ListDeliveries(
                tenant=r.tenant,
                id=r.id,
                page=values.page(r),
                state=to.state_filter(r.state),
            ),
        )
        return pb.ListDeliveriesResponse(
            deliveries=[to.job_message(item) for item in answer.value.items],
            next_page_token=answer.value.next_token,
            revision=answer.revision,
        )

    def RedeliverDelivery(
        self, request: pb.RedeliverDeliveryRequest, context: Context
    ) -> pb.RedeliverDeliveryResponse:
        answer = self._calls.change(
            request,
            context,
            webhook_endpoints.redeliver_delivery,
            lambda r: webhook_endpoints.OneDelivery(tenant=r.tenant, endpoint=r.endpoint, id=r.id),
        )
        return pb.RedeliverDeliveryResponse(
            delivery=to.job_message(answer.value), revision=answer.revision
        )

    def _made(
        self, request: pb.CreateEndpointRequest, secret: str
    ) -> webhook_endpoints.CreateEndpoint:
        wanted = request.endpoint
        to.require_new(wanted)
        self._prepare()
        return webhook_endpoints.CreateEndpoint(
            tenant=request.tenant,
            url=wanted.url,
            kinds=tuple(wanted.kinds),
            description=wanted.description,
            secret=secret,
            plaintext=self._plaintext,
        )

    def _updated(self, request: pb.UpdateEndpointRequest) -> webhook_endpoints.UpdateEndpoint:
        wanted = request.endpoint
        return webhook_endpoints.UpdateEndpoint(
            tenant=request.tenant,
            id=request.id,
            url=wanted.url,
            kinds=tuple(wanted.kinds),
            description=wanted.description,
            disabled=wanted.disabled,
            mask=tuple(request.update_mask.paths),
            plaintext=self._plaintext,
        )


def _one(request: Any) -> webhook_endpoints.OneEndpoint:
    return webhook_endpoints.OneEndpoint(tenant=request.tenant, id=request.id)


def _rotated(
    request: pb.RotateEndpointSecretRequest, secret: str
) -> webhook_endpoints.RotateSecret:
    asked = request.HasField("overlap")
    return webhook_endpoints.RotateSecret(
        tenant=request.tenant,
        id=request.id,
        secret=secret,
        overlap=values.duration(request.overlap) if asked else _OVERLAP,
    )


def _shown(secret: str, answer: Answer[Any], request: Any) -> str:
    """Show the secret that was just made; a repeated answer has none."""
    return "" if answer.repeated or request.validate_only else secret
