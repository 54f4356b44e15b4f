"""`authz webhooks`: endpoints that are notified of changes, and their deliveries."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Annotated, Final

import typer
from google.protobuf.field_mask_pb2 import FieldMask
from rich.console import RenderableType
from rich.text import Text

from authz_service.cli.commands.jobs import InState, OfTenant, jobs_table
from authz_service.cli.display import output as out
from authz_service.cli.display import tables
from authz_service.cli.display.words import duration
from authz_service.cli.family import Family, Option, number
from authz_service.cli.options import Reason
from authz_service.cli.registration import changes
from authz_service.cli.session import Session
from authz_service.cli.time_options import Overlap
from authz_service.gen.authz.v1 import job_pb2
from authz_service.gen.authz.v1 import webhook_pb2 as pb

app = typer.Typer(help="Endpoints that are told of changes, and their deliveries.")

EndpointId = Annotated[str, typer.Argument(metavar="ID", help="As authz webhooks list shows it.")]
DeliveryId = Annotated[
    str, typer.Argument(metavar="DELIVERY", help="As authz webhooks deliveries shows it.")
]
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
def rotate(
    session: Session,
    endpoint: EndpointId,
    overlap: Overlap = None,
    tenant: OfTenant = "",
    reason: Reason = "",
) -> None:
    """Sign with a new secret, shown this once; the old one signs too for a while."""
    request = pb.RotateEndpointSecretRequest(
        tenant=tenant, id=endpoint, overlap=duration(overlap), reason=reason
    )
    answer = session.webhooks.RotateEndpointSecret(request)
    session.show(answer, _table([answer.endpoint]), *_secret(answer.secret))


def _table(endpoints: Iterable[pb.Endpoint]) -> RenderableType:
    rows = [
        (endpoint.id, endpoint.tenant or "all", endpoint.url, out.listed(endpoint.kinds),
         endpoint.disabled_reason or "no", endpoint.description)
        for endpoint in endpoints
    ]  # fmt: skip
    return tables.table(("ID", "TENANT", "URL", "KINDS", "DISABLED", "CALLED"), rows)


def _secret(secret: str) -> list[Text]:
    return [tables.shown(f"secret, shown this once: {secret}")] if secret else []


ENDPOINTS: Final = Family(
    app,
    service=lambda session: session.webhooks,
    field="endpoint",
    shown=lambda endpoint: _table([endpoint]),
    listed=_table,
)
DELIVERIES: Final = replace(
    ENDPOINTS,
    field="delivery",
    plural="deliveries",
    shown=lambda delivery: jobs_table([delivery]),
    listed=jobs_table,
)
_OF: Final = Option(OfTenant)

ENDPOINTS.reads("show", "GetEndpoint", "Show one endpoint.", id=EndpointId, tenant=_OF)
ENDPOINTS.lists("list", "ListEndpoints", "List a tenant's endpoints, or all.", tenant=_OF)
ENDPOINTS.changes(
    "delete",
    "DeleteEndpoint",
    "Delete an endpoint; its pending deliveries are given up.",
    "deleted",
    id=EndpointId,
    tenant=_OF,
)
DELIVERIES.changes(
    "ping",
    "PingEndpoint",
    "Deliver a message that means nothing, to see whether it arrives.",
    id=EndpointId,
    tenant=_OF,
)
DELIVERIES.lists(
    "deliveries",
    "ListDeliveries",
    "List the deliveries to an endpoint, the newest first.",
    endpoint=EndpointId,
    state=Option(InState, number(job_pb2.JobState)),
    tenant=_OF,
)
DELIVERIES.changes(
    "redeliver",
    "RedeliverDelivery",
    "Repeat a delivery, with the same webhook-id.",
    endpoint=EndpointId,
    id=DeliveryId,
    tenant=_OF,
)
