"""`authz exceptions`: one-offs for one customer, each with a reason and an approver."""

from dataclasses import replace as altered
from datetime import datetime
from typing import Annotated, Final

import typer
from google.protobuf.field_mask_pb2 import FieldMask

from authz_service.cli.display.exceptions import exception_facts, exception_table
from authz_service.cli.display.words import named_ends, timestamp
from authz_service.cli.family import Family, Option, number
from authz_service.cli.options import ExpectedRevision, Reason, Scope, Tenant
from authz_service.cli.plan_items import feature_of
from authz_service.cli.registration import changes
from authz_service.cli.session import Session
from authz_service.cli.time_options import From, LiveAt, NoFrom, NoUntil, Until
from authz_service.domain.exception import ExceptionKind
from authz_service.gen.authz.v1 import exception_pb2 as pb

app = typer.Typer(help="One-off exceptions of a customer's account.")

Permissions = Annotated[
    list[str], typer.Argument(metavar="PERMISSION...", help="invoices:export, one or more.")
]
RequiredReason = Annotated[
    str, typer.Option("--reason", metavar="TEXT", help="Why, for the audit.")
]
Approver = Annotated[
    str, typer.Option("--approver", metavar="TEXT", help="Who approved it: a person or a ticket.")
]

ExceptionId = Annotated[
    str, typer.Argument(metavar="ID", help="As authz exceptions list shows it.")
]

OfKind = Annotated[ExceptionKind | None, typer.Option("--kind", help="Only of this kind.")]
AboutPermission = Annotated[
    str, typer.Option("--permission", metavar="PERMISSION", help="Only about this permission.")
]
Denied = Annotated[
    str,
    typer.Option(
        "--subject",
        metavar="SUBJECT",
        help="Only those that deny this one; '' for those for everyone.",
    ),
]


@changes(app)
def grant(
    session: Session,
    tenant: Tenant,
    permissions: Permissions,
    *,
    reason: RequiredReason,
    approver: Approver,
    valid_from: From = None,
    valid_until: Until = None,
) -> None:
    """Entitle an account to permissions that its tier lacks; a role is still needed."""
    request = pb.TenantException(
        tenant=tenant, permissions=permissions, reason=reason, approver=approver
    )
    create_exception(session, "GRANT", request, valid_from, valid_until)


@changes(app)
def deny(
    session: Session,
    tenant: Tenant,
    permissions: Permissions,
    *,
    subject: Annotated[
        str, typer.Option("--subject", metavar="SUBJECT", help="Deny this one alone.")
    ] = "",
    scope: Scope = "",
    reason: RequiredReason,
    approver: Approver,
    valid_from: From = None,
    valid_until: Until = None,
) -> None:
    """Take permissions away: from everyone or one subject, everywhere or in one scope."""
    request = pb.TenantException(
        tenant=tenant,
        permissions=permissions,
        subject=subject,
        scope=scope,
        reason=reason,
        approver=approver,
    )
    create_exception(session, "DENY", request, valid_from, valid_until)


@changes(app)
def replace(
    session: Session,
    tenant: Tenant,
    permissions: Annotated[
        list[str] | None,
        typer.Argument(metavar="[PERMISSION...]", help="All that is left; none for nothing."),
    ] = None,
    *,
    reason: RequiredReason,
    approver: Approver,
    valid_from: From = None,
    valid_until: Until = None,
) -> None:
    """Be the account's whole entitlement to permissions, in place of tier and add-ons."""
    request = pb.TenantException(
        tenant=tenant, permissions=permissions or (), reason=reason, approver=approver
    )
    create_exception(session, "REPLACE", request, valid_from, valid_until)


@changes(app)
def update(
    session: Session,
    tenant: Tenant,
    exception: ExceptionId,
    *,
    permission: Annotated[
        list[str] | None,
        typer.Option(
            "--permission",
            metavar="PERMISSION",
            help="What it is about, all of it. Repeat for more.",
        ),
    ] = None,
    feature: Annotated[
        str | None,
        typer.Option("--feature", metavar="NAME=VALUE", help="What it sets: sso=off."),
    ] = None,
    valid_from: From = None,
    valid_until: Until = None,
    no_from: NoFrom = False,
    no_until: NoUntil = False,
    exception_reason: Annotated[
        str | None, typer.Option("--exception-reason", metavar="TEXT", help="Why it was made.")
    ] = None,
    approver: Annotated[
        str | None, typer.Option("--approver", metavar="TEXT", help="Who approved it.")
    ] = None,
    expected_revision: ExpectedRevision = 0,
    reason: Reason = "",
) -> None:
    """Change what is given, such as --until; what is not named stays as it is."""
    paths = named_ends(valid_from, valid_until, no_start=no_from, no_end=no_until)
    values = {
        "permissions": permission,
        "reason": exception_reason,
        "approver": approver,
        "feature": feature,
    }
    paths += [name for name, value in values.items() if value is not None]
    if not paths:
        raise typer.BadParameter("nothing to change; give --until, --permission, --approver")
    request = pb.TenantException(
        tenant=tenant,
        id=exception,
        permissions=permission or (),
        feature=feature_of(feature) if feature else None,
        valid_from=timestamp(valid_from),
        valid_until=timestamp(valid_until),
        reason=exception_reason or "",
        approver=approver or "",
    )
    answer = session.exceptions.UpdateException(
        pb.UpdateExceptionRequest(
            exception=request,
            update_mask=FieldMask(paths=paths),
            expected_revision=expected_revision,
            reason=reason,
        )
    )
    session.show(answer, exception_table([answer.exception]))


def create_exception(
    session: Session,
    kind: str,
    command: pb.TenantException,
    valid_from: datetime | None,
    valid_until: datetime | None,
) -> None:
    """Create an exception of a kind."""
    command.kind = pb.ExceptionKind.Value(f"EXCEPTION_KIND_{kind}")
    for field, at in (("valid_from", valid_from), ("valid_until", valid_until)):
        if at is not None:
            getattr(command, field).FromDatetime(at)
    answer = session.exceptions.CreateException(pb.CreateExceptionRequest(exception=command))
    session.show(answer, exception_table([answer.exception]))


EXCEPTIONS: Final = Family(
    app,
    service=lambda session: session.exceptions,
    field="exception",
    shown=lambda exception: exception_table([exception]),
    listed=exception_table,
)
EXCEPTIONS.changes(
    "revoke", "DeleteException", "End an exception.", "revoked", tenant=Tenant, id=ExceptionId
)
altered(EXCEPTIONS, shown=exception_facts).reads(
    "show",
    "GetException",
    "Show one exception; its revision is for --expected-revision.",
    tenant=Tenant,
    id=ExceptionId,
)
EXCEPTIONS.lists(
    "list",
    "ListExceptions",
    "List an account's exceptions, including those that are over or have not begun.",
    tenant=Tenant,
    kind=Option(OfKind, number(pb.ExceptionKind)),
    permission=Option(AboutPermission),
    subject=Option(Denied),
    live_time=Option(LiveAt, timestamp),
)
