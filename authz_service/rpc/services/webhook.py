"""WebhookService: which endpoints are notified of changes, and the outcome of deliveries."""

from collections.abc import Callable
from typing import Any, Final

from authz_service.domain.endpoint import Endpoint
from authz_service.gen.authz.v1 import webhook_pb2 as pb
from authz_service.rpc.messages import jobs, values
from authz_service.rpc.messages.callers import require_unset
from authz_service.rpc.messages.jobs import DELIVERY, ENDPOINT
from authz_service.rpc.methods import Fields, Service, change, issue, read
from authz_service.usecases.delivery import webhook_endpoints

_OVERLAP: Final = 86_400_000_000
"""Microseconds that an old secret signs too, if the request does not say."""


def service(
    new_secret: Callable[[], str], prepare: Callable[[], None], *, plaintext: bool
) -> Service:
    """Describe the service.

    `prepare` makes the queue ready before anything can be enqueued for an endpoint; `plaintext`
    lets endpoints be http.
    """

    def creation(
        request: pb.CreateEndpointRequest, secret: str
    ) -> webhook_endpoints.CreateEndpoint:
        endpoint = request.endpoint
        output_only = ("id", "tenant", "disabled", "disabled_reason", "create_time")
        require_unset(endpoint, "endpoint", *output_only)
        prepare()
        return webhook_endpoints.CreateEndpoint(
            tenant=request.tenant,
            url=endpoint.url,
            kinds=tuple(endpoint.kinds),
            description=endpoint.description,
            secret=secret,
            plaintext=plaintext,
        )

    def update(request: pb.UpdateEndpointRequest) -> webhook_endpoints.UpdateEndpoint:
        endpoint = request.endpoint
        return webhook_endpoints.UpdateEndpoint(
            tenant=request.tenant,
            id=endpoint.id,
            url=endpoint.url,
            kinds=tuple(endpoint.kinds),
            description=endpoint.description,
            disabled=endpoint.disabled,
            mask=tuple(request.update_mask.paths),
            plaintext=plaintext,
        )

    return Service(
        pb.DESCRIPTOR.services_by_name["WebhookService"],
        issue(webhook_endpoints.create_endpoint, creation, ENDPOINT.one, _secret, new_secret),
        read(webhook_endpoints.get_endpoint, _one, ENDPOINT.one),
        read(webhook_endpoints.list_endpoints, _listing, ENDPOINT.page),
        change(webhook_endpoints.update_endpoint, update, ENDPOINT.one),
        change(webhook_endpoints.delete_endpoint, _one, ENDPOINT.one),
        issue(
            webhook_endpoints.rotate_endpoint_secret, _rotation, ENDPOINT.one, _secret, new_secret
        ),
        change(webhook_endpoints.ping_endpoint, _one, DELIVERY.one),
        read(webhook_endpoints.list_deliveries, _deliveries, DELIVERY.page),
        change(webhook_endpoints.redeliver_delivery, _delivery, DELIVERY.one),
    )


def _secret(_: Endpoint, secret: str) -> Fields:
    return {"secret": secret}


def _one(request: Any) -> webhook_endpoints.OneEndpoint:
    return webhook_endpoints.OneEndpoint(tenant=request.tenant, id=request.id)


def _listing(request: pb.ListEndpointsRequest) -> webhook_endpoints.ListEndpoints:
    return webhook_endpoints.ListEndpoints(tenant=request.tenant, page=values.page(request))


def _rotation(
    request: pb.RotateEndpointSecretRequest, secret: str
) -> webhook_endpoints.RotateSecret:
    overlaps = request.HasField("overlap")
    return webhook_endpoints.RotateSecret(
        tenant=request.tenant,
        id=request.id,
        secret=secret,
        overlap=values.duration(request.overlap) if overlaps else _OVERLAP,
    )


def _deliveries(request: pb.ListDeliveriesRequest) -> webhook_endpoints.ListDeliveries:
    return webhook_endpoints.ListDeliveries(
        tenant=request.tenant,
        endpoint=request.endpoint,
        page=values.page(request),
        state=jobs.state_filter(request.state),
    )


def _delivery(request: pb.RedeliverDeliveryRequest) -> webhook_endpoints.OneDelivery:
    return webhook_endpoints.OneDelivery(
        tenant=request.tenant, endpoint=request.endpoint, id=request.id
    )
