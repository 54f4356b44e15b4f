"""`authz webhooks`: who is told of changes, and what became of it."""

from collections.abc import Iterable
from typing import Annotated

import typer
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from rich.console import RenderableType
from rich.text import Text

from authz_service.cli.commands.jobs import InState, OfTenant, jobs_table, state_number
from authz_service.cli.display import output as out
from authz_service.cli.display import tables
from authz_service.cli.options import Limit, Reason
from authz_service.cli.paging import every, total
from authz_service.cli.registration import changes, reads
from authz_service.cli.session import Session
from authz_service.cli.time_options import Overlap
from authz_service.gen.authz.v1 import webhook_pb2 as pb

app = typer.Typer(help="Endpoints that are told of changes, and their deliveries.")

EndpointId = Annotated[str, typer.Argument(metavar="ID", help="As authz webhooks list shows it.")]
Kinds = Annotated[
    list[str] | None,
    typer.Option("--kind", metavar="KIND", help="member.added, member.* or *. Repeat for more."),
]


@changes(app)
def create(
    session: Session,
    url: Annotated[str, typer.Argument(metavar="URL", help="Where deliveries are posted.")],
    *,
    tenant: OfTenant = "",
    kind: Kinds = None,
    description: Annotated[
        str, typer.Option("--description", metavar="TEXT", help="What people call it.")
    ] = "",
    reason: Reason = "",
) -> None:
    """Have an endpoint told of a tenant's changes, or of all. Its secret is shown this once."""
    endpoint = pb.Endpoint(url=url, kinds=kind or (), description=description)
    request = pb.CreateEndpointRequest(tenant=tenant, endpoint=endpoint, reason=reason)
    answer = session.webhooks.CreateEndpoint(request)
    session.show(answer, _table([answer.endpoint]), *_secret(answer.secret))


@reads(app, "show")
def show_endpoint(session: Session, endpoint: EndpointId, tenant: OfTenant = "") -> None:
    """Show one endpoint."""
    answer = session.webhooks.GetEndpoint(pb.GetEndpointRequest(tenant=tenant, id=endpoint))
    session.show(answer, _table([answer.endpoint]))


@reads(app, "list")
def list_endpoints(session: Session, tenant: OfTenant = "", limit: Limit = None) -> None:
    """List a tenant's endpoints, or all."""
    request = pb.ListEndpointsRequest(tenant=tenant)
    answer = every(session.webhooks.ListEndpoints, request, lambda page: page.endpoints, limit)
    endpoints = answer.endpoints
    session.show(answer, _table(endpoints), note=total(len(endpoints), "endpoint", answer))


@changes(app)
def update(
    session: Session,
    endpoint: EndpointId,
    *,
    url: Annotated[str | None, typer.Option("--url", metavar="URL", help="Where to post.")] = None,
    kind: Kinds = None,
    description: Annotated[
        str | None, typer.Option("--description", metavar="TEXT", help="What people call it.")
    ] = None,
    disabled: Annotated[
        bool | None, typer.Option("--disable/--enable", help="Deliver nothing, or again.")
    ] = None,
    tenant: OfTenant = "",
    reason: Reason = "",
) -> None:
    """Change an endpoint: what is not named stays."""
    values = {"url": url, "kinds": kind, "description": description, "disabled": disabled}
    new_values = {name: value for name, value in values.items() if value is not None}
    request = pb.UpdateEndpointRequest(
        tenant=tenant,
        endpoint=pb.Endpoint(
            id=endpoint,
            url=url or "",
            kinds=kind or (),
            description=description or "",
            disabled=bool(disabled),
        ),
        update_mask=FieldMask(paths=sorted(new_values)),
        reason=reason,
    )
    answer = session.webhooks.UpdateEndpoint(request)
    session.show(answer, _table([answer.endpoint]))


@changes(app)
def delete(
    session: Session, endpoint: EndpointId, tenant: OfTenant = "", reason: Reason = ""
) -> None:
    """Delete an endpoint; its pending deliveries are given up."""
    request = pb.DeleteEndpointRequest(tenant=tenant, id=endpoint, reason=reason)
    answer = session.webhooks.DeleteEndpoint(request)
    session.show(answer, _table([answer.endpoint]), note="deleted")


@changes(app)
def rotate(
    session: Session,
    endpoint: EndpointId,
    overlap: Overlap = None,
    tenant: OfTenant = "",
    reason: Reason = "",
) -> None:
    """Sign with a new secret, shown this once; the old one signs too for a while."""
    request = pb.RotateEndpointSecretRequest(tenant=tenant, id=endpoint, reason=reason)
    if overlap is not None:
        lasting = Duration()
        lasting.FromTimedelta(overlap)
        request.overlap.CopyFrom(lasting)
    answer = session.webhooks.RotateEndpointSecret(request)
    session.show(answer, _table([answer.endpoint]), *_secret(answer.secret))


@changes(app)
def ping(
    session: Session, endpoint: EndpointId, tenant: OfTenant = "", reason: Reason = ""
) -> None:
    """Deliver a message that means nothing, to see whether it arrives."""
    request = pb.PingEndpointRequest(tenant=tenant, id=endpoint, reason=reason)
    answer = session.webhooks.PingEndpoint(request)
    session.show(answer, jobs_table([answer.delivery]))


@reads(app)
def deliveries(
    session: Session,
    endpoint: EndpointId,
    state: InState = None,
    tenant: OfTenant = "",
    limit: Limit = None,
) -> None:
    """List the deliveries to an endpoint, the newest first."""
    request = pb.ListDeliveriesRequest(tenant=tenant, endpoint=endpoint, state=state_number(state))
    answer = every(session.webhooks.ListDeliveries, request, lambda page: page.deliveries, limit)
    jobs = answer.deliveries
    session.show(answer, jobs_table(jobs), note=total(len(jobs), "delivery", answer))


@changes(app)
def redeliver(
    session: Session,
    endpoint: EndpointId,
    delivery: Annotated[
        str, typer.Argument(metavar="DELIVERY", help="As authz webhooks deliveries shows it.")
    ],
    tenant: OfTenant = "",
    reason: Reason = "",
) -> None:
    """Repeat a delivery, with the same webhook-id."""
    request = pb.RedeliverDeliveryRequest(
        tenant=tenant, endpoint=endpoint, id=delivery, reason=reason
    )
    answer = session.webhooks.RedeliverDelivery(request)
    session.show(answer, jobs_table([answer.delivery]))


def _table(endpoints: Iterable[pb.Endpoint]) -> RenderableType:
    rows = [
        (endpoint.id, endpoint.tenant or "all", endpoint.url, out.listed(endpoint.kinds),
         endpoint.disabled_reason or "no", endpoint.description)
        for endpoint in endpoints
    ]  # fmt: skip
    return tables.table(("ID", "TENANT", "URL", "KINDS", "DISABLED", "CALLED"), rows)


def _secret(secret: str) -> list[Text]:
    return [tables.shown(f"secret, shown this once: {secret}")] if secret else []
