"""Arguments and options that several commands take."""

from typing import Annotated, Final

import typer

from authz_service.cli import completion

SERVER: Final = "Server"
DECISIONS: Final = "Decisions"
CUSTOMERS: Final = "Customers"
POLICY: Final = "Policy"
"""The panels of `authz --help`."""


Tenant = Annotated[
    str,
    typer.Argument(
        metavar="TENANT",
        help="The customer's account: acme.",
        autocompletion=completion.tenants,
    ),
]
Subject = Annotated[
    str,
    typer.Argument(
        metavar="SUBJECT",
        help="Who: user:alice, service:importer.",
        autocompletion=completion.subjects,
    ),
]
RoleName = Annotated[
    str,
    typer.Argument(
        metavar="ROLE",
        help="editor, or acme/editor for the tenant's own.",
        autocompletion=completion.roles,
    ),
]
TierName = Annotated[
    str,
    typer.Argument(
        metavar="TIER",
        help="As authz tiers list shows them.",
        autocompletion=completion.tiers,
    ),
]
PermissionName = Annotated[
    str,
    typer.Argument(
        metavar="PERMISSION",
        help="resource_type:action, as in invoices:export.",
        autocompletion=completion.permissions,
    ),
]
Scope = Annotated[
    str, typer.Option("--scope", metavar="SCOPE", help="A resource: project:42/document:7.")
]
Reserved = Annotated[
    bool | None,
    typer.Option("--reserved", help="Also the service's own, whose names start with authz."),
]
Description = Annotated[
    str | None, typer.Option("--description", metavar="TEXT", help="For people.")
]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why, for the audit.")]
ExpectedRevision = Annotated[
    int,
    typer.Option(
        "--expected-revision",
        metavar="N",
        min=0,
        help="Refuse if it has another revision by now; authz ... show tells it.",
    ),
]
Limit = Annotated[
    int | None,
    typer.Option("--limit", metavar="N", min=1, help="List at most this many; all if not given."),
]
MinRevision = Annotated[
    int,
    typer.Option("--min-revision", metavar="N", min=0, help="Wait until this revision is there."),
]
AsKnownAt = Annotated[
    int,
    typer.Option(
        "--as-known-at", metavar="REVISION", min=0, help="As known at this revision; the newest."
    ),
]
Latest = Annotated[bool, typer.Option("--latest", help="Answer from all that is committed by now.")]


HandOver = Annotated[
    bool,
    typer.Option(
        "--hand-over-invitations",
        help="Take over the open invitations that the member sent, instead of ending them.",
    ),
]
